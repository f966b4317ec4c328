//! Signing the heads of chains, and keeping the notes outside the database.

use std::sync::Arc;

use super::callback::DEADLINE;
use super::{Core, integrity};
use crate::audit::chain::{genesis, verify_link};
use crate::audit::{Checkpoint, Head, checkpoint};
use crate::error::{Error, ErrorCode, Result};
use crate::model::Chain;
use crate::storage::{EntryQuery, Outcome, TerritoryRow, Unit, Write};

impl Core {
    /// Signs every chain's head, after checking all of them.
    pub(super) async fn checkpoint_all(self: &Arc<Self>) -> Result<()> {
        self.sign_heads(true).await.map(|_| ())
    }

    /// Signs every head and keeps the notes; `checked` is off for a restore alone, whose past is another.
    pub(super) async fn sign_heads(self: &Arc<Self>, checked: bool) -> Result<Vec<String>> {
        let signer = self.keyring.signer(&self.background).await?;
        let generation = self.generation().await?;
        let mut due = Vec::new();
        for mut row in self.storage.territories().await? {
            if checked {
                // The sink first: another process may sign a newer head between the two looks.
                let newest = self.anchored(&row.chain, &signer.public_key()).await?;
                row = self.head_row(&row.chain).await?;
                self.check_head(&row).await?;
                if self.check_anchor(&row, &generation, newest).await? {
                    continue;
                }
            }
            due.push(row);
        }
        let mut notes = Vec::with_capacity(due.len());
        for row in due {
            let note = signer.sign(&Checkpoint {
                generation,
                chain: row.chain.as_str().to_owned(),
                seq: row.head.seq,
                hash: row.head.hash,
            });
            self.keep(&note).await?;
            self.store(row, &note).await?;
            notes.push(note);
        }
        Ok(notes)
    }

    /// The newest checkpoint of `chain` that the sink has, its signature checked.
    pub(super) async fn anchored(&self, chain: &Chain, public_key: &[u8; 32]) -> Result<Option<Checkpoint>> {
        let Some(sink) = self.anchor.clone() else { return Ok(None) };
        let name = chain.as_str().to_owned();
        let note = self.ask(move || sink.newest(&name)).await?;
        let newest = note.map(|note| checkpoint::verify(&note, public_key)).transpose()?;
        match newest {
            Some(newest) if newest.chain != chain.as_str() => {
                Err(broken("the anchor answers for another chain", 0))
            }
            newest => Ok(newest),
        }
    }

    /// The head must be the last entry, and that entry must hold.
    async fn check_head(&self, row: &TerritoryRow) -> Result<()> {
        let chain = row.chain.as_str();
        let seq = row.head.seq;
        if row.last_seq != seq {
            return Err(broken("the head of a chain is not its last entry", seq));
        }
        let after = seq.saturating_sub(2);
        let query = EntryQuery { after, upto: Some(seq), ..EntryQuery::default() };
        let mut last = self.storage.entries(&row.chain, &query, 2).await?;
        let Some(entry) = last.pop() else {
            let empty = seq == 0 && row.head.hash == genesis(chain);
            return if empty { Ok(()) } else { Err(broken("the head of a chain has no entry", seq)) };
        };
        let before = match last.pop() {
            Some(before) => Head { seq: before.seq, hash: before.hash, at: before.body.at },
            None => Head::genesis(chain),
        };
        let keys = self.keyring.chain(&row.chain, &self.background).await?;
        let is_head = entry.hash == row.head.hash && entry.body.at == row.head.at;
        if !is_head || !verify_link(chain, &keys, &before, &entry) {
            return Err(broken("the last entry of a chain does not hold", seq));
        }
        Ok(())
    }

    /// The sink's newest checkpoint must be a prefix of the chain; true if it is the head itself.
    async fn check_anchor(
        &self,
        row: &TerritoryRow,
        generation: &[u8; 16],
        newest: Option<Checkpoint>,
    ) -> Result<bool> {
        let Some(newest) = newest else { return Ok(false) };
        if newest.generation != *generation || newest.seq > row.head.seq {
            return Err(broken("the database is older than its anchor", newest.seq));
        }
        if self.hash_at(&row.chain, newest.seq).await? != Some(newest.hash) {
            return Err(broken("the chain is not the one that was anchored", newest.seq));
        }
        Ok(newest.seq == row.head.seq)
    }

    /// The hash of the entry at `seq`, or of the genesis.
    pub(super) async fn hash_at(&self, chain: &Chain, seq: u64) -> Result<Option<[u8; 32]>> {
        if seq == 0 {
            return Ok(Some(genesis(chain.as_str())));
        }
        let query = EntryQuery { after: seq - 1, upto: Some(seq), ..EntryQuery::default() };
        Ok(self.storage.entries(chain, &query, 1).await?.pop().map(|entry| entry.hash))
    }

    async fn keep(&self, note: &str) -> Result<()> {
        let Some(sink) = self.anchor.clone() else { return Ok(()) };
        let note = note.to_owned();
        self.ask(move || sink.keep(&note)).await
    }

    async fn store(self: &Arc<Self>, row: TerritoryRow, note: &str) -> Result<()> {
        let keys = self.keyring.chain(&row.chain, &self.background).await?;
        let mut unit = Unit::new(row.chain, row.epoch);
        unit.writes.push(Write::Checkpoint { seq: row.head.seq, note: note.to_owned() });
        // The copy in the database is for convenience: one lost to a newer epoch is not worth a failure.
        match self.commit(false, unit, &keys).await? {
            Outcome::Refused => Err(integrity()),
            _ => Ok(()),
        }
    }

    async fn ask<T: Send + 'static>(&self, call: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let late = || Error::new(ErrorCode::StorageUnavailable, "the anchor did not answer");
        self.background.call(DEADLINE, call, late).await?.map_err(|_| late())
    }
}

fn broken(what: &'static str, seq: u64) -> Error {
    Error::new(ErrorCode::AuditBroken, what).with(|details| details.seq = Some(seq))
}
