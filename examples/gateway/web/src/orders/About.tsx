import { Id } from "../ui/ids";

/** What an order is and for whom, in a dialog that is about to change it: an id alone is easily mistaken. */
export interface Described {
  patient_id: string;
  service_type?: string;
}

export function About({ order }: { order: Described }) {
  return (
    <p className="about">
      {order.service_type !== undefined && <strong>{order.service_type}</strong>}
      <span className="quiet">
        Patient <Id value={order.patient_id} label="Patient" />
      </span>
    </p>
  );
}
