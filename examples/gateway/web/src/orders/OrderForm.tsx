import { zodResolver } from "@hookform/resolvers/zod";
import { useRef, useState, type ClipboardEvent } from "react";
import { useFieldArray, useForm, useWatch, type FieldPath } from "react-hook-form";

import { ApiError, describe, describeRule, isCode } from "../api/errors";
import type { CreateOrder } from "../api/types";
import { Field } from "../ui/Field";
import { Icon } from "../ui/icons";
import { Id } from "../ui/ids";
import { FormKey } from "./formKey";
import { bytes, EMPTY_FORM, formPath, LIMITS, orderForm, toRequest, type OrderFormValues } from "./rules";

export interface Patient {
  patient_id: string;
  /** The providers registered for the patient here. */
  providers: string[];
}

interface OrderFormProps {
  patient: Patient;
  territory: string;
  /** Stores the order; throws `ApiError` if that fails, whose faults are then shown at their fields. */
  onSubmit(request: CreateOrder): Promise<unknown>;
}

/** A new order for a patient. What is typed stays until it is stored, whatever happens in between. */
export function OrderForm({ patient, territory, onSubmit }: OrderFormProps) {
  const only = patient.providers.length === 1 ? patient.providers[0] : undefined;
  const form = useForm<OrderFormValues>({
    resolver: zodResolver(orderForm),
    defaultValues: { ...EMPTY_FORM, provider_id: only ?? "" },
    mode: "onTouched",
  });
  const { register, control, handleSubmit, setError, setFocus, reset, formState } = form;
  const { errors, isSubmitting } = formState;
  const codes = useFieldArray({ control, name: "diagnosis_codes" });
  const [insured, notes, service] = useWatch({ control, name: ["insured", "notes", "service_type"] });
  const [failure, setFailure] = useState<unknown>(null);
  const [strays, setStrays] = useState<string[]>([]);
  const [key] = useState(() => new FormKey());
  // A second press before the first has an answer is the same order.
  const busy = useRef(false);

  const submit = handleSubmit(async (values) => {
    if (busy.current) return;
    busy.current = true;
    setFailure(null);
    setStrays([]);
    const { request, rows } = toRequest(patient.patient_id, values);
    try {
      await onSubmit({ ...request, idempotency_key: key.for(request) });
      key.succeeded();
      reset();
    } catch (error) {
      setFailure(error);
      if (!(error instanceof ApiError)) throw error;
      key.failed(error);
      show(error, rows);
    } finally {
      busy.current = false;
    }
  });

  /** Puts each fault at its field, and the rest on top. */
  function show(error: ApiError, rows: number[]) {
    if (error.code === "PATIENT_PROVIDER_MISMATCH") {
      setError("provider_id", { type: "server", message: describe(error) }, { shouldFocus: true });
      return;
    }
    const homeless: string[] = [];
    let first = true;
    for (const fault of error.faults) {
      const path = formPath(fault.path, rows) as FieldPath<OrderFormValues> | null;
      if (path === null) {
        homeless.push(`${fault.path}: ${describeRule(fault.rule)}`);
        continue;
      }
      const name = path === "diagnosis_codes" ? "root.diagnosis_codes" : path;
      setError(name, { type: "server", message: describeRule(fault.rule) });
      if (first) setFocus(path === "diagnosis_codes" ? "diagnosis_codes.0.value" : path);
      first = false;
    }
    setStrays(homeless);
  }

  /** A column of codes copied from elsewhere becomes as many rows. */
  function pasteCodes(event: ClipboardEvent<HTMLInputElement>, at: number) {
    const lines = event.clipboardData.getData("text").split(/[\r\n]+/).map((line) => line.trim());
    const values = lines.filter((line) => line !== "");
    if (values.length < 2) return;
    event.preventDefault();
    codes.remove(at);
    codes.insert(at, values.map((value) => ({ value })));
  }

  const codesError = errors.diagnosis_codes?.root?.message ?? errors.diagnosis_codes?.message ?? errors.root?.["diagnosis_codes"]?.message;

  return (
    <form className="form card" onSubmit={(event) => void submit(event)} noValidate aria-label="New order">
      <div className="form-for">
        <div>
          <span className="quiet">Patient</span>
          <Id value={patient.patient_id} label="Patient" />
        </div>
        <div>
          <span className="quiet">Territory</span>
          <strong>{territory}</strong>
        </div>
      </div>

      {failure !== null && (
        <div className="failed" role="alert">
          <Icon name="alert" />
          <div>
            <p className="failed-title">The order was not stored</p>
            <p>{strays.length === 0 && isCode(failure, "VALIDATION_ERROR") ? "See the marked fields." : describe(failure)}</p>
            {strays.map((stray) => (
              <p key={stray}>{stray}</p>
            ))}
          </div>
        </div>
      )}

      <Field label="Ordering provider" error={errors.provider_id?.message}>
        {(input) => (
          <select {...input} {...register("provider_id")}>
            <option value="">Choose a provider…</option>
            {patient.providers.map((provider) => (
              <option key={provider} value={provider}>
                {provider}
              </option>
            ))}
          </select>
        )}
      </Field>

      <Field label="Service" error={errors.service_type?.message} hint={near(service, LIMITS.service_type)}>
        {(input) => (
          <input
            {...input}
            {...register("service_type")}
            type="text"
            autoComplete="off"
            placeholder="e.g. MRI brain without contrast"
          />
        )}
      </Field>

      <fieldset className="codes">
        <legend>
          Diagnosis codes <span className="optional">optional</span>
        </legend>
        <p className="field-hint">ICD-10-CM, or system|code. Paste a column to add many.</p>
        <ol>
          {codes.fields.map((row, at) => {
            const error = errors.diagnosis_codes?.[at]?.value?.message;
            const described = error ? `code-error-${row.id}` : undefined;
            return (
              <li key={row.id} className={error ? "field-bad" : undefined}>
                <div className="code-row">
                  <input
                    {...register(`diagnosis_codes.${at}.value`)}
                    type="text"
                    autoComplete="off"
                    spellCheck={false}
                    aria-label={`Diagnosis code ${at + 1}`}
                    aria-invalid={error ? true : undefined}
                    aria-describedby={described}
                    placeholder={at === 0 ? "e.g. G43.909" : undefined}
                    onPaste={(event) => pasteCodes(event, at)}
                  />
                  <button
                    type="button"
                    className="icon-button"
                    aria-label={`Remove diagnosis code ${at + 1}`}
                    disabled={codes.fields.length === 1}
                    onClick={() => codes.remove(at)}
                  >
                    <Icon name="close" />
                  </button>
                </div>
                {error && (
                  <p className="field-error" id={described}>
                    <Icon name="alert" />
                    {error}
                  </p>
                )}
              </li>
            );
          })}
        </ol>
        {codesError && (
          <p className="field-error" role="alert">
            <Icon name="alert" />
            {codesError}
          </p>
        )}
        <button
          type="button"
          className="button button-small"
          disabled={codes.fields.length >= LIMITS.codes}
          onClick={() => codes.append({ value: "" })}
        >
          <Icon name="plus" />
          Add code
        </button>
      </fieldset>

      <Field
        label="Notes"
        optional
        error={errors.notes?.message}
        hint={<>Clinical text, stored encrypted. {near(notes, LIMITS.notes)}</>}
      >
        {(input) => <textarea {...input} {...register("notes")} rows={4} />}
      </Field>

      <div className="switch">
        <label>
          <input type="checkbox" {...register("insured")} />
          The patient is insured
        </label>
      </div>
      {insured && (
        <fieldset className="insurance">
          <legend className="visually-hidden">Insurance</legend>
          <Field label="Carrier" error={errors.insurance?.carrier?.message}>
            {(input) => <input {...input} {...register("insurance.carrier")} type="text" autoComplete="off" />}
          </Field>
          <Field label="Policy number" error={errors.insurance?.policy_number?.message}>
            {(input) => <input {...input} {...register("insurance.policy_number")} type="text" autoComplete="off" />}
          </Field>
          <Field label="Group number" optional error={errors.insurance?.group_number?.message}>
            {(input) => <input {...input} {...register("insurance.group_number")} type="text" autoComplete="off" />}
          </Field>
        </fieldset>
      )}

      <footer className="form-foot">
        <button type="submit" className="button button-main" aria-disabled={isSubmitting}>
          {isSubmitting ? "Placing order…" : "Place order"}
        </button>
      </footer>
    </form>
  );
}

/** How much of a limit is used, once that matters. */
function near(text: string, limit: number): string | null {
  const used = bytes(text);
  return used > limit * 0.8 ? `${used.toLocaleString()} of ${limit.toLocaleString()} bytes used.` : null;
}
