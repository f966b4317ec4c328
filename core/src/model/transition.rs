//! Words about a change of status: why it is refused, and what it needs.

use serde::Serialize;

use super::status::OrderStatus;
use super::words::words;

words!(
    /// Why a change of status is refused.
    Why, "why" {
        /// The workflow has no such step from the current status.
        State = "state",
        /// The step needs verification data.
        MissingVerification = "missing_verification",
        /// The verification is past its `valid_until`.
        VerificationExpired = "verification_expired",
        /// The step needs a reason or notes.
        MissingReason = "missing_reason",
        /// The actor's roles do not allow the step.
        Permission = "permission",
        /// The actor created the order, and the policy wants another verifier.
        OwnOrder = "own_order",
    }
);

words!(
    /// What a caller must supply with a step.
    Need, "needs" {
        /// `verification_data` with `verified_by` and `verification_method`.
        VerificationData = "verification_data",
        /// `reason` or `notes`, not empty.
        ReasonOrNotes = "reason_or_notes",
    }
);

/// One status, and whether the actor may move the order there now; the answer of `allowed_transitions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TransitionOption {
    /// The status asked about.
    pub status: OrderStatus,
    /// True if a request with all that it needs would pass.
    pub allowed: bool,
    /// Why not, if it is not allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// What the caller must still supply; it never makes `allowed` false.
    pub needs: Vec<Need>,
}

impl TransitionOption {
    pub(crate) fn new(status: OrderStatus, why: Option<Why>, needs: Vec<Need>) -> Self {
        Self { status, allowed: why.is_none(), why, needs }
    }
}
