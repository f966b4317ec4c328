import { useState, type ReactNode } from "react";

import { isCode } from "../api/errors";
import type { PhiField } from "../api/types";
import type { CachedOrder } from "../live/book";
import { useOrderUpdates } from "../live/live";
import { useSession } from "../session/session";
import { Icon } from "../ui/icons";
import { Id, shortId } from "../ui/ids";
import { Empty, Failed, Loading } from "../ui/states";
import { Time } from "../ui/time";
import { BackToOrders } from "./BackToOrders";
import { OrderActions } from "./OrderActions";
import { StatusChip } from "./StatusChip";
import { Timeline } from "./Timeline";
import { useOrder, usePendingStatus } from "./queries";
import { fieldLabel, insuranceLabel } from "./words";

/** One order: what the user's role may see of it, its next steps, and its story. */
export function OrderView({ id }: { id: string }) {
  const order = useOrder(id);
  const moving = usePendingStatus(id);

  return (
    <article aria-labelledby="order-title">
      <div className="page-head">
        <BackToOrders />
        <h1 id="order-title" tabIndex={-1}>
          Order <span className="id">{shortId(id)}</span>
        </h1>
        {order.data && (
          <StatusChip
            status={moving ?? order.data.status}
            pending={moving !== null}
            deleted={order.data.deleted ?? false}
          />
        )}
      </div>
      <div className="order-columns">
        <div className="order-main">
          {order.isPending && <Loading label="Loading the order" lines={6} />}
          {order.isError &&
            (isCode(order.error, "ORDER_NOT_FOUND") ? (
              <Empty icon="search" title="There is no such order here">
                <p className="quiet">It may have been deleted, or belong to another territory.</p>
              </Empty>
            ) : (
              <Failed
                error={order.error}
                title="The order could not be loaded"
                onRetry={() => void order.refetch()}
              />
            ))}
          {order.data && (
            <>
              <div className="card steps">
                <h2>Next step</h2>
                <OrderActions order={order.data} />
              </div>
              <Details order={order.data} onReload={() => order.refetch()} />
            </>
          )}
        </div>
        {order.data && <Story id={id} />}
      </div>
    </article>
  );
}

/** Followed only once the order was found: each attempt at one that is refused is a denial in the audit. */
function Story({ id }: { id: string }) {
  const { events, state } = useOrderUpdates(id);
  return <Timeline events={events} state={state} />;
}

function Details({ order, onReload }: { order: CachedOrder; onReload(): Promise<unknown> }) {
  const { fields } = useSession();
  const [loading, setLoading] = useState(false);
  const mayHaveMore = fields.includes("notes") || fields.includes("insurance_verification");
  const shown = (field: PhiField) => order.disclosed.includes(field);

  async function reload() {
    setLoading(true);
    await onReload();
    setLoading(false);
  }

  return (
    <div className="card">
      <h2>Details</h2>
      {!order.deleted && mayHaveMore && order.contents !== undefined && order.contents < order.version && (
        <p className="stale" role="status">
          <span>The order has changed since you opened it; there may be new contents.</span>
          <button type="button" className="button button-small" aria-disabled={loading} onClick={() => void reload()}>
            <Icon name="refresh" />
            {loading ? "Loading…" : "Show them"}
          </button>
        </p>
      )}
      <dl className="facts">
        {shown("service_type") && <Fact name="Service" value={<strong>{order.service_type}</strong>} span="wide" />}
        {shown("diagnosis_codes") && (
          <Fact name="Diagnosis codes" value={<Codes codes={order.diagnosis_codes ?? []} />} span="wide" />
        )}
        <Fact name="Patient" value={<Id value={order.patient_id} label="Patient" />} />
        <Fact name="Provider" value={<Id value={order.provider_id} label="Provider" />} />
        <Fact name="Ordered" value={<Time at={order.created_at} exact />} />
        <Fact name="Last change" value={<Time at={order.updated_at} exact />} />
        {shown("insurance") && <Fact name="Insurance" value={<InsuranceText order={order} />} span="half" />}
        {shown("insurance_verification") && (
          <Fact name="Verification" value={<VerificationText order={order} />} span="half" />
        )}
        {shown("notes") && (
          <Fact
            name="Notes"
            value={order.notes ? <p className="notes">{order.notes}</p> : <span className="quiet">None</span>}
            span="wide"
          />
        )}
      </dl>
      {order.deleted && <p className="quiet">The order was deleted and its contents are gone for good.</p>}
      <Unseen order={order} />
    </div>
  );
}

/** Says what exists and is not shown, so that a blank is not taken for "none". */
function Unseen({ order }: { order: CachedOrder }) {
  const { fields } = useSession();
  if (order.deleted) return null;
  const all: PhiField[] = ["service_type", "diagnosis_codes", "notes", "insurance", "insurance_verification"];
  const unseen = all.filter((field) => !fields.includes(field) || order.withheld.includes(field));
  if (unseen.length === 0) return null;
  return (
    <p className="unseen">
      <Icon name="lock" />
      <span>Not shown to your role: {unseen.map((field) => fieldLabel(field).toLowerCase()).join(", ")}</span>
    </p>
  );
}

function Fact({ name, value, span = "one" }: { name: string; value: ReactNode; span?: "one" | "half" | "wide" }) {
  return (
    <div className={`fact fact-${span}`}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Codes({ codes }: { codes: string[] }) {
  if (codes.length === 0) return <span className="quiet">None</span>;
  return (
    <ul className="code-list">
      {codes.map((code, at) => {
        const [system, value] = code.includes("|") ? code.split("|", 2) : [null, code];
        return (
          <li key={`${at}-${code}`}>
            <code>{value}</code>
            {system && <span className="quiet">{system.replace(/^https?:\/\//, "")}</span>}
          </li>
        );
      })}
    </ul>
  );
}

function InsuranceText({ order }: { order: CachedOrder }) {
  const insurance = order.insurance;
  if (!insurance) return <span className="quiet">None given</span>;
  return (
    <>
      {insurance.carrier}
      <span className="quiet">
        Policy {insurance.policy_number}
        {insurance.group_number ? `, group ${insurance.group_number}` : ""}
      </span>
    </>
  );
}

function VerificationText({ order }: { order: CachedOrder }) {
  const verification = order.insurance_verification;
  if (!verification) return <span className="quiet">Not verified yet</span>;
  return (
    <>
      {insuranceLabel(verification.status)}
      <span className="quiet">
        By {verification.verified_by}, {verification.verification_method}, {verification.verified_at && <Time at={verification.verified_at} exact />}
        {verification.authorization_number ? `. Authorization ${verification.authorization_number}` : ""}
      </span>
      {verification.valid_until && (
        <span className="quiet">
          Valid until <Time at={verification.valid_until} exact />
        </span>
      )}
      {verification.coverage_details !== undefined && verification.coverage_details !== null && (
        <pre className="coverage">{JSON.stringify(verification.coverage_details, null, 2)}</pre>
      )}
    </>
  );
}
