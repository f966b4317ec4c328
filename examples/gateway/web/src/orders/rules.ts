import { z } from "zod";

import type { CreateOrder } from "../api/types";
import { INSURANCE_STATUSES } from "../api/types";

// zod would compile its checks with `new Function`, which the gateway's policy forbids.
z.config({ jitless: true });

// The engine's rules about contents, so that most faults show before anything is sent. The engine decides: what
// these let through and it refuses comes back as faults with paths, and lands at the same fields.

export const LIMITS = {
  id: 128,
  service_type: 256,
  codes: 50,
  code: 128,
  notes: 65_536,
  /** In characters: a reason is read by people. */
  reason: 200,
  text: 256,
} as const;

const encoder = new TextEncoder();
export const bytes = (text: string): number => encoder.encode(text).length;

// The control characters of Unicode (Cc); notes may have line ends and tabs.
const CONTROL = /\p{Cc}/u;
const CONTROL_IN_NOTES = /[^\P{Cc}\n\r\t]/u;

/** Which rule of the engine a text breaks, if any; the engine's names, in its order. */
export function broken(
  text: string,
  limits: { longest: number; required?: boolean; lines?: boolean },
): "empty" | "utf8" | "too_long" | "control" | null {
  if (!text.isWellFormed()) return "utf8";
  if (limits.required && text === "") return "empty";
  if (bytes(text) > limits.longest) return "too_long";
  if ((limits.lines ? CONTROL_IN_NOTES : CONTROL).test(text)) return "control";
  return null;
}

function text(longest: number, required: boolean, lines = false) {
  return z.string().superRefine((value, context) => {
    const rule = broken(value, { longest, required, lines });
    if (rule === null) return;
    const message = {
      empty: "This is required.",
      utf8: "This has characters that cannot be stored.",
      too_long: `At most ${longest.toLocaleString()} bytes; this has ${bytes(value).toLocaleString()}.`,
      control: lines
        ? "Control characters are not allowed, except line ends and tabs."
        : "Control characters are not allowed here.",
    }[rule];
    context.addIssue({ code: "custom", message, params: { rule } });
  });
}

const reasonText = z.string().superRefine((value, context) => {
  const rule = broken(value, { longest: Infinity });
  // Counted as the engine does: by code point, not by UTF-16 unit.
  const length = [...value].length;
  if (length > LIMITS.reason) {
    const message = `At most ${LIMITS.reason} characters; this has ${length}.`;
    context.addIssue({ code: "custom", message, params: { rule: "too_long" } });
  } else if (rule === "control") {
    context.addIssue({ code: "custom", message: "Use a single line.", params: { rule } });
  } else if (rule === "utf8") {
    context.addIssue({ code: "custom", message: "This has characters that cannot be stored.", params: { rule } });
  }
});

/** The order form. Rows of codes left empty and insurance not ticked are left out of the request. */
export const orderForm = z
  .object({
    provider_id: z.string().superRefine((value, context) => {
      if (value === "") context.addIssue({ code: "custom", message: "Choose who orders this." });
    }),
    service_type: text(LIMITS.service_type, true),
    diagnosis_codes: z
      .array(z.object({ value: text(LIMITS.code, false) }))
      .refine((rows) => rows.filter((row) => row.value !== "").length <= LIMITS.codes, {
        message: `At most ${LIMITS.codes} diagnosis codes.`,
      }),
    notes: text(LIMITS.notes, false, true),
    insured: z.boolean(),
    insurance: z.object({ carrier: z.string(), policy_number: z.string(), group_number: z.string() }),
  })
  .superRefine((form, context) => {
    if (!form.insured) return;
    const rules = {
      carrier: text(LIMITS.text, true),
      policy_number: text(LIMITS.text, true),
      group_number: text(LIMITS.text, false),
    };
    for (const name of ["carrier", "policy_number", "group_number"] as const) {
      for (const issue of rules[name].safeParse(form.insurance[name]).error?.issues ?? []) {
        context.addIssue({ code: "custom", message: issue.message, path: ["insurance", name] });
      }
    }
  });
export type OrderFormValues = z.infer<typeof orderForm>;

export const EMPTY_FORM: OrderFormValues = {
  provider_id: "",
  service_type: "",
  diagnosis_codes: [{ value: "" }],
  notes: "",
  insured: false,
  insurance: { carrier: "", policy_number: "", group_number: "" },
};

/** The request a filled form stands for, and which row of the form each code came from. */
export function toRequest(patientId: string, form: OrderFormValues): { request: CreateOrder; rows: number[] } {
  const rows = form.diagnosis_codes.flatMap((row, at) => (row.value === "" ? [] : [at]));
  const { carrier, policy_number, group_number } = form.insurance;
  const request: CreateOrder = {
    patient_id: patientId,
    provider_id: form.provider_id,
    service_type: form.service_type,
    diagnosis_codes: rows.map((at) => form.diagnosis_codes[at]?.value ?? ""),
    ...(form.notes === "" ? {} : { notes: form.notes }),
    ...(form.insured
      ? { insurance: { carrier, policy_number, ...(group_number === "" ? {} : { group_number }) } }
      : {}),
  };
  return { request, rows };
}

/** Where in the form a fault of the server belongs; null if the form has no such field. */
export function formPath(path: string, rows: number[]): string | null {
  const code = /^diagnosis_codes\[(\d+)\]$/.exec(path);
  if (code) {
    const row = rows[Number(code[1])];
    return row === undefined ? "diagnosis_codes" : `diagnosis_codes.${row}.value`;
  }
  const known = ["provider_id", "service_type", "diagnosis_codes", "notes"];
  const insurance = /^insurance\.(carrier|policy_number|group_number)$/;
  return known.includes(path) || insurance.test(path) ? path : null;
}

export const verifyForm = z.object({
  verified_by: text(LIMITS.text, true),
  verification_method: text(LIMITS.text, true),
  authorization_number: text(LIMITS.text, false),
  insurance_status: z.enum(INSURANCE_STATUSES),
  valid_until: z.string().refine((value) => value === "" || !Number.isNaN(Date.parse(value)), "Not a time."),
  notes: text(LIMITS.notes, false, true),
});
export type VerifyFormValues = z.infer<typeof verifyForm>;

/** A step that wants a reason takes a note in its place. */
export const reasonForm = z
  .object({ reason: reasonText, notes: text(LIMITS.notes, false, true) })
  .refine((form) => form.reason !== "" || form.notes !== "", {
    message: "Say why, here or in the notes.",
    path: ["reason"],
  });
export type ReasonFormValues = z.infer<typeof reasonForm>;

export const deleteForm = z.object({
  reason: reasonText.refine((value) => value !== "", "Say why the order is deleted."),
});
