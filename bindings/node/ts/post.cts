// Calls and their answers: the end of the road of which `src/mail.rs` is the other.

import { setInterval } from 'node:timers';

import { type Failures, answerQuestion, forgetHost, insideCallback } from './host.cjs';
import { MedorderError, revived } from './errors.cjs';
import { native } from './native.cjs';

/** How far a long act is. */
export interface Progress {
  /** Orders or keys done. */
  done: number;
  /** Orders or keys in all; more may come while it runs. */
  total: number;
}

/** A call whose answer is awaited. */
export interface Pending {
  /** Whether it keeps the process alive. */
  held: boolean;
  resolve(json: string): void;
  /** Gets the body of the failure. */
  reject(body: unknown): void;
  progress?: ((progress: Progress) => void) | undefined;
}

const pending = new Map<number, Pending>();
let last = 0;

// A timer that never fires and counts for the event loop only while somebody holds it: what a call under way is to a
// process that would end otherwise. The native half itself keeps nothing alive.
const alive = setInterval(() => {}, 0x7fffffff).unref();
let holds = 0;

export const mailbox = new native.Mailbox(deliver);

/** Posts a call: `start` gets its number. Returns the number. */
export function post(call: Pending, start: (number: number) => void): number {
  const number = ++last;
  pending.set(number, call);
  if (call.held) hold();
  try {
    start(number);
  } catch (error) {
    settle(number);
    throw revived(error);
  }
  return number;
}

/** Nobody waits for this call any more; if its answer comes, it is ignored. */
export function drop(number: number): void {
  settle(number);
}

/** Whether a call under way keeps the process alive. */
export function setHeld(number: number, held: boolean): void {
  const call = pending.get(number);
  if (call && call.held !== held) {
    call.held = held;
    if (held) hold();
    else release();
  }
}

/** Refuses a call from inside one of the host's callbacks, which could wait for itself. */
export function refuseInside(): void {
  if (insideCallback()) {
    throw new MedorderError('CLOSED', 'the service cannot be called from inside one of its callbacks');
  }
}

/** Posts a call and waits for its answer. */
export async function ask<T>(
  start: (number: number) => void,
  failures?: Failures,
  progress?: (progress: Progress) => void,
): Promise<T> {
  refuseInside();
  const since = failures?.count ?? 0;
  let json: string;
  try {
    json = await new Promise<string>((resolve, reject) => {
      post({ held: true, resolve, reject, progress }, start);
    });
  } catch (body) {
    // Made here and not where the letter came in, so that its stack names the caller.
    throw blamed(revived(body), failures, since);
  }
  return JSON.parse(json) as T;
}

/** The error with what a callback of the host threw during the call, if that is what the code is about. */
function blamed(error: unknown, failures: Failures | undefined, since: number): unknown {
  const cause = error instanceof MedorderError ? failures?.cause(error.code, since) : undefined;
  if (cause !== undefined) Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true });
  return error;
}

function deliver(letters: unknown[]): void {
  for (let at = 0; at < letters.length; at += 3) {
    const number = letters[at + 1] as number;
    const content = letters[at + 2];
    switch (letters[at]) {
      case 0:
        settle(number)?.resolve(content as string);
        break;
      case 1:
        settle(number)?.reject(content);
        break;
      case 2:
        tell(number, content as [number, number]);
        break;
      case 3:
        // Not on the way: the host's function may end a wait whose event is among the letters still in hand.
        queueMicrotask(() => void answerQuestion(mailbox, number, content as [number, string, ...unknown[]]));
        break;
      default:
        forgetHost(number);
    }
  }
}

function tell(number: number, [done, total]: [number, number]): void {
  const progress = pending.get(number)?.progress;
  // In a turn of its own: what the host's function throws is an uncaught error of the host, and no letter is lost.
  if (progress) queueMicrotask(() => progress({ done, total }));
}

function settle(number: number): Pending | undefined {
  const call = pending.get(number);
  if (call) {
    pending.delete(number);
    if (call.held) release();
  }
  return call;
}

function hold(): void {
  holds += 1;
  if (holds === 1) alive.ref();
}

function release(): void {
  holds -= 1;
  if (holds === 0) alive.unref();
}
