// Opening a database.

import { Admin } from './admin.cjs';
import { encode, members, text } from './encode.cjs';
import { invalid, revived } from './errors.cjs';
import { type AnchorSink, type CareDirectory, Failures, type Keys, forgetHost, keySource, registerHost } from './host.cjs';
import { type NativeService, native } from './native.cjs';
import { ask, mailbox, refuseInside } from './post.cjs';
import { Session } from './session.cjs';
import type { AccessPolicy, Actor } from './types.cjs';

/** How a database is opened; what is absent stays as the engine has it. */
export interface OpenOptions {
  /** Whether a missing SQLite file is made; true if absent. */
  create?: boolean | null | undefined;
  /** Whether a commit on SQLite waits for the disk (`full`, if absent) or may be lost by a power cut (`normal`). */
  synchronous?: 'full' | 'normal' | null | undefined;
  /** How long unwrapped keys and positive answers of the directory are kept; 300,000 if absent. */
  key_cache_ttl_ms?: number | null | undefined;
  /** How long a change waits for room in the queue; 30,000 if absent. */
  commit_timeout_ms?: number | null | undefined;
  /** Roles and rules of access, in place of the standard ones. */
  access?: AccessPolicy | null | undefined;
  /** Adds `cancelled` to what may follow the first two states. */
  cancel_before_start?: boolean | null | undefined;
  /** A file that keeps signed checkpoints, on another volume than the database. */
  anchor_file?: string | null | undefined;
  /** Connections to PostgreSQL for readers. */
  connections?: number | null | undefined;
  /** Where to listen for events when the url leads to a pooler. */
  listen_url?: string | null | undefined;
  /** How long a commit goes on trying when the PostgreSQL server goes away. */
  patience_ms?: number | null | undefined;
  /** The hospital's own directory, instead of the registry in the database. */
  directory?: CareDirectory | null | undefined;
  /** A place of your own for signed checkpoints, instead of `anchor_file`. */
  anchor?: AnchorSink | null | undefined;
}

/**
 * The engine, open on one database: opened once, shared by everybody.
 *
 * A program that never closes it ends all the same when nothing is under way, and loses nothing that was acknowledged.
 */
export class OrderService {
  readonly #native: NativeService;
  readonly #failures: Failures;
  #closing: Promise<void> | undefined;

  private constructor(native: NativeService, failures: Failures) {
    this.#native = native;
    this.#failures = failures;
  }

  /**
   * Opens the database at `url`, and makes it if it is missing: `sqlite://PATH` or a bare path, taken literally, or
   * `postgres://ROLE@HOST/DATABASE`, which `medorder-admin init` has made.
   *
   * @param keys Where the root key is: `{ keyFile }`, `{ keyEnv }`, or `{ wrap, unwrap }` of your own.
   * @throws {MedorderError} `VALIDATION_ERROR`, `STORAGE_UNAVAILABLE`, `KEY_UNAVAILABLE`, `KEY_MISMATCH` (the wrong
   * root key, before any row is read), `SCHEMA_UNSUPPORTED` (not a database of medorder, or a newer one; it is left
   * untouched), `AUDIT_BROKEN` (the anchor holds something else).
   * @example
   * await generateKeyFile('root.key'); // once; whoever loses the file loses the data
   * await using service = await OrderService.open('orders.db', { keyFile: 'root.key' });
   */
  static async open(url: string, keys: Keys, options: OpenOptions = {}): Promise<OrderService> {
    refuseInside();
    const { directory, anchor, ...settings } = members(options, 'options') as OpenOptions;
    const [place, json, failures] = [text(url, 'url'), encode(settings), new Failures()];
    if (anchor != null && settings.anchor_file != null) throw invalid([{ path: 'anchor', rule: 'not_allowed' }]);
    const registered: number[] = [];
    const functions = (given: object | null | undefined, names: string[], path: string): number => {
      if (given == null) return 0;
      registered.push(registerHost(members(given, path), names, path, failures));
      return registered.at(-1) as number;
    };
    let service: NativeService | undefined;
    try {
      const directoryHost = functions(directory, ['territoryExists', 'relationshipExists'], 'directory');
      const anchorHost = functions(anchor, ['keep', 'newest'], 'anchor');
      const { kind, name, host } = keySource(keys, failures);
      await ask((number) => {
        service = new native.Service(mailbox, number, place, kind, name, host, json, directoryHost, anchorHost);
      }, failures);
    } catch (error) {
      // The native half says it only of those that reached it.
      registered.forEach(forgetHost);
      throw error;
    }
    return new OrderService(service as NativeService, failures);
  }

  /**
   * What `actor` may do in `territory`. No IO: the first call checks and audits.
   *
   * @throws {MedorderError} `VALIDATION_ERROR` if the actor or the territory is malformed.
   * @example
   * const session = service.session(
   *   { user_id: 'u-7', roles: ['requester'], territories: ['north'], purpose: 'treatment' },
   *   'north',
   * );
   */
  session(actor: Actor, territory: string): Session {
    const [json, name] = [encode(members(actor, 'actor')), text(territory, 'territory_id')];
    return new Session(thrown(() => this.#native.session(json, name)), name, this.#failures);
  }

  /**
   * Administrative acts of `actor`.
   *
   * @throws {MedorderError} `VALIDATION_ERROR` if the actor is malformed.
   * @example
   * const admin = service.admin({ user_id: 'root', roles: ['administrator'], territories: '*', purpose: 'operations' });
   */
  admin(actor: Actor): Admin {
    const json = encode(members(actor, 'actor'));
    return new Admin(thrown(() => this.#native.admin(json)), this.#failures);
  }

  /**
   * The random identity of the database; it stands in cursors and checkpoints, and a restore renews it.
   *
   * @throws {MedorderError} `STORAGE_UNAVAILABLE`, `CLOSED`.
   */
  async generation(): Promise<string> {
    return ask((number) => this.#native.generation(number), this.#failures);
  }

  /**
   * The public key that checkpoints are checked with. Keep it outside the database.
   *
   * @throws {MedorderError} `KEY_UNAVAILABLE`, `STORAGE_UNAVAILABLE`, `CLOSED`.
   */
  async checkpointPublicKey(): Promise<Uint8Array> {
    const hex = await ask<string>((number) => this.#native.checkpointPublicKey(number), this.#failures);
    return new Uint8Array(Buffer.from(hex, 'hex'));
  }

  /**
   * Refuses new calls, commits what was accepted, signs a last checkpoint if there is an anchor, and lets go of the
   * database. Waits for events end with `CLOSED`. A second close waits for the first.
   *
   * @throws {MedorderError} what the last checkpoint or the database met; the service is closed all the same.
   * @example
   * process.once('SIGTERM', () => void service.close());
   */
  async close(): Promise<void> {
    refuseInside();
    this.#closing ??= ask((number) => this.#native.close(number), this.#failures);
    return this.#closing;
  }

  /** {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Makes a file with a new root key, readable by its owner alone. Whoever loses it loses the data. A file that is there
 * is never overwritten.
 *
 * @throws {MedorderError} `VALIDATION_ERROR` (`key_file duplicate`) if the file is there; `KEY_UNAVAILABLE` if it cannot be
 * written.
 * @example
 * await generateKeyFile('root.key');
 */
export async function generateKeyFile(path: string): Promise<void> {
  const place = text(path, 'path');
  await ask((number) => native.makeKeyFile(mailbox, number, place));
}

/** Runs what throws at once. */
function thrown<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw revived(error);
  }
}
