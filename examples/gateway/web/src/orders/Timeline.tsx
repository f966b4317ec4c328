import type { OrderEvent } from "../api/types";
import type { FeedState } from "../live/feed";
import { Time } from "../ui/time";
import { StatusChip } from "./StatusChip";

/** What happened to the order, newest first, as the feed tells it. */
export function Timeline({ events, state }: { events: OrderEvent[]; state: FeedState }) {
  return (
    <section className="card timeline" aria-labelledby="timeline-title">
      <h2 id="timeline-title">History</h2>
      {state === "denied" && <p className="quiet">Your role may not follow this order.</p>}
      {events.length === 0 && state !== "denied" && (
        <p className="quiet">{state === "live" ? "Nothing happened yet." : "Waiting for the live connection…"}</p>
      )}
      <ol>
        {events.toReversed().map((event) => (
          <li key={event.cursor}>
            <StatusChip status={event.new_status} deleted={event.type === "ORDER_DELETED"} />
            <p className="timeline-who">
              <span>{event.context.user_id}</span>
              <Time at={event.timestamp} exact />
            </p>
            {event.context.reason && <p className="timeline-why">“{event.context.reason}”</p>}
          </li>
        ))}
      </ol>
    </section>
  );
}
