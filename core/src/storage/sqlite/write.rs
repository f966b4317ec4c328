//! The one writer: a group of units in one transaction, each checked before its first write.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::rows::{self, Abort, Rows, entry_pk, signed, unavailable};
use crate::audit::chain::Place;
use crate::audit::{EntryDraft, Head};
use crate::error::{Error, ErrorCode, Result};
use crate::model::{Chain, OrderId};
use crate::storage::{IdempotencyRecord, KeyRow, Linker, OrderRow, OrderUpdate, Outcome, Unit, Write};

/// How a group ended, if not with its outcomes.
pub(super) enum Failure {
    /// Rolled back: nothing was written.
    Nothing(Error),
    /// Rolled back because the database refuses one of the units.
    Constraint,
    /// COMMIT itself failed; `marks` are the last entries the group would have written.
    Unknown(Vec<Mark>),
}

/// Where to look whether a group was committed.
pub(super) struct Mark {
    pub(super) pk: i64,
    pub(super) hash: [u8; 32],
}

pub(super) struct Writer {
    pub(super) conn: Connection,
    /// Head rows, valid while `PRAGMA data_version` is unchanged: nobody else wrote.
    heads: HashMap<Chain, CachedHead>,
    data_version: i64,
    /// The transaction of the next commit is open already.
    pub(super) begun: bool,
}

#[derive(Clone)]
struct CachedHead {
    pk: i64,
    epoch: u64,
    active: bool,
    head: Head,
}

impl Writer {
    pub(super) fn new(conn: Connection) -> Self {
        Self { conn, heads: HashMap::new(), data_version: -1, begun: false }
    }

    /// Commits a group. After an error nothing of it is cached.
    pub(super) fn commit(&mut self, units: &[Unit], linker: &dyn Linker) -> Result<Vec<Outcome>, Failure> {
        let done = self.attempt(units, linker);
        if done.is_err() {
            self.heads.clear();
        }
        done
    }

    fn attempt(&mut self, units: &[Unit], linker: &dyn Linker) -> Result<Vec<Outcome>, Failure> {
        self.begin().map_err(|e| Failure::Nothing(unavailable(&e)))?;
        let applied = self.apply_all(units, linker);
        let (outcomes, touched, marks) = match applied {
            Ok(applied) => applied,
            Err(trouble) => {
                // A failed ROLLBACK leaves no transaction either: SQLite has rolled back by itself.
                let _ = self.run("ROLLBACK");
                return Err(match trouble {
                    Abort::Row(trouble) if trouble.is_of_one_unit() => Failure::Constraint,
                    Abort::Row(trouble) => Failure::Nothing(trouble.into()),
                    Abort::Linker(error) => Failure::Nothing(error),
                });
            }
        };
        if !outcomes.iter().any(|outcome| matches!(outcome, Outcome::Done { .. })) {
            let _ = self.run("ROLLBACK");
            return Ok(outcomes);
        }
        match self.run("COMMIT") {
            Ok(()) => {
                self.heads.extend(touched);
                Ok(outcomes)
            }
            Err(_) => Err(Failure::Unknown(marks)),
        }
    }

    #[expect(clippy::type_complexity, reason = "three plain results of one private step")]
    fn apply_all(
        &mut self,
        units: &[Unit],
        linker: &dyn Linker,
    ) -> Result<(Vec<Outcome>, HashMap<Chain, CachedHead>, Vec<Mark>), Abort> {
        let version = self.data_version()?;
        if version != self.data_version {
            self.heads.clear();
            self.data_version = version;
        }
        let mut touched: HashMap<Chain, CachedHead> = HashMap::new();
        let mut marks = Vec::new();
        let mut outcomes = Vec::with_capacity(units.len());
        for unit in units {
            let known = touched.get(&unit.chain).or_else(|| self.heads.get(&unit.chain)).cloned();
            let cached = if known.is_some() { known } else { self.read_head(&unit.chain)? };
            outcomes.push(self.apply(unit, cached, linker, &mut touched, &mut marks)?);
        }
        for cached in touched.values() {
            self.conn
                .prepare_cached(
                    "UPDATE territories SET epoch = ?2, active = ?3, seq = ?4, hash = ?5, at = ?6 WHERE pk = ?1",
                )?
                .execute(params![
                    cached.pk,
                    signed(cached.epoch)?,
                    i64::from(cached.active),
                    signed(cached.head.seq)?,
                    cached.head.hash,
                    cached.head.at
                ])?;
        }
        Ok((outcomes, touched, marks))
    }

    /// One unit: every check, then every write.
    fn apply(
        &mut self,
        unit: &Unit,
        cached: Option<CachedHead>,
        linker: &dyn Linker,
        touched: &mut HashMap<Chain, CachedHead>,
        marks: &mut Vec<Mark>,
    ) -> Result<Outcome, Abort> {
        let registers = unit.writes.iter().any(|write| matches!(write, Write::Territory));
        if cached.as_ref().map_or(!registers, |cached| cached.epoch != unit.epoch) {
            return Ok(Outcome::StaleEpoch);
        }
        // Before a new territory gets its row, so that a misfit leaves none; no row has a negative pk.
        if let Some(misfit) = self.misfit(cached.as_ref().map_or(-1, |cached| cached.pk), unit)? {
            return Ok(misfit);
        }
        let mut at = match cached {
            Some(cached) => cached,
            None => self.insert_territory(&unit.chain, unit.epoch)?,
        };
        for write in &unit.writes {
            if !self.write(unit, write, &mut at, touched)? {
                return self.conflict(at.pk, unit);
            }
        }
        for record in &unit.idempotency {
            self.insert_idempotency(at.pk, record)?;
        }
        let first_seq = at.head.seq + 1;
        if !unit.drafts.is_empty() {
            let places = linker.places(&unit.chain, &at.head, &unit.drafts).map_err(Abort::Linker)?;
            if places.len() != unit.drafts.len() {
                return Err(Abort::Linker(Error::new(ErrorCode::Internal, "a draft was not linked")));
            }
            for (place, draft) in places.iter().zip(&unit.drafts) {
                self.insert_entry(at.pk, place, draft)?;
            }
            if let Some(Place { head, .. }) = places.last() {
                marks.push(Mark { pk: entry_pk(at.pk, head.seq), hash: head.hash });
                at.head = *head;
            }
        }
        touched.insert(unit.chain.clone(), at);
        Ok(Outcome::Done { first_seq })
    }

    /// Looks whether every write of the unit fits, before the first one.
    fn misfit(&self, territory_pk: i64, unit: &Unit) -> Rows<Option<Outcome>> {
        let mut taken = Vec::new();
        for record in &unit.idempotency {
            let found = self
                .conn
                .prepare_cached(super::read::IDEMPOTENCY)?
                .query_row(params![territory_pk, record.key], |row| Ok(rows::idempotency(row)))
                .optional()?;
            taken.extend(found.transpose()?);
        }
        if !taken.is_empty() {
            return Ok(Some(Outcome::Replay(taken)));
        }
        // Where an update is all there is, it looks for itself whether it fits.
        let checks_itself = matches!(unit.writes[..], [Write::Update(_)]);
        for write in &unit.writes {
            let expected = match write {
                Write::Update(_) if checks_itself => None,
                Write::Update(update) => Some((update.order_id, Some(update.from_version))),
                Write::Shred { order_id, from_version, .. } => Some((*order_id, Some(*from_version))),
                Write::Present(order_id) => Some((*order_id, None)),
                _ => None,
            };
            if let Some((order_id, version)) = expected {
                let now = self.live_version(territory_pk, order_id)?;
                if now.is_none() || version.is_some_and(|version| now != Some(version)) {
                    return Ok(Some(Outcome::Conflict { order: Some((order_id, now)) }));
                }
            }
            let key_misfit = match write {
                Write::Key(key) => self.key_exists(key)?,
                Write::ReplaceKeys { old, .. } => self.all_keys()? != *old,
                _ => false,
            };
            if key_misfit {
                return Ok(Some(Outcome::Conflict { order: None }));
            }
        }
        Ok(None)
    }

    /// What an update that met no row answers. It is the unit's only write, else [`misfit`](Self::misfit) would
    /// have looked before: nothing was written.
    fn conflict(&self, territory_pk: i64, unit: &Unit) -> Result<Outcome, Abort> {
        let [Write::Update(update)] = &unit.writes[..] else {
            return Err(Abort::Linker(Error::new(ErrorCode::Internal, "a unit names an order twice")));
        };
        let id = update.order_id;
        Ok(Outcome::Conflict { order: Some((id, self.live_version(territory_pk, id)?)) })
    }

    /// One write; false if it is an update and there is no row of its version.
    fn write(
        &mut self,
        unit: &Unit,
        write: &Write,
        at: &mut CachedHead,
        touched: &mut HashMap<Chain, CachedHead>,
    ) -> Result<bool, Abort> {
        match write {
            Write::Insert(row) => self.insert_order(at.pk, row)?,
            Write::Update(update) => return self.update_order(at.pk, update),
            Write::Shred { order_id, from_version, updated_at } => {
                self.conn
                    .prepare_cached(
                        "UPDATE orders SET version = ?3, updated_at = ?4, wrapped = NULL, seal = NULL, f1 = NULL, \
                         f2 = NULL, f3 = NULL, f4 = NULL, f5 = NULL WHERE territory_pk = ?1 AND order_id = ?2",
                    )?
                    .execute(params![at.pk, order_id.as_bytes(), signed(from_version + 1)?, updated_at])?;
            }
            Write::Present(_) => {}
            Write::Rewrap { order_id, old, new } => {
                self.conn
                    .prepare_cached(
                        "UPDATE orders SET wrapped = ?4 WHERE territory_pk = ?1 AND order_id = ?2 AND wrapped = ?3",
                    )?
                    .execute(params![at.pk, order_id.as_bytes(), old, new])?;
            }
            Write::Key(key) => self.insert_key(key)?,
            Write::ReplaceKeys { new, .. } => {
                for key in new {
                    self.conn
                        .prepare_cached(
                            "UPDATE keys SET blob = ?4 WHERE purpose = ?1 AND territory_id = ?2 AND version = ?3",
                        )?
                        .execute(params![key.purpose, key.territory, key.version, key.blob])?;
                }
                self.raise_all(unit, at, touched)?;
            }
            Write::Generation(generation) => {
                self.conn.execute("UPDATE meta SET generation = ?1", [generation])?;
                self.raise_all(unit, at, touched)?;
            }
            Write::Territory => at.active = true,
            Write::Unregister => {
                at.active = false;
                at.epoch += 1;
            }
            Write::RaiseEpoch => at.epoch += 1,
            Write::Relationship(relationship) => {
                self.conn
                    .prepare_cached("INSERT OR IGNORE INTO relationships VALUES (?1, ?2, ?3)")?
                    .execute(params![at.pk, relationship.patient_id, relationship.provider_id])?;
            }
            Write::RemoveRelationship(relationship) => {
                let removed = self
                    .conn
                    .prepare_cached(
                        "DELETE FROM relationships WHERE territory_pk = ?1 AND patient_id = ?2 AND provider_id = ?3",
                    )?
                    .execute(params![at.pk, relationship.patient_id, relationship.provider_id])?;
                at.epoch += u64::from(removed > 0);
            }
            Write::Checkpoint { seq, note } => {
                self.conn
                    .prepare_cached("INSERT OR REPLACE INTO checkpoints VALUES (?1, ?2, ?3)")?
                    .execute(params![at.pk, signed(*seq)?, note])?;
            }
        }
        Ok(true)
    }

    /// Raises every epoch: those of the group so far, this unit's own, and the rest by one statement.
    fn raise_all(
        &mut self,
        unit: &Unit,
        at: &mut CachedHead,
        touched: &mut HashMap<Chain, CachedHead>,
    ) -> Rows<()> {
        self.conn.execute("UPDATE territories SET epoch = epoch + 1", [])?;
        self.heads.clear();
        at.epoch += 1;
        for (chain, cached) in touched.iter_mut() {
            if *chain != unit.chain {
                cached.epoch += 1;
            }
        }
        Ok(())
    }

    fn insert_order(&self, territory_pk: i64, row: &OrderRow) -> Result<(), Abort> {
        let [f1, f2, f3, f4, f5] = &row.fields;
        self.conn
            .prepare_cached(
                "INSERT INTO orders (territory_pk, order_id, patient_id, provider_id, status, version, created_at, \
                 updated_at, wrapped, seal, f1, f2, f3, f4, f5) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )?
            .execute(params![
                territory_pk,
                row.order_id.as_bytes(),
                row.patient_id,
                row.provider_id,
                row.status,
                signed(row.version)?,
                row.created_at,
                row.updated_at,
                row.wrapped,
                row.seal,
                f1,
                f2,
                f3,
                f4,
                f5
            ])?;
        Ok(())
    }

    /// False if no row of the update's version has its key.
    fn update_order(&self, territory_pk: i64, update: &OrderUpdate) -> Result<bool, Abort> {
        let id = update.order_id.as_bytes();
        let (from, version) = (signed(update.from_version)?, signed(update.version)?);
        let (status, at, seal) = (&update.status, update.updated_at, &update.seal);
        let changed = match &update.fields {
            None => self
                .conn
                .prepare_cached(
                    "UPDATE orders SET status = ?4, version = ?5, updated_at = ?6, seal = ?7 \
                     WHERE territory_pk = ?1 AND order_id = ?2 AND version = ?3 AND wrapped IS NOT NULL",
                )?
                .execute(params![territory_pk, id, from, status, version, at, seal])?,
            Some([f1, f2, f3, f4, f5]) => self
                .conn
                .prepare_cached(
                    "UPDATE orders SET status = ?4, version = ?5, updated_at = ?6, seal = ?7, f1 = ?8, f2 = ?9, \
                     f3 = ?10, f4 = ?11, f5 = ?12 \
                     WHERE territory_pk = ?1 AND order_id = ?2 AND version = ?3 AND wrapped IS NOT NULL",
                )?
                .execute(params![
                    territory_pk,
                    id,
                    from,
                    status,
                    version,
                    at,
                    seal,
                    f1,
                    f2,
                    f3,
                    f4,
                    f5
                ])?,
        };
        Ok(changed > 0)
    }

    fn insert_entry(&self, territory_pk: i64, place: &Place, body: &EntryDraft) -> Result<(), Abort> {
        self.conn
            .prepare_cached(
                "INSERT INTO audit_entries VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, \
                 ?16, ?17, ?18)",
            )?
            .execute(params![
                entry_pk(territory_pk, place.head.seq),
                place.head.at,
                body.user_id,
                body.role,
                body.purpose,
                body.order_id,
                body.action,
                body.outcome,
                body.old_status,
                body.new_status,
                signed(body.row_version)?,
                body.row_mac,
                body.fields,
                body.request_id,
                body.source,
                body.details,
                place.head.hash,
                place.mac
            ])?;
        Ok(())
    }

    fn insert_idempotency(&self, territory_pk: i64, record: &IdempotencyRecord) -> Result<(), Abort> {
        self.conn.prepare_cached("INSERT INTO idempotency VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute(
            params![
                territory_pk,
                record.key,
                record.request,
                record.order_id.as_bytes(),
                signed(record.row_version)?,
                record.at
            ],
        )?;
        Ok(())
    }

    fn insert_key(&self, key: &KeyRow) -> Rows<()> {
        self.conn.prepare_cached("INSERT INTO keys VALUES (?1, ?2, ?3, ?4)")?.execute(params![
            key.purpose,
            key.territory,
            key.version,
            key.blob
        ])?;
        Ok(())
    }

    fn insert_territory(&self, chain: &Chain, epoch: u64) -> Result<CachedHead, Abort> {
        let head = Head::genesis(chain.as_str());
        self.conn
            .prepare_cached(
                "INSERT INTO territories (territory_id, epoch, active, seq, hash, at) VALUES (?1, ?2, 1, 0, ?3, ?4)",
            )?
            .execute(params![chain.as_str(), signed(epoch)?, head.hash, head.at])?;
        Ok(CachedHead { pk: self.conn.last_insert_rowid(), epoch, active: true, head })
    }

    fn read_head(&mut self, chain: &Chain) -> Rows<Option<CachedHead>> {
        let found = self
            .conn
            .prepare_cached(
                "SELECT pk, epoch, active, seq, hash, at FROM territories WHERE territory_id = ?1",
            )?
            .query_row([chain.as_str()], |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    row.get(1)?,
                    row.get::<_, i64>(2)?,
                    row.get(3)?,
                    row.get(4)?,
                    row.get(5)?,
                ))
            })
            .optional()?;
        let Some((pk, epoch, active, seq, hash, at)) = found else { return Ok(None) };
        let head = Head { seq: rows::unsigned(seq)?, hash, at };
        let cached = CachedHead { pk, epoch: rows::unsigned(epoch)?, active: active != 0, head };
        self.heads.insert(chain.clone(), cached.clone());
        Ok(Some(cached))
    }

    /// The version of a row that still has its key.
    fn live_version(&self, territory_pk: i64, id: OrderId) -> Rows<Option<u64>> {
        let version = self
            .conn
            .prepare_cached(
                "SELECT version FROM orders WHERE territory_pk = ?1 AND order_id = ?2 AND wrapped IS NOT NULL",
            )?
            .query_row(params![territory_pk, id.as_bytes()], |row| row.get::<_, i64>(0))
            .optional()?;
        version.map(rows::unsigned).transpose()
    }

    fn key_exists(&self, key: &KeyRow) -> Rows<bool> {
        Ok(self
            .conn
            .prepare_cached("SELECT 1 FROM keys WHERE purpose = ?1 AND territory_id = ?2 AND version = ?3")?
            .exists(params![key.purpose, key.territory, key.version])?)
    }

    fn all_keys(&self) -> Rows<Vec<KeyRow>> {
        super::read::collect(&mut *self.conn.prepare_cached(super::read::ALL_KEYS)?, [], rows::key)
    }

    fn data_version(&self) -> Rows<i64> {
        Ok(self.conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
    }

    pub(super) fn forget_heads(&mut self) {
        self.heads.clear();
    }

    pub(super) fn run(&self, sql: &'static str) -> rusqlite::Result<()> {
        self.conn.prepare_cached(sql)?.execute([]).map(|_| ())
    }
}
