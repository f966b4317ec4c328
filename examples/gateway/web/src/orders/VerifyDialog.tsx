import { zodResolver } from "@hookform/resolvers/zod";
import type { RefObject } from "react";
import { useForm } from "react-hook-form";

import { INSURANCE_STATUSES, type OrderSummary, type StatusChange } from "../api/types";
import { useSession } from "../session/session";
import { Dialog } from "../ui/Dialog";
import { Field } from "../ui/Field";
import { shortId } from "../ui/ids";
import { About, type Described } from "./About";
import { DialogFoot, useSend } from "./sending";
import { verifyForm, type VerifyFormValues } from "./rules";
import { insuranceLabel } from "./words";

interface StepDialogProps {
  order: OrderSummary & Described;
  returnTo?: RefObject<HTMLElement | null>;
  onClose(): void;
  onSend(change: StatusChange): Promise<void>;
}

/** Asks what a verification has to say. */
export function VerifyDialog({ order, returnTo, onClose, onSend }: StepDialogProps) {
  const { user_id } = useSession();
  const form = useForm<VerifyFormValues>({
    resolver: zodResolver(verifyForm),
    defaultValues: {
      verified_by: user_id,
      verification_method: "",
      authorization_number: "",
      insurance_status: "not_checked",
      valid_until: "",
      notes: "",
    },
    mode: "onTouched",
  });
  const { register, handleSubmit, formState } = form;
  const { errors } = formState;
  const { send, failure } = useSend(onSend, form.setError, (path) => path.replace(/^verification_data\./, ""));

  const submit = handleSubmit((values) => {
    const { verified_by, verification_method, authorization_number, insurance_status, valid_until, notes } = values;
    return send({
      status: "verified",
      ...(notes === "" ? {} : { notes }),
      verification_data: {
        verified_by,
        verification_method,
        insurance_status,
        ...(authorization_number === "" ? {} : { authorization_number }),
        // The field says local time; the wire wants an offset.
        ...(valid_until === "" ? {} : { valid_until: new Date(valid_until).toISOString() }),
      },
    });
  });

  return (
    <Dialog title={<>Verify order <span className="id">{shortId(order.id)}</span></>} onClose={onClose} returnTo={returnTo}>
      <form className="form" onSubmit={(event) => void submit(event)} noValidate>
        <About order={order} />
        <Field label="Verified by" error={errors.verified_by?.message}>
          {(input) => <input {...input} {...register("verified_by")} type="text" autoComplete="off" />}
        </Field>
        <Field label="How it was verified" error={errors.verification_method?.message}>
          {(input) => (
            <>
              <input
                {...input}
                {...register("verification_method")}
                type="text"
                list="verification-methods"
                autoComplete="off"
                placeholder="e.g. payer portal"
                data-autofocus
              />
              <datalist id="verification-methods">
                <option value="payer portal" />
                <option value="phone" />
                <option value="electronic eligibility check" />
                <option value="fax" />
              </datalist>
            </>
          )}
        </Field>
        <div className="pair">
          <Field label="Insurance" error={errors.insurance_status?.message}>
            {(input) => (
              <select {...input} {...register("insurance_status")}>
                {INSURANCE_STATUSES.map((status) => (
                  <option key={status} value={status}>
                    {insuranceLabel(status)}
                  </option>
                ))}
              </select>
            )}
          </Field>
          <Field label="Authorization no." optional error={errors.authorization_number?.message}>
            {(input) => <input {...input} {...register("authorization_number")} type="text" autoComplete="off" />}
          </Field>
        </div>
        <Field
          label="Valid until"
          optional
          error={errors.valid_until?.message}
          hint="Work on the order cannot start after this time."
        >
          {(input) => <input {...input} {...register("valid_until")} type="datetime-local" />}
        </Field>
        <Field label="Notes" optional error={errors.notes?.message} hint="Clinical text, stored encrypted with the order.">
          {(input) => <textarea {...input} {...register("notes")} rows={2} />}
        </Field>
        <DialogFoot failure={failure} busy={formState.isSubmitting} label="Verify order" onClose={onClose} />
      </form>
    </Dialog>
  );
}
