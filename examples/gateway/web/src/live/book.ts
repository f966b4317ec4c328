import type { QueryClient } from "@tanstack/react-query";

import type { Order, OrderEvent, OrderPage, OrderStatus, OrderSummary } from "../api/types";
import { keys } from "../orders/keys";

/** An order of the cache; a deleted one stays in view, emptied, until the list is loaded anew. */
export type CachedOrder = Order & {
  deleted?: boolean;
  /** The version the contents belong to; below `version`, somebody may have added to them since. */
  contents?: number;
};

/** What is known about an order beyond what a page of the list said. */
interface Latest {
  status: OrderStatus;
  version: number;
  updated_at: string;
  deleted: boolean;
}

const REMEMBERED = 5_000;

/**
 * The newest state of each order that an event or an answer told, for one territory. It patches what is cached,
 * and what is still on its way: a page read before an event may arrive after it.
 */
export class OrderBook {
  #latest = new Map<string, Latest>();

  constructor(
    private readonly client: QueryClient,
    private readonly territory: string,
  ) {}

  /** Takes an event in. False if something newer is known, so that nothing changed. */
  event(event: OrderEvent): boolean {
    if (event.territory_id !== this.territory) return false;
    return this.#take(event.order_id, {
      status: event.new_status,
      version: event.version,
      updated_at: event.timestamp,
      deleted: event.type === "ORDER_DELETED",
    });
  }

  /** Takes the answer of a change in. */
  summary(order: OrderSummary): boolean {
    return this.#take(order.id, { ...pick(order), deleted: false });
  }

  /** Takes in that an order was deleted by this user. */
  deleted(order: OrderSummary): boolean {
    return this.#take(order.id, { ...pick(order), deleted: true });
  }

  /** An answer as it would be had every known event been there before it. */
  fresh(order: Order): CachedOrder {
    const latest = this.#latest.get(order.id);
    const read = { ...order, contents: order.version };
    return latest ? patched(read, latest) : read;
  }

  freshPage(page: OrderPage): OrderPage {
    return { ...page, orders: page.orders.map((order) => this.fresh(order)) };
  }

  /** True if some cached page of the list shows the order. */
  shows(id: string): boolean {
    const pages = this.client.getQueriesData<OrderPage>({ queryKey: keys.lists(this.territory) });
    return pages.some(([, page]) => page?.orders.some((order) => order.id === id));
  }

  #take(id: string, latest: Latest): boolean {
    const known = this.#latest.get(id);
    if (known && (known.deleted || (known.version >= latest.version && !latest.deleted))) return false;
    if (this.#latest.size >= REMEMBERED) {
      const oldest = this.#latest.keys().next().value;
      if (oldest !== undefined) this.#latest.delete(oldest);
    }
    this.#latest.set(id, latest);

    this.client.setQueriesData<OrderPage>({ queryKey: keys.lists(this.territory) }, (page) => {
      if (!page?.orders.some((order) => order.id === id)) return page;
      return { ...page, orders: page.orders.map((order) => (order.id === id ? patched(order, latest) : order)) };
    });
    this.client.setQueriesData<CachedOrder>({ queryKey: keys.order(this.territory, id) }, (order) =>
      order ? patched(order, latest) : order,
    );
    // Asking which steps are open leaves no entry in the audit, so it may be asked as often as it changes.
    void this.client.invalidateQueries({ queryKey: keys.transitions(this.territory, id) });
    return true;
  }
}

function pick({ status, version, updated_at }: OrderSummary): Omit<Latest, "deleted"> {
  return { status, version, updated_at };
}

/** The order with the newer of both states; one that was deleted keeps no PHI. */
function patched(order: CachedOrder, latest: Latest): CachedOrder {
  if (order.deleted) return order;
  if (latest.deleted) {
    const { id, territory_id, patient_id, provider_id, created_at } = order;
    const { status, version, updated_at } = latest;
    return {
      ...{ id, territory_id, patient_id, provider_id, created_at, status, version, updated_at },
      disclosed: [],
      withheld: [],
      deleted: true,
    };
  }
  if (latest.version <= order.version) return order;
  const { status, version, updated_at } = latest;
  return { ...order, status, version, updated_at };
}
