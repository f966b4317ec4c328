import { zodResolver } from "@hookform/resolvers/zod";
import type { RefObject } from "react";
import { useForm } from "react-hook-form";

import type { OrderSummary, StatusChange } from "../api/types";
import { Dialog } from "../ui/Dialog";
import { Field } from "../ui/Field";
import { shortId } from "../ui/ids";
import { About, type Described } from "./About";
import { DialogFoot, useSend } from "./sending";
import { reasonForm, type ReasonFormValues } from "./rules";

interface ReasonDialogProps {
  order: OrderSummary & Described;
  status: "rejected" | "cancelled";
  returnTo?: RefObject<HTMLElement | null>;
  onClose(): void;
  onSend(change: StatusChange): Promise<void>;
}

export const NOT_PHI =
  "Operational text that everyone who follows the order sees and that outlives it. Never write about the patient here.";

/** Asks why an order is rejected or cancelled. */
export function ReasonDialog({ order, status, returnTo, onClose, onSend }: ReasonDialogProps) {
  const verb = status === "rejected" ? "Reject" : "Cancel";
  const form = useForm<ReasonFormValues>({
    resolver: zodResolver(reasonForm),
    defaultValues: { reason: "", notes: "" },
    mode: "onTouched",
  });
  const { register, handleSubmit, formState } = form;
  const { errors } = formState;
  const { send, failure } = useSend(onSend, form.setError, (path) => path);

  const submit = handleSubmit(({ reason, notes }) =>
    send({ status, ...(reason === "" ? {} : { reason }), ...(notes === "" ? {} : { notes }) }),
  );

  return (
    <Dialog title={<>{verb} order <span className="id">{shortId(order.id)}</span></>} onClose={onClose} returnTo={returnTo}>
      <form className="form" onSubmit={(event) => void submit(event)} noValidate>
        <About order={order} />
        <Field label="Reason" error={errors.reason?.message} hint={NOT_PHI}>
          {(input) => (
            <input
              {...input}
              {...register("reason")}
              type="text"
              autoComplete="off"
              placeholder={status === "rejected" ? "e.g. duplicate of another order" : "e.g. scanner out of service"}
              data-autofocus
            />
          )}
        </Field>
        <Field label="Notes" optional error={errors.notes?.message} hint="Clinical text, stored encrypted with the order.">
          {(input) => <textarea {...input} {...register("notes")} rows={3} />}
        </Field>
        <DialogFoot failure={failure} busy={formState.isSubmitting} label={`${verb} order`} danger onClose={onClose} />
      </form>
    </Dialog>
  );
}
