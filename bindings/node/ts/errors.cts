// The one error of this package, and the table of its codes.

const BRAND = Symbol.for('medorder.MedorderError');

/** What the caller should do about an error; see {@link MedorderError.kind}. */
export type ErrorKind = 'invalid' | 'denied' | 'missing' | 'conflict' | 'unavailable' | 'data' | 'usage' | 'internal';

/** The stable identity of a failure; see {@link ERROR_TABLE}. */
export type ErrorCode = (typeof ERROR_TABLE)[number]['code'];

/** One line of {@link ERROR_TABLE}. */
export interface ErrorTableEntry {
  /** The name, the same in every language. */
  readonly code: string;
  /** The number, the same in every language. */
  readonly number: number;
  /** What the caller should do. */
  readonly kind: ErrorKind;
  /** True if the same call may succeed later and changed nothing now. */
  readonly retryable: boolean;
  /** The HTTP status a gateway answers with. */
  readonly http_status: number;
}

/**
 * Every code, in the order of the numbers. A test compares it with the engine's.
 *
 * @example
 * const status = ERROR_TABLE.find((line) => line.code === error.code)?.http_status ?? 500;
 */
export const ERROR_TABLE = [
  { code: 'VALIDATION_ERROR', number: 1001, kind: 'invalid', retryable: false, http_status: 400 },
  { code: 'INVALID_STATUS_TRANSITION', number: 1002, kind: 'invalid', retryable: false, http_status: 409 },
  { code: 'PATIENT_PROVIDER_MISMATCH', number: 1003, kind: 'invalid', retryable: false, http_status: 422 },
  { code: 'IDEMPOTENCY_MISMATCH', number: 1004, kind: 'invalid', retryable: false, http_status: 422 },
  { code: 'INVALID_CURSOR', number: 1005, kind: 'invalid', retryable: false, http_status: 400 },
  { code: 'UNAUTHENTICATED', number: 2000, kind: 'denied', retryable: false, http_status: 401 },
  { code: 'ACCESS_DENIED', number: 2001, kind: 'denied', retryable: false, http_status: 403 },
  { code: 'TERRITORY_MISMATCH', number: 2002, kind: 'denied', retryable: false, http_status: 403 },
  { code: 'ORDER_NOT_FOUND', number: 3001, kind: 'missing', retryable: false, http_status: 404 },
  { code: 'TERRITORY_NOT_FOUND', number: 3002, kind: 'missing', retryable: false, http_status: 404 },
  { code: 'VERSION_CONFLICT', number: 4001, kind: 'conflict', retryable: false, http_status: 409 },
  { code: 'STORAGE_UNAVAILABLE', number: 5001, kind: 'unavailable', retryable: true, http_status: 503 },
  { code: 'KEY_UNAVAILABLE', number: 5002, kind: 'unavailable', retryable: true, http_status: 503 },
  { code: 'OUTCOME_UNKNOWN', number: 5003, kind: 'unavailable', retryable: false, http_status: 503 },
  { code: 'INTEGRITY_VIOLATION', number: 6001, kind: 'data', retryable: false, http_status: 500 },
  { code: 'AUDIT_BROKEN', number: 6002, kind: 'data', retryable: false, http_status: 500 },
  { code: 'KEY_MISMATCH', number: 6003, kind: 'data', retryable: false, http_status: 500 },
  { code: 'SCHEMA_UNSUPPORTED', number: 6004, kind: 'data', retryable: false, http_status: 500 },
  { code: 'CLOSED', number: 7001, kind: 'usage', retryable: false, http_status: 500 },
  { code: 'INTERNAL', number: 9001, kind: 'internal', retryable: false, http_status: 500 },
] as const satisfies readonly ErrorTableEntry[];

const BY_CODE: ReadonlyMap<string, ErrorTableEntry> = new Map(ERROR_TABLE.map((line) => [line.code, line]));

/** The rule of a request that a {@link Fault} breaks. */
export type Rule =
  | 'required'
  | 'empty'
  | 'type'
  | 'unknown'
  | 'duplicate'
  | 'too_long'
  | 'too_many'
  | 'format'
  | 'utf8'
  | 'control'
  | 'one_of'
  | 'not_allowed';

/** One fault of a request: where, and which rule it breaks. */
export interface Fault {
  /** The path of the member, like `diagnosis_codes[3]` or `insurance.carrier`; empty for the request as a whole. */
  path: string;
  /** The rule that is broken. */
  rule: Rule;
}

/** What a program needs to react to an error. Members that do not apply to the code are absent. */
export interface ErrorDetails {
  /** `VALIDATION_ERROR`: every fault of the request. */
  errors?: Fault[];
  /** The order the error is about. */
  order_id?: string;
  /** The status the order has. */
  current_status?: string;
  /** The status that was asked for. */
  requested_status?: string;
  /** `INVALID_STATUS_TRANSITION`: the statuses that may follow. */
  allowed?: string[];
  /** `INVALID_STATUS_TRANSITION`: `state`, `missing_verification`, `verification_expired` or `missing_reason`. */
  why?: string;
  /** `VERSION_CONFLICT`: the version the order has. */
  current_version?: number;
  /** `AUDIT_BROKEN`: the position in the chain. */
  seq?: number;
}

/**
 * Why a call failed. {@link code} is the contract; the message is text for people, holds no PHI, and may change.
 *
 * `instanceof` also holds for errors of another copy of this package in the same process.
 *
 * @example
 * try {
 *   await session.updateStatus(id, { status: 'completed' });
 * } catch (error) {
 *   if (error instanceof MedorderError && error.code === 'INVALID_STATUS_TRANSITION') {
 *     console.log(error.details.current_status, error.details.allowed);
 *   } else throw error;
 * }
 */
export class MedorderError extends Error {
  /** The stable identity of the failure. */
  readonly code: ErrorCode;
  /** The code as a number. */
  readonly number: number;
  /** What to do: fix the request, ask for access, read again, try later, tell an operator. */
  readonly kind: ErrorKind;
  /** What a program needs to react; no PHI. */
  readonly details: ErrorDetails;
  /** True if the same call may succeed later and changed nothing now. */
  readonly retryable: boolean;

  /** An error of your own with a code of the table, for tests and for what stands between caller and engine. */
  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(message, options);
    const line = BY_CODE.get(code);
    this.code = code;
    this.number = line?.number ?? 9001;
    this.kind = line?.kind ?? 'internal';
    this.details = details;
    this.retryable = line?.retryable ?? false;
    Object.defineProperty(this, BRAND, { value: true });
  }

  static {
    // On the prototype, so that it is printed as the name and does not stand among the members.
    Object.defineProperty(this.prototype, 'name', { value: 'MedorderError', configurable: true, writable: true });
  }

  /** @internal */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== MedorderError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === 'object' && value !== null && BRAND in value;
  }

  /** The body that a REST handler answers with, as every language of medorder writes it. */
  toJSON(): { status: 'error'; error: { code: ErrorCode; message: string; details: ErrorDetails } } {
    return { status: 'error', error: { code: this.code, message: this.message, details: this.details } };
  }
}

/**
 * What the key callbacks of a host throw if a blob is not of this key and context. Anything else they throw means
 * that the keys cannot be reached now (`KEY_UNAVAILABLE`, which may be tried again).
 *
 * @example
 * unwrap: async (blob, context) => {
 *   const key = await kms.decrypt(blob, context);
 *   if (!key) throw new KeyRefusedError();
 *   return key;
 * }
 */
export class KeyRefusedError extends Error {
  static {
    Object.defineProperty(this.prototype, 'name', { value: 'KeyRefusedError', configurable: true, writable: true });
  }

  constructor(message = 'the key provider refused the key', options?: ErrorOptions) {
    super(message, options);
    Object.defineProperty(this, Symbol.for('medorder.KeyRefusedError'), { value: true });
  }

  /** @internal */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (this !== KeyRefusedError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return typeof value === 'object' && value !== null && Symbol.for('medorder.KeyRefusedError') in value;
  }
}

/** The error of an aborted wait, as Node's own APIs have it. */
export function aborted(signal: AbortSignal): Error {
  const error = new Error('The operation was aborted', { cause: signal.reason });
  return Object.assign(error, { name: 'AbortError', code: 'ABORT_ERR' });
}

/** A `VALIDATION_ERROR` with these faults, worded as the engine words it. */
export function invalid(faults: Fault[]): MedorderError {
  const shown = faults.map(({ path, rule }) => (path ? `${path} ${rule}` : rule)).join('; ');
  return new MedorderError('VALIDATION_ERROR', `the request is invalid: ${shown}`, { errors: faults });
}

/** The error in the body that the native half rejects or throws with; what is none is passed on. */
export function revived(body: unknown, cause?: unknown): unknown {
  const text = body instanceof Error ? body.message : body;
  if (typeof text !== 'string' || !text.startsWith('{"status":"error"')) return body;
  const { code, message, details } = (JSON.parse(text) as ReturnType<MedorderError['toJSON']>).error;
  return new MedorderError(code, message, details, cause === undefined ? undefined : { cause });
}
