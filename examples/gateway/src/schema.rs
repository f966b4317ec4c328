//! The bodies and parameters as the OpenAPI document shows them. Nothing is read or written through these types: the
//! engine's wire does that, and the tests hold its answers against this description.

#![expect(dead_code, reason = "described, never made")]

mod answers;
mod failures;
mod live;
mod parameters;
mod requests;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use answers::*;
pub(crate) use failures::*;
pub(crate) use live::*;
pub(crate) use parameters::*;
pub(crate) use requests::*;

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
