//! The audit: what was done by whom, its verification, and its export.

use std::sync::Arc;
use std::time::SystemTime;

use medorder::service::{BlockingExport, RotationReport as CoreRotation};
use medorder::wire;

use crate::error::Result;
use crate::guarded::guarded;
use crate::orders::words;
use crate::shared::{Members, signed};
use crate::time::system_time;
use crate::words::{OrderStatus, PhiField};

/// One entry of the audit. Holds no field of PHI; the subject of an act on the registry names a patient.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct AuditRecord {
    /// When.
    pub timestamp: SystemTime,
    /// Who.
    pub user_id: String,
    /// Where; empty for the system chain.
    pub territory_id: String,
    /// Which order, if the entry is about one.
    pub order_id: Option<String>,
    /// What: `create`, `update_status`, `view`, `delete` or an administrative act.
    pub action: String,
    /// What changed, and why.
    pub details: AuditDetails,
    /// The place in the chain, from 1.
    pub seq: i64,
    /// The roles of the actor, sorted and joined by `,`.
    pub role: String,
    /// For what.
    pub purpose: String,
    /// `success` or `denied`.
    pub outcome: String,
    /// The fields disclosed or changed.
    pub fields: Vec<PhiField>,
    /// The host's id of the request; may be empty.
    pub request_id: String,
    /// Where the call came from; may be empty.
    pub source: String,
    /// The version of the order that was read or made; 0 if none.
    pub row_version: i64,
    /// The chain hash, in hexadecimal.
    pub hash: String,
}

/// What changed and why, in an entry of the audit. Its text shows the change alone, since a subject may name a patient.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct AuditDetails {
    /// The status before.
    pub old_status: Option<OrderStatus>,
    /// The status after.
    pub new_status: Option<OrderStatus>,
    /// The reason given.
    pub reason: Option<String>,
    /// The object of an administrative act.
    pub subject: Option<String>,
}

impl std::fmt::Display for AuditDetails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.old_status, self.new_status) {
            (Some(old), Some(new)) => write!(f, "AuditDetails({old} -> {new})"),
            (None, Some(new)) => write!(f, "AuditDetails(new -> {new})"),
            _ => f.write_str("AuditDetails(..)"),
        }
    }
}

/// Entries in the order of the chain.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct AuditPage {
    /// The entries.
    pub records: Vec<AuditRecord>,
    /// Give this as `after` for the next page; null at the end.
    pub next: Option<i64>,
}

impl From<medorder::AuditPage> for AuditPage {
    fn from(page: medorder::AuditPage) -> Self {
        Self { records: page.records.into_iter().map(Into::into).collect(), next: page.next.map(signed) }
    }
}

impl From<medorder::AuditRecord> for AuditRecord {
    fn from(record: medorder::AuditRecord) -> Self {
        let details = record.details;
        Self {
            timestamp: system_time(record.timestamp),
            user_id: record.user_id,
            territory_id: record.territory_id,
            order_id: record.order_id.map(|id| id.to_string()),
            action: record.action,
            details: AuditDetails {
                old_status: details.old_status.map(Into::into),
                new_status: details.new_status.map(Into::into),
                reason: details.reason,
                subject: details.subject,
            },
            seq: signed(record.seq),
            role: record.role,
            purpose: record.purpose,
            outcome: record.outcome,
            fields: words(record.fields),
            request_id: record.request_id,
            source: record.source,
            row_version: signed(record.row_version),
            hash: record.hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

/// What verification found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[uniffi::export(Display)]
pub enum Verdict {
    /// Somebody changed, added or removed a record.
    Tampered,
    /// The newest entries are gone.
    Truncated,
    /// All is consistent, but older than the checkpoint, or of another generation.
    RolledBack,
    /// Every record is what this library wrote, and nothing is missing.
    Intact,
}

impl Verdict {
    const fn core(self) -> medorder::Verdict {
        match self {
            Self::Tampered => medorder::Verdict::Tampered,
            Self::Truncated => medorder::Verdict::Truncated,
            Self::RolledBack => medorder::Verdict::RolledBack,
            Self::Intact => medorder::Verdict::Intact,
        }
    }
}

impl From<medorder::Verdict> for Verdict {
    fn from(verdict: medorder::Verdict) -> Self {
        // A verdict that this list does not have must not pass for a good one.
        let all = [Self::Truncated, Self::RolledBack, Self::Intact];
        all.into_iter().find(|own| own.core() == verdict).unwrap_or(Self::Tampered)
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.core().name())
    }
}

/// The answer of `verifyAudit`.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct VerifyReport {
    /// The first that applies, over all chains.
    pub verdict: Verdict,
    /// True if every chain was compared with a checkpoint from outside the database. Without one a database that was put
    /// back as a whole cannot be told from the true one.
    pub anchored: bool,
    /// One report a chain.
    pub chains: Vec<ChainReport>,
}

/// What is true of one chain and its orders.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ChainReport {
    /// The territory, or empty for the system chain.
    pub territory_id: String,
    /// What was found.
    pub verdict: Verdict,
    /// True if it was compared with a checkpoint from outside the database.
    pub anchored: bool,
    /// How many entries hold.
    pub entries: i64,
    /// How many order rows were compared with their entries.
    pub orders: i64,
    /// The first record that is wrong.
    pub first_bad: Option<BadRecord>,
}

/// Where the first fault is.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct BadRecord {
    /// The position in the chain.
    pub seq: Option<i64>,
    /// The order.
    pub order_id: Option<String>,
    /// What is wrong with it.
    pub what: String,
}

impl From<medorder::service::VerifyReport> for VerifyReport {
    fn from(report: medorder::service::VerifyReport) -> Self {
        let chain = |chain: medorder::service::ChainReport| ChainReport {
            territory_id: chain.territory_id,
            verdict: chain.verdict.into(),
            anchored: chain.anchored,
            entries: signed(chain.entries),
            orders: signed(chain.orders),
            first_bad: chain.first_bad.map(|bad| BadRecord {
                seq: bad.seq.map(signed),
                order_id: bad.order_id,
                what: bad.what.to_owned(),
            }),
        };
        let chains = report.chains.into_iter().map(chain).collect();
        Self { verdict: report.verdict.into(), anchored: report.anchored, chains }
    }
}

/// What a rotation of keys did.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct RotationReport {
    /// The key version that every order is wrapped under now.
    pub version: i64,
    /// How many orders were wrapped anew.
    pub rewrapped: i64,
    /// True if an earlier rotation had stopped half way and this one finished it instead of making a new key.
    pub resumed: bool,
}

impl From<CoreRotation> for RotationReport {
    fn from(report: CoreRotation) -> Self {
        Self {
            version: i64::from(report.version),
            rewrapped: signed(report.rewrapped),
            resumed: report.resumed,
        }
    }
}

/// The entries of a chain up to its head at the start of the export, for an archive or a checker of one's own.
#[derive(uniffi::Object)]
pub struct AuditExport(Members<BlockingExport>);

#[uniffi::export]
impl AuditExport {
    /// How many entries there are in all.
    pub fn total(&self) -> i64 {
        signed(self.0.lock().total())
    }

    /// The next entries, at most 1,000, each as one JSON object with every column that its hash covers; none at the end.
    ///
    /// Errors: `ACCESS_DENIED` once the session is over, `AUDIT_BROKEN` if an entry is missing, `STORAGE_UNAVAILABLE`,
    /// `CLOSED`.
    pub fn next_page(&self) -> Result<Vec<String>> {
        let mut export = self.0.lock();
        let entries = guarded(|| export.next_page())?;
        let line = |entry| String::from_utf8_lossy(&wire::plain_json(entry)).into_owned();
        Ok(entries.iter().map(line).collect())
    }
}

impl AuditExport {
    pub(crate) fn of(export: BlockingExport) -> Arc<Self> {
        Arc::new(Self(Members::new(export)))
    }
}
