//! What a call that succeeds answers.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Failure, Insurance, InsuranceStatus, OrderStatus, PhiField};

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

/// What a verification found.
#[derive(Serialize, ToSchema)]
pub(crate) struct VerifyReport {
    verdict: Verdict,
    anchored: bool,
    /// One a chain: that of the territory.
    chains: Vec<ChainReport>,
}

/// What is true of one chain and its orders.
#[derive(Serialize, ToSchema)]
pub(crate) struct ChainReport {
    territory_id: String,
    verdict: Verdict,
    /// True if it was compared with a checkpoint from outside the database.
    anchored: bool,
    /// How many entries hold.
    entries: u64,
    /// How many orders were compared with their entries.
    orders: u64,
    /// The first record that is wrong; absent if none is.
    #[schema(nullable = false)]
    first_bad: Option<BadRecord>,
}

/// Where the first fault is.
#[derive(Serialize, ToSchema)]
pub(crate) struct BadRecord {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    order_id: String,
    what: String,
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

/// A right that a role grants.
#[derive(Serialize, ToSchema)]
pub(crate) enum Permission {
    #[serde(rename = "order.create")]
    OrderCreate,
    #[serde(rename = "order.view")]
    OrderView,
    #[serde(rename = "order.verify")]
    OrderVerify,
    #[serde(rename = "order.fulfil")]
    OrderFulfil,
    #[serde(rename = "order.cancel")]
    OrderCancel,
    #[serde(rename = "order.delete")]
    OrderDelete,
    #[serde(rename = "audit.read")]
    AuditRead,
    #[serde(rename = "directory.manage")]
    DirectoryManage,
    #[serde(rename = "keys.manage")]
    KeysManage,
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
    permissions: Vec<Permission>,
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
