// Finds and loads the native half, and says what it is made of.

import { platform } from './platform.cjs';

/** The version of this half. */
export const VERSION = '0.1.0';

/** What the native half exports. A `number` is the number of a call: its answer comes to the mailbox under it. */
export interface Native {
  version(): string;
  errorTable(): [code: string, number: number, kind: string, retryable: boolean, http: number][];
  makeKeyFile(mailbox: NativeMailbox, number: number, path: string): void;
  Mailbox: new (deliver: (letters: unknown[]) => void) => NativeMailbox;
  Service: new (
    mailbox: NativeMailbox,
    number: number,
    url: string,
    kind: string,
    name: string,
    host: number,
    options: string,
    directory: number,
    anchor: number,
  ) => NativeService;
}

export interface NativeMailbox {
  reply(question: number, failed: 0 | 1 | 2, given?: boolean | string | Uint8Array): void;
}

export interface NativeService {
  session(actor: string, territory: string): NativeSession;
  admin(actor: string): NativeAdmin;
  generation(number: number): void;
  checkpointPublicKey(number: number): void;
  close(number: number): void;
}

export interface NativeSession {
  call(number: number, name: string, json: string): void;
  revoke(): void;
  subscribe(number: number, orderId?: string, since?: string): NativeSubscription;
  export(number: number): NativeExport;
}

export interface NativeExport {
  page(number: number): void;
}

export interface NativeSubscription {
  next(number: number): void;
  cancel(number: number): void;
  close(): void;
}

export interface NativeAdmin {
  call(number: number, name: string, json: string): void;
  changeRoot(number: number, kind: string, name: string, host: number): void;
}

/** Loads the native half of `name`: the one in this package, or that of the platform's own package. */
export function load(name: string, version: string, requires: (path: string) => unknown = require): Native {
  const failures: unknown[] = [];
  for (const path of [`../native/medorder.${name}.node`, `@medorder/binding-${name}`]) {
    let found: Native;
    try {
      found = requires(path) as Native;
    } catch (error) {
      // What is there and cannot be loaded is the reason; that the other is not there is none.
      if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') failures.push(error);
      else failures.unshift(error);
      continue;
    }
    return matching(found, version);
  }
  const message =
    `medorder has no native binary for ${name}: the package @medorder/binding-${name} is missing or cannot be loaded. ` +
    `Install it beside medorder (npm install @medorder/binding-${name}@${version}), without --omit=optional, on the ` +
    'machine that runs the program; where there is none, build it from source as the README says.';
  throw Object.assign(new Error(message, { cause: failures[0] }), { code: 'ERR_MEDORDER_BINARY' });
}

/** Refuses a binary of another version: what it takes and gives may be different. */
function matching(native: Native, version: string): Native {
  if (native.version() !== version) {
    const message = `the native binary of medorder is of version ${native.version()}, the package of ${version}; install both anew`;
    throw Object.assign(new Error(message), { code: 'ERR_MEDORDER_BINARY' });
  }
  return native;
}

export const native = load(platform(), VERSION);
