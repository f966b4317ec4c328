//! After a COMMIT that failed: what became of the group.

use rusqlite::OptionalExtension;

use super::connect::FileGuard;
use super::write::{Mark, Writer};
use super::{Shared, connect, lock, maintenance, rows};
use crate::error::{Error, ErrorCode, Result};
use crate::storage::{Outcome, Unit};

impl Shared {
    /// COMMIT failed, so nobody knows: close every descriptor, open anew, write the WAL back (which syncs
    /// through new descriptors) and look whether the group's entries are there.
    pub(super) fn look(
        &self,
        writer: &mut Option<Writer>,
        units: &[Unit],
        marks: &[Mark],
    ) -> Result<Vec<Outcome>> {
        *writer = None;
        lock(&self.readers).clear();
        let unknown = || {
            self.give_up();
            Error::new(ErrorCode::OutcomeUnknown, "the commit failed and the database cannot be asked")
        };
        let conn = connect::connect(&self.path, &self.options).map_err(|_| unknown())?;
        let found = (|| {
            if !maintenance::truncate_wal(&conn) {
                return Ok(None);
            }
            let mut found = 0;
            for mark in marks {
                let hash: Option<[u8; 32]> = conn
                    .query_row("SELECT hash FROM audit_entries WHERE pk = ?1", [mark.pk], |row| row.get(0))
                    .optional()?;
                found += usize::from(hash == Some(mark.hash));
            }
            Ok::<Option<usize>, rusqlite::Error>(Some(found))
        })();
        let found = found.ok().flatten().ok_or_else(unknown)?;
        *lock(&self.guard) = Some(FileGuard::new(&self.path).map_err(|_| unknown())?);
        *writer = Some(Writer::new(conn));
        if marks.is_empty() || found != marks.len() {
            // One transaction: all marks or none. Without entries (keys, re-wraps) a repeat does no harm.
            return Err(Error::new(
                ErrorCode::StorageUnavailable,
                "the commit failed and left nothing behind",
            ));
        }
        self.recover_outcomes(units, marks)
    }

    /// The outcomes of a group that turned out to be committed: every unit with drafts has its entries, so it
    /// was done; the others did not enter.
    fn recover_outcomes(&self, units: &[Unit], marks: &[Mark]) -> Result<Vec<Outcome>> {
        let with_drafts = units.iter().filter(|unit| !unit.drafts.is_empty()).count();
        if with_drafts != marks.len() {
            self.give_up();
            return Err(Error::new(
                ErrorCode::OutcomeUnknown,
                "the commit failed after a part of its group was refused",
            ));
        }
        let mut marks = marks.iter();
        let outcomes: Vec<Outcome> = units
            .iter()
            .map(|unit| {
                let last = if unit.drafts.is_empty() { None } else { marks.next() };
                let last_seq = last.map_or(0, |mark| (mark.pk & rows::SEQ_MAX) as u64);
                Outcome::Done { first_seq: (last_seq + 1).saturating_sub(unit.drafts.len() as u64) }
            })
            .collect();
        self.acknowledge(units, &outcomes)?;
        Ok(outcomes)
    }
}
