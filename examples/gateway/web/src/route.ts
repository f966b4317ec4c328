import { useSyncExternalStore } from "react";

export type Route =
  | { view: "orders" }
  | { view: "new" }
  | { view: "order"; id: string }
  | { view: "audit" }
  | { view: "admin" }
  | { view: "home" };

const ORDER = /^#\/orders\/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$/;

/** Addresses name views and orders, nothing else: they end up in histories and screenshots. */
export function parseRoute(hash: string): Route {
  const order = ORDER.exec(hash)?.[1];
  if (order !== undefined) return { view: "order", id: order };
  switch (hash) {
    case "#/orders":
      return { view: "orders" };
    case "#/orders/new":
      return { view: "new" };
    case "#/audit":
      return { view: "audit" };
    case "#/admin":
      return { view: "admin" };
    default:
      return { view: "home" };
  }
}

export function useHash(): string {
  return useSyncExternalStore(
    (changed) => {
      window.addEventListener("hashchange", changed);
      return () => window.removeEventListener("hashchange", changed);
    },
    () => location.hash,
  );
}
