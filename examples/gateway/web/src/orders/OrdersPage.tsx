import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";

import { STATUSES, type OrderPage, type OrderStatus } from "../api/types";
import { useLive } from "../live/live";
import { useMay } from "../session/session";
import { useTerritory } from "../session/territory";
import { Icon } from "../ui/icons";
import { useNotices } from "../ui/notices";
import { Empty, Failed, Loading } from "../ui/states";
import { describe, isCode } from "../api/errors";
import { OrderList } from "./OrderList";
import { keys } from "./keys";
import { useOrderPage, useShowCreated } from "./queries";
import { statusLabel } from "./words";

/** Where the user is in the list; kept above, so that coming back from an order finds the same page. */
export interface ListPlace {
  status: OrderStatus[];
  /** The cursors of the pages walked through; the last is the one shown. The first page has none. */
  cursors: (string | null)[];
}
export const START: ListPlace = { status: [], cursors: [null] };

export function OrdersPage({ place, onPlace }: { place: ListPlace; onPlace(place: ListPlace): void }) {
  const { territory } = useTerritory();
  const client = useQueryClient();
  const mayCreate = useMay("order.create");
  const cursor = place.cursors.at(-1) ?? null;
  const page = useOrderPage(place.status, cursor);
  const number = place.cursors.length;

  // A cursor ends with the database it came from; the list then starts over.
  const lost = isCode(page.error, "INVALID_CURSOR") && cursor !== null;
  useEffect(() => {
    if (lost) onPlace({ ...place, cursors: [null] });
  }, [lost, place, onPlace]);

  function refresh() {
    onPlace({ ...place, cursors: [null] });
    void client.resetQueries({ queryKey: keys.lists(territory) });
  }
  const orders = page.data?.orders ?? [];

  return (
    <section aria-labelledby="orders-title">
      <div className="page-head">
        <h1 id="orders-title" tabIndex={-1}>
          Orders
        </h1>
        <button type="button" className="button button-quiet" onClick={refresh}>
          <Icon name="refresh" />
          Reload
        </button>
        {mayCreate && (
          <a className="button button-main" href="#/orders/new">
            <Icon name="plus" />
            New order
          </a>
        )}
      </div>

      <StatusFilter chosen={place.status} onChoose={(status) => onPlace({ status, cursors: [null] })} />
      <Created place={place} onFirst={() => onPlace({ ...place, cursors: [null] })} />
      <Moved status={place.status} onShow={refresh} />

      {page.isPending && <Loading label="Loading orders" lines={10} />}
      {page.isError && <Failed error={page.error} title="The orders could not be loaded" onRetry={() => void page.refetch()} />}
      {page.isSuccess && orders.length === 0 && (
        <Empty icon="search" title={place.status.length > 0 ? "No order has this status" : "No orders yet"}>
          {place.status.length > 0 ? (
            <button type="button" className="button" onClick={() => onPlace(START)}>
              Show all orders
            </button>
          ) : (
            <p className="quiet">Orders placed in {territory} appear here.</p>
          )}
        </Empty>
      )}
      {page.isSuccess && orders.length > 0 && <OrderList orders={orders} caption={`Orders, page ${number}`} />}

      {(number > 1 || page.data?.next_cursor) && (
        <nav className="pager" aria-label="Pages">
          <button
            type="button"
            className="button"
            disabled={number === 1}
            onClick={() => onPlace({ ...place, cursors: place.cursors.slice(0, -1) })}
          >
            <Icon name="left" />
            Newer
          </button>
          <span className="quiet" aria-live="polite">
            Page {number}
          </span>
          <button
            type="button"
            className="button"
            disabled={!page.data?.next_cursor}
            onClick={() => onPlace({ ...place, cursors: [...place.cursors, page.data?.next_cursor ?? null] })}
          >
            Older
            <Icon name="right" />
          </button>
        </nav>
      )}
    </section>
  );
}

function StatusFilter({ chosen, onChoose }: { chosen: OrderStatus[]; onChoose(status: OrderStatus[]): void }) {
  const only = chosen[0] ?? "";
  return (
    <fieldset className="filter">
      <legend className="visually-hidden">Status</legend>
      {(["", ...STATUSES] as const).map((status) => (
        <label key={status} className="filter-choice">
          <input
            type="radio"
            name="status"
            checked={only === status}
            onChange={() => onChoose(status === "" ? [] : [status])}
          />
          <span>{status === "" ? "All" : statusLabel(status)}</span>
        </label>
      ))}
    </fieldset>
  );
}

/** Orders that have come to the status the list is filtered by, and are not in it yet; announced as new ones are. */
function Moved({ status, onShow }: { status: OrderStatus[]; onShow(): void }) {
  const client = useQueryClient();
  const { territory } = useTerritory();
  const { moved } = useLive();
  const pages = client.getQueriesData<OrderPage>({ queryKey: keys.filtered(territory, status) });
  const shown = (id: string) => pages.some(([, page]) => page?.orders.some((order) => order.id === id));
  const missing = moved.filter((event) => status.includes(event.new_status) && !shown(event.order_id));
  const first = missing[0];
  if (!first) return null;
  const many = missing.length === 1 ? "1 order that is" : `${missing.length} orders that are`;
  return (
    <button type="button" className="created" onClick={onShow}>
      <Icon name="refresh" />
      {`Show ${many} now ${statusLabel(first.new_status).toLowerCase()}`}
    </button>
  );
}

/**
 * New orders are announced, not pushed in: rows that jump under the finger lead to the wrong order, and each order
 * shown is an entry in the audit, which is for somebody who wanted to see it.
 */
function Created({ place, onFirst }: { place: ListPlace; onFirst(): void }) {
  const { created } = useLive();
  const { notify } = useNotices();
  const show = useShowCreated();
  const wanted = place.status.length === 0 || place.status.includes("pending_verification");
  if (created.length === 0 || !wanted) return null;
  const many = created.length === 1 ? "1 new order" : `${created.length} new orders`;
  return (
    <button
      type="button"
      className="created"
      aria-disabled={show.isPending}
      onClick={() => {
        onFirst();
        if (!show.isPending) show.mutate(undefined, { onError: (error) => notify("bad", describe(error)) });
      }}
    >
      <Icon name="plus" />
      {show.isPending ? "Loading…" : `Show ${many}`}
    </button>
  );
}
