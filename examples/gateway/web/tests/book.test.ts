import { QueryClient } from "@tanstack/react-query";
import { beforeEach, describe, expect, it } from "vitest";

import type { OrderPage } from "../src/api/types";
import { OrderBook, type CachedOrder } from "../src/live/book";
import { insert } from "../src/live/live";
import { keys } from "../src/orders/keys";
import { insertNewest } from "../src/orders/queries";
import { anEvent, anOrder, orderId, TERRITORY } from "./help";

let client: QueryClient;
let book: OrderBook;
const all = keys.list(TERRITORY, [], null);
const second = keys.list(TERRITORY, [], "page-2");

function page(...orders: CachedOrder[]): OrderPage {
  return { orders, next_cursor: null, feed_cursor: "f" };
}
function shown(key: readonly unknown[], number: number): CachedOrder | undefined {
  return client.getQueryData<OrderPage>(key)?.orders.find((order) => order.id === orderId(number));
}

beforeEach(() => {
  client = new QueryClient();
  book = new OrderBook(client, TERRITORY);
  client.setQueryData(all, page(anOrder(2, { status: "pending_verification", version: 1 }), anOrder(1)));
  client.setQueryData(second, page(anOrder(2, { status: "pending_verification", version: 1 })));
  client.setQueryData(keys.order(TERRITORY, orderId(2)), anOrder(2, { status: "pending_verification", version: 1 }));
});

describe("an event", () => {
  it("patches the order wherever it is cached, and nothing else", () => {
    const other = shown(all, 1);
    expect(book.event(anEvent(2, 2, "verified"))).toBe(true);
    for (const order of [shown(all, 2), shown(second, 2), client.getQueryData<CachedOrder>(keys.order(TERRITORY, orderId(2)))]) {
      expect(order).toMatchObject({ status: "verified", version: 2, service_type: "MRI brain" });
      expect(order?.updated_at).toBe("2026-03-01T10:00:02.000000Z");
    }
    expect(shown(all, 1)).toBe(other);
  });

  it("never puts an older state over a newer one, in any order of arrival", () => {
    const events = [anEvent(2, 2, "verified"), anEvent(2, 3, "in_progress"), anEvent(2, 4, "completed")];
    for (const order of [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1], [0, 2, 1], [1, 2, 0]]) {
      client.clear();
      book = new OrderBook(client, TERRITORY);
      client.setQueryData(all, page(anOrder(2, { status: "pending_verification", version: 1 })));
      for (const at of order) book.event(events[at]!);
      expect(shown(all, 2), order.join()).toMatchObject({ status: "completed", version: 4 });
    }
  });

  it("that comes twice changes nothing the second time", () => {
    book.event(anEvent(2, 2, "verified"));
    const once = client.getQueryData(all);
    expect(book.event(anEvent(2, 2, "verified"))).toBe(false);
    expect(client.getQueryData(all)).toBe(once);
  });

  it("older than what the page was read with leaves the page alone", () => {
    client.setQueryData(all, page(anOrder(2, { status: "completed", version: 5 })));
    book.event(anEvent(2, 3, "in_progress"));
    expect(shown(all, 2)).toMatchObject({ status: "completed", version: 5 });
  });

  it("of another territory is not for this book", () => {
    expect(book.event(anEvent(2, 2, "verified", { territory_id: "south" }))).toBe(false);
    expect(shown(all, 2)?.version).toBe(1);
  });

  it("asks anew which steps are open, of that order alone", () => {
    client.setQueryData(keys.transitions(TERRITORY, orderId(1)), []);
    client.setQueryData(keys.transitions(TERRITORY, orderId(2)), []);
    book.event(anEvent(2, 2, "verified"));
    const stale = (number: number) => client.getQueryState(keys.transitions(TERRITORY, orderId(number)))?.isInvalidated;
    expect([stale(1), stale(2)]).toEqual([false, true]);
  });
});

describe("a delete", () => {
  it("takes the PHI out of the cache and is final", () => {
    book.event(anEvent(2, 2, "pending_verification", { type: "ORDER_DELETED" }));
    book.event(anEvent(2, 3, "verified"));
    for (const order of [shown(all, 2), client.getQueryData<CachedOrder>(keys.order(TERRITORY, orderId(2)))]) {
      expect(order).toMatchObject({ deleted: true, status: "pending_verification", disclosed: [] });
      expect(order).not.toHaveProperty("service_type");
    }
  });

  it("counts even if it brings no new version", () => {
    book.event(anEvent(2, 2, "verified"));
    expect(book.event(anEvent(2, 2, "verified", { type: "ORDER_DELETED" }))).toBe(true);
    expect(shown(all, 2)?.deleted).toBe(true);
  });
});

describe("an answer on its way", () => {
  it("that was read before an event arrives as if after it", () => {
    book.event(anEvent(9, 3, "in_progress"));
    book.event(anEvent(8, 2, "verified", { type: "ORDER_DELETED" }));
    const late = book.freshPage(page(anOrder(9), anOrder(8), anOrder(7)));
    expect(late.orders.map((order: CachedOrder) => [order.version, order.status, order.deleted ?? false])).toEqual([
      [3, "in_progress", false],
      [2, "verified", true],
      [2, "verified", false],
    ]);
  });

  it("of this page's own change makes its event old news", () => {
    book.summary({ ...anOrder(2), version: 2, status: "verified" });
    expect(shown(all, 2)).toMatchObject({ version: 2, status: "verified" });
    expect(book.event(anEvent(2, 2, "verified"))).toBe(false);
  });
});

describe("contents", () => {
  it("are known to be older than the order once an event moves it", () => {
    const key = keys.order(TERRITORY, orderId(2));
    client.setQueryData(key, book.fresh(anOrder(2, { version: 1 })));
    expect(client.getQueryData<CachedOrder>(key)).toMatchObject({ contents: 1, version: 1 });
    book.event(anEvent(2, 2, "verified"));
    expect(client.getQueryData<CachedOrder>(key)).toMatchObject({ contents: 1, version: 2 });
    expect(book.fresh(anOrder(2, { version: 2 }))).toMatchObject({ contents: 2, version: 2 });
  });
});

describe("new orders", () => {
  it("come on top of the first pages whose filter they pass, once, newest first", () => {
    const pending = keys.list(TERRITORY, ["pending_verification"], null);
    const done = keys.list(TERRITORY, ["completed"], null);
    client.setQueryData(pending, page());
    client.setQueryData(done, page());
    const news = [anOrder(5, { status: "pending_verification" }), anOrder(6, { status: "pending_verification" })];
    insertNewest(client, TERRITORY, news);
    insertNewest(client, TERRITORY, news);
    const ids = (key: readonly unknown[]) => client.getQueryData<OrderPage>(key)?.orders.map((order) => order.id);
    expect(ids(all)).toEqual([6, 5, 2, 1].map(orderId));
    expect(ids(pending)).toEqual([6, 5].map(orderId));
    expect(ids(done)).toEqual([]);
    expect(ids(second)).toEqual([orderId(2)]);
  });
});

describe("a story", () => {
  it("is told by version, each part once", () => {
    const [one, two, three] = [anEvent(2, 1, "pending_verification"), anEvent(2, 2, "verified"), anEvent(2, 3, "in_progress")];
    const told = [two, three, one, two, three].reduce(insert, []);
    expect(told).toEqual([one, two, three]);
  });
});
