import { useMutation, useMutationState, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";

import * as api from "../api/client";
import { isCode } from "../api/errors";
import type { CreateOrder, Order, OrderPage, OrderStatus, OrderSummary, StatusChange, Transition } from "../api/types";
import type { CachedOrder } from "../live/book";
import { useLive } from "../live/live";
import { useCaller, useTerritory } from "../session/territory";
import { batched } from "./batched";
import { keys } from "./keys";

export const PAGE = 25;
/** New orders are fetched one by one up to here; beyond, the first page is read anew. */
const ONE_BY_ONE = 10;

/** One page of the list. It is read once and then kept right by events. */
export function useOrderPage(status: OrderStatus[], cursor: string | null) {
  const caller = useCaller();
  const { territory } = useTerritory();
  const { book, startFrom, moved, forgetMoved } = useLive();
  const query = useQuery({
    queryKey: keys.list(territory, status, cursor),
    queryFn: async ({ signal }) => {
      const before = moved.filter((event) => cursor === null && status.includes(event.new_status));
      const page = await api.listOrders(caller, { status }, cursor, PAGE, ["service_type"], signal);
      forgetMoved(before);
      return book.freshPage(page);
    },
    enabled: territory !== "",
  });
  const feedCursor = query.data?.feed_cursor;
  useEffect(() => {
    if (feedCursor !== undefined) startFrom(feedCursor);
  }, [feedCursor, startFrom]);
  return query;
}

/** One order with all that the user may see of it. */
export function useOrder(id: string) {
  const caller = useCaller();
  const { territory } = useTerritory();
  const { book } = useLive();
  return useQuery<CachedOrder>({
    queryKey: keys.order(territory, id),
    queryFn: async ({ signal }) => book.fresh(await api.getOrder(caller, id, undefined, signal)),
  });
}

/** Which steps are open. Rows of a page ask together; the answer is no entry in the audit. */
export function useTransitions(id: string, enabled: boolean) {
  const caller = useCaller();
  const { territory } = useTerritory();
  return useQuery<Transition[]>({
    queryKey: keys.transitions(territory, id),
    queryFn: () => transitionsOf(caller, id),
    enabled,
  });
}

const transitionsOf = batched(100, async (caller: api.Caller, ids: string[]) => {
  const answers = await api.transitionsOf(caller, ids);
  const found = new Map(answers.map((answer) => [answer.order_id, answer.transitions]));
  return ids.map((id) => found.get(id) ?? []);
});

export interface Change {
  order: OrderSummary;
  change: StatusChange;
}

/** Moves an order. While it is on its way `usePendingStatus` shows it moved; a refusal takes that back. */
export function useChangeStatus() {
  const caller = useCaller();
  const { territory } = useTerritory();
  const { book } = useLive();
  const client = useQueryClient();
  return useMutation({
    mutationKey: keys.change,
    mutationFn: ({ order, change }: Change) =>
      api.changeStatus(caller, order.id, { expected_version: order.version, ...change }),
    onSuccess: (summary, { change }) => {
      book.summary(summary);
      // What this user has just written is part of the order now; nobody else's change makes it read again.
      const key = keys.order(territory, summary.id);
      if (change.notes || ("verification_data" in change && change.verification_data)) {
        void client.invalidateQueries({ queryKey: key });
      } else {
        // A step without contents leaves the contents as they were.
        client.setQueryData<CachedOrder>(key, (known) =>
          known && known.contents === summary.version - 1 ? { ...known, contents: summary.version } : known,
        );
      }
    },
    onError: async (error, { order }) => {
      if (isCode(error, "ORDER_NOT_FOUND")) book.deleted(order);
      // The order is not where it was thought to be: ask where it is, without decrypting anything.
      if (!isCode(error, "VERSION_CONFLICT", "INVALID_STATUS_TRANSITION")) return;
      const now = await api.getOrder(caller, order.id, []).catch(() => null);
      if (now) book.summary(now);
    },
  });
}

export function useDeleteOrder() {
  const caller = useCaller();
  const { book } = useLive();
  return useMutation({
    mutationFn: (request: { id: string; reason: string; expected_version?: number }) => {
      const { id, ...body } = request;
      return api.deleteOrder(caller, id, body);
    },
    onSuccess: (summary) => book.deleted(summary),
  });
}

/** The status an order is being moved to, if this page is moving it. */
export function usePendingStatus(id: string): OrderStatus | null {
  const moving = useMutationState({
    filters: { mutationKey: keys.change, status: "pending" },
    select: (mutation) => mutation.state.variables as Change | undefined,
  });
  return moving.findLast((change) => change?.order.id === id)?.change.status ?? null;
}

export function useCreateOrder() {
  const caller = useCaller();
  const { territory } = useTerritory();
  const { book, forget } = useLive();
  const client = useQueryClient();
  return useMutation({
    mutationFn: (request: CreateOrder) => api.createOrder(caller, request),
    onSuccess: (summary, request) => {
      // The user knows what was typed: to show it in the list takes no disclosure.
      const order: Order = {
        ...summary,
        service_type: request.service_type,
        disclosed: ["service_type"],
        withheld: [],
      };
      insertNewest(client, territory, [book.fresh(order)]);
      forget(summary.id);
    },
  });
}

/** Brings the orders that were announced into the first page. */
export function useShowCreated() {
  const caller = useCaller();
  const { territory } = useTerritory();
  const { book, created, clearCreated } = useLive();
  const client = useQueryClient();
  return useMutation({
    mutationFn: async () => {
      if (created.length > ONE_BY_ONE) return null;
      const found = await Promise.all(
        created.map((event) =>
          api.getOrder(caller, event.order_id, ["service_type"]).catch((error: unknown) => {
            if (isCode(error, "ORDER_NOT_FOUND")) return null;
            throw error;
          }),
        ),
      );
      return found.filter((order) => order !== null).map((order) => book.fresh(order));
    },
    onSuccess: async (orders) => {
      if (orders === null) await client.resetQueries({ queryKey: keys.lists(territory) });
      else insertNewest(client, territory, orders);
      clearCreated();
    },
  });
}

type Client = ReturnType<typeof useQueryClient>;

/** Puts orders on top of the cached first pages whose filter they pass. */
export function insertNewest(client: Client, territory: string, orders: Order[]): void {
  for (const [key, page] of client.getQueriesData<OrderPage>({ queryKey: keys.lists(territory) })) {
    const [, , status, cursor] = key as ReturnType<typeof keys.list>;
    if (!page || cursor !== null) continue;
    const passing = orders.filter(
      (order) =>
        (status === "" || status.split(",").includes(order.status)) &&
        !page.orders.some((shown) => shown.id === order.id),
    );
    // A UUIDv7 sorts by the time it was made.
    const all = [...passing, ...page.orders].sort((a, b) => (a.id < b.id ? 1 : a.id > b.id ? -1 : 0));
    client.setQueryData<OrderPage>(key, { ...page, orders: all });
  }
}
