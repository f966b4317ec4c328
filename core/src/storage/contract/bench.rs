//! What the cases work with: an engine with two territories, ready-made rows, and a linker that knows every
//! chain's key.

use std::sync::Arc;

use pollster::block_on;

use crate::audit::chain::{link, verify_link};
use crate::audit::{AuditKeys, Entry, EntryDraft, Head};
use crate::error::{ErrorCode, Result};
use crate::model::{Chain, OrderId, TerritoryId};
use crate::storage::{
    EntryQuery, IdempotencyRecord, KeyRow, Linker, OrderRow, OrderUpdate, Outcome, Relationship, Storage,
    Unit, Write,
};

/// An engine with the territories `north` and `south`, each with its `register` entry at seq 1.
pub(super) struct Bench {
    pub(super) engine: Arc<dyn Storage>,
}

impl Bench {
    pub(super) fn furnish(engine: Arc<dyn Storage>) -> Self {
        let bench = Self { engine };
        for territory in ["north", "south"] {
            let mut unit = Unit::new(chain(territory), 1);
            unit.writes.push(Write::Territory);
            unit.drafts.push(draft("register", "success"));
            assert_eq!(bench.one(unit), Outcome::Done { first_seq: 1 });
        }
        bench
    }

    pub(super) fn commit(&self, units: Vec<Unit>) -> Vec<Outcome> {
        let count = units.len();
        let outcomes = block_on(self.engine.commit(units, &Keys)).expect("a healthy engine commits");
        assert_eq!(outcomes.len(), count, "one outcome a unit");
        outcomes
    }

    pub(super) fn one(&self, unit: Unit) -> Outcome {
        self.commit(vec![unit]).remove(0)
    }

    /// Commits a unit that must fit and gives the position of its first entry.
    pub(super) fn done(&self, unit: Unit) -> u64 {
        match self.one(unit) {
            Outcome::Done { first_seq } => first_seq,
            other => panic!("the unit fits, but became {other:?}"),
        }
    }

    /// An empty unit under the epoch that is stored.
    pub(super) fn unit(&self, territory: &str) -> Unit {
        Unit::new(chain(territory), self.epoch(territory))
    }

    pub(super) fn with(&self, territory: &str, write: Write) -> Unit {
        let mut unit = self.unit(territory);
        unit.writes.push(write);
        unit
    }

    pub(super) fn epoch(&self, territory: &str) -> u64 {
        self.read(self.engine.territory(&chain(territory))).expect("the territory is there").epoch
    }

    pub(super) fn read<T>(&self, read: crate::storage::BoxFuture<'_, Result<T>>) -> T {
        block_on(read).expect("a healthy engine reads")
    }

    pub(super) fn order(&self, territory: &str, n: u8) -> Option<OrderRow> {
        self.read(self.engine.order(&place(territory), id(n)))
    }

    /// Order `n` with its `create` entry.
    pub(super) fn insertion(&self, territory: &str, n: u8) -> Unit {
        let mut unit = self.with(territory, Write::Insert(Box::new(row(n))));
        unit.drafts.push(change(n, "create", 1));
        unit
    }

    pub(super) fn insert(&self, territory: &str, n: u8) {
        self.done(self.insertion(territory, n));
    }

    /// Order `n` from `version` to the next, with its entry.
    pub(super) fn updating(&self, territory: &str, n: u8, from_version: u64) -> Unit {
        let mut unit = self.with(territory, Write::Update(Box::new(update(n, from_version))));
        unit.drafts.push(change(n, "update_status", from_version + 1));
        unit
    }

    pub(super) fn shredding(&self, territory: &str, n: u8, from_version: u64) -> Unit {
        let write = Write::Shred { order_id: id(n), from_version, updated_at: 9_000 };
        let mut unit = self.with(territory, write);
        unit.drafts.push(change(n, "delete", from_version + 1));
        unit
    }

    pub(super) fn shred(&self, territory: &str, n: u8, from_version: u64) {
        self.done(self.shredding(territory, n, from_version));
    }

    pub(super) fn log(&self, territory: &str) -> Vec<Entry> {
        self.read(self.engine.entries(&chain(territory), &EntryQuery::default(), 100_000))
    }

    /// Every chain hangs together from its genesis to its head row; nothing to see once the engine is closed.
    pub(super) fn check_chains(&self) {
        let territories = match block_on(self.engine.territories()) {
            Err(error) if error.code() == ErrorCode::Closed => return,
            territories => territories.expect("a healthy engine reads"),
        };
        for row in territories {
            let territory = row.chain.as_str();
            let mut head = Head::genesis(territory);
            for entry in self.log(territory) {
                assert!(
                    verify_link(territory, &keys_of(territory), &head, &entry),
                    "{territory} {}",
                    entry.seq
                );
                head = Head { seq: entry.seq, hash: entry.hash, at: entry.body.at };
            }
            assert_eq!((row.head, row.last_seq), (head, head.seq), "the head row of {territory:?}");
        }
    }
}

/// Links any chain.
pub(super) struct Keys;

impl Linker for Keys {
    fn link(&self, chain: &Chain, head: &Head, drafts: &[EntryDraft]) -> Result<Vec<Entry>> {
        Ok(link(chain.as_str(), &keys_of(chain.as_str()), head, drafts))
    }
}

fn keys_of(territory: &str) -> AuditKeys {
    AuditKeys::new(territory, &[7; 32])
}

pub(super) fn place(territory: &str) -> TerritoryId {
    territory.parse().expect("a good id")
}

/// The chain of a territory, or the system's for "".
pub(super) fn chain(territory: &str) -> Chain {
    Chain::parse(territory).expect("a good chain")
}

/// Ids ascend with `n`.
pub(super) fn id(n: u8) -> OrderId {
    let mut bytes = [0x70; 16];
    bytes[5] = n;
    bytes[8] = 0x80;
    OrderId::from_bytes(bytes)
}

/// When order `n` was made: its id begins with the milliseconds.
pub(super) fn made(n: u8) -> i64 {
    (0x7070_7070_7000 + i64::from(n)) * 1_000
}

/// A wrapped key as FORMAT has it: the territory key's version stands in bytes 2 to 5.
pub(super) fn wrapped(n: u8, version: u32) -> Vec<u8> {
    let mut bytes = vec![n; 70];
    bytes[2..6].copy_from_slice(&version.to_be_bytes());
    bytes
}

/// Order `n`: patient `p-0` or `p-1`, provider `npi-0` to `npi-2`, in turn.
pub(super) fn row(n: u8) -> OrderRow {
    OrderRow {
        order_id: id(n),
        patient_id: format!("p-{}", n % 2),
        provider_id: format!("npi-{}", n % 3),
        status: "pending_verification".to_owned(),
        version: 1,
        created_at: made(n),
        updated_at: made(n) + 1,
        wrapped: Some(wrapped(n, 1)),
        seal: Some(vec![n; 65]),
        fields: [Some(vec![n; 40]), Some(vec![0, 255, 10]), None, Some(Vec::new()), None],
    }
}

/// The next version of order `n`, in another status and with other content.
pub(super) fn update(n: u8, from_version: u64) -> OrderUpdate {
    OrderUpdate {
        order_id: id(n),
        from_version,
        status: "verified".to_owned(),
        version: from_version + 1,
        updated_at: 7_777,
        seal: vec![n ^ 0xFF; 65],
        fields: Some([None, Some(vec![1; 9]), Some(vec![2]), None, Some(vec![3; 300])]),
    }
}

/// An entry about no order, with something in every column.
pub(super) fn draft(action: &'static str, outcome: &'static str) -> EntryDraft {
    EntryDraft {
        at: 5_000,
        user_id: "u-1".to_owned(),
        role: "administrator,requester".to_owned(),
        purpose: "treatment".to_owned(),
        order_id: [0; 16],
        action: action.into(),
        outcome: outcome.into(),
        old_status: "".into(),
        new_status: "".into(),
        row_version: 0,
        row_mac: [0; 32],
        fields: 0,
        request_id: "r-1".to_owned(),
        source: "bench".to_owned(),
        details: Vec::new(),
    }
}

/// A success entry about order `n`.
pub(super) fn change(n: u8, action: &'static str, version: u64) -> EntryDraft {
    EntryDraft {
        order_id: *id(n).as_bytes(),
        row_version: version,
        row_mac: [n; 32],
        fields: 0b1_0101,
        old_status: "pending_verification".into(),
        new_status: "verified".into(),
        details: vec![n; 33],
        ..draft(action, "success")
    }
}

pub(super) fn key(purpose: &str, territory: &str, version: u32) -> KeyRow {
    KeyRow { purpose: purpose.into(), territory: territory.into(), version, blob: vec![version as u8; 80] }
}

pub(super) fn record(key: u8, n: u8) -> IdempotencyRecord {
    IdempotencyRecord { key: [key; 32], request: [n; 32], order_id: id(n), row_version: 3, at: -4 }
}

pub(super) fn pair(patient: &str, provider: &str) -> Relationship {
    Relationship { patient_id: patient.to_owned(), provider_id: provider.to_owned() }
}

pub(super) fn conflict(n: u8, current: Option<u64>) -> Outcome {
    Outcome::Conflict { order: Some((id(n), current)) }
}
