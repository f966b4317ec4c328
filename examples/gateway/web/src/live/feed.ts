import type { OrderEvent, Subscribed } from "../api/types";

/** What the user is shown about a connection. `denied` and `expired` end it until somebody acts. */
export type FeedState = "connecting" | "live" | "reconnecting" | "offline" | "denied" | "expired";

/** The part of `WebSocket` the feed uses, so that tests can stand in for it. */
export interface Socket {
  onmessage: ((message: { data: unknown }) => void) | null;
  onclose: ((close: { code: number }) => void) | null;
  close(code?: number): void;
}

export interface FeedOptions {
  /** Where to connect; `since` null is "from now", empty "from the start". */
  url(since: string | null): string;
  token(): string;
  since: string | null;
  onEvent(event: OrderEvent): void;
  onState(state: FeedState): void;
  /** The server no longer knows the cursor: what was built from events must be loaded anew. */
  onBadCursor(): void;
  /** The session is over: nothing is tried until `retryNow`. */
  onExpired(): void;
  /** Whether the session goes on; `unknown` if nobody answers. Asked after a close that does not say why. */
  session(): Promise<"lives" | "over" | "unknown">;
  connect?(url: string, protocols: string[]): Socket;
  random?(): number;
}

export const CLOSE = {
  goingAway: 1001,
  abnormal: 1006,
  unavailable: 1013,
  badCursor: 4400,
  expired: 4401,
  denied: 4403,
  missing: 4404,
};

const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;
/** A connection that lasted this long was a good one: the next failure starts at the shortest delay again. */
const STEADY = 10_000;
const REMEMBERED = 2_000;
/** So many refusals in a row, by a server that answers otherwise, and the cursor is taken for the reason. */
const REFUSALS = 4;

/**
 * A subscription that comes back. It carries the cursor of the last event on, so that a reconnect misses nothing,
 * and hands every event on once: the server delivers at least once.
 */
export class Feed {
  #options: FeedOptions;
  #socket: Socket | null = null;
  #token = "";
  #since: string | null;
  #seen = new Set<string>();
  #attempt = 0;
  #refusals = 0;
  #liveAt: number | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #stopped = false;
  #state: FeedState = "connecting";

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#since = options.since;
  }

  /** Where a reconnect would resume. */
  get since(): string | null {
    return this.#since;
  }

  get state(): FeedState {
    return this.#state;
  }

  start(): void {
    this.#stopped = false;
    this.#report("connecting");
    this.#open();
  }

  stop(): void {
    this.#stopped = true;
    this.#forget();
  }

  /** Connects at once, after the network came back or somebody signed in again. */
  retryNow(): void {
    if (this.#stopped || this.#state === "live" || this.#state === "connecting") return;
    this.#attempt = 0;
    this.#report("reconnecting");
    this.#open();
  }

  #open(): void {
    this.#forget();
    const connect = this.#options.connect ?? browserSocket;
    this.#token = this.#options.token();
    const socket = connect(this.#options.url(this.#since), ["medorder.v1", `bearer.${this.#token}`]);
    this.#socket = socket;
    socket.onmessage = (message) => this.#receive(message.data);
    socket.onclose = (close) => void this.#closed(socket, close.code);
  }

  #receive(data: unknown): void {
    const message = parse(data);
    if (!message) return;
    if (message.type === "SUBSCRIBED") {
      this.#liveAt = Date.now();
      this.#refusals = 0;
      this.#since = message.cursor;
      this.#report("live");
      return;
    }
    this.#since = message.cursor;
    if (this.#seen.has(message.cursor)) return;
    if (this.#seen.size >= REMEMBERED) {
      const [oldest] = this.#seen;
      if (oldest !== undefined) this.#seen.delete(oldest);
    }
    this.#seen.add(message.cursor);
    this.#options.onEvent(message);
  }

  async #closed(socket: Socket, code: number): Promise<void> {
    if (socket !== this.#socket || this.#stopped) return;
    this.#socket = null;
    const lived = this.#liveAt === null ? 0 : Date.now() - this.#liveAt;
    this.#liveAt = null;
    if (lived >= STEADY) this.#attempt = 0;

    if (code === CLOSE.expired) {
      // The user may have signed in again while the connection still lived on the token before.
      if (this.#options.token() === this.#token) return this.#expired();
      this.#report("reconnecting");
      return this.#open();
    }
    if (code === CLOSE.denied || code === CLOSE.missing) return this.#report("denied");
    if (code === CLOSE.badCursor) return this.#badCursor();
    this.#report(navigator.onLine ? "reconnecting" : "offline");
    if (code === CLOSE.abnormal) {
      // A refused upgrade looks like a lost network to the page; only the session itself can tell.
      const session = await this.#options.session();
      if (this.#stopped || this.#socket !== null) return;
      if (session === "over") return this.#expired();
      if (session === "lives" && lived === 0) this.#refusals += 1;
      if (this.#refusals >= REFUSALS && this.#since) return this.#badCursor();
    }
    this.#timer = setTimeout(() => this.#open(), this.#delay());
  }

  /** Doubles up to the longest, and takes a random half off: a ward's pages must not come back all at once. */
  #delay(): number {
    const most = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#attempt);
    this.#attempt += 1;
    return most / 2 + ((this.#options.random ?? Math.random)() * most) / 2;
  }

  #badCursor(): void {
    this.#stopped = true;
    this.#options.onBadCursor();
  }

  #expired(): void {
    this.#report("expired");
    this.#options.onExpired();
  }

  #report(state: FeedState): void {
    this.#state = state;
    this.#options.onState(state);
  }

  #forget(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onmessage = null;
      socket.onclose = null;
      socket.close(1000);
    }
  }
}

function parse(data: unknown): OrderEvent | Subscribed | null {
  if (typeof data !== "string") return null;
  try {
    const message = JSON.parse(data) as { type?: unknown };
    const known = ["SUBSCRIBED", "ORDER_STATUS_CHANGED", "ORDER_DELETED"];
    return known.includes(message.type as string) ? (message as OrderEvent | Subscribed) : null;
  } catch {
    return null;
  }
}

/** The address of a feed of this page's own server. */
export function feedUrl(territory: string, order: string | null, since: string | null): string {
  const base = new URL(order === null ? "/orders" : `/orders/${encodeURIComponent(order)}`, location.href);
  base.protocol = base.protocol === "https:" ? "wss:" : "ws:";
  base.searchParams.set("territory", territory);
  if (since !== null) base.searchParams.set("since", since);
  return base.href;
}

/** Somebody who moves on at once closes a connection not yet there, which browsers report as an error: it waits. */
function browserSocket(url: string, protocols: string[]): Socket {
  const socket = new WebSocket(url, protocols);
  const close = socket.close.bind(socket);
  socket.close = (code) => {
    if (socket.readyState === WebSocket.CONNECTING) socket.onopen = () => close(code);
    else close(code);
  };
  return socket as unknown as Socket;
}
