// The words of the wire, as the page uses them.

export const STATUSES = [
  "pending_verification",
  "verified",
  "rejected",
  "in_progress",
  "completed",
  "cancelled",
] as const;
export type OrderStatus = (typeof STATUSES)[number];

export const PHI_FIELDS = [
  "service_type",
  "diagnosis_codes",
  "notes",
  "insurance",
  "insurance_verification",
] as const;
export type PhiField = (typeof PHI_FIELDS)[number];

export const INSURANCE_STATUSES = ["confirmed", "denied", "unsupported", "not_checked", "error"] as const;
export type InsuranceStatus = (typeof INSURANCE_STATUSES)[number];

export interface Insurance {
  carrier: string;
  policy_number: string;
  group_number?: string | null;
}

export interface InsuranceVerification {
  status: InsuranceStatus;
  coverage_details?: unknown;
  authorization_number?: string | null;
  verified_by: string;
  verification_method: string;
  verified_at: string;
  valid_until?: string | null;
}

/** The plain columns: what a change answers. */
export interface OrderSummary {
  id: string;
  territory_id: string;
  patient_id: string;
  provider_id: string;
  status: OrderStatus;
  version: number;
  created_at: string;
  updated_at: string;
}

/** An order with what this user may see of it. A field that was not disclosed is absent. */
export interface Order extends OrderSummary {
  service_type?: string;
  diagnosis_codes?: string[];
  notes?: string;
  insurance?: Insurance | null;
  insurance_verification?: InsuranceVerification | null;
  disclosed: PhiField[];
  withheld: PhiField[];
}

export interface OrderPage {
  orders: Order[];
  next_cursor: string | null;
  feed_cursor: string;
}

export interface CreateOrder {
  patient_id: string;
  provider_id: string;
  service_type: string;
  diagnosis_codes: string[];
  notes?: string;
  insurance?: Insurance | null;
  idempotency_key?: string;
}

export interface VerificationData {
  verified_by: string;
  verification_method: string;
  coverage_details?: unknown;
  authorization_number?: string;
  insurance_status?: InsuranceStatus;
  valid_until?: string;
}

export interface StatusChange {
  status: OrderStatus;
  notes?: string;
  reason?: string;
  verification_data?: VerificationData;
  expected_version?: number;
  idempotency_key?: string;
}

export interface DeleteOrder {
  reason: string;
  expected_version?: number;
}

export type Why =
  | "state"
  | "missing_verification"
  | "verification_expired"
  | "missing_reason"
  | "permission"
  | "own_order";

export interface Transition {
  status: OrderStatus;
  allowed: boolean;
  why?: Why;
  needs: ("verification_data" | "reason_or_notes")[];
}

export interface OrderTransitions {
  order_id: string;
  transitions: Transition[];
}

export interface OrderEvent {
  type: "ORDER_STATUS_CHANGED" | "ORDER_DELETED";
  order_id: string;
  territory_id: string;
  old_status: OrderStatus | null;
  new_status: OrderStatus;
  timestamp: string;
  context: { user_id: string; reason?: string };
  version: number;
  cursor: string;
}

export interface Subscribed {
  type: "SUBSCRIBED";
  territory_id: string;
  order_id: string | null;
  cursor: string;
}

export interface Relationship {
  patient_id: string;
  provider_id: string;
}

export interface RelationshipPage {
  relationships: Relationship[];
  next: Relationship | null;
}

export interface AuditRecord {
  timestamp: string;
  user_id: string;
  territory_id: string;
  order_id: string | null;
  action: string;
  details: { old_status?: OrderStatus; new_status?: OrderStatus; reason?: string; subject?: string };
  seq: number;
  role: string;
  purpose: string;
  outcome: "success" | "denied";
  fields: PhiField[];
  request_id: string;
  source: string;
  row_version: number;
  hash: string;
}

export interface AuditPage {
  records: AuditRecord[];
  next: number | null;
}

export interface ChainReport {
  territory_id: string;
  verdict: Verdict;
  anchored: boolean;
  entries: number;
  orders: number;
  first_bad?: { seq?: number; order_id?: string; what: string };
}
export type Verdict = "intact" | "tampered" | "truncated" | "rolled_back";

export interface VerifyReport {
  verdict: Verdict;
  anchored: boolean;
  chains: ChainReport[];
}

export type Permission =
  | "order.create"
  | "order.view"
  | "order.verify"
  | "order.fulfil"
  | "order.cancel"
  | "order.delete"
  | "audit.read"
  | "directory.manage"
  | "keys.manage";

export interface SessionInfo {
  user_id: string;
  roles: string[];
  territories: string[] | "*";
  purpose: string;
  expires_at: string | null;
  permissions: Permission[];
  fields: PhiField[];
}

export interface Demo {
  territories: string[];
  roles: { role: string; user_id: string; describes: string }[];
}

export interface Fault {
  path: string;
  rule: string;
}

export interface ErrorDetails {
  errors?: Fault[];
  order_id?: string;
  current_status?: OrderStatus;
  requested_status?: OrderStatus;
  allowed?: OrderStatus[];
  why?: Why;
  current_version?: number;
}
