//! Every row of one engine into another, as it is: ciphertext, chain and keys stay what they were. Of the
//! checkpoints the newest of each chain goes along; the others stay with
//! whoever keeps them.

use super::{EntryQuery, Linker, Outcome, RelationshipQuery, Storage, TerritoryRow, Unit, Write};
use crate::audit::{Entry, EntryDraft, Head};
use crate::error::{Error, ErrorCode, Result};
use crate::model::Chain;

/// How many rows one commit carries.
const PAGE: usize = 500;

/// Copies everything from `from`, which nobody else may write, to `to`, which must be as it was born: with the
/// generation and the system chain's keys of `from`. `progress` hears how many rows and entries were copied.
///
/// # Errors
/// `VALIDATION_ERROR` if `to` is not as it was born from `from`; `AUDIT_BROKEN` if a chain of `from` does not end
/// where its head says; as [`Storage`]. What was copied by then stays: make `to` anew.
pub async fn copy(
    from: &dyn Storage,
    to: &dyn Storage,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<u64> {
    let unborn = |what| Error::new(ErrorCode::ValidationError, what);
    if from.meta().await?.generation != to.meta().await?.generation {
        return Err(unborn(
            "the target holds a schema that this move has not made; move into an empty database",
        ));
    }
    let heads = to.territories().await?;
    if heads.iter().any(|row| row.chain != Chain::System || row.head.seq > 0) {
        return Err(unborn("the target holds data already; move into an empty database, and once only"));
    }
    let mut done = 0;
    let (before, keys) = (from.territories().await?, from.all_keys().await?);
    let there = to.all_keys().await?;
    for key in keys.iter().cloned() {
        if !there.contains(&key) {
            let mut unit = Unit::new(Chain::System, epoch(to, &Chain::System).await?);
            unit.writes.push(Write::Key(key));
            put(to, unit, &Page::default()).await?;
        }
    }
    for row in &before {
        one_chain(from, to, row, &mut |count| {
            done += count;
            progress(done);
        })
        .await?;
    }
    // Whatever is written moves a head, an epoch or a key; what came after its chain was copied would be lost.
    if from.territories().await? != before || from.all_keys().await? != keys {
        return Err(Error::new(ErrorCode::AuditBroken, "somebody wrote the source while it was copied"));
    }
    Ok(done)
}

async fn one_chain(
    from: &dyn Storage,
    to: &dyn Storage,
    row: &TerritoryRow,
    progress: &mut (dyn FnMut(u64) + Send),
) -> Result<()> {
    let chain = &row.chain;
    if let Chain::Territory(territory) = chain {
        let mut unit = Unit::new(chain.clone(), row.epoch);
        unit.writes.push(Write::Territory);
        put(to, unit, &Page::default()).await?;
        let mut after = None;
        loop {
            let page = from.walk(territory, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.order_id);
            let count = page.len() as u64;
            let mut unit = Unit::new(chain.clone(), row.epoch);
            unit.writes.extend(page.into_iter().map(|row| Write::Insert(Box::new(row))));
            put(to, unit, &Page::default()).await?;
            progress(count);
        }
        let mut query = RelationshipQuery::default();
        loop {
            let page = from.relationships(territory, &query, PAGE).await?;
            let Some(last) = page.last() else { break };
            query.after = Some(last.clone());
            let mut unit = Unit::new(chain.clone(), row.epoch);
            unit.writes.extend(page.into_iter().map(Write::Relationship));
            put(to, unit, &Page::default()).await?;
        }
        let mut after = None;
        loop {
            let page = from.records(territory, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key);
            let mut unit = Unit::new(chain.clone(), row.epoch);
            unit.idempotency = page;
            put(to, unit, &Page::default()).await?;
        }
    }
    let epoch = epoch(to, chain).await?;
    let mut at = Head::genesis(chain.as_str());
    loop {
        let query = EntryQuery { after: at.seq, ..EntryQuery::default() };
        let entries = from.entries(chain, &query, PAGE).await?;
        let Some(last) = entries.last() else { break };
        let next = Head { seq: last.seq, hash: last.hash, at: last.body.at };
        let mut unit = Unit::new(chain.clone(), epoch);
        unit.drafts = entries.iter().map(|entry| entry.body.clone()).collect();
        let count = entries.len() as u64;
        put(to, unit, &Page { after: at, entries }).await?;
        progress(count);
        at = next;
    }
    if at != row.head {
        return Err(Error::new(ErrorCode::AuditBroken, "a chain does not end where its head row says"));
    }
    if let Some(note) = from.checkpoint(chain).await? {
        let mut unit = Unit::new(chain.clone(), epoch);
        unit.writes.push(Write::Checkpoint { seq: row.head.seq, note });
        put(to, unit, &Page::default()).await?;
    }
    if !row.active {
        let mut unit = Unit::new(chain.clone(), epoch);
        unit.writes.push(Write::Unregister);
        put(to, unit, &Page::default()).await?;
    }
    Ok(())
}

async fn epoch(storage: &dyn Storage, chain: &Chain) -> Result<u64> {
    let row = storage.territory(chain).await?;
    row.map(|row| row.epoch).ok_or_else(|| Error::new(ErrorCode::IntegrityViolation, "a head row is missing"))
}

async fn put(to: &dyn Storage, unit: Unit, page: &Page) -> Result<()> {
    match to.commit(vec![unit], page).await?.pop() {
        Some(Outcome::Done { .. }) => Ok(()),
        _ => Err(Error::new(ErrorCode::StorageUnavailable, "somebody else writes the target")),
    }
}

/// Entries that have their places already.
struct Page {
    after: Head,
    entries: Vec<Entry>,
}

impl Default for Page {
    fn default() -> Self {
        Self { after: Head::genesis(""), entries: Vec::new() }
    }
}

impl Linker for Page {
    fn link(&self, _: &Chain, head: &Head, drafts: &[EntryDraft]) -> Result<Vec<Entry>> {
        if drafts.is_empty() {
            Ok(Vec::new())
        } else if *head == self.after && drafts.len() == self.entries.len() {
            Ok(self.entries.clone())
        } else {
            Err(Error::new(ErrorCode::AuditBroken, "the target's chain is not a prefix of the source's"))
        }
    }
}
