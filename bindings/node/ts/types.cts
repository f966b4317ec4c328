// The data that goes in and comes out, by the names it has in every language. Types only.

import type { ErrorCode, ErrorDetails } from './errors.cjs';

/** An instant that goes in: RFC 3339 text with any offset, or a `Date`. What comes out is text in UTC with microseconds. */
export type Instant = string | Date;

/** The status of an order. */
export type OrderStatus = 'pending_verification' | 'verified' | 'rejected' | 'in_progress' | 'completed' | 'cancelled';

/** What the payer said. */
export type InsuranceStatus = 'confirmed' | 'denied' | 'unsupported' | 'not_checked' | 'error';

/** A field of an order that is protected health information. */
export type PhiField = 'service_type' | 'diagnosis_codes' | 'notes' | 'insurance' | 'insurance_verification';

/** For what an actor acts. */
export type Purpose = 'treatment' | 'payment' | 'operations' | 'patient_request' | 'legal' | 'emergency';

/** What a role may do. */
export type Permission =
  | 'order.create'
  | 'order.view'
  | 'order.verify'
  | 'order.fulfil'
  | 'order.cancel'
  | 'order.delete'
  | 'audit.read'
  | 'directory.manage'
  | 'keys.manage';

/** Whom your software has authenticated. The library invents no identity. */
export interface Actor {
  /** The user. */
  user_id: string;
  /** `requester`, `verifier`, `fulfiller`, `auditor`, `administrator`, or roles of your own. */
  roles: readonly string[];
  /** The territories the user may act in, or `'*'` for all. */
  territories: readonly string[] | '*';
  /** For what; it stands in the audit. */
  purpose: Purpose;
  /** When the authentication ends: later calls are `ACCESS_DENIED`. */
  expires_at?: Instant | null | undefined;
  /** Your id of the request; it stands in the audit. */
  request_id?: string | null | undefined;
  /** Where the request came from; it stands in the audit. */
  source?: string | null | undefined;
}

/** Who pays. PHI. */
export interface Insurance {
  carrier: string;
  policy_number: string;
  group_number?: string | null | undefined;
}

/** A request for an order. */
export interface CreateOrder {
  patient_id: string;
  provider_id: string;
  /** What is ordered; not empty. PHI. */
  service_type: string;
  /** ICD-10-CM codes, or FHIR tokens `system|code`; may be empty. PHI. */
  diagnosis_codes: readonly string[];
  /** PHI. */
  notes?: string | null | undefined;
  /** PHI. */
  insurance?: Insurance | null | undefined;
  /** Your own number of the order: the same request again makes no second order. */
  idempotency_key?: string | null | undefined;
}

/** How insurance was verified; needed for `verified`, allowed with `rejected`. PHI. */
export interface VerificationData {
  verified_by: string;
  verification_method: string;
  /** Any JSON, at most 64 KiB. */
  coverage_details?: unknown;
  authorization_number?: string | null | undefined;
  /** `not_checked` if absent. */
  insurance_status?: InsuranceStatus | null | undefined;
  /** After this instant the order cannot be started. */
  valid_until?: Instant | null | undefined;
}

/** A change of status. */
export interface StatusChange {
  status: OrderStatus;
  /** Appended to the notes there are. PHI. */
  notes?: string | null | undefined;
  /** Why, at most 200 characters. Operational text and **not PHI**: it stands in events and in the audit. */
  reason?: string | null | undefined;
  verification_data?: VerificationData | null | undefined;
  /** The version you saw: if the order has another, the change is refused with `VERSION_CONFLICT`. */
  expected_version?: number | null | undefined;
  /** The same change again under this key is made once. */
  idempotency_key?: string | null | undefined;
}

/** Why an order is deleted. */
export interface DeleteOrder {
  /** At most 200 characters. **Not PHI**: it outlives the order. */
  reason: string;
  /** The version you saw. */
  expected_version?: number | null | undefined;
}

/** `atomic`: all or nothing. `each`: every item for itself. */
export type BatchMode = 'atomic' | 'each';

/** The plain columns of an order: the answer of a change. `console.log` masks who it is for and by. */
export interface OrderSummary {
  id: string;
  territory_id: string;
  patient_id: string;
  provider_id: string;
  status: OrderStatus;
  /** From 1, one more with every change. */
  version: number;
  created_at: string;
  updated_at: string;
}

/** What the payer said, as stored. PHI. */
export interface InsuranceVerification {
  status: InsuranceStatus;
  coverage_details?: unknown;
  authorization_number?: string | null;
  verified_by: string;
  verification_method: string;
  verified_at: string;
  valid_until?: string | null;
}

/**
 * An order as one actor may see it. A field that is not in `disclosed` is absent: it was not decrypted.
 *
 * `console.log`, `util.inspect` and `String(order)` mask PHI and persons. The members are plain values, and
 * `JSON.stringify` gives the data, since a REST handler must answer it: do not log that text.
 */
export interface Order extends OrderSummary {
  service_type?: string;
  diagnosis_codes?: string[];
  notes?: string;
  insurance?: { carrier: string; policy_number: string; group_number?: string | null } | null;
  insurance_verification?: InsuranceVerification | null;
  /** The fields shown here. */
  disclosed: PhiField[];
  /** The fields asked for that the actor's roles may not see. */
  withheld: PhiField[];
}

/** What became of one item of a batch. */
export type BatchItem =
  | { status: 'success'; data: OrderSummary }
  | { status: 'error'; error: { code: ErrorCode; message: string; details: ErrorDetails } }
  | { status: 'not_applied' };

/** Which orders. */
export interface OrderFilter {
  status?: readonly OrderStatus[] | null | undefined;
  patient_id?: string | null | undefined;
  provider_id?: string | null | undefined;
  created_from?: Instant | null | undefined;
  created_to?: Instant | null | undefined;
}

/** Which page of orders. */
export interface OrderQuery {
  filter?: OrderFilter | null | undefined;
  /** The `next_cursor` of the page before, with the same filter. */
  cursor?: string | null | undefined;
  /** 1 to 500; 50 if absent. */
  limit?: number | null | undefined;
  /** The PHI fields to disclose; all the roles may see if absent, none if empty. */
  fields?: readonly PhiField[] | null | undefined;
}

/** A page of orders, newest first. */
export interface OrderPage {
  orders: Order[];
  /** Where the next page starts; null at the end. */
  next_cursor: string | null;
  /** Where a subscription starts that misses nothing since the first page. */
  feed_cursor: string;
}

/** A status, and whether the order can go there now. */
export interface TransitionOption {
  status: OrderStatus;
  allowed: boolean;
  /** Why not: `state`, `permission`, `own_order` or `verification_expired`. */
  why?: string;
  /** What the change must bring: `verification_data`, `reason_or_notes`. */
  needs: string[];
}

/** Which page of relationships. */
export interface RelationshipQuery {
  filter?: { patient_id?: string | null | undefined; provider_id?: string | null | undefined } | null | undefined;
  /** The `next` of the page before. */
  after?: Relationship | null | undefined;
  /** 1 to 500; 50 if absent. */
  limit?: number | null | undefined;
}

/** A provider who may order for a patient. */
export interface Relationship {
  patient_id: string;
  provider_id: string;
}

/** A page of relationships. */
export interface RelationshipPage {
  relationships: Relationship[];
  /** Where the next page starts; null at the end. */
  next: Relationship | null;
}

/** Which entries of the audit. */
export interface AuditFilter {
  order_id?: string | null | undefined;
  patient_id?: string | null | undefined;
  user_id?: string | null | undefined;
  from?: Instant | null | undefined;
  to?: Instant | null | undefined;
}

/** Which page of the audit. */
export interface AuditQuery {
  filter?: AuditFilter | null | undefined;
  /** The `next` of the page before. */
  after?: number | null | undefined;
  /** 1 to 500; 50 if absent. */
  limit?: number | null | undefined;
}

/** One entry of the audit. No PHI. */
export interface AuditRecord {
  timestamp: string;
  user_id: string;
  /** Empty for the system chain. */
  territory_id: string;
  order_id: string | null;
  /** `create`, `update_status`, `view`, `delete`, or an administrative act. */
  action: string;
  details: { old_status?: OrderStatus; new_status?: OrderStatus; reason?: string; subject?: string };
  /** The place in the chain, from 1. */
  seq: number;
  /** The roles of the actor, sorted and joined by commas. */
  role: string;
  purpose: string;
  outcome: 'success' | 'denied';
  /** The PHI fields that were disclosed or changed. */
  fields: PhiField[];
  request_id: string;
  source: string;
  /** The version that was read or made; 0 if none. */
  row_version: number;
  /** The hash of the chain up to here, in hexadecimal. */
  hash: string;
}

/** A page of the audit, oldest first. */
export interface AuditPage {
  records: AuditRecord[];
  /** Where the next page starts; null at the end. */
  next: number | null;
}

/** One exported entry: every column that its hash covers, binary ones in hexadecimal. */
export interface ExportedEntry {
  territory_id: string;
  seq: number;
  prev_hash: string;
  /** Microseconds since 1970. */
  at: number;
  user_id: string;
  role: string;
  purpose: string;
  order_id: string;
  action: string;
  outcome: string;
  old_status: string;
  new_status: string;
  row_version: number;
  row_mac: string;
  fields: number;
  request_id: string;
  source: string;
  details_hash: string;
  hash: string;
  mac: string;
}

/** What verification found; the first that applies. */
export type Verdict = 'tampered' | 'truncated' | 'rolled_back' | 'intact';

/** The answer of a verification. */
export interface VerifyReport {
  verdict: Verdict;
  /** Whether every chain was compared with a checkpoint from outside the database. */
  anchored: boolean;
  chains: ChainReport[];
}

/** What is true of one chain and its orders. */
export interface ChainReport {
  /** Empty for the system chain. */
  territory_id: string;
  verdict: Verdict;
  anchored: boolean;
  /** How many entries hold. */
  entries: number;
  /** How many orders were compared with their entries. */
  orders: number;
  /** The first record that is wrong. */
  first_bad?: { seq?: number; order_id?: string; what: string };
}

/** A change that is durable, as a subscriber receives it. No PHI. */
export interface OrderEvent {
  type: 'ORDER_STATUS_CHANGED' | 'ORDER_DELETED';
  order_id: string;
  territory_id: string;
  /** Null when the order was created. */
  old_status: OrderStatus | null;
  new_status: OrderStatus;
  timestamp: string;
  context: { user_id: string; reason?: string };
  version: number;
  /** Where to resume after this event; also what tells an event that came twice. */
  cursor: string;
}

/** What a rotation of keys did. */
export interface RotationReport {
  /** The key version that every order is wrapped under now. */
  version: number;
  /** How many orders were wrapped anew. */
  rewrapped: number;
  /** True if an earlier rotation had stopped half way and this one finished it. */
  resumed: boolean;
}

/** Roles and rules of access, in place of the standard ones. */
export interface AccessPolicy {
  /** Whether the creator of an order is kept from verifying it. */
  separate_verifier?: boolean | null | undefined;
  /** Each role with what it may do and the PHI fields it may see. */
  roles: Readonly<Record<string, { permissions: readonly Permission[]; fields: readonly PhiField[] }>>;
}
