//! The bodies as the OpenAPI document shows them. Nothing is read or written through these types: the engine's
//! wire does that, and the tests hold its answers against this description.

#![expect(dead_code, reason = "described, never made")]

use serde::{Deserialize, Serialize};
use utoipa::{IntoResponses, ToSchema};

/// Where an order stands.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderStatus {
    PendingVerification,
    Verified,
    Rejected,
    InProgress,
    Completed,
    Cancelled,
}

/// A field that is encrypted at rest and shown by role.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PhiField {
    ServiceType,
    DiagnosisCodes,
    Notes,
    Insurance,
    InsuranceVerification,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum InsuranceStatus {
    Confirmed,
    Denied,
    Unsupported,
    NotChecked,
    Error,
}

/// An order to create. Lengths are in bytes of UTF-8.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateOrder {
    #[schema(min_length = 1, max_length = 128, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    patient_id: String,
    #[schema(min_length = 1, max_length = 128, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    provider_id: String,
    /// PHI.
    #[schema(min_length = 1, max_length = 256, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    service_type: String,
    /// PHI: ICD-10-CM codes, or FHIR tokens `system|code`.
    #[schema(max_items = 50, inline)]
    diagnosis_codes: Vec<DiagnosisCode>,
    /// PHI; at most 64 KiB.
    #[schema(
        max_length = 65536,
        pattern = "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]*$"
    )]
    notes: Option<String>,
    /// PHI.
    insurance: Option<Insurance>,
    /// The caller's own number of this order, unique in the territory: a second request with it makes no second
    /// order. The header `Idempotency-Key` says the same.
    #[schema(min_length = 1, max_length = 128, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    idempotency_key: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[schema(min_length = 1, max_length = 128, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
pub(crate) struct DiagnosisCode(String);

/// PHI: who pays.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Insurance {
    #[schema(min_length = 1, max_length = 256, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    carrier: String,
    #[schema(min_length = 1, max_length = 256, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    policy_number: String,
    #[schema(max_length = 256, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    group_number: Option<String>,
}

/// A change of status.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum StatusChange {
    Decision(Decision),
    Step(Step),
}

/// What verification ends in; `verified` needs `verification_data`, `rejected` a reason or notes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decision {
    #[schema(inline)]
    status: Decided,
    /// PHI, appended to the order's notes.
    #[schema(
        max_length = 65536,
        pattern = "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]*$"
    )]
    notes: Option<String>,
    /// Operational text, **not PHI**: it is shown in events and in the audit, and outlives the order.
    #[schema(max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    reason: Option<String>,
    verification_data: Option<VerificationData>,
    /// The version the caller has seen; the header `If-Match` says the same.
    #[schema(minimum = 1, maximum = 9007199254740991_i64)]
    expected_version: Option<u64>,
    #[schema(min_length = 1, max_length = 128, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    idempotency_key: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Decided {
    Verified,
    Rejected,
}

/// Every other step; `cancelled` needs a reason or notes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    #[schema(inline)]
    status: Stepped,
    /// PHI, appended to the order's notes.
    #[schema(
        max_length = 65536,
        pattern = "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]*$"
    )]
    notes: Option<String>,
    /// Operational text, **not PHI**: it is shown in events and in the audit, and outlives the order.
    #[schema(max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    reason: Option<String>,
    /// The version the caller has seen; the header `If-Match` says the same.
    #[schema(minimum = 1, maximum = 9007199254740991_i64)]
    expected_version: Option<u64>,
    #[schema(min_length = 1, max_length = 128, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    idempotency_key: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stepped {
    PendingVerification,
    InProgress,
    Completed,
    Cancelled,
}

/// PHI: what the payer said, and who asked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerificationData {
    #[schema(min_length = 1, max_length = 256, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    verified_by: String,
    #[schema(min_length = 1, max_length = 256, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    verification_method: String,
    /// Any JSON, at most 64 KiB.
    coverage_details: Option<serde_json::Value>,
    #[schema(max_length = 256, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    authorization_number: Option<String>,
    insurance_status: Option<InsuranceStatus>,
    #[schema(format = DateTime)]
    valid_until: Option<String>,
}

/// Why an order is deleted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteOrder {
    /// Operational text, **not PHI**: it outlives the order in the audit.
    #[schema(min_length = 1, max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    reason: String,
    /// The version the caller has seen; the header `If-Match` says the same.
    #[schema(minimum = 1, maximum = 9007199254740991_i64)]
    expected_version: Option<u64>,
}

/// `atomic` stores all or nothing; with `each` every item fails for itself.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BatchMode {
    Atomic,
    Each,
}

/// At most 10,000 orders to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateOrders {
    mode: BatchMode,
    /// An item that is no order fails for itself, or with all in an atomic batch.
    #[schema(max_items = 10000)]
    requests: Vec<CreateOrder>,
}

/// At most 10,000 changes, each `{order_id}` and the members of a [`StatusChange`].
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatusChanges {
    mode: BatchMode,
    #[schema(max_items = 10000)]
    changes: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// The plain columns of an order.
#[derive(Serialize, ToSchema)]
pub(crate) struct OrderSummary {
    #[schema(format = Uuid)]
    id: String,
    territory_id: String,
    patient_id: String,
    provider_id: String,
    status: OrderStatus,
    #[schema(minimum = 1)]
    version: u64,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// An order as the caller's roles may see it: a field that is withheld, or was not asked for, is absent.
#[derive(Serialize, ToSchema)]
pub(crate) struct Order {
    #[serde(flatten)]
    summary: OrderSummary,
    /// PHI.
    #[serde(default)]
    service_type: String,
    /// PHI.
    #[serde(default)]
    diagnosis_codes: Vec<String>,
    /// PHI; empty if there are none.
    #[serde(default)]
    notes: String,
    /// PHI.
    #[serde(default)]
    insurance: Option<Insurance>,
    /// PHI.
    #[serde(default)]
    insurance_verification: Option<InsuranceVerification>,
    /// The fields that are shown, with or without a value.
    disclosed: Vec<PhiField>,
    /// The fields asked for that the caller's roles may not see.
    withheld: Vec<PhiField>,
}

/// PHI: what the payer said, and who asked.
#[derive(Serialize, ToSchema)]
pub(crate) struct InsuranceVerification {
    status: InsuranceStatus,
    coverage_details: Option<serde_json::Value>,
    authorization_number: Option<String>,
    verified_by: String,
    verification_method: String,
    #[schema(format = DateTime)]
    verified_at: Option<String>,
    #[schema(format = DateTime)]
    valid_until: Option<String>,
}

/// A page of orders, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct OrderPage {
    orders: Vec<Order>,
    /// Where the next page starts; null on the last.
    #[schema(required)]
    next_cursor: Option<String>,
    /// Live updates with `since=` this miss nothing since the first page.
    feed_cursor: String,
}

/// A status, and whether the caller may move the order there now.
#[derive(Serialize, ToSchema)]
pub(crate) struct Transition {
    status: OrderStatus,
    allowed: bool,
    /// Why not: `state`, `permission`, `own_order` or `verification_expired`.
    #[serde(default)]
    why: String,
    /// What a request must still say.
    needs: Vec<Need>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Need {
    VerificationData,
    ReasonOrNotes,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct TransitionsOfOrder {
    #[schema(format = Uuid)]
    order_id: String,
    transitions: Vec<Transition>,
}

/// What became of one item of a batch.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum BatchResult {
    Stored(Success<OrderSummary>),
    Failed(Failure),
    NotApplied(NotApplied),
}

/// The item had no fault, but the batch was atomic and another failed.
#[derive(Serialize, ToSchema)]
pub(crate) struct NotApplied {
    #[schema(inline)]
    status: NotAppliedWord,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NotAppliedWord {
    NotApplied,
}

/// A patient and a provider who belong together.
#[derive(Serialize, ToSchema)]
pub(crate) struct Relationship {
    patient_id: String,
    provider_id: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct RelationshipPage {
    relationships: Vec<Relationship>,
    /// The last pair, to be given as `after.patient_id` and `after.provider_id`; null on the last page.
    #[schema(required)]
    next: Option<Relationship>,
}

/// An entry of the audit.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditRecord {
    #[schema(format = DateTime)]
    timestamp: String,
    user_id: String,
    territory_id: String,
    #[schema(required)]
    order_id: Option<String>,
    action: String,
    details: AuditDetails,
    seq: u64,
    role: String,
    purpose: String,
    outcome: String,
    fields: Vec<PhiField>,
    request_id: String,
    source: String,
    row_version: u64,
    hash: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct AuditDetails {
    #[serde(default)]
    old_status: Option<OrderStatus>,
    #[serde(default)]
    new_status: Option<OrderStatus>,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    subject: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct AuditPage {
    records: Vec<AuditRecord>,
    /// Give this as `after` for the next page; null on the last.
    #[schema(required)]
    next: Option<u64>,
}

/// A checkpoint to verify against.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerifyAudit {
    /// A signed checkpoint kept outside the database.
    checkpoint: Option<String>,
}

/// What a verification found.
#[derive(Serialize, ToSchema)]
pub(crate) struct VerifyReport {
    verdict: Verdict,
    anchored: bool,
    chains: Vec<serde_json::Map<String, serde_json::Value>>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Intact,
    Tampered,
    Truncated,
    RolledBack,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Checkpoints {
    /// Signed heads, to be kept outside the database.
    checkpoints: Vec<String>,
}

/// Who the caller is, as the gateway understands the token.
#[derive(Serialize, ToSchema)]
pub(crate) struct Session {
    user_id: String,
    roles: Vec<String>,
    territories: Territories,
    purpose: String,
    #[schema(format = DateTime, required)]
    expires_at: Option<String>,
    /// What the roles may do in any of the territories.
    permissions: Vec<String>,
    /// The encrypted fields that the roles may see.
    fields: Vec<PhiField>,
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Territories {
    Some(Vec<String>),
    /// `*`
    All(String),
}

/// `{status: "success", data}`.
#[derive(Serialize, ToSchema)]
pub(crate) struct Success<T: ToSchema> {
    #[schema(inline)]
    status: SuccessWord,
    data: T,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SuccessWord {
    Success,
}

/// `{status: "error", error}`.
#[derive(Serialize, ToSchema)]
pub(crate) struct Failure {
    #[schema(inline)]
    status: FailureWord,
    error: ErrorBody,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FailureWord {
    Error,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorBody {
    /// The stable identity of the failure.
    code: ErrorCode,
    /// For people, free of PHI; it may change.
    message: String,
    details: ErrorDetails,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum ErrorCode {
    ValidationError,
    InvalidStatusTransition,
    PatientProviderMismatch,
    IdempotencyMismatch,
    InvalidCursor,
    Unauthenticated,
    AccessDenied,
    TerritoryMismatch,
    OrderNotFound,
    TerritoryNotFound,
    VersionConflict,
    StorageUnavailable,
    KeyUnavailable,
    OutcomeUnknown,
    IntegrityViolation,
    AuditBroken,
    KeyMismatch,
    SchemaUnsupported,
    Closed,
    Internal,
}

/// What a program needs to react; members that do not apply to the code are absent.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorDetails {
    /// Every fault of a `VALIDATION_ERROR`.
    #[serde(default)]
    errors: Vec<Fault>,
    #[serde(default)]
    order_id: String,
    #[serde(default)]
    current_status: Option<OrderStatus>,
    #[serde(default)]
    requested_status: Option<OrderStatus>,
    /// Statuses that the workflow allows from `current_status`.
    #[serde(default)]
    allowed: Vec<OrderStatus>,
    /// Why a change was refused: `state`, `missing_verification`, `verification_expired`, `missing_reason`.
    #[serde(default)]
    why: String,
    /// The version the order has, with `VERSION_CONFLICT`.
    #[serde(default)]
    current_version: u64,
    #[serde(default)]
    seq: u64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Fault {
    /// A member like `diagnosis_codes[3]`, a parameter, or a header; empty for the request as a whole.
    path: String,
    rule: Rule,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rule {
    Required,
    Empty,
    Type,
    Unknown,
    Duplicate,
    TooLong,
    TooMany,
    Format,
    Utf8,
    Control,
    OneOf,
    NotAllowed,
}

/// What any call may answer instead.
#[derive(IntoResponses)]
pub(crate) enum Failures {
    /// `VALIDATION_ERROR` with every fault, `INVALID_CURSOR`.
    #[response(status = 400)]
    Invalid(Failure),
    /// `UNAUTHENTICATED`.
    #[response(status = 401)]
    Unauthenticated(Failure),
    /// `ACCESS_DENIED`, `TERRITORY_MISMATCH`.
    #[response(status = 403)]
    Denied(Failure),
    /// `TERRITORY_NOT_FOUND`, `ORDER_NOT_FOUND`.
    #[response(status = 404)]
    Missing(Failure),
    /// Too many requests: nothing happened, try again after `Retry-After` seconds.
    #[response(status = 429)]
    TooMany(Failure),
    /// The code tells an operator what is wrong.
    #[response(status = 500)]
    Broken(Failure),
    /// `STORAGE_UNAVAILABLE`, `KEY_UNAVAILABLE`: nothing happened, try again. `OUTCOME_UNKNOWN`: try again with the
    /// same idempotency key.
    #[response(status = 503)]
    Unavailable(Failure),
}

/// What a call with a body may answer beside those.
#[derive(IntoResponses)]
pub(crate) enum BodyFailures {
    /// The body took longer than 30 seconds.
    #[response(status = 408)]
    TooSlow(Failure),
    /// The body is too long.
    #[response(status = 413)]
    TooLong(Failure),
    /// The body is not `application/json`.
    #[response(status = 415)]
    Unsupported(Failure),
}
