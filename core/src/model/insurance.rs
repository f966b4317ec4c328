//! Insurance and its verification. Both are PHI: no `Serialize`, nothing in `Debug`, wiped when dropped.

use std::fmt;

use zeroize::{DefaultIsZeroes, Zeroize, ZeroizeOnDrop};

use super::time::Timestamp;
use super::words::words;

/// Who pays. `carrier` and `policy_number` are required; each member is at most 256 bytes.
///
/// ```
/// let insurance = medorder::Insurance::new("Prairie Mutual", "POL-1").group_number("G7");
/// assert_eq!(insurance.carrier, "Prairie Mutual");
/// assert_eq!(format!("{insurance:?}"), "Insurance(..)");
/// ```
#[derive(Clone, Default, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
#[non_exhaustive]
pub struct Insurance {
    /// The insurer.
    pub carrier: String,
    /// The number of the policy.
    pub policy_number: String,
    /// The number of the group, if there is one.
    pub group_number: Option<String>,
}

impl Insurance {
    /// Insurance without a group.
    #[must_use]
    pub fn new(carrier: impl Into<String>, policy_number: impl Into<String>) -> Self {
        Self { carrier: carrier.into(), policy_number: policy_number.into(), group_number: None }
    }

    /// The same with a group; an empty number is none.
    #[must_use]
    pub fn group_number(mut self, number: impl Into<String>) -> Self {
        self.group_number = Some(number.into());
        self
    }
}

impl fmt::Debug for Insurance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Insurance(..)")
    }
}

words!(
    /// What the payer said.
    #[derive(Default)]
    InsuranceStatus, "insurance_status" {
        /// The payer covers it.
        Confirmed = "confirmed",
        /// The payer does not cover it.
        Denied = "denied",
        /// The payer cannot be asked.
        Unsupported = "unsupported",
        /// Nobody asked.
        #[default]
        NotChecked = "not_checked",
        /// Asking failed.
        Error = "error",
    }
);

// Wiping resets the word to the one that says nothing.
impl DefaultIsZeroes for InsuranceStatus {}

/// How coverage was verified: the members of a stored `insurance_verification`.
#[derive(Clone, Default, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
#[non_exhaustive]
pub struct InsuranceVerification {
    /// What the payer said.
    pub status: InsuranceStatus,
    /// Free JSON of the payer as compact text, members sorted by bytes, at most 64 KiB.
    pub coverage_details: Option<String>,
    /// The payer's number of the authorisation.
    pub authorization_number: Option<String>,
    /// Who verified.
    pub verified_by: String,
    /// How.
    pub verification_method: String,
    /// When; the engine's clock says so.
    pub verified_at: Option<Timestamp>,
    /// The last moment at which work may start.
    pub valid_until: Option<Timestamp>,
}

impl fmt::Debug for InsuranceVerification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InsuranceVerification(..)")
    }
}
