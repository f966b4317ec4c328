import type { AuditRecord } from "../api/types";
import { fieldLabel, statusLabel } from "../orders/words";
import { Icon } from "../ui/icons";
import { Id } from "../ui/ids";
import { Time } from "../ui/time";

const ACTION: Record<string, string> = {
  create: "Created an order",
  update_status: "Changed the status",
  view: "Viewed an order",
  delete: "Deleted an order",
  register: "Registered",
  unregister: "Took off the registry",
  rotate_keys: "Rotated keys",
  change_root: "Changed the root key",
  checkpoint: "Signed a checkpoint",
  verify: "Verified the audit",
  audit: "Read the audit",
  disclosures: "Read a patient's disclosures",
  export: "Exported the audit",
  backup: "Made a backup",
  restore: "Restored a backup",
};

/** Entries of the audit in the order of the chain. */
export function Records({ records }: { records: AuditRecord[] }) {
  return (
    <table className="orders records">
      <caption className="visually-hidden">Entries of the audit</caption>
      <thead>
        <tr>
          <th scope="col">No.</th>
          <th scope="col">When</th>
          <th scope="col">Who</th>
          <th scope="col">What</th>
          <th scope="col">Order</th>
          <th scope="col">Fields shown or changed</th>
        </tr>
      </thead>
      <tbody>
        {records.map((record) => (
          <tr key={record.seq} data-denied={record.outcome === "denied" || undefined}>
            <td data-label="No." className="number">
              {record.seq}
            </td>
            <td data-label="When">
              <Time at={record.timestamp} exact />
            </td>
            <td data-label="Who">
              <span>{record.user_id}</span>
              <span className="quiet">
                {record.role.replaceAll(",", ", ")}
                {record.purpose && ` · ${record.purpose.replaceAll("_", " ")}`}
              </span>
            </td>
            <td data-label="What">
              <What record={record} />
            </td>
            <td data-label="Order">
              {record.order_id ? <Id value={record.order_id} label="Order" /> : <span className="quiet">–</span>}
            </td>
            <td data-label="Fields">
              {record.fields.length > 0 ? (
                record.fields.map((field) => fieldLabel(field)).join(", ")
              ) : (
                <span className="quiet">–</span>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function What({ record }: { record: AuditRecord }) {
  const { old_status, new_status, reason, subject } = record.details;
  return (
    <>
      <span>
        {record.outcome === "denied" && (
          <b className="denied">
            <Icon name="lock" />
            Denied:{" "}
          </b>
        )}
        {ACTION[record.action] ?? record.action}
      </span>
      {new_status && (
        <span className="quiet">
          {old_status && old_status !== new_status ? `${statusLabel(old_status)} → ` : ""}
          {statusLabel(new_status)}
        </span>
      )}
      {subject && <span className="quiet">{subject}</span>}
      {reason && <span className="quiet">“{reason}”</span>}
    </>
  );
}
