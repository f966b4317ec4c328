import { useId, type ReactNode } from "react";

import { Icon } from "./icons";

interface FieldProps {
  label: string;
  optional?: boolean;
  hint?: ReactNode;
  error?: string | undefined;
  /** Gets what ties the input to its label, hint and error. */
  children: (input: {
    id: string;
    "aria-describedby": string | undefined;
    "aria-invalid": true | undefined;
    "aria-required": true | undefined;
  }) => ReactNode;
}

/** A labelled input with its hint and its error. */
export function Field({ label, optional = false, hint, error, children }: FieldProps) {
  const id = useId();
  const describedBy = [hint ? `${id}-hint` : null, error ? `${id}-error` : null].filter(Boolean).join(" ");
  return (
    <div className={error ? "field field-bad" : "field"}>
      <label htmlFor={id}>
        {label} {optional && <span className="optional">optional</span>}
      </label>
      {children({
        id,
        "aria-describedby": describedBy || undefined,
        "aria-invalid": error ? true : undefined,
        "aria-required": optional ? undefined : true,
      })}
      {error && (
        <p className="field-error" id={`${id}-error`}>
          <Icon name="alert" />
          {error}
        </p>
      )}
      {hint && (
        <p className="field-hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}
