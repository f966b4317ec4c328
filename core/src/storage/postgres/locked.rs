//! A group under its heads' locks: read what is there, drop what does not fit, write the rest.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::LazyLock;

use sqlx::postgres::{PgQueryResult, PgRow};

use super::group::{Group, Step};
use super::lane::{Lane, limited};
use super::read::RELATED;
use super::rows::{self, Trouble, get, signed};
use super::write::{Doubt, Failure, Heads};
use crate::audit::Head;
use crate::error::Result;
use crate::model::{Chain, OrderId};
use crate::storage::{IdempotencyRecord, KeyRow, Linker, Outcome, Relationship, Unit, Write};

/// A head row, as this process knows it.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) epoch: u64,
    pub(super) head: Head,
}

/// Commits the group, or finds that a try in doubt had committed it.
pub(super) async fn commit(
    lane: &mut Lane,
    heads: &mut Heads,
    scope: &str,
    units: &[Unit],
    linker: &dyn Linker,
    doubts: &[Doubt],
) -> Result<Vec<Outcome>, Failure> {
    lane.begin(scope).await?;
    let mut desk = Desk { lane, heads: BTreeMap::new(), records: HashMap::new(), versions: HashMap::new() };
    let written = stalled(write(&mut desk, units, linker, doubts)).await;
    let (rows, lane) = (desk.heads, desk.lane);
    match written {
        Ok(Written::Done(group, outcomes)) => {
            match lane.end("COMMIT").await {
                Ok(()) => {}
                Err(Trouble::Lost) => return Err(Failure::Lost(Doubt::of(&group, &outcomes))),
                Err(trouble) => return Err(trouble.into()),
            }
            for (chain, row) in rows {
                heads.seen(&chain, row.from.seq);
                heads.known.insert(chain, Known { epoch: row.epoch, head: row.head });
            }
            Ok(outcomes)
        }
        Ok(Written::Found(outcomes)) => {
            lane.end("COMMIT").await?;
            Ok(outcomes)
        }
        Ok(Written::Nothing(outcomes)) => {
            lane.end("ROLLBACK").await?;
            Ok(outcomes)
        }
        Err(failure) => {
            if !matches!(failure, Failure::Lost(_)) {
                lane.end("ROLLBACK").await?;
            }
            Err(failure)
        }
    }
}

/// Nothing is committed before `COMMIT`, so a server that stalls before leaves nothing in doubt.
async fn stalled<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    limited(async { Ok(work.await) }).await?
}

/// What to do with the transaction.
enum Written<'u> {
    Done(Group<'u>, Vec<Outcome>),
    /// A lost try had done it all.
    Found(Vec<Outcome>),
    /// Nothing fits.
    Nothing(Vec<Outcome>),
}

/// A head row under its lock, and what the group makes of it.
struct Row {
    epoch: u64,
    active: bool,
    head: Head,
    /// Head, epoch and activity as stored.
    from: Head,
    stored: (u64, bool),
    touched: bool,
}

/// What the transaction has read; kept true to what the group writes.
struct Desk<'l> {
    lane: &'l mut Lane,
    heads: BTreeMap<Chain, Row>,
    records: HashMap<(String, [u8; 32]), IdempotencyRecord>,
    /// Versions of orders that have their key.
    versions: HashMap<(String, OrderId), u64>,
}

async fn write<'u>(
    desk: &mut Desk<'_>,
    units: &'u [Unit],
    linker: &dyn Linker,
    doubts: &[Doubt],
) -> Result<Written<'u>, Failure> {
    desk.lock(units).await?;
    for doubt in doubts {
        if desk.holds(doubt).await? {
            // Committed there, but perhaps nowhere else yet: an answer waits for a synchronous standby as any commit does.
            if let Some((territory, _)) = doubt.marks.first() {
                desk.touch(territory).await?;
            }
            return Ok(Written::Found(doubt.outcomes.clone()));
        }
    }
    desk.read(units).await?;
    let mut group = Group::default();
    let mut outcomes = Vec::with_capacity(units.len());
    for unit in units {
        outcomes.push(desk.apply(unit, &mut group, linker).await?);
    }
    if !outcomes.iter().any(|outcome| matches!(outcome, Outcome::Done { .. })) {
        return Ok(Written::Nothing(outcomes));
    }
    desk.finish(&mut group).await?;
    Ok(Written::Done(group, outcomes))
}

impl Desk<'_> {
    /// Takes the heads' locks in one order, all of them if every epoch is to be raised.
    async fn lock(&mut self, units: &[Unit]) -> Result<(), Failure> {
        let everything = |unit: &Unit| {
            unit.writes.iter().any(|w| matches!(w, Write::ReplaceKeys { .. } | Write::Generation(_)))
        };
        let mut names: Vec<&str> = units.iter().map(|unit| unit.chain.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        fn text(condition: &str) -> String {
            format!(
                "SELECT territory_id, epoch, active, seq, hash, at FROM medorder.territories{condition} \
                 ORDER BY territory_id FOR NO KEY UPDATE"
            )
        }
        static ALL: LazyLock<String> = LazyLock::new(|| text(""));
        static ONE: LazyLock<String> = LazyLock::new(|| text(" WHERE territory_id = $1"));
        static SOME: LazyLock<String> = LazyLock::new(|| text(" WHERE territory_id = ANY($1)"));
        let query = match names.as_slice() {
            _ if units.iter().any(everything) => self.lane.query(ALL.as_str()),
            [one] => self.lane.query(ONE.as_str()).bind(*one),
            _ => self.lane.query(SOME.as_str()).bind(names),
        };
        for row in query.fetch_all(&mut self.lane.conn).await.map_err(Trouble::from)? {
            let (epoch, active, head) = (rows::unsigned(&row, 1)?, get(&row, 2)?, rows::head(&row, 3)?);
            let row_of = Row { epoch, active, head, from: head, stored: (epoch, active), touched: false };
            self.heads.insert(rows::chain(&row, 0)?, row_of);
        }
        Ok(())
    }

    /// True if the entries that a lost try would have written are there: then all of it is.
    async fn holds(&mut self, doubt: &Doubt) -> Result<bool, Failure> {
        for (territory, head) in &doubt.marks {
            let query = self
                .lane
                .query("SELECT hash FROM medorder.audit_entries WHERE territory_id = $1 AND seq = $2");
            let query = query.bind(territory).bind(signed(head.seq)?);
            let row = query.fetch_optional(&mut self.lane.conn).await.map_err(Trouble::from)?;
            let hash = row.map(|row| rows::fixed::<32>(&row, 0)).transpose()?;
            if hash != Some(head.hash) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A write that changes nothing.
    async fn touch(&mut self, territory: &str) -> Result<(), Failure> {
        let query = self.lane.query("UPDATE medorder.territories SET seq = seq WHERE territory_id = $1");
        one_row(query.bind(territory).execute(&mut self.lane.conn).await)
    }

    /// Idempotency records and versions that the units ask about.
    async fn read(&mut self, units: &[Unit]) -> Result<(), Failure> {
        fn record(values: &str, place: &str) -> String {
            format!(
                "SELECT i.territory_id, i.key, i.request, i.order_id, i.row_version, i.at \
                 FROM {values} JOIN medorder.idempotency i ON i.territory_id = {place} AND i.key = w.a"
            )
        }
        fn version(values: &str, place: &str) -> String {
            format!(
                "SELECT o.territory_id, o.order_id, o.version FROM {values} \
                 JOIN medorder.orders o ON o.territory_id = {place} AND o.order_id = w.a WHERE o.wrapped IS NOT NULL"
            )
        }
        const ONE: (&str, &str) = ("unnest($1::bytea[]) AS w(a)", "$2");
        const MANY: (&str, &str) = ("unnest($1::bytea[], $2::text[]) AS w(a, t)", "w.t");
        static RECORDS: Pair = Pair {
            one: LazyLock::new(|| record(ONE.0, ONE.1)),
            many: LazyLock::new(|| record(MANY.0, MANY.1)),
        };
        static VERSIONS: Pair = Pair {
            one: LazyLock::new(|| version(ONE.0, ONE.1)),
            many: LazyLock::new(|| version(MANY.0, MANY.1)),
        };
        let keys =
            |unit: &Unit| unit.idempotency.iter().map(|record| record.key.to_vec()).collect::<Vec<_>>();
        for row in self.ask(&RECORDS, units, keys).await? {
            let record = rows::idempotency(&row, 1)?;
            self.records.insert((get(&row, 0)?, record.key), record);
        }
        let asked = |unit: &Unit| {
            let ids =
                unit.writes.iter().filter_map(|write| expected(write).map(|(id, _)| id.as_bytes().to_vec()));
            ids.collect::<Vec<_>>()
        };
        for row in self.ask(&VERSIONS, units, asked).await? {
            self.versions.insert((get(&row, 0)?, rows::order_id(&row, 1)?), rows::unsigned(&row, 2)?);
        }
        Ok(())
    }

    /// The rows that values of the units name; one territory is named once, several by each value.
    async fn ask(
        &mut self,
        texts: &'static Pair,
        units: &[Unit],
        values: impl Fn(&Unit) -> Vec<Vec<u8>>,
    ) -> Result<Vec<PgRow>, Failure> {
        let both = |unit: &'_ Unit| {
            values(unit).into_iter().map(|value| (unit.chain.as_str().to_owned(), value)).collect::<Vec<_>>()
        };
        let (places, values): (Vec<String>, Vec<Vec<u8>>) = units.iter().flat_map(both).unzip();
        let Some(first) = places.first() else { return Ok(Vec::new()) };
        let query = if places.iter().all(|place| place == first) {
            self.lane.query(texts.one.as_str()).bind(values).bind(first.clone())
        } else {
            self.lane.query(texts.many.as_str()).bind(values).bind(places)
        };
        Ok(query.fetch_all(&mut self.lane.conn).await.map_err(Trouble::from)?)
    }

    /// One unit: every check, then every write.
    async fn apply<'u>(
        &mut self,
        unit: &'u Unit,
        group: &mut Group<'u>,
        linker: &dyn Linker,
    ) -> Result<Outcome, Failure> {
        let registers = unit.writes.iter().any(|write| matches!(write, Write::Territory));
        let epoch = self.heads.get(&unit.chain).map(|row| row.epoch);
        if epoch.map_or(!registers, |epoch| epoch != unit.epoch) {
            return Ok(Outcome::StaleEpoch);
        }
        if let Some(misfit) = self.misfit(unit).await? {
            return Ok(misfit);
        }
        if epoch.is_none() {
            self.register(&unit.chain, unit.epoch).await?;
        }
        self.rewrap(unit).await?;
        for write in &unit.writes {
            self.write(unit, write).await?;
        }
        let territory = unit.chain.as_str();
        for record in &unit.idempotency {
            self.records.insert((territory.to_owned(), record.key), record.clone());
        }
        let row = self.heads.get_mut(&unit.chain).ok_or(Failure::Again)?;
        let first_seq = row.head.seq + 1;
        row.head = group.take(unit, &row.head, linker)?;
        row.touched = true;
        Ok(Outcome::Done { first_seq })
    }

    async fn misfit(&mut self, unit: &Unit) -> Result<Option<Outcome>, Failure> {
        let territory = unit.chain.as_str();
        let record =
            |record: &IdempotencyRecord| self.records.get(&(territory.to_owned(), record.key)).cloned();
        let taken: Vec<_> = unit.idempotency.iter().filter_map(record).collect();
        if !taken.is_empty() {
            return Ok(Some(Outcome::Replay(taken)));
        }
        for write in &unit.writes {
            if let Some((id, version)) = expected(write) {
                let now = self.versions.get(&(territory.to_owned(), id)).copied();
                if now.is_none() || version.is_some_and(|version| now != Some(version)) {
                    return Ok(Some(Outcome::Conflict { order: Some((id, now)) }));
                }
            }
            let key_misfit = match write {
                Write::Key(key) => self.keys().await?.iter().any(|row| same_key(row, key)),
                Write::ReplaceKeys { old, .. } => self.keys().await? != *old,
                _ => false,
            };
            if key_misfit {
                return Ok(Some(Outcome::Conflict { order: None }));
            }
        }
        Ok(None)
    }

    async fn keys(&mut self) -> Result<Vec<KeyRow>, Failure> {
        let rows = self.lane.query(super::read::ALL_KEYS).fetch_all(&mut self.lane.conn).await;
        let rows = rows.map_err(Trouble::from)?;
        Ok(rows.iter().map(rows::key).collect::<Result<_, Trouble>>()?)
    }

    async fn register(&mut self, chain: &Chain, epoch: u64) -> Result<(), Failure> {
        let head = Head::genesis(chain.as_str());
        let query = self.lane.query(
            "INSERT INTO medorder.territories VALUES ($1, $2, true, $3, $4, $5) ON CONFLICT (territory_id) DO NOTHING",
        );
        let query = query.bind(chain.as_str()).bind(signed(epoch)?).bind(0_i64).bind(head.hash).bind(head.at);
        let done = query.execute(&mut self.lane.conn).await.map_err(Trouble::from)?;
        if done.rows_affected() != 1 {
            // Another process has just made it: look again.
            return Err(Failure::Again);
        }
        let row = Row { epoch, active: true, head, from: head, stored: (epoch, true), touched: true };
        self.heads.insert(chain.clone(), row);
        Ok(())
    }

    /// Every re-wrap of a unit in one statement; those whose bytes are others are passed over.
    async fn rewrap(&mut self, unit: &Unit) -> Result<(), Failure> {
        let (mut ids, mut before, mut after) = (Vec::new(), Vec::new(), Vec::new());
        for write in &unit.writes {
            if let Write::Rewrap { order_id, old, new } = write {
                ids.push(*order_id.as_bytes());
                before.push(old.as_slice());
                after.push(new.as_slice());
            }
        }
        if ids.is_empty() {
            return Ok(());
        }
        let query = self.lane.query(
            "UPDATE medorder.orders o SET wrapped = w.n FROM unnest($2::bytea[], $3::bytea[], $4::bytea[]) \
             AS w(o, p, n) WHERE o.territory_id = $1 AND o.order_id = w.o AND o.wrapped = w.p",
        );
        let query = query.bind(unit.chain.as_str()).bind(ids).bind(before).bind(after);
        query.execute(&mut self.lane.conn).await.map_err(Trouble::from)?;
        Ok(())
    }

    /// What does not go into the group's own statement.
    async fn write(&mut self, unit: &Unit, write: &Write) -> Result<(), Failure> {
        let territory = unit.chain.as_str();
        let place = |id: &OrderId| (territory.to_owned(), *id);
        match write {
            Write::Insert(row) => drop(self.versions.insert(place(&row.order_id), row.version)),
            Write::Update(update) => drop(self.versions.insert(place(&update.order_id), update.version)),
            Write::Shred { order_id, from_version, updated_at } => {
                self.versions.remove(&place(order_id));
                let query = self.lane.query(
                    "UPDATE medorder.orders SET version = $3 + 1, updated_at = $4, wrapped = NULL, seal = NULL, \
                     f1 = NULL, f2 = NULL, f3 = NULL, f4 = NULL, f5 = NULL \
                     WHERE territory_id = $1 AND order_id = $2 AND version = $3",
                );
                let query = query.bind(territory).bind(*order_id.as_bytes()).bind(signed(*from_version)?);
                one_row(query.bind(updated_at).execute(&mut self.lane.conn).await)?;
            }
            Write::Key(key) => {
                let query = self.lane.query("INSERT INTO medorder.keys VALUES ($1, $2, $3, $4)");
                let query = query.bind(&key.purpose).bind(&key.territory).bind(i64::from(key.version));
                one_row(query.bind(&key.blob).execute(&mut self.lane.conn).await)?;
            }
            Write::ReplaceKeys { new, .. } => {
                for key in new {
                    let query = self.lane.query(
                        "UPDATE medorder.keys SET blob = $4 \
                         WHERE purpose = $1 AND territory_id = $2 AND version = $3",
                    );
                    let query = query.bind(&key.purpose).bind(&key.territory).bind(i64::from(key.version));
                    one_row(query.bind(&key.blob).execute(&mut self.lane.conn).await)?;
                }
                self.raise_all();
            }
            Write::Generation(generation) => {
                let query = self.lane.query("UPDATE medorder.meta SET generation = $1").bind(generation);
                one_row(query.execute(&mut self.lane.conn).await)?;
                self.raise_all();
            }
            Write::Territory => self.row(&unit.chain)?.active = true,
            Write::Unregister => {
                let row = self.row(&unit.chain)?;
                (row.active, row.epoch) = (false, row.epoch + 1);
            }
            Write::RaiseEpoch => self.row(&unit.chain)?.epoch += 1,
            Write::Relationship(one) => {
                let query = self
                    .lane
                    .query("INSERT INTO medorder.relationships VALUES ($1, $2, $3) ON CONFLICT DO NOTHING");
                let query = query.bind(territory).bind(&one.patient_id).bind(&one.provider_id);
                query.execute(&mut self.lane.conn).await.map_err(Trouble::from)?;
                self.expect_related(territory, one, true).await?;
            }
            Write::RemoveRelationship(one) => {
                let query = self.lane.query(
                    "DELETE FROM medorder.relationships \
                     WHERE territory_id = $1 AND patient_id = $2 AND provider_id = $3",
                );
                let query = query.bind(territory).bind(&one.patient_id).bind(&one.provider_id);
                let done = query.execute(&mut self.lane.conn).await.map_err(Trouble::from)?;
                self.row(&unit.chain)?.epoch += u64::from(done.rows_affected() > 0);
                self.expect_related(territory, one, false).await?;
            }
            Write::Checkpoint { seq, note } => {
                let query = self.lane.query(
                    "INSERT INTO medorder.checkpoints VALUES ($1, $2, $3) \
                     ON CONFLICT (territory_id, seq) DO UPDATE SET note = excluded.note",
                );
                let query = query.bind(territory).bind(signed(*seq)?).bind(note);
                one_row(query.execute(&mut self.lane.conn).await)?;
            }
            // Judged by their unit's checks, or written by a statement of their own.
            Write::Present(_) | Write::Rewrap { .. } => {}
        }
        Ok(())
    }

    /// Both kinds of write may rightly find nothing to do, so what they leave is looked at.
    async fn expect_related(
        &mut self,
        territory: &str,
        one: &Relationship,
        there: bool,
    ) -> Result<(), Failure> {
        let query = self.lane.query(RELATED).bind(territory).bind(&one.patient_id).bind(&one.provider_id);
        let row = query.fetch_one(&mut self.lane.conn).await.map_err(Trouble::from)?;
        if get::<bool>(&row, 0)? == there { Ok(()) } else { Err(Failure::Refused) }
    }

    fn row(&mut self, chain: &Chain) -> Result<&mut Row, Failure> {
        self.heads.get_mut(chain).ok_or(Failure::Again)
    }

    fn raise_all(&mut self) {
        self.heads.values_mut().for_each(|row| row.epoch += 1);
    }

    /// Epochs and activity first, then the group's statement, which counts on them.
    async fn finish(&mut self, group: &mut Group<'_>) -> Result<(), Failure> {
        for (chain, row) in &self.heads {
            if (row.epoch, row.active) != row.stored {
                let query = self
                    .lane
                    .query("UPDATE medorder.territories SET epoch = $2, active = $3 WHERE territory_id = $1");
                let query = query.bind(chain.as_str()).bind(signed(row.epoch)?).bind(row.active);
                one_row(query.execute(&mut self.lane.conn).await)?;
            }
            if row.touched {
                let territory = chain.as_str().to_owned();
                group.heads.push(Step { territory, epoch: row.epoch, from: row.from, to: row.head });
            }
        }
        // The locks are held since the versions were read, and the key may have gone with this very group.
        group.views.clear();
        Ok(group.write(self.lane).await??)
    }
}

/// The order that a write needs with its key, and the version it must have.
fn expected(write: &Write) -> Option<(OrderId, Option<u64>)> {
    match write {
        Write::Update(update) => Some((update.order_id, Some(update.from_version))),
        Write::Shred { order_id, from_version, .. } => Some((*order_id, Some(*from_version))),
        Write::Present(order_id) => Some((*order_id, None)),
        _ => None,
    }
}

/// A statement for one territory and for several.
struct Pair {
    one: LazyLock<String>,
    many: LazyLock<String>,
}

/// A write that another hand kept from its row, as a trigger can, must not be acknowledged.
fn one_row(done: Result<PgQueryResult, sqlx::Error>) -> Result<(), Failure> {
    match done.map_err(Trouble::from)?.rows_affected() {
        1 => Ok(()),
        _ => Err(Failure::Refused),
    }
}

fn same_key(a: &KeyRow, b: &KeyRow) -> bool {
    (&a.purpose, &a.territory, a.version) == (&b.purpose, &b.territory, b.version)
}
