//! What a call that fails answers.

use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use super::OrderStatus;

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
    /// The body is too long: 1 MiB for one order, 32 MiB for many.
    #[response(status = 413)]
    TooLong(Failure),
    /// The body is not `application/json`, or has a `Content-Encoding`.
    #[response(status = 415)]
    Unsupported(Failure),
}

/// What a batch may answer beside those.
#[derive(IntoResponses)]
pub(crate) enum BatchFailures {
    /// `IDEMPOTENCY_MISMATCH`: some of the keys of an atomic batch were used before, and not all
    #[response(status = 422)]
    Mismatch(Failure),
}
