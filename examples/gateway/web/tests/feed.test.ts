import { beforeEach, describe, expect, it, vi } from "vitest";

import { CLOSE, Feed, feedUrl, type FeedState, type Socket } from "../src/live/feed";
import type { OrderEvent } from "../src/api/types";
import { anEvent } from "./help";

class FakeSocket implements Socket {
  onmessage: Socket["onmessage"] = null;
  onclose: Socket["onclose"] = null;
  closed = false;
  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {}
  close() {
    this.closed = true;
  }
  says(message: unknown) {
    this.onmessage?.({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }
  subscribed(cursor: string) {
    this.says({ type: "SUBSCRIBED", territory_id: "north", order_id: null, cursor });
  }
  ends(code: number) {
    this.onclose?.({ code });
  }
}

let sockets: FakeSocket[];
let events: OrderEvent[];
let states: FeedState[];
let session: "lives" | "over" | "unknown";
let token: string;
let badCursors: number;
let expired: number;

function feed(since: string | null = null): Feed {
  return new Feed({
    url: (from) => `since=${from}`,
    token: () => token,
    since,
    onEvent: (event) => events.push(event),
    onState: (state) => states.push(state),
    onBadCursor: () => (badCursors += 1),
    onExpired: () => (expired += 1),
    session: () => Promise.resolve(session),
    connect: (url, protocols) => {
      const socket = new FakeSocket(url, protocols);
      sockets.push(socket);
      return socket;
    },
    random: () => 0.5,
  });
}
const last = () => sockets.at(-1)!;

beforeEach(() => {
  vi.useFakeTimers();
  sockets = [];
  events = [];
  states = [];
  session = "lives";
  token = "t1";
  badCursors = 0;
  expired = 0;
});

describe("a feed", () => {
  it("says who it is by subprotocol and where it starts by cursor", () => {
    feed("c7").start();
    expect(last().url).toBe("since=c7");
    expect(last().protocols).toEqual(["medorder.v1", "bearer.t1"]);
  });

  it("carries the cursor of the last event on", async () => {
    feed().start();
    expect(last().url).toBe("since=null");
    last().subscribed("c0");
    last().ends(CLOSE.goingAway);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(last().url).toBe("since=c0");
    last().subscribed("c0");
    last().says(anEvent(1, 1, "pending_verification", { cursor: "c1" }));
    last().says(anEvent(1, 2, "verified", { cursor: "c2" }));
    last().ends(CLOSE.unavailable);
    await vi.advanceTimersByTimeAsync(30_000);
    expect(sockets).toHaveLength(3);
    expect(last().url).toBe("since=c2");
  });

  it("hands each event on once, however often it is delivered", () => {
    feed().start();
    last().subscribed("c0");
    const event = anEvent(1, 1, "pending_verification");
    last().says(event);
    last().says(event);
    last().says(anEvent(1, 2, "verified"));
    expect(events.map((item) => item.version)).toEqual([1, 2]);
  });

  it("passes over what it does not know", () => {
    feed().start();
    last().says("no json");
    last().says({ type: "SOMETHING_ELSE", cursor: "x" });
    last().says("null");
    expect(events).toEqual([]);
    expect(states).toEqual(["connecting"]);
  });

  it("is live once it is subscribed, and says so", async () => {
    feed().start();
    last().subscribed("c0");
    last().ends(CLOSE.goingAway);
    await vi.advanceTimersByTimeAsync(30_000);
    last().subscribed("c0");
    expect(states).toEqual(["connecting", "live", "reconnecting", "live"]);
  });

  it("stops for good when told to", async () => {
    const stopped = feed();
    stopped.start();
    const socket = last();
    stopped.stop();
    socket.ends(CLOSE.abnormal);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(socket.closed).toBe(true);
    expect(sockets).toHaveLength(1);
  });
});

describe("a reconnect", () => {
  it("waits longer each time, up to half a minute, and never all at once", async () => {
    session = "unknown";
    feed().start();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 9; attempt += 1) {
      last().ends(CLOSE.abnormal);
      await vi.advanceTimersByTimeAsync(0);
      const before = sockets.length;
      let waited = 0;
      while (sockets.length === before) {
        await vi.advanceTimersByTimeAsync(125);
        waited += 125;
      }
      waits.push(waited);
    }
    // With a random number of one half: three quarters of 0.5 s doubled each time, of at most 30 s.
    expect(waits).toEqual([375, 750, 1500, 3000, 6000, 12_000, 22_500, 22_500, 22_500]);
  });

  it("starts at the shortest wait again after a connection that lasted, not after one that did not", async () => {
    feed().start();
    for (const lasted of [0, 0, 0, 20_000]) {
      last().subscribed("c0");
      await vi.advanceTimersByTimeAsync(lasted);
      last().ends(CLOSE.unavailable);
      await vi.advanceTimersByTimeAsync(lasted === 0 ? 30_000 : 375);
    }
    expect(sockets).toHaveLength(5);
    // Unavailable again at once, three times: the fourth wait is longer than the first.
    for (const wait of [750, 1500]) {
      last().subscribed("c0");
      last().ends(CLOSE.unavailable);
      await vi.advanceTimersByTimeAsync(wait - 1);
      const before = sockets.length;
      await vi.advanceTimersByTimeAsync(1);
      expect(sockets).toHaveLength(before + 1);
    }
  });

  it("comes at once when the network is back", async () => {
    session = "unknown";
    const waiting = feed();
    waiting.start();
    last().ends(CLOSE.abnormal);
    await vi.advanceTimersByTimeAsync(0);
    waiting.retryNow();
    expect(sockets).toHaveLength(2);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sockets).toHaveLength(2);
  });
});

describe("the end of a session", () => {
  it("is told by the close code, and nothing is tried until somebody signs in", async () => {
    const ended = feed();
    ended.start();
    last().subscribed("c0");
    last().says(anEvent(1, 1, "pending_verification", { cursor: "c1" }));
    last().ends(CLOSE.expired);
    await vi.advanceTimersByTimeAsync(120_000);
    expect([states.at(-1), expired, sockets.length]).toEqual(["expired", 1, 1]);

    token = "t2";
    ended.retryNow();
    expect(last().protocols).toContain("bearer.t2");
    expect(last().url).toBe("since=c1");
  });

  it("is none if the token is no longer the user's", () => {
    feed().start();
    last().subscribed("c0");
    token = "t2";
    last().ends(CLOSE.expired);
    expect([expired, sockets.length]).toEqual([0, 2]);
    expect(last().protocols).toContain("bearer.t2");
  });

  it("is found by asking, when the upgrade was refused without a word", async () => {
    feed().start();
    session = "over";
    last().ends(CLOSE.abnormal);
    await vi.advanceTimersByTimeAsync(120_000);
    expect([states.at(-1), expired, sockets.length]).toEqual(["expired", 1, 1]);
  });
});

describe("a refusal", () => {
  it("of access is final", async () => {
    for (const code of [CLOSE.denied, CLOSE.missing]) {
      sockets = [];
      feed().start();
      last().ends(code);
      await vi.advanceTimersByTimeAsync(120_000);
      expect([states.at(-1), sockets.length]).toEqual(["denied", 1]);
    }
  });

  it("of the cursor makes what was built on it start over", async () => {
    feed("old").start();
    last().ends(CLOSE.badCursor);
    await vi.advanceTimersByTimeAsync(120_000);
    expect([badCursors, sockets.length]).toEqual([1, 1]);
  });

  it("without a word, again and again by a server that answers otherwise, is one of the cursor", async () => {
    feed("old").start();
    for (let refused = 0; refused < 4; refused += 1) {
      last().ends(CLOSE.abnormal);
      await vi.advanceTimersByTimeAsync(30_000);
    }
    expect([badCursors, sockets.length]).toEqual([1, 4]);
  });

  it("is none if nobody answered at all", async () => {
    session = "unknown";
    feed("old").start();
    for (let lost = 0; lost < 8; lost += 1) {
      last().ends(CLOSE.abnormal);
      await vi.advanceTimersByTimeAsync(30_000);
    }
    expect([badCursors, sockets.length]).toEqual([0, 9]);
  });
});

it("addresses of feeds name territory, order and cursor, and no token", () => {
  const url = new URL(feedUrl("north-1", "0197", ""));
  expect([url.protocol, url.pathname, url.search]).toEqual(["ws:", "/orders/0197", "?territory=north-1&since="]);
  expect(new URL(feedUrl("n", null, null)).search).toBe("?territory=n");
});
