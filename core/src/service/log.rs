//! Reading the audit, and the directory. Reading the audit is audited.

use serde::Serialize;

use super::admin::Admin;
use super::feed::event_status;
use super::guard::{Session, busy};
use super::keyring::{Territory, not_found};
use super::{ROUNDS, integrity};
use crate::audit::chain::Head;
use crate::audit::{Action, AuditKeys, Entry};
use crate::error::{Error, ErrorCode, Result, Rule};
use crate::model::{
    AuditDetails, AuditFilter, AuditPage, AuditRecord, Chain, FieldSet, OrderId, PatientId, Permission,
    ProviderId, RelationshipFilter, RelationshipPage, Timestamp, limits,
};
use crate::storage::{EntryQuery, Outcome, Relationship, RelationshipQuery, Unit};
use crate::wire::stored;

impl Session {
    /// Entries of this territory's chain after position `after` (0: from the start), at most `limit`
    /// (1 to 500). Leaves an `audit` entry.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`, `ACCESS_DENIED`, `TERRITORY_MISMATCH`, `TERRITORY_NOT_FOUND`,
    /// `INTEGRITY_VIOLATION`, `STORAGE_UNAVAILABLE`, `KEY_UNAVAILABLE`, `OUTCOME_UNKNOWN`, `CLOSED`.
    pub async fn audit(&self, filter: &AuditFilter, after: u64, limit: usize) -> Result<AuditPage> {
        let query = filter.query(after);
        self.read_log(Action::Audit, query, limit).await
    }

    /// Who saw what of a patient's orders, when and why: the views that disclosed a field. Leaves a
    /// `disclosures` entry. Deleted orders count too.
    ///
    /// # Errors
    /// As [`audit`](Session::audit).
    pub async fn disclosures(&self, patient: &PatientId, after: u64, limit: usize) -> Result<AuditPage> {
        let query = EntryQuery {
            after,
            patient_id: Some(patient.as_str().to_owned()),
            disclosures: true,
            ..EntryQuery::default()
        };
        self.read_log(Action::Disclosures, query, limit).await
    }

    /// Every column of every entry of this territory's chain, for an archive or a checker of one's own.
    /// Leaves an `export` entry in the system chain before the first page.
    ///
    /// # Errors
    /// As [`audit`](Session::audit).
    pub async fn export_audit(&self) -> Result<AuditExport> {
        let territory = self.enter(Permission::AuditRead, Action::Export, None).await?;
        self.system_entry(Action::Export).await?;
        let territory = self.current(territory).await?;
        let head = self.core.head_row(&territory.chain).await?.head;
        Ok(AuditExport { session: self.clone(), at: Head::genesis(self.id.as_str()), upto: head.seq })
    }

    /// Relationships of the stored registry after `after`, at most `limit` (1 to 500). Leaves a `view` entry
    /// without an order. A host's own directory is not asked.
    ///
    /// # Errors
    /// As [`audit`](Session::audit).
    pub async fn relationships(
        &self,
        filter: &RelationshipFilter,
        after: Option<&(PatientId, ProviderId)>,
        limit: usize,
    ) -> Result<RelationshipPage> {
        bounded(limit)?;
        let mut territory = self.enter(Permission::OrderCreate, Action::View, None).await?;
        let query = RelationshipQuery {
            patient_id: filter.patient_id.as_ref().map(|id| id.as_str().to_owned()),
            provider_id: filter.provider_id.as_ref().map(|id| id.as_str().to_owned()),
            after: after.map(|(patient, provider)| Relationship {
                patient_id: patient.as_str().to_owned(),
                provider_id: provider.as_str().to_owned(),
            }),
        };
        for _ in 0..ROUNDS {
            let rows = self.core.storage.relationships(&territory.id, &query, limit).await?;
            if self.leave(&territory, Action::View, "relationships").await? {
                let pair = |row: &Relationship| Ok((row.patient_id.parse()?, row.provider_id.parse()?));
                let relationships =
                    rows.iter().map(pair).collect::<Result<Vec<_>>>().map_err(|_| integrity())?;
                return Ok(RelationshipPage::new(relationships, rows.len() == limit));
            }
            territory = self.refresh().await?;
        }
        Err(busy())
    }

    async fn read_log(&self, action: Action, query: EntryQuery, limit: usize) -> Result<AuditPage> {
        bounded(limit)?;
        let mut territory = self.enter(Permission::AuditRead, action, query.order_id).await?;
        let subject = query.patient_id.as_ref().map_or_else(String::new, |id| format!("patient {id}"));
        for _ in 0..ROUNDS {
            let entries = self.core.storage.entries(&territory.chain, &query, limit).await?;
            let page = page(&territory.chain, &territory.audit, entries, limit)?;
            if self.leave(&territory, action, &subject).await? {
                return Ok(page);
            }
            territory = self.refresh().await?;
        }
        Err(busy())
    }

    /// Writes an entry without an order into the territory's chain; false if its epoch is over.
    pub(super) async fn leave(&self, territory: &Territory, action: Action, subject: &str) -> Result<bool> {
        let mut draft = self.draft(action, None);
        let details =
            if subject.is_empty() { String::new() } else { stored::details_json(None, Some(subject)) };
        draft.details = self.seal_details(&territory.audit, &draft, &details)?;
        let mut unit = Unit::new(territory.chain.clone(), territory.epoch);
        unit.drafts.push(draft);
        match self.core.commit(self.inline, unit, &territory.audit).await? {
            Outcome::Done { .. } => Ok(true),
            Outcome::Refused => Err(integrity()),
            _ => Ok(false),
        }
    }
}

impl Admin {
    /// Entries of the system chain after position `after`: acts on the whole database, `verify`, `export`, and
    /// denials of actors without the territory. As [`Session::audit`] otherwise; leaves an `audit` entry there.
    ///
    /// # Errors
    /// As [`Session::audit`]; the actor needs every territory.
    pub async fn audit(&self, filter: &AuditFilter, after: u64, limit: usize) -> Result<AuditPage> {
        bounded(limit)?;
        self.permit_all(Permission::AuditRead, Action::Audit).await?;
        let keys = self.core.keyring.chain(&Chain::System, &self.core.background).await?;
        let entries = self.core.storage.entries(&Chain::System, &filter.query(after), limit).await?;
        let page = page(&Chain::System, &keys, entries, limit)?;
        self.system_act(Action::Audit, "", Vec::new()).await?;
        Ok(page)
    }
}

impl AuditFilter {
    fn query(&self, after: u64) -> EntryQuery {
        EntryQuery {
            after,
            order_id: self.order_id,
            patient_id: self.patient_id.as_ref().map(|id| id.as_str().to_owned()),
            user_id: self.user_id.as_ref().map(|id| id.as_str().to_owned()),
            from: self.from.map(Timestamp::as_micros),
            to: self.to.map(Timestamp::as_micros),
            ..EntryQuery::default()
        }
    }
}

/// Entries as a reader sees them.
fn page(chain: &Chain, keys: &AuditKeys, entries: Vec<Entry>, limit: usize) -> Result<AuditPage> {
    let next = entries.last().filter(|_| entries.len() == limit).map(|last| last.seq);
    let records = entries.into_iter().map(|entry| record(chain, keys, entry)).collect::<Result<Vec<_>>>()?;
    Ok(AuditPage::new(records, next))
}

/// The entries of a chain up to the head at the start of the export, a page at a time.
#[derive(Debug)]
pub struct AuditExport {
    session: Session,
    at: Head,
    upto: u64,
}

/// One exported entry: every column that its hash covers, so that anyone can check the chain with FORMAT
/// section 3 in hand. Binary columns are lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the columns of FORMAT section 3, by their names there")]
pub struct ExportedEntry {
    pub territory_id: String,
    pub seq: u64,
    pub prev_hash: String,
    pub at: i64,
    pub user_id: String,
    pub role: String,
    pub purpose: String,
    pub order_id: String,
    pub action: String,
    pub outcome: String,
    pub old_status: String,
    pub new_status: String,
    pub row_version: u64,
    pub row_mac: String,
    pub fields: u32,
    pub request_id: String,
    pub source: String,
    pub details_hash: String,
    pub hash: String,
    pub mac: String,
}

impl AuditExport {
    /// How many entries the export has in all.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.upto
    }

    /// The next entries, at most 1,000; empty at the end.
    ///
    /// # Errors
    /// `ACCESS_DENIED` once the session is over, `AUDIT_BROKEN` if an entry is missing, `STORAGE_UNAVAILABLE`,
    /// `CLOSED`.
    pub async fn next_page(&mut self) -> Result<Vec<ExportedEntry>> {
        self.session.core.live()?;
        if !self.session.lives() {
            let error = Error::new(ErrorCode::AccessDenied, "the session is expired or revoked");
            return Err(self.session.deny(Action::Export, None, error).await);
        }
        let chain = Chain::Territory(self.session.id.clone());
        if !self.session.core.head_row(&chain).await?.active {
            return Err(not_found());
        }
        let query = EntryQuery { after: self.at.seq, upto: Some(self.upto), ..EntryQuery::default() };
        let entries = self.session.core.storage.entries(&chain, &query, 1_000).await?;
        if entries.is_empty() && self.at.seq < self.upto {
            return Err(gap(self.at.seq + 1));
        }
        let mut page = Vec::with_capacity(entries.len());
        for entry in entries {
            if entry.seq != self.at.seq + 1 {
                return Err(gap(self.at.seq + 1));
            }
            let body = entry.body;
            page.push(ExportedEntry {
                territory_id: chain.as_str().to_owned(),
                seq: entry.seq,
                prev_hash: hex(&self.at.hash),
                at: body.at,
                user_id: body.user_id,
                role: body.role,
                purpose: body.purpose,
                order_id: hex(&body.order_id),
                action: body.action.into_owned(),
                outcome: body.outcome.into_owned(),
                old_status: body.old_status.into_owned(),
                new_status: body.new_status.into_owned(),
                row_version: body.row_version,
                row_mac: hex(&body.row_mac),
                fields: body.fields,
                request_id: body.request_id,
                source: body.source,
                details_hash: hex(&crate::audit::chain::details_hash(&body.details)),
                hash: hex(&entry.hash),
                mac: hex(&entry.mac),
            });
            self.at = Head { seq: entry.seq, hash: entry.hash, at: body.at };
        }
        Ok(page)
    }
}

/// An entry as a reader sees it.
pub(super) fn record(chain: &Chain, keys: &AuditKeys, entry: Entry) -> Result<AuditRecord> {
    let body = entry.body;
    let (reason, subject) =
        match keys.open_details(&body.order_id, body.row_version, &body.action, &body.details)? {
            Some(json) => stored::parse_details(&json)?,
            None => (None, None),
        };
    let order_id = OrderId::from_bytes(body.order_id);
    Ok(AuditRecord {
        timestamp: Timestamp::from_micros(body.at),
        user_id: body.user_id,
        territory_id: chain.as_str().to_owned(),
        order_id: (!order_id.is_nil()).then_some(order_id),
        action: body.action.into_owned(),
        details: AuditDetails {
            old_status: event_status(&body.old_status)?,
            new_status: event_status(&body.new_status)?,
            reason,
            subject,
        },
        seq: entry.seq,
        role: body.role,
        purpose: body.purpose,
        outcome: body.outcome.into_owned(),
        fields: FieldSet::from_bits(body.fields).ok_or_else(integrity)?,
        request_id: body.request_id,
        source: body.source,
        row_version: body.row_version,
        hash: entry.hash,
    })
}

fn bounded(limit: usize) -> Result<()> {
    if (1..=limits::PAGE_MAX).contains(&limit) { Ok(()) } else { Err(Error::fault("limit", Rule::Format)) }
}

fn gap(seq: u64) -> Error {
    Error::new(ErrorCode::AuditBroken, "an entry of the chain is missing")
        .with(|details| details.seq = Some(seq))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
