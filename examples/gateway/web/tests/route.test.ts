import { expect, it } from "vitest";

import { landing } from "../src/App";
import { parseRoute } from "../src/route";
import { batched } from "../src/orders/batched";

it("addresses lead to views; what names no order leads home", () => {
  const id = "01970000-0000-7000-8000-000000000001";
  expect(parseRoute(`#/orders/${id}`)).toEqual({ view: "order", id });
  expect(parseRoute("#/orders/new")).toEqual({ view: "new" });
  for (const hash of ["", "#/", `#/orders/${id}/`, "#/orders/%00", "#/orders/patient-1"]) {
    expect(parseRoute(hash), hash).toEqual({ view: "home" });
  }
});

it("a role lands where it may do something, without asking for what would be denied", () => {
  const orders = { view: "orders" } as const;
  expect(landing({ view: "home" }, ["order.view"])).toEqual(orders);
  expect(landing(orders, ["audit.read"])).toEqual({ view: "audit" });
  expect(landing(orders, ["order.delete", "keys.manage"])).toEqual({ view: "admin" });
  expect(landing({ view: "new" }, ["order.view"])).toEqual(orders);
  expect(landing({ view: "audit" }, ["order.view", "audit.read"])).toEqual({ view: "audit" });
  expect(landing(orders, [])).toEqual({ view: "home" });
});

it("questions of one turn go out together, at most so many at once", async () => {
  const asked: string[][] = [];
  const ask = batched(2, (_caller: string, ids: string[]) => {
    asked.push(ids);
    return Promise.resolve(ids.map((id) => id.toUpperCase()));
  });
  expect(await Promise.all(["a", "b", "c"].map((id) => ask("me", id)))).toEqual(["A", "B", "C"]);
  expect(await ask("you", "d")).toBe("D");
  expect(asked).toEqual([["a", "b"], ["c"], ["d"]]);
});

it("a failure reaches everybody who asked", async () => {
  const ask = batched(9, () => Promise.reject(new Error("gone")));
  const ends = await Promise.allSettled([ask("me", "a"), ask("me", "b")]);
  expect(ends.map((end) => end.status)).toEqual(["rejected", "rejected"]);
});
