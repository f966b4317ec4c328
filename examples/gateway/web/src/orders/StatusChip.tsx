import { useRef } from "react";

import type { OrderStatus } from "../api/types";
import { Icon, type IconName } from "../ui/icons";
import { statusLabel } from "./words";

const ICON: Record<OrderStatus, IconName> = {
  pending_verification: "clock",
  verified: "shield",
  rejected: "reject",
  in_progress: "progress",
  completed: "done",
  cancelled: "cancel",
};

/** A status as word, shape and colour. `pending`: this page has asked for it and no answer came yet. */
export function StatusChip({ status, pending = false, deleted = false }: {
  status: OrderStatus;
  pending?: boolean;
  deleted?: boolean;
}) {
  const first = useRef(status);
  if (deleted) {
    return (
      <span className="chip chip-deleted">
        <Icon name="trash" />
        Deleted
      </span>
    );
  }
  return (
    <span
      key={status}
      className={`chip chip-${status}`}
      data-pending={pending || undefined}
      data-changed={status !== first.current || undefined}
    >
      <Icon name={ICON[status]} />
      {statusLabel(status)}
      {pending && <span className="visually-hidden"> (saving)</span>}
    </span>
  );
}
