import { useRef, useState } from "react";

import { ApiError, describe } from "../api/errors";
import type { OrderStatus, StatusChange, Transition } from "../api/types";
import type { CachedOrder } from "../live/book";
import { groupBy } from "../group";
import { useMay } from "../session/session";
import { Icon } from "../ui/icons";
import { shortId } from "../ui/ids";
import { useNotices } from "../ui/notices";
import { DeleteDialog } from "./DeleteDialog";
import { ReasonDialog } from "./ReasonDialog";
import { VerifyDialog } from "./VerifyDialog";
import { useChangeStatus, usePendingStatus, useTransitions } from "./queries";
import { actionLabel, statusLabel, stepName, steps, whyNot } from "./words";

/** Keys of steps without a form: the same step of the same version is the same request, however often pressed. */
const visit = crypto.randomUUID();

/** The steps an order may take now. What is refused is named with its reason; what is no next step is not shown. */
export function OrderActions({ order, compact = false }: { order: CachedOrder; compact?: boolean }) {
  const transitions = useTransitions(order.id, !order.deleted);
  const moving = usePendingStatus(order.id);
  const change = useChangeStatus();
  const mayDelete = useMay("order.delete");
  const { notify } = useNotices();
  const place = useRef<HTMLDivElement>(null);
  // With the version that the user saw when the form was opened: a retry says the same again, and what somebody else
  // does meanwhile is a conflict.
  const [asking, setAsking] = useState<{ what: OrderStatus | "delete"; version: number } | null>(null);

  if (order.deleted) return <span className="quiet">None</span>;
  if (transitions.isPending) return <span className="skeleton skeleton-actions" aria-hidden="true" />;
  if (transitions.isError) {
    return (
      <button type="button" className="button button-small" onClick={() => void transitions.refetch()}>
        <Icon name="refresh" />
        Load actions
      </button>
    );
  }

  const found = steps(transitions.data);
  const open = found.filter((step) => step.allowed);
  const refused = found.filter((step) => !step.allowed);

  async function send(request: StatusChange) {
    const done = await change.mutateAsync({ order, change: request });
    notify("good", `Order ${shortId(order.id)} is now ${statusLabel(done.status).toLowerCase()}.`);
    // The button that was pressed is about to go; the keyboard stays at the order's steps.
    setTimeout(() => place.current?.focus({ preventScroll: true }));
  }

  function press(step: Transition) {
    if (moving !== null) return;
    if (step.needs.length > 0) {
      setAsking({ what: step.status, version: order.version });
      return;
    }
    const idempotency_key = `step-${order.id}-${order.version}-${step.status}-${visit}`;
    send({ status: step.status, idempotency_key }).catch((error: unknown) => notify("bad", explain(error)));
  }

  const dialog = {
    order,
    returnTo: place,
    onClose: () => setAsking(null),
    // A form stays open while its contents may still be of use; a conflict makes them pointless.
    onSend: async (request: StatusChange) => {
      try {
        await send({ expected_version: asking?.version, ...request });
        setAsking(null);
      } catch (error) {
        const over = ["VERSION_CONFLICT", "INVALID_STATUS_TRANSITION", "ORDER_NOT_FOUND"];
        if (!(error instanceof ApiError) || !over.includes(error.code)) throw error;
        setAsking(null);
        notify("bad", explain(error));
      }
    },
  };

  return (
    <div className="actions" ref={place} tabIndex={-1}>
      {open.map((step) => (
        <button
          key={step.status}
          type="button"
          className={`button ${compact ? "button-small" : ""} ${tone(step.status)}`}
          aria-label={`${actionLabel(step.status)}: order ${shortId(order.id)}`}
          aria-disabled={moving !== null}
          onClick={() => press(step)}
        >
          {actionLabel(step.status)}
        </button>
      ))}
      {mayDelete && (
        <button
          type="button"
          className={`button button-danger ${compact ? "button-small" : ""}`}
          aria-label={`Delete order ${shortId(order.id)}`}
          onClick={() => setAsking({ what: "delete", version: order.version })}
        >
          Delete
        </button>
      )}
      <Refused refused={refused} />
      {open.length === 0 && refused.length === 0 && <span className="quiet">No further steps</span>}
      {asking?.what === "verified" && <VerifyDialog {...dialog} />}
      {(asking?.what === "rejected" || asking?.what === "cancelled") && (
        <ReasonDialog {...dialog} status={asking.what} />
      )}
      {asking?.what === "delete" && (
        <DeleteDialog
          order={{ ...order, version: asking.version }}
          returnTo={place}
          onClose={() => setAsking(null)}
        />
      )}
    </div>
  );
}

/** Steps that share a reason share a line. */
function Refused({ refused }: { refused: Transition[] }) {
  const lines = groupBy(refused, (step) => whyNot(step.why) ?? "");
  return [...lines].map(([why, some]) => (
    <p key={why} className="refused">
      <Icon name="lock" />
      <span>
        <b>{some.map((step) => stepName(step.status)).join(", ")}:</b> {why}
      </span>
    </p>
  ));
}

function tone(status: OrderStatus): string {
  return status === "rejected" || status === "cancelled" ? "button-danger" : "button-step";
}

function explain(error: unknown): string {
  const now = error instanceof ApiError ? error.details.current_status : undefined;
  return now ? `${describe(error)} It is now ${statusLabel(now).toLowerCase()}.` : describe(error);
}
