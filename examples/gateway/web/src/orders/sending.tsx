import { useState } from "react";
import type { FieldValues, Path, UseFormSetError } from "react-hook-form";

import { ApiError, describe, describeRule } from "../api/errors";
import type { StatusChange } from "../api/types";
import { Icon } from "../ui/icons";
import { FormKey } from "./formKey";

/** Sends a step from a dialog: one key for the form, faults at their fields, the rest beside the button. */
export function useSend<T extends FieldValues>(
  onSend: (change: StatusChange) => Promise<void>,
  setError: UseFormSetError<T>,
  fieldOf: (path: string) => string,
) {
  const [failure, setFailure] = useState<unknown>(null);
  const [key] = useState(() => new FormKey());
  async function send(change: StatusChange) {
    setFailure(null);
    try {
      await onSend({ ...change, idempotency_key: key.for(change) });
      key.succeeded();
    } catch (error) {
      setFailure(error);
      if (!(error instanceof ApiError)) return;
      key.failed(error);
      for (const fault of error.faults) {
        setError(fieldOf(fault.path) as Path<T>, { type: "server", message: describeRule(fault.rule) });
      }
    }
  }
  return { send, failure };
}

export function DialogFoot({ failure, busy, label, danger = false, onClose }: {
  failure: unknown;
  busy: boolean;
  label: string;
  danger?: boolean;
  onClose(): void;
}) {
  return (
    <footer className="form-foot">
      {failure !== null && (
        <p className="field-error" role="alert">
          <Icon name="alert" />
          {describe(failure)}
        </p>
      )}
      <button type="submit" className={danger ? "button button-main button-stop" : "button button-main"} aria-disabled={busy}>
        {busy ? "Saving…" : label}
      </button>
      <button type="button" className="button" onClick={onClose}>
        Back
      </button>
    </footer>
  );
}
