import type { ErrorDetails, Fault } from "./types";

/** A failure that the gateway named, or `NETWORK` if no answer came. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    readonly http: number,
    readonly details: ErrorDetails = {},
    readonly requestId: string | null = null,
    readonly retryAfter: number | null = null,
  ) {
    super(code);
    this.name = "ApiError";
  }

  get faults(): Fault[] {
    return this.details.errors ?? [];
  }

  /** True if the request may or may not have taken effect: only the same idempotency key is safe to send again. */
  get unknownOutcome(): boolean {
    return this.code === "NETWORK" || this.http >= 500 || this.http === 408;
  }
}

export function isCode(error: unknown, ...codes: string[]): error is ApiError {
  return error instanceof ApiError && codes.includes(error.code);
}

const MESSAGES: Record<string, string> = {
  NETWORK: "The server did not answer. Check the connection and try again.",
  VALIDATION_ERROR: "Some of this cannot be accepted as it stands.",
  INVALID_STATUS_TRANSITION: "The order has moved on, so this step is not possible any more.",
  PATIENT_PROVIDER_MISMATCH: "This provider is not registered for this patient in this territory.",
  IDEMPOTENCY_MISMATCH: "An earlier attempt of this form was stored with other contents. Check the order list first.",
  INVALID_CURSOR: "This page of the list is no longer valid. Start again from the first page.",
  UNAUTHENTICATED: "The session has ended. Sign in again.",
  ACCESS_DENIED: "Your role does not allow this. The attempt was recorded.",
  TERRITORY_MISMATCH: "This belongs to another territory.",
  ORDER_NOT_FOUND: "There is no such order here. It may have been deleted.",
  TERRITORY_NOT_FOUND: "This territory is not registered.",
  VERSION_CONFLICT: "Somebody else changed this order first. It is shown as it is now.",
  STORAGE_UNAVAILABLE: "The database cannot be reached at the moment. Try again soon.",
  KEY_UNAVAILABLE: "The encryption keys cannot be reached at the moment. Try again soon.",
  OUTCOME_UNKNOWN: "It is not certain whether this was stored. Send it again: it cannot be stored twice.",
  INTEGRITY_VIOLATION: "A stored record failed its integrity check. Stop and tell an operator.",
  AUDIT_BROKEN: "The audit failed its check. Stop and tell an operator.",
  RATE_LIMITED: "Too many requests at once. Wait a moment and try again.",
};

/** What to tell the user. */
export function describe(error: unknown): string {
  if (!(error instanceof ApiError)) return "Something went wrong in this page.";
  if (error.http === 429) {
    const wait = error.retryAfter ? ` Try again in ${error.retryAfter} s.` : "";
    return `Too many requests at once.${wait}`;
  }
  return MESSAGES[error.code] ?? "The server could not do this.";
}

const RULES: Record<string, string> = {
  required: "This is required.",
  empty: "This is required.",
  type: "This has the wrong form.",
  unknown: "The server does not know this field.",
  duplicate: "This stands here twice.",
  too_long: "This is too long.",
  too_many: "There are too many of these.",
  format: "This has the wrong form.",
  utf8: "This has characters that cannot be stored.",
  control: "Control characters are not allowed here.",
  one_of: "This is not one of the possible values.",
  not_allowed: "This is not allowed here.",
};

export function describeRule(rule: string): string {
  return RULES[rule] ?? "This cannot be accepted.";
}
