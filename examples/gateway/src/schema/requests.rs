//! What a caller sends. Lengths are in characters here and in bytes of UTF-8 in truth, which JSON Schema cannot say.

use serde::Deserialize;
use utoipa::ToSchema;

use super::{Insurance, InsuranceStatus};

/// An order to create. Lengths are in bytes of UTF-8.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "patient_id": "79a66c97-6131-3213-f3c9-4606946ab056",
    "provider_id": "npi-9999969790",
    "service_type": "lisinopril 10 MG Oral Tablet",
    "diagnosis_codes": ["http://snomed.info/sct|59621000"],
    "insurance": {"carrier": "Prairie Mutual", "policy_number": "POL-A118A8BE"}
}))]
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

/// A change of status.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(example = json!({
    "status": "verified",
    "verification_data": {
        "verified_by": "v.okafor",
        "verification_method": "payer portal",
        "insurance_status": "confirmed"
    }
}))]
pub(crate) enum StatusChange {
    Decision(Decision),
    Step(Step),
}

/// A request to move an order on: the members that all have, and those that stand before the braces' end.
macro_rules! status_request {
    ($(#[$doc:meta])* $name:ident, $status:ident, $($more:tt)*) => {
        $(#[$doc])*
        #[derive(Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            #[schema(inline)]
            status: $status,
            /// PHI, appended to the order's notes.
            #[schema(
                max_length = 65536,
                pattern = "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f-\\u009f]*$"
            )]
            notes: Option<String>,
            /// Operational text, **not PHI**: it is shown in events and in the audit, and outlives the order.
            #[schema(max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
            reason: Option<String>,
            /// The version the caller has seen; for one order the header `If-Match` says the same.
            #[schema(minimum = 1, maximum = 9223372036854775807_i64)]
            expected_version: Option<u64>,
            /// The caller's own number of this request: a second one with it changes nothing. For one order the header
            /// `Idempotency-Key` says the same.
            #[schema(min_length = 1, max_length = 128, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
            idempotency_key: Option<String>,
            $($more)*
        }
    };
}

status_request!(
    /// What verification ends in; `verified` needs `verification_data`, `rejected` a reason or notes.
    Decision, Decided,
    verification_data: Option<VerificationData>,
);
status_request!(
    /// Every other step; `cancelled` needs a reason or notes.
    Step, Stepped,
);
status_request!(
    /// A decision on one order of many.
    OrderDecision, Decided,
    verification_data: Option<VerificationData>,
    #[schema(format = Uuid, pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[1-9a-f][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    order_id: String,
);
status_request!(
    /// A step of one order of many.
    OrderStep, Stepped,
    #[schema(format = Uuid, pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-[1-9a-f][0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    order_id: String,
);

/// A change of status of one order of many.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum OrderChange {
    Decision(OrderDecision),
    Step(OrderStep),
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Decided {
    Verified,
    Rejected,
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
#[schema(example = json!({"reason": "entered for the wrong patient"}))]
pub(crate) struct DeleteOrder {
    /// Operational text, **not PHI**: it outlives the order in the audit.
    #[schema(min_length = 1, max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    reason: String,
    /// The version the caller has seen; the header `If-Match` says the same.
    #[schema(minimum = 1, maximum = 9223372036854775807_i64)]
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
#[schema(example = json!({
    "mode": "each",
    "requests": [{
        "patient_id": "79a66c97-6131-3213-f3c9-4606946ab056",
        "provider_id": "npi-9999969790",
        "service_type": "lisinopril 10 MG Oral Tablet",
        "diagnosis_codes": []
    }]
}))]
pub(crate) struct CreateOrders {
    mode: BatchMode,
    /// An item that is no order fails for itself, or with all in an atomic batch.
    #[schema(max_items = 10000)]
    requests: Vec<CreateOrder>,
}

/// At most 10,000 changes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "mode": "each",
    "changes": [{
        "order_id": "0198f3c2-0000-7000-8000-000000000001",
        "status": "rejected",
        "reason": "not covered by the plan"
    }]
}))]
pub(crate) struct StatusChanges {
    mode: BatchMode,
    /// An item that is no change fails for itself, or with all in an atomic batch.
    #[schema(max_items = 10000)]
    changes: Vec<OrderChange>,
}

/// A checkpoint to verify against.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VerifyAudit {
    /// A signed checkpoint kept outside the database.
    checkpoint: Option<String>,
}
