// What the host brings as functions: keys, a directory, an anchor.

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Buffer } from 'node:buffer';
import { channel } from 'node:diagnostics_channel';

import { KeyRefusedError, invalid } from './errors.cjs';
import { known, members, text } from './encode.cjs';
import type { NativeMailbox } from './native.cjs';

/**
 * A root key in a file, which {@link generateKeyFile} makes: mode 0600, or it is refused.
 */
export interface KeyFile {
  /** The path. */
  keyFile: string;
}

/** A root key in an environment variable, in the form that a key file has. */
export interface KeyEnv {
  /** The name of the variable. */
  keyEnv: string;
}

/**
 * Keys that live elsewhere: AWS KMS, Vault, an HSM. Each function has 5 seconds, may answer a promise or the value,
 * and must not call the service (such a call is refused with `CLOSED`). `context` is data that the provider must bind
 * to the key (AWS KMS: encryption context; Vault: associated data); one that ignores it is refused at `open`.
 *
 * What they throw becomes `KEY_UNAVAILABLE` with the thrown error as `cause`; a {@link KeyRefusedError} says that the
 * blob is not of this key and context.
 *
 * @example
 * const keys: KeyCallbacks = {
 *   wrap: async (key, context) => (await kms.encrypt(key, context.toString('base64'))).blob,
 *   unwrap: async (blob, context) => (await kms.decrypt(blob, context.toString('base64'))).key,
 * };
 */
export interface KeyCallbacks {
  /** A 32-byte key as a blob that only the root key and `context` open. */
  wrap(key: Buffer, context: Buffer): Uint8Array | Promise<Uint8Array>;
  /** The 32-byte key in a blob of `wrap`. */
  unwrap(blob: Buffer, context: Buffer): Uint8Array | Promise<Uint8Array>;
}

/** Where the root key of a database is. */
export type Keys = KeyFile | KeyEnv | KeyCallbacks;

/**
 * The hospital's own directory, instead of the registry in the database. Each territory must still be registered
 * once with {@link Admin.registerTerritory}; relationships need no registration then. Each function has 5 seconds;
 * one that throws, is slower, or answers anything but true or false is `STORAGE_UNAVAILABLE`, never a default answer.
 *
 * @example
 * // A host that checks upstream says so:
 * const directory: CareDirectory = { territoryExists: () => true, relationshipExists: () => true };
 */
export interface CareDirectory {
  /** True if the territory is in use. */
  territoryExists(territoryId: string): boolean | Promise<boolean>;
  /** True if this provider may order for this patient here. */
  relationshipExists(patientId: string, providerId: string, territoryId: string): boolean | Promise<boolean>;
}

/**
 * A place for signed checkpoints outside the database, so that one that was put back as a whole shows.
 * Each function has 5 seconds.
 */
export interface AnchorSink {
  /** Keeps a signed note durably. The same note may come twice. */
  keep(note: string): unknown;
  /** The newest note of a chain (a territory, or the empty text of the system chain), if there is one. */
  newest(chain: string): string | null | undefined | Promise<string | null | undefined>;
}

/** What is published to the diagnostics channel `medorder:callback` when a callback of the host fails. */
export interface CallbackFailure {
  /** `wrap`, `unwrap`, `territoryExists`, `relationshipExists`, `keep` or `newest`. */
  callback: string;
  /** What it threw. */
  error: unknown;
}

type Functions = Record<string, (...args: unknown[]) => unknown>;

/** Which callbacks failed last, so that the error of a call can name its cause. */
export class Failures {
  count = 0;
  #keys: { at: number; error: unknown } | undefined;
  #others: { at: number; error: unknown } | undefined;

  note(callback: string, error: unknown): void {
    this.count += 1;
    const failure = { at: this.count, error };
    if (callback === 'wrap' || callback === 'unwrap') this.#keys = failure;
    else this.#others = failure;
  }

  /** What a callback that the code is about threw after the failure `since`. */
  cause(code: string, since: number): unknown {
    const failure =
      code === 'KEY_UNAVAILABLE' || code === 'KEY_MISMATCH' ? this.#keys
      : code === 'STORAGE_UNAVAILABLE' ? this.#others
      : undefined;
    return failure && failure.at > since ? failure.error : undefined;
  }
}

interface Host {
  functions: Functions;
  failures: Failures;
}

const hosts = new Map<number, Host>();
let last = 0;
const failed = channel('medorder:callback');

/** True on the way through a callback of the host, over its awaits, until it has answered. */
const inside = new AsyncLocalStorage<{ running: boolean }>();

/** Whether this code runs inside a callback of the host. */
export function insideCallback(): boolean {
  return inside.getStore()?.running === true;
}

/** Registers functions; the native half says when they are asked no more. */
export function registerHost(functions: object, names: readonly string[], path: string, failures: Failures): number {
  const missing = names.filter((name) => typeof (functions as Functions)[name] !== 'function');
  if (missing.length > 0) throw invalid(missing.map((name) => ({ path: `${path}.${name}`, rule: 'type' })));
  hosts.set(++last, { functions: functions as Functions, failures });
  return last;
}

/** Forgets functions. */
export function forgetHost(number: number): void {
  hosts.delete(number);
}

/** Keys as the native half takes them. */
export function keySource(keys: Keys, failures: Failures): { kind: string; name: string; host: number } {
  const given = members(keys, 'keys');
  if ('keyFile' in given || 'keyEnv' in given) {
    known(given, 'keyFile' in given ? ['keyFile'] : ['keyEnv']);
    return 'keyFile' in given
      ? { kind: 'file', name: text(given['keyFile'], 'keys.keyFile'), host: 0 }
      : { kind: 'env', name: text(given['keyEnv'], 'keys.keyEnv'), host: 0 };
  }
  return { kind: 'host', name: '', host: registerHost(given, ['wrap', 'unwrap'], 'keys', failures) };
}

/** Asks the host's function and sends its answer back. */
export async function answerQuestion(
  mailbox: NativeMailbox,
  question: number,
  [number, callback, ...args]: [number, string, ...unknown[]],
): Promise<void> {
  const host = hosts.get(number);
  if (!host) return mailbox.reply(question, 1);
  const mark = { running: true };
  try {
    const { functions } = host;
    const given = await inside.run(mark, async () => functions[callback]!(...args));
    mailbox.reply(question, 0, checked(callback, given));
  } catch (error) {
    host.failures.note(callback, error);
    mailbox.reply(question, error instanceof KeyRefusedError ? 2 : 1);
    if (failed.hasSubscribers) failed.publish({ callback, error } satisfies CallbackFailure);
  } finally {
    // What the callback has left running, a pool or a timer, is no longer inside.
    mark.running = false;
  }
}

/** What a function gave, if it is of the type it must have. */
function checked(callback: string, given: unknown): boolean | string | Uint8Array | undefined {
  switch (callback) {
    case 'wrap':
      if (given instanceof Uint8Array) return given;
      throw new TypeError('wrap must answer a Uint8Array');
    case 'unwrap':
      if (given instanceof Uint8Array && given.length === 32) return given;
      throw new TypeError('unwrap must answer a Uint8Array of 32 bytes');
    case 'keep':
      return undefined;
    case 'newest':
      if (given == null) return undefined;
      if (typeof given === 'string') return given;
      throw new TypeError('newest must answer a string, null or undefined');
    default:
      if (typeof given === 'boolean') return given;
      throw new TypeError(`${callback} must answer true or false`);
  }
}
