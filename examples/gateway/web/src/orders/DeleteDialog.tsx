import { zodResolver } from "@hookform/resolvers/zod";
import { useState, type RefObject } from "react";
import { useForm } from "react-hook-form";

import { ApiError, describeRule } from "../api/errors";
import type { OrderSummary } from "../api/types";
import { Dialog } from "../ui/Dialog";
import { Field } from "../ui/Field";
import { shortId } from "../ui/ids";
import { useNotices } from "../ui/notices";
import { About, type Described } from "./About";
import { NOT_PHI } from "./ReasonDialog";
import { useDeleteOrder } from "./queries";
import { deleteForm } from "./rules";
import { DialogFoot } from "./sending";

/** Asks why an order is deleted. The version is known only if the order was seen. */
export function DeleteDialog({ order, returnTo, onClose }: {
  order: Pick<OrderSummary, "id"> & { version?: number } & Partial<Described>;
  returnTo?: RefObject<HTMLElement | null>;
  onClose(deleted: boolean): void;
}) {
  const { notify } = useNotices();
  const remove = useDeleteOrder();
  const [failure, setFailure] = useState<unknown>(null);
  const form = useForm({ resolver: zodResolver(deleteForm), defaultValues: { reason: "" } });
  const { register, handleSubmit, setError, formState } = form;

  const submit = handleSubmit(async ({ reason }) => {
    setFailure(null);
    try {
      await remove.mutateAsync({ id: order.id, reason, expected_version: order.version });
      notify("good", `Order ${shortId(order.id)} was deleted.`);
      onClose(true);
    } catch (error) {
      setFailure(error);
      const fault = error instanceof ApiError ? error.faults.find((item) => item.path === "reason") : undefined;
      if (fault) setError("reason", { type: "server", message: describeRule(fault.rule) });
    }
  });

  return (
    <Dialog title={<>Delete order <span className="id">{shortId(order.id)}</span></>} onClose={() => onClose(false)} returnTo={returnTo}>
      <form className="form" onSubmit={(event) => void submit(event)} noValidate>
        {order.patient_id !== undefined && <About order={{ ...order, patient_id: order.patient_id }} />}
        <p>
          The keys of its clinical contents are destroyed. <strong>Nobody can bring them back.</strong> The audit of the
          order stays.
        </p>
        <Field label="Reason" error={formState.errors.reason?.message} hint={NOT_PHI}>
          {(input) => <input {...input} {...register("reason")} type="text" autoComplete="off" data-autofocus />}
        </Field>
        <DialogFoot
          failure={failure}
          busy={formState.isSubmitting}
          label="Delete for good"
          danger
          onClose={() => onClose(false)}
        />
      </form>
    </Dialog>
  );
}
