import { useQueryClient } from "@tanstack/react-query";
import { createContext, useCallback, useContext, useEffect, useMemo, useRef, useState, type ReactNode } from "react";

import * as api from "../api/client";
import { isCode } from "../api/errors";
import type { OrderEvent } from "../api/types";
import { keys } from "../orders/keys";
import { statusLabel } from "../orders/words";
import { useMay, useSession, useSessionState } from "../session/session";
import { useTerritory } from "../session/territory";
import { useNotices } from "../ui/notices";
import { shortId } from "../ui/ids";
import { OrderBook } from "./book";
import { Feed, feedUrl, type FeedState } from "./feed";

interface Live {
  book: OrderBook;
  /** The state of the territory's feed. */
  state: FeedState;
  /** Starts the territory's feed where a page of the list ends, so that nothing falls between the two. */
  startFrom(cursor: string): void;
  /** Orders created since the first page of the list was loaded, newest first. */
  created: OrderEvent[];
  /** Forgets them, once they are shown. */
  clearCreated(): void;
  /** Forgets one of them. */
  forget(id: string): void;
  reconnect(): void;
}

const Context = createContext<Live | null>(null);

/** One feed for the territory, alive as long as somebody who may view orders is signed in. */
export function LiveProvider({ children }: { children: ReactNode }) {
  const client = useQueryClient();
  const { territory } = useTerritory();
  const { announce } = useNotices();
  const mayView = useMay("order.view");
  const book = useMemo(() => new OrderBook(client, territory), [client, territory]);
  const [state, setState] = useState<FeedState>("connecting");
  const [created, setCreated] = useState<OrderEvent[]>([]);
  const [round, setRound] = useState(0);
  const feed = useFeedHooks();
  const started = useRef<Feed | null>(null);
  /** Whether it started where a list ends, and not at a moment that may be later than that. */
  const joined = useRef(false);

  const startFrom = useCallback(
    (cursor: string | null) => {
      if (!mayView || (started.current && (cursor === null || joined.current))) return;
      started.current?.stop();
      joined.current = cursor !== null;
      const next = new Feed({
        ...feed.common,
        url: (since) => feedUrl(territory, null, since),
        since: cursor,
        onState: setState,
        onEvent: (event) => {
          const isNew = event.type === "ORDER_STATUS_CHANGED" && event.old_status === null;
          if (isNew && !book.shows(event.order_id)) {
            setCreated((list) => (list.some((item) => item.order_id === event.order_id) ? list : [event, ...list]));
          }
          if (event.type === "ORDER_DELETED") {
            setCreated((list) => list.filter((item) => item.order_id !== event.order_id));
          }
          if (book.event(event)) announce(spoken(event));
        },
        onBadCursor: () => {
          // The lists were built on a position that is gone: load them anew and follow from there.
          started.current = null;
          setCreated([]);
          void client.resetQueries({ queryKey: keys.lists(territory) });
          setRound((count) => count + 1);
        },
      });
      started.current = next;
      next.start();
    },
    [mayView, territory, book, client, feed.common, announce],
  );

  useEffect(
    () => () => {
      started.current?.stop();
      started.current = null;
      setCreated([]);
    },
    [territory, startFrom],
  );
  useEffect(() => {
    // A page that shows no list still follows the territory; a list starts the feed from its own cursor, again if it
    // comes later than this.
    const timer = setTimeout(() => startFrom(null), 3_000);
    return () => clearTimeout(timer);
  }, [startFrom, round]);
  useResume(started);

  const clearCreated = useCallback(() => setCreated([]), []);
  const forget = useCallback(
    (id: string) => setCreated((list) => list.filter((event) => event.order_id !== id)),
    [],
  );
  const reconnect = useCallback(() => started.current?.retryNow(), []);
  const live = useMemo(
    () => ({ book, state, startFrom, created, clearCreated, forget, reconnect }),
    [book, state, startFrom, created, clearCreated, forget, reconnect],
  );
  return <Context value={live}>{children}</Context>;
}

export function useLive(): Live {
  const live = useContext(Context);
  if (!live) throw new Error("no LiveProvider above");
  return live;
}

/** The whole story of one order, oldest first, and kept up while it is shown. Reading it is no disclosure. */
export function useOrderUpdates(orderId: string): { events: OrderEvent[]; state: FeedState } {
  const { territory } = useTerritory();
  const { book } = useLive();
  const { announce } = useNotices();
  const [events, setEvents] = useState<OrderEvent[]>([]);
  const [state, setState] = useState<FeedState>("connecting");
  const { common } = useFeedHooks();
  const current = useRef<Feed | null>(null);

  useEffect(() => {
    setEvents([]);
    // What happened before the page was opened is history and not read out.
    const opened = Date.now();
    const open = () => {
      const feed = new Feed({
        ...common,
        url: (since) => feedUrl(territory, orderId, since),
        since: "",
        onState: setState,
        onEvent: (event) => {
          setEvents((list) => insert(list, event));
          if (book.event(event) && Date.parse(event.timestamp) >= opened) announce(spoken(event));
        },
        onBadCursor: () => {
          setEvents([]);
          open();
        },
      });
      current.current = feed;
      feed.start();
    };
    open();
    return () => current.current?.stop();
  }, [territory, orderId, book, common, announce]);
  useResume(current);
  return { events, state };
}

/** Puts an event at its place by version; one already there stays. */
export function insert(list: OrderEvent[], event: OrderEvent): OrderEvent[] {
  if (list.some((known) => known.cursor === event.cursor)) return list;
  const at = list.findLastIndex((known) => known.version <= event.version) + 1;
  return list.toSpliced(at, 0, event);
}

function useFeedHooks() {
  const { expire } = useSessionState();
  const session = useSession();
  const token = useRef(session.token);
  token.current = session.token;
  const common = useMemo(
    () => ({
      token: () => token.current,
      onExpired: expire,
      session: () =>
        api.session(token.current).then(
          () => "lives" as const,
          (error: unknown) => (isCode(error, "UNAUTHENTICATED") ? ("over" as const) : ("unknown" as const)),
        ),
    }),
    [expire],
  );
  return { common };
}

/** Wakes a feed that waits: when the network is back, and when the user has signed in again. */
function useResume(feed: { current: Feed | null }) {
  const { generation } = useSession();
  useEffect(() => {
    const wake = () => feed.current?.retryNow();
    window.addEventListener("online", wake);
    return () => window.removeEventListener("online", wake);
  }, [feed]);
  useEffect(() => {
    // A new token may allow what the one before did not.
    const state = feed.current?.state;
    if (state === "expired" || state === "denied") feed.current?.retryNow();
  }, [feed, generation]);
}

function spoken(event: OrderEvent): string {
  const which = `Order ${shortId(event.order_id)}`;
  if (event.type === "ORDER_DELETED") return `${which} was deleted`;
  if (event.old_status === null) return `${which} is new`;
  return `${which} is now ${statusLabel(event.new_status).toLowerCase()}`;
}
