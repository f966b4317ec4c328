//! `verify_audit`: recomputes everything from stored bytes and says which of four things is true.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::Core;
use super::aside::{Aside, KeysByVersion, RowMacs, head_of, holding, row_macs};
use super::guard::Session;
use super::keyring::{self, Territory};
use super::report::{BadRecord, ChainReport, Verdict, VerifyReport};
use crate::audit::chain::Head;
use crate::audit::{Action, AuditKeys, Checkpoint, Entry, checkpoint};
use crate::error::{Error, ErrorCode, Result};
use crate::model::{Chain, OrderId, Permission};
use crate::phi::key::wrapped_version;
use crate::storage::{EntryQuery, OrderRow};
use crate::wire::stored;

/// How many entries or rows are read at a time.
const PAGE: usize = 1_000;

impl Session {
    /// Verifies this territory's chain and its orders: every hash, MAC and link, every row MAC against its
    /// newest entry, every key row. With `checkpoint` (a signed note) or an anchor it also tells a database
    /// that was put back. Leaves a `verify` entry in the system chain, last.
    ///
    /// # Errors
    /// `AUDIT_BROKEN` if `checkpoint` is not a note of this database's key, `ACCESS_DENIED`,
    /// `TERRITORY_MISMATCH`, `TERRITORY_NOT_FOUND`, `STORAGE_UNAVAILABLE`, `KEY_UNAVAILABLE`,
    /// `OUTCOME_UNKNOWN`, `CLOSED`. What is wrong with the data is no error but the report.
    pub async fn verify_audit(&self, checkpoint: Option<&str>) -> Result<VerifyReport> {
        self.permit(Permission::AuditRead, Action::Verify).await?;
        // The chain itself is in question, so a territory that does not load is judged, not refused.
        match self.core.keyring.territory(&self.id, &self.core.background).await {
            Ok(territory) => drop(self.current(territory).await?),
            Err(error) if error.code() == ErrorCode::IntegrityViolation => {}
            Err(error) => return Err(error),
        }
        let chain = Chain::Territory(self.id.clone());
        let core = Arc::clone(&self.core);
        let note = checkpoint.map(str::to_owned);
        let report = self
            .core
            .background
            .offload(self.inline, async move {
                let given = core.given(note.as_deref(), &chain).await?;
                let own = core.verify_chain(&chain, given).await?;
                let system = core.verify_chain(&Chain::System, None).await?;
                let mut chains = vec![own];
                if system.verdict != Verdict::Intact {
                    chains.push(system);
                }
                Ok(summed(chains))
            })
            .await?;
        if report.chains.iter().all(|chain| !chain.territory_id.is_empty()) {
            self.system_entry(Action::Verify).await?;
        }
        Ok(report)
    }
}

/// The report over several chains.
pub(super) fn summed(chains: Vec<ChainReport>) -> VerifyReport {
    VerifyReport {
        verdict: chains.iter().map(|chain| chain.verdict).min().unwrap_or(Verdict::Intact),
        anchored: chains.iter().all(|chain| chain.anchored),
        chains,
    }
}

/// What the entries say of an order.
struct Told {
    version: u64,
    row_mac: [u8; 32],
    status: Cow<'static, str>,
    deleted: bool,
}

/// A page of entries on its way through [`holding`].
type Hashed = Aside<(usize, Vec<Entry>)>;

/// A page of rows on its way through [`row_macs`]: a part elsewhere, a part to be done here.
struct Opening {
    its: Aside<(RowMacs, Vec<OrderRow>)>,
    own: Vec<OrderRow>,
    keys: Arc<KeysByVersion>,
}

/// A verification under way.
struct Judge<'a> {
    core: &'a Core,
    chain: &'a Chain,
    keys: Arc<AuditKeys>,
    orders: HashMap<OrderId, Told>,
    tampered: Option<BadRecord>,
    truncated: Option<BadRecord>,
    entries: u64,
    rows: u64,
    /// The newest key version that a rotation entry names.
    rotated_to: u32,
}

impl Core {
    /// A checkpoint that the caller brings, checked against this database's key.
    async fn given(&self, note: Option<&str>, chain: &Chain) -> Result<Option<Checkpoint>> {
        let Some(note) = note else { return Ok(None) };
        let signer = self.keyring.signer(&self.background).await?;
        let given = checkpoint::verify(note, &signer.public_key())?;
        if given.chain == chain.as_str() {
            Ok(Some(given))
        } else {
            Err(Error::new(ErrorCode::AuditBroken, "the checkpoint is of another chain"))
        }
    }

    /// Every chain there is or was: the system's, those with a head row, those with keys. One that has keys
    /// alone is a registration that was cut short, unless the anchor knows it.
    pub(super) async fn verify_all(&self) -> Result<Vec<ChainReport>> {
        let mut chains = BTreeSet::from([Chain::System]);
        chains.extend(self.storage.territories().await?.into_iter().map(|row| row.chain));
        let mut reports = Vec::with_capacity(chains.len());
        for chain in &chains {
            reports.push(self.verify_chain(chain, None).await?);
        }
        for key in self.storage.all_keys().await? {
            let Ok(chain) = Chain::parse(&key.territory) else { continue };
            if !chains.contains(&chain) && self.storage.territory(&chain).await?.is_none() {
                let report = self.verify_chain(&chain, None).await?;
                if report.anchored {
                    reports.push(report);
                }
                chains.insert(chain);
            }
        }
        Ok(reports)
    }

    async fn anchors_and_keys(&self, chain: &Chain, anchors: &mut Vec<Checkpoint>) -> Result<Arc<AuditKeys>> {
        if self.anchor.is_some() {
            let key = self.keyring.signer(&self.background).await?.public_key();
            anchors.extend(self.anchored(chain, &key).await?);
        }
        self.keyring.audit_keys(chain, &self.background).await
    }

    /// Verifies one chain and, for a territory, its orders.
    pub(super) async fn verify_chain(&self, chain: &Chain, given: Option<Checkpoint>) -> Result<ChainReport> {
        let mut report = ChainReport {
            territory_id: chain.as_str().to_owned(),
            verdict: Verdict::Tampered,
            anchored: false,
            entries: 0,
            orders: 0,
            first_bad: None,
        };
        let mut anchors: Vec<Checkpoint> = given.into_iter().collect();
        let keys = match self.anchors_and_keys(chain, &mut anchors).await {
            Ok(keys) => keys,
            Err(error) if error.code() == ErrorCode::IntegrityViolation => {
                report.first_bad = Some(bad("a key row is missing or does not open"));
                return Ok(report);
            }
            Err(error) => return Err(error),
        };
        report.anchored = !anchors.is_empty();
        let mut judge = Judge {
            core: self,
            chain,
            keys,
            orders: HashMap::new(),
            tampered: None,
            truncated: None,
            entries: 0,
            rows: 0,
            rotated_to: 1,
        };
        let rolled_back = match judge.run(&anchors).await {
            Ok(rolled_back) => rolled_back,
            // A stored value that can't even be read was written by somebody else.
            Err(error) if error.code() == ErrorCode::IntegrityViolation => {
                judge.tampered.get_or_insert(bad("a stored row cannot be read"));
                None
            }
            Err(error) if error.code() == ErrorCode::TerritoryNotFound => {
                judge.tampered.get_or_insert(bad("a head row is missing"));
                None
            }
            Err(error) => return Err(error),
        };
        (report.entries, report.orders) = (judge.entries, judge.rows);
        (report.verdict, report.first_bad) = match (judge.tampered, judge.truncated, rolled_back) {
            (Some(bad), _, _) => (Verdict::Tampered, Some(bad)),
            (None, Some(bad), _) => (Verdict::Truncated, Some(bad)),
            (None, None, Some(bad)) => (Verdict::RolledBack, Some(bad)),
            (None, None, None) => (Verdict::Intact, None),
        };
        Ok(report)
    }
}

impl Judge<'_> {
    /// Returns what speaks for a rollback, should nothing else be wrong.
    async fn run(&mut self, anchors: &[Checkpoint]) -> Result<Option<BadRecord>> {
        let row = self.core.head_row(self.chain).await?;
        let generation = row.generation;
        let own: Vec<&Checkpoint> = anchors.iter().filter(|anchor| anchor.generation == generation).collect();
        let mut at = Head::genesis(self.chain.as_str());
        self.anchor_holds(&own, &at);
        // While one page is hashed the next one is read. What was read is judged in order, errors too.
        let (mut read, mut hashing) = (at, None);
        while self.tampered.is_none() {
            let page = if read.seq < row.head.seq {
                let query = EntryQuery { after: read.seq, upto: Some(row.head.seq), ..EntryQuery::default() };
                self.core.storage.entries(self.chain, &query, PAGE).await
            } else {
                Ok(Vec::new())
            };
            if let Some(hashed) = hashing.take() {
                self.entries(&own, &mut at, hashed)?;
                if self.tampered.is_some() {
                    break;
                }
            }
            let page = page?;
            let Some(last) = page.last() else { break };
            let before = std::mem::replace(&mut read, head_of(last));
            let (chain, keys) = (self.chain.clone(), Arc::clone(&self.keys));
            hashing = Some(Aside::start(move || (holding(&chain, &keys, before, &page), page))?);
        }
        self.head(&row.head, row.last_seq, &at);
        if self.tampered.is_none() {
            self.keys().await?;
        }
        match self.chain {
            _ if self.tampered.is_some() => {}
            Chain::Territory(id) => {
                let keyring = &self.core.keyring;
                let territory = keyring.load_anyhow(id, &self.core.background).await?;
                self.rows(territory, row.head.seq).await?;
            }
            Chain::System if self.core.storage.strays().await? => {
                self.tampered = Some(bad("an order row or an entry stands in no chain"));
            }
            Chain::System => {}
        }
        let past = anchors.iter().find(|anchor| anchor.generation != generation || anchor.seq > row.head.seq);
        Ok(past.map(|anchor| bad_entry(anchor.seq, "the database is older than its checkpoint")))
    }

    /// Takes up a page of entries, as far as they hold.
    fn entries(&mut self, anchors: &[&Checkpoint], at: &mut Head, hashed: Hashed) -> Result<()> {
        let (holding, page) = hashed.join()?;
        let all = holding == page.len();
        for entry in page.into_iter().take(holding) {
            *at = head_of(&entry);
            self.anchor_holds(anchors, at);
            self.tell(entry);
            self.entries += 1;
        }
        if !all {
            self.tampered.get_or_insert(bad_entry(at.seq + 1, "an entry is missing or does not hold"));
        }
        Ok(())
    }

    fn anchor_holds(&mut self, anchors: &[&Checkpoint], at: &Head) {
        if anchors.iter().any(|anchor| anchor.seq == at.seq && anchor.hash != at.hash) {
            self.tampered.get_or_insert(bad_entry(at.seq, "another entry was anchored at this position"));
        }
    }

    /// Remembers what an entry says of its order; a step that no history of ours has is tampering.
    fn tell(&mut self, entry: Entry) {
        if entry.body.action == Action::RotateKeys.name() && entry.body.outcome == "success" {
            self.rotated_to = self.rotated_to.max(self.rotation(&entry).unwrap_or(1));
        }
        if !entry.is_event() {
            return;
        }
        let body = entry.body;
        let id = OrderId::from_bytes(body.order_id);
        let follows = match self.orders.get(&id) {
            None => {
                body.row_version == 1 && body.old_status.is_empty() && body.action == Action::Create.name()
            }
            Some(before) => {
                body.row_version == before.version + 1
                    && body.old_status == before.status
                    && !before.deleted
                    && body.action != Action::Create.name()
            }
        };
        if !follows {
            let what = "an entry does not follow the order's entry before it";
            self.tampered
                .get_or_insert(BadRecord { order_id: Some(id.to_string()), ..bad_entry(entry.seq, what) });
        }
        let told = Told {
            version: body.row_version,
            row_mac: body.row_mac,
            deleted: body.action == Action::Delete.name(),
            status: body.new_status,
        };
        self.orders.insert(id, told);
    }

    fn rotation(&self, entry: &Entry) -> Option<u32> {
        let body = &entry.body;
        let json =
            self.keys.open_details(&body.order_id, body.row_version, &body.action, &body.details).ok()??;
        stored::parse_details(&json).ok()?.1?.strip_prefix("data ")?.parse().ok()
    }

    /// The head row against the entries it was read with.
    fn head(&mut self, head: &Head, last_seq: u64, at: &Head) {
        if self.tampered.is_some() {
            return;
        }
        if last_seq > head.seq {
            self.tampered = Some(bad_entry(head.seq + 1, "the head row is below the last entry"));
        } else if at.seq < head.seq {
            self.truncated = Some(bad_entry(at.seq + 1, "the chain ends below its head row"));
        } else if at.hash != head.hash || at.at != head.at {
            self.tampered = Some(bad_entry(head.seq, "the head row is unlike the last entry"));
        }
    }

    /// Every key row of the chain opens, and none is missing. The system chain answers for the whole table.
    async fn keys(&mut self) -> Result<()> {
        let rows = match self.chain {
            Chain::System => self.core.storage.all_keys().await?,
            Chain::Territory(_) => self.core.storage.keys(self.chain).await?,
        };
        for row in &rows {
            match self.core.keyring.opens(row, &self.core.background).await {
                Ok(()) => {}
                Err(error) if error.code() == ErrorCode::IntegrityViolation => {
                    self.tampered = Some(bad("a key row does not open"));
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        let has = |purpose: &str, version: u32| {
            rows.iter().any(|row| {
                row.purpose == purpose && row.version == version && row.territory == self.chain.as_str()
            })
        };
        let complete = match self.chain {
            Chain::System => has(keyring::AUDIT, 1) && has(keyring::CHECKPOINT, 1) && has(keyring::CHECK, 0),
            Chain::Territory(_) => {
                let newest =
                    rows.iter().filter(|row| row.purpose == keyring::DATA).map(|row| row.version).max();
                let newest = newest.unwrap_or(0).max(self.rotated_to);
                has(keyring::AUDIT, 1) && (1..=newest).all(|version| has(keyring::DATA, version))
            }
        };
        if !complete {
            self.tampered = Some(bad("a key row is missing"));
        }
        Ok(())
    }

    /// Every row against the newest entry of its order. Rows change while this walks: one that is newer than
    /// the entries read is judged by the entries after `head`.
    async fn rows(&mut self, territory: Territory, head: u64) -> Result<()> {
        let territory = Arc::new(territory);
        let (mut after, mut opening) = (None, None);
        loop {
            let page = self.core.storage.walk(&territory.id, after, PAGE).await;
            if let Some(opened) = opening.take() {
                self.opened(&territory, head, opened).await?;
                if self.tampered.is_some() {
                    return Ok(());
                }
            }
            let mut page = page?;
            let Some(last) = page.last() else { break };
            after = Some(last.order_id);
            let keys = self.keys_of(&territory, &page).await?;
            // To check rows takes longer than to read them, so this thread keeps a part for itself.
            let own = page.split_off(page.len() - page.len() / 6);
            let (its_territory, its_keys) = (Arc::clone(&territory), Arc::clone(&keys));
            let its = Aside::start(move || (row_macs(&its_territory, &its_keys, &page), page))?;
            opening = Some(Opening { its, own, keys });
        }
        // The smallest id, so that the answer does not depend on the map's order.
        if let Some(id) = self.orders.keys().min() {
            self.tampered =
                Some(BadRecord { order_id: Some(id.to_string()), ..bad("an order row is missing") });
        }
        Ok(())
    }

    /// Judges a page of rows, in order, until one is found that was tampered with.
    async fn opened(&mut self, territory: &Territory, head: u64, opening: Opening) -> Result<()> {
        let own_macs = row_macs(territory, &opening.keys, &opening.own);
        let (macs, rows) = opening.its.join()?;
        for (row, mac) in rows.iter().chain(&opening.own).zip(macs.into_iter().chain(own_macs)) {
            let told = self.orders.remove(&row.order_id);
            if let Some((truncated, what)) = self.row(territory, row, mac, told, head).await? {
                let bad = BadRecord { order_id: Some(row.order_id.to_string()), ..bad(what) };
                if !truncated {
                    self.tampered = Some(bad);
                    return Ok(());
                }
                self.truncated.get_or_insert(bad);
            }
            self.rows += 1;
        }
        Ok(())
    }

    /// The keys that these rows name; one that is not there or does not open leaves its rows unopened.
    async fn keys_of(&self, territory: &Territory, rows: &[OrderRow]) -> Result<Arc<KeysByVersion>> {
        let mut keys = KeysByVersion::new();
        let mut missing = BTreeSet::new();
        for version in rows.iter().filter_map(|row| wrapped_version(row.wrapped.as_ref()?).ok()) {
            if keys.contains_key(&version) || missing.contains(&version) {
                continue;
            }
            match self.core.keyring.version(territory, version, &self.core.background).await {
                Ok(key) => drop(keys.insert(version, key)),
                Err(error) if error.code() == ErrorCode::IntegrityViolation => drop(missing.insert(version)),
                Err(error) => return Err(error),
            }
        }
        Ok(Arc::new(keys))
    }

    /// `None` if the row is as its newest entry says; else whether that speaks for a truncated log.
    async fn row(
        &self,
        territory: &Territory,
        row: &OrderRow,
        mac: Option<[u8; 32]>,
        told: Option<Told>,
        head: u64,
    ) -> Result<Option<(bool, &'static str)>> {
        let Some(mac) = mac else { return Ok(Some((false, "an order row does not open"))) };
        let known = told.as_ref().map_or(0, |told| told.version);
        if row.version < known {
            return Ok(Some((false, "an order row is older than its entries")));
        }
        let expected = if row.version == known {
            told.map(|told| (told.row_mac, told.deleted))
        } else {
            let newer =
                self.core.storage.changes(&territory.id, row.order_id, row.version - 1, 1).await?.pop();
            match newer.filter(|entry| entry.seq > head && entry.body.row_version == row.version) {
                Some(entry) if self.core.links(territory, &entry).await? => {
                    Some((entry.body.row_mac, entry.body.action == Action::Delete.name()))
                }
                _ => None,
            }
        };
        Ok(match expected {
            None => Some((true, "an order row is newer than its entries")),
            Some((row_mac, deleted)) if row_mac != mac || deleted != row.is_skeleton() => {
                Some((false, "an order row is unlike its newest entry"))
            }
            Some(_) => None,
        })
    }
}

fn bad(what: &'static str) -> BadRecord {
    BadRecord { seq: None, order_id: None, what }
}

fn bad_entry(seq: u64, what: &'static str) -> BadRecord {
    BadRecord { seq: Some(seq), ..bad(what) }
}
