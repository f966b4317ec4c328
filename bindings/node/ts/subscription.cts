// Live changes, pulled one by one.

import { MedorderError, aborted, invalid, revived } from './errors.cjs';
import { known, members, optionalSignal } from './encode.cjs';
import type { Failures } from './host.cjs';
import type { NativeSubscription } from './native.cjs';
import { ask, drop, post, refuseInside, setHeld } from './post.cjs';
import { hear } from './signals.cjs';
import type { OrderEvent } from './types.cjs';

/** What to watch; see {@link Session.subscribe}. */
export interface SubscribeOptions {
  /** One order; every order of the territory if absent. */
  order_id?: string | null | undefined;
  /** Where to begin: now if absent, the start if empty, else a cursor. */
  since?: string | null | undefined;
  /** Ends every wait of this subscription, now and later, with an `AbortError`, and lets go of its feed. */
  signal?: AbortSignal | null | undefined;
}

/** How long to wait; see {@link Subscription.nextEvent}. */
export interface WaitOptions {
  /** Milliseconds; for ever if absent. */
  timeout_ms?: number | null | undefined;
  /** Ends this wait with an `AbortError`; the subscription goes on. */
  signal?: AbortSignal | null | undefined;
}

/** Somebody who waits for an event. */
interface Waiter {
  resolve(event: OrderEvent): void;
  reject(error: unknown): void;
  /** The subscription was closed. */
  end(): void;
}

/**
 * Events in the order of the log, each of them once. {@link Session.subscribe} makes it; `for await` is the plain way
 * to read it, `Readable.from(subscription)` makes a stream of it. Events are pulled: a slow reader holds nothing up.
 *
 * A wait keeps the process alive, as a socket does, unless {@link unref} was called. Several waits may be under way;
 * they get the events in the order in which they were begun. A wait that ends by signal or timeout loses nothing: the
 * next one gets the event.
 */
export class Subscription implements AsyncIterableIterator<OrderEvent, undefined, undefined> {
  readonly #signal: AbortSignal | undefined;
  readonly #failures: Failures;
  readonly #opening: Promise<void>;
  readonly #waiters: Waiter[] = [];
  #native: NativeSubscription | undefined;
  #cursor: string | undefined;
  #opened = false;
  #refused = false;
  #closed = false;
  #held = true;
  /** The number of the native wait, 0 if there is none. */
  #waiting = 0;

  /** @internal */
  constructor(
    open: (number: number) => NativeSubscription,
    since: string | undefined,
    signal: AbortSignal | undefined,
    failures: Failures,
  ) {
    this.#signal = signal;
    this.#failures = failures;
    this.#cursor = since;
    this.#opening = signal?.aborted ? Promise.reject(aborted(signal)) : this.#open(open);
    // It is told to whoever waits; nobody need.
    this.#opening.catch(() => {});
  }

  /**
   * Where to resume: everything up to here was given out. Undefined until the subscription is open, if it has no
   * `since`. Keep the cursor of the last event you have dealt with, and `since` goes on from there, in another
   * process too.
   */
  get cursor(): string | undefined {
    return this.#cursor;
  }

  /**
   * Waits until the subscription is open: from then on no change is missed.
   *
   * @throws {MedorderError} as {@link Session.subscribe}.
   * @example
   * const events = session.subscribe();
   * await events.opened();
   */
  async opened(): Promise<void> {
    await this.#opening;
  }

  /**
   * The next event as iterators give it; `done` once the subscription is closed.
   *
   * @throws {MedorderError} `ACCESS_DENIED` once the session is expired or revoked, `TERRITORY_NOT_FOUND` once the
   * territory is out of service, `INVALID_CURSOR` if the database was put back, `CLOSED` once the service is closed.
   * An `AbortError` if the signal of the subscription fires.
   */
  async next(): Promise<IteratorResult<OrderEvent, undefined>> {
    const event = await this.#next({}, true);
    return event ? { value: event, done: false } : { value: undefined, done: true };
  }

  /**
   * The next event, or null if none comes in time.
   *
   * @throws {MedorderError} as {@link next}, and `CLOSED` if the subscription is closed. An `AbortError` if one of the
   * signals fires.
   * @example
   * const event = await events.nextEvent({ timeout_ms: 1000 });
   */
  async nextEvent(options: WaitOptions = {}): Promise<OrderEvent | null> {
    known(members(options), ['timeout_ms', 'signal']);
    optionalSignal(options.signal, 'signal');
    const limit = options.timeout_ms;
    // More is what timers of Node take for 1 ms.
    if (limit != null && !(typeof limit === 'number' && limit >= 0 && limit <= 0x7fffffff)) {
      throw invalid([{ path: 'timeout_ms', rule: typeof limit === 'number' ? 'format' : 'type' }]);
    }
    return this.#next(options, false);
  }

  /** Lets the process end although a wait is under way. */
  unref(): this {
    return this.#hold(false);
  }

  /** The opposite of {@link unref}, and how it is at first. */
  ref(): this {
    return this.#hold(true);
  }

  /** Ends the subscription: loops over it end, and waits of {@link nextEvent} are `CLOSED`. Again is no error. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#stop();
    for (const waiter of this.#waiters.splice(0)) waiter.end();
    this.#native?.close();
  }

  /** What `break` in a loop over the subscription calls: {@link close}. */
  async return(): Promise<IteratorResult<OrderEvent, undefined>> {
    await this.close();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** {@link close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #open(open: (number: number) => NativeSubscription): Promise<void> {
    let cursor: string;
    try {
      cursor = await ask<string>((number) => (this.#native = open(number)), this.#failures);
    } catch (error) {
      this.#refused = true;
      for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
      throw error;
    }
    this.#opened = true;
    this.#cursor = cursor;
    if (this.#closed || this.#signal?.aborted) this.#native?.close();
    else this.#pump();
  }

  async #next(options: WaitOptions, iterating: boolean): Promise<OrderEvent | null> {
    refuseInside();
    const since = this.#failures.count;
    if (this.#refused && !this.#closed) await this.#opening;
    const signals = [this.#signal, options.signal].filter((signal) => signal != null);
    const gone = signals.find((signal) => signal.aborted);
    if (gone) throw this.#aborted(gone);
    let event: OrderEvent | null | undefined;
    try {
      event = this.#closed ? undefined : await this.#wait(signals, options.timeout_ms ?? undefined);
    } catch (body) {
      const error = revived(body);
      const cause = error instanceof MedorderError ? this.#failures.cause(error.code, since) : undefined;
      if (cause !== undefined) Object.defineProperty(error, 'cause', { value: cause, configurable: true });
      throw error;
    }
    if (event === undefined && !iterating) throw new MedorderError('CLOSED', 'the subscription is closed');
    return event ?? null;
  }

  /** An event; null when the time is over, undefined when the subscription is closed. */
  #wait(signals: AbortSignal[], limit: number | undefined): Promise<OrderEvent | null | undefined> {
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const deaf: (() => void)[] = [];
      const over = (): void => {
        clearTimeout(timer);
        for (const stop of deaf) stop();
      };
      const leave = (): void => {
        over();
        this.#leave(waiter);
      };
      const waiter: Waiter = {
        resolve: (event) => (over(), resolve(event)),
        reject: (error) => (over(), reject(error)),
        end: () => (over(), resolve(undefined)),
      };
      // Only while it waits, so that a signal that lives long collects no listeners.
      for (const signal of signals) {
        deaf.push(hear(signal, () => (leave(), reject(this.#aborted(signal)))));
      }
      if (limit !== undefined) timer = setTimeout(() => (leave(), resolve(null)), limit);
      if (limit !== undefined && !this.#held) timer?.unref();
      this.#waiters.push(waiter);
      this.#pump();
    });
  }

  /** Has one native wait under way as long as anybody waits. */
  #pump(): void {
    if (this.#waiting !== 0 || this.#waiters.length === 0 || !this.#opened) return;
    const settled = (): Waiter | undefined => {
      this.#waiting = 0;
      return this.#waiters.shift();
    };
    try {
      this.#waiting = post(
        {
          held: this.#held,
          resolve: (json) => {
            const event = JSON.parse(json) as OrderEvent;
            this.#cursor = event.cursor;
            settled()?.resolve(event);
            this.#pump();
          },
          reject: (body) => {
            settled()?.reject(body);
            this.#pump();
          },
        },
        (number) => this.#native?.next(number),
      );
    } catch (error) {
      settled()?.reject(error);
    }
  }

  /** Takes a waiter out; the native wait is for whoever is left. */
  #leave(waiter: Waiter): void {
    const at = this.#waiters.indexOf(waiter);
    if (at >= 0) this.#waiters.splice(at, 1);
    if (this.#waiters.length === 0) this.#stop();
  }

  /** Gives the native wait up. The native half keeps an event that has come meanwhile for the next wait. */
  #stop(): void {
    if (this.#waiting === 0) return;
    this.#native?.cancel(this.#waiting);
    drop(this.#waiting);
    this.#waiting = 0;
  }

  /** The error for a signal that has fired. After its own a subscription gives nothing out, so it lets go of its feed. */
  #aborted(signal: AbortSignal): Error {
    if (signal === this.#signal) this.#native?.close();
    return aborted(signal);
  }

  #hold(held: boolean): this {
    this.#held = held;
    if (this.#waiting !== 0) setHeld(this.#waiting, held);
    return this;
  }
}
