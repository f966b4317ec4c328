import { createColumnHelper, tableFeatures, useTable } from "@tanstack/react-table";
import { useMemo } from "react";

import type { CachedOrder } from "../live/book";
import { Id, shortId } from "../ui/ids";
import { Time } from "../ui/time";
import { OrderActions } from "./OrderActions";
import { StatusChip } from "./StatusChip";
import { usePendingStatus } from "./queries";

const features = tableFeatures({});
const helper = createColumnHelper<typeof features, CachedOrder>();

const columns = helper.columns([
  helper.accessor("id", {
    header: "Order ID",
    cell: (cell) => <OrderCell order={cell.row.original} />,
  }),
  helper.accessor("patient_id", {
    header: "Patient",
    cell: (cell) => <Id value={cell.getValue()} label="Patient" />,
  }),
  helper.accessor((order) => order.service_type, {
    id: "service",
    header: "Service",
    cell: (cell) => <Service order={cell.row.original} />,
  }),
  helper.accessor("status", {
    header: "Status",
    cell: (cell) => <Status order={cell.row.original} />,
  }),
  helper.display({
    id: "actions",
    header: "Actions",
    cell: (cell) => <OrderActions order={cell.row.original} compact />,
  }),
]);

/** Orders as a table; on a narrow screen each row is a card. */
export function OrderList({ orders, caption }: { orders: CachedOrder[]; caption: string }) {
  // Rows are told apart by their order: a new one on top leaves the others and their focus alone.
  const options = useMemo(() => ({ features, columns, data: orders, getRowId: (order: CachedOrder) => order.id }), [orders]);
  const table = useTable(options);
  return (
    <table className="orders">
      <caption className="visually-hidden">{caption}</caption>
      <thead>
        {table.getHeaderGroups().map((group) => (
          <tr key={group.id}>
            {group.headers.map((header) => (
              <th key={header.id} scope="col" className={`col-${header.column.id}`}>
                <table.FlexRender header={header} />
              </th>
            ))}
          </tr>
        ))}
      </thead>
      <tbody>
        {table.getRowModel().rows.map((row) => (
          <tr key={row.id} data-deleted={row.original.deleted || undefined}>
            {row.getAllCells().map((cell) => (
              <td key={cell.id} className={`col-${cell.column.id}`} data-label={labelOf(cell.column.id)}>
                <table.FlexRender cell={cell} />
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function labelOf(column: string): string {
  return { id: "Order ID", patient_id: "Patient", service: "Service", status: "Status", actions: "Actions" }[column] ?? "";
}

function OrderCell({ order }: { order: CachedOrder }) {
  return (
    <>
      <a className="id order-link" href={`#/orders/${order.id}`} title={order.id}>
        {shortId(order.id)}
      </a>
      <span className="quiet">
        <Time at={order.created_at} />
      </span>
    </>
  );
}

function Service({ order }: { order: CachedOrder }) {
  if (order.service_type !== undefined) return <span className="service">{order.service_type}</span>;
  return <span className="quiet">{order.deleted ? "Erased" : "Not shown to your role"}</span>;
}

function Status({ order }: { order: CachedOrder }) {
  const moving = usePendingStatus(order.id);
  return (
    <StatusChip status={moving ?? order.status} pending={moving !== null} deleted={order.deleted ?? false} />
  );
}
