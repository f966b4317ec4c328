//! Reading the audit and the registry: what is asked, and pages of answers.

use serde::{Serialize, Serializer};

use super::ids::{OrderId, PatientId, ProviderId, UserId};
use super::time::Timestamp;
use super::views::AuditRecord;

/// Which entries of the audit to read; all that are given must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "filled in by callers with `..Default::default()`")]
pub struct AuditFilter {
    /// About this order.
    pub order_id: Option<OrderId>,
    /// About orders of this patient.
    pub patient_id: Option<PatientId>,
    /// By this user.
    pub user_id: Option<UserId>,
    /// At or after.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

/// Entries in the order of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditPage {
    /// The entries.
    pub records: Vec<AuditRecord>,
    /// Give this as `after` for the next page; `None` at the end.
    pub next: Option<u64>,
}

/// Which relationships of the stored registry to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "filled in by callers with `..Default::default()`")]
pub struct RelationshipFilter {
    /// Of this patient.
    pub patient_id: Option<PatientId>,
    /// Of this provider.
    pub provider_id: Option<ProviderId>,
}

/// Relationships by patient and provider.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelationshipPage {
    /// The pairs.
    pub relationships: Vec<(PatientId, ProviderId)>,
    /// True if there are more after the last one.
    pub more: bool,
}

impl AuditPage {
    /// A page of these entries.
    #[must_use]
    pub fn new(records: Vec<AuditRecord>, next: Option<u64>) -> Self {
        Self { records, next }
    }
}

impl RelationshipPage {
    /// A page of these pairs.
    #[must_use]
    pub fn new(relationships: Vec<(PatientId, ProviderId)>, more: bool) -> Self {
        Self { relationships, more }
    }
}

/// `{relationships: [{patient_id, provider_id}], next}`; `next` is the last pair, to be given as `after` for the
/// next page, and null at the end.
impl Serialize for RelationshipPage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Pair<'a> {
            patient_id: &'a str,
            provider_id: &'a str,
        }
        #[derive(Serialize)]
        struct Page<'a> {
            relationships: Vec<Pair<'a>>,
            next: Option<Pair<'a>>,
        }
        fn pair((patient, provider): &(PatientId, ProviderId)) -> Pair<'_> {
            Pair { patient_id: patient.as_str(), provider_id: provider.as_str() }
        }
        let relationships = self.relationships.iter().map(pair).collect();
        let next = self.relationships.last().filter(|_| self.more).map(pair);
        Page { relationships, next }.serialize(serializer)
    }
}
