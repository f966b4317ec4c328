//! A unit is all or nothing, and units of one commit do not spoil each other.

use std::sync::Arc;

use pollster::block_on;

use super::bench::{Bench, Keys, chain, change, conflict, draft, id, key, pair, place, record, row};
use crate::audit::{Entry, EntryDraft, Head};
use crate::error::{Error, ErrorCode, Result};
use crate::model::Chain;
use crate::storage::{Linker, NotNow, Outcome, Unit, Write};

pub(super) fn a_misfit_leaves_nothing_of_its_unit(bench: &Bench) {
    bench.insert("north", 1);
    let log = bench.log("north");
    let mut unit = bench.insertion("north", 2);
    unit.writes.extend([
        Write::Relationship(pair("p-1", "npi-1")),
        Write::Key(key("data", "north", 9)),
        Write::Checkpoint { seq: 1, note: "note".to_owned() },
        Write::RaiseEpoch,
    ]);
    unit.writes.extend(bench.updating("north", 1, 7).writes);
    unit.idempotency.push(record(1, 2));
    let epoch = bench.epoch("north");
    // With a unit behind it that fits, so that the transaction as a whole commits.
    let outcomes = bench.commit(vec![unit, bench.insertion("north", 3)]);
    let next = log.len() as u64 + 1;
    assert_eq!(outcomes, [conflict(1, Some(1)), Outcome::Done { first_seq: next }]);
    assert!(bench.order("north", 2).is_none() && bench.order("north", 1) == Some(row(1)));
    assert_eq!(bench.log("north")[..log.len()], log);
    assert_eq!(bench.log("north").len(), log.len() + 1, "only the entry of the unit that fits");
    assert_eq!(bench.read(bench.engine.idempotency(&place("north"), [1; 32])), None);
    assert!(!bench.read(bench.engine.relationship(&place("north"), &pair("p-1", "npi-1"))));
    assert!(bench.read(bench.engine.keys(&chain("north"))).is_empty());
    assert_eq!(bench.read(bench.engine.checkpoint(&chain("north"))), None);
    assert_eq!(bench.epoch("north"), epoch);
}

pub(super) fn a_misfit_leaves_no_territory(bench: &Bench) {
    bench.done(bench.with("", Write::Key(key("data", "west", 1))));
    let registering = |version| {
        let mut unit = Unit::new(chain("west"), 1);
        unit.writes = vec![Write::Territory, Write::Key(key("data", "west", version))];
        unit.drafts.push(draft("register", "success"));
        unit
    };
    let misfit = Outcome::Conflict { order: None };
    // Alone, then beside a unit that fits.
    assert_eq!(bench.one(registering(1)), misfit);
    assert_eq!(bench.read(bench.engine.territory(&chain("west"))), None);
    let outcomes = bench.commit(vec![registering(1), bench.insertion("north", 1)]);
    assert_eq!(outcomes, [misfit, Outcome::Done { first_seq: 2 }]);
    assert_eq!(bench.read(bench.engine.territory(&chain("west"))), None);
    assert_eq!(bench.one(registering(2)), Outcome::Done { first_seq: 1 });
    assert!(bench.read(bench.engine.territory(&chain("west"))).is_some_and(|row| row.active));
}

pub(super) fn outcomes_stand_in_the_order_of_units(bench: &Bench) {
    bench.insert("north", 1);
    bench.done({
        let mut unit = bench.insertion("north", 2);
        unit.idempotency.push(record(2, 2));
        unit
    });
    let mut replayed = bench.insertion("north", 3);
    replayed.idempotency.push(record(2, 3));
    let mut stale = bench.insertion("north", 4);
    stale.epoch += 1;
    let first = bench.log("north").len() as u64 + 1;
    let outcomes = bench.commit(vec![
        bench.updating("north", 1, 1),
        replayed,
        bench.insertion("north", 5),
        stale,
        bench.updating("north", 2, 6),
        bench.insertion("north", 6),
    ]);
    assert_eq!(
        outcomes,
        [
            Outcome::Done { first_seq: first },
            Outcome::Replay(vec![record(2, 2)]),
            Outcome::Done { first_seq: first + 1 },
            Outcome::StaleEpoch,
            conflict(2, Some(1)),
            Outcome::Done { first_seq: first + 2 },
        ]
    );
    let there: Vec<u8> = (1..=6).filter(|n| bench.order("north", *n).is_some()).collect();
    assert_eq!(there, [1, 2, 5, 6]);
}

pub(super) fn units_of_several_chains_share_a_commit(bench: &Bench) {
    let mut system = bench.unit("");
    system.drafts.push(draft("verify", "success"));
    let outcomes = bench.commit(vec![
        bench.insertion("south", 1),
        system,
        bench.insertion("north", 1),
        bench.insertion("south", 2),
    ]);
    let seqs = [2, 1, 2, 3].map(|first_seq| Outcome::Done { first_seq });
    assert_eq!(outcomes, seqs);
    assert_eq!((bench.log("").len(), bench.log("north").len(), bench.log("south").len()), (1, 2, 3));
}

pub(super) fn replay_gives_every_record_that_is_taken(bench: &Bench) {
    for n in [1, 2] {
        let mut unit = bench.insertion("north", n);
        unit.idempotency.push(record(n, n));
        bench.done(unit);
    }
    let log = bench.log("north").len();
    let mut unit = bench.insertion("north", 3);
    unit.idempotency = vec![record(9, 3), record(2, 3), record(1, 3)];
    let Outcome::Replay(mut taken) = bench.one(unit) else { panic!("two keys are taken") };
    taken.sort_by_key(|record| record.key);
    assert_eq!(taken, [record(1, 1), record(2, 2)]);
    assert_eq!(bench.read(bench.engine.idempotency(&place("north"), [9; 32])), None);
    assert_eq!(bench.log("north").len(), log);
    assert!(bench.order("north", 3).is_none());
}

pub(super) fn a_replay_goes_before_a_conflict(bench: &Bench) {
    bench.insert("north", 1);
    let mut change = bench.updating("north", 1, 1);
    change.idempotency.push(record(1, 1));
    bench.done(change.clone());
    // The same request again would conflict with itself, but its key says that it was done.
    assert_eq!(bench.one(change), Outcome::Replay(vec![record(1, 1)]));
}

pub(super) fn a_second_change_entry_of_a_version_is_refused(bench: &Bench) {
    bench.insert("north", 1);
    bench.done(bench.updating("north", 1, 1));
    let log = bench.log("north");
    // Somebody rolled the row back; its entries know better, whatever the action is called.
    for (action, version) in [("update_status", 2), ("delete", 2), ("create", 1)] {
        let mut unit = bench.unit("north");
        unit.writes.push(Write::Relationship(pair("p-1", "npi-1")));
        unit.drafts.push(change(1, action, version));
        unit.idempotency.push(record(1, 1));
        assert_eq!(bench.one(unit), Outcome::Refused, "{action} {version}");
    }
    assert_eq!(bench.log("north"), log);
    assert!(!bench.read(bench.engine.relationship(&place("north"), &pair("p-1", "npi-1"))));
    assert_eq!(bench.read(bench.engine.idempotency(&place("north"), [1; 32])), None);
    // Denials and views of a version may repeat; so may versions of other orders and in other territories.
    let mut unit = bench.unit("north");
    unit.drafts = vec![change(1, "view", 2), change(1, "view", 2), change(2, "create", 1)];
    let mut denied = change(1, "update_status", 2);
    denied.outcome = "denied".into();
    unit.drafts.extend([denied.clone(), denied]);
    bench.done(unit);
    bench.insert("south", 1);
    // Within one unit it is refused as well.
    let mut twice = bench.unit("north");
    twice.drafts = vec![change(3, "create", 1), change(3, "create", 1)];
    assert_eq!(bench.one(twice), Outcome::Refused);
}

pub(super) fn a_refused_unit_leaves_the_others(bench: &Bench) {
    bench.insert("north", 1);
    let mut refused = bench.insertion("north", 3);
    refused.drafts.push(change(1, "update_status", 1));
    refused.idempotency.push(record(3, 3));
    let mut keyed = bench.insertion("north", 4);
    keyed.idempotency.push(record(4, 4));
    let outcomes =
        bench.commit(vec![bench.insertion("north", 2), refused, keyed, bench.insertion("south", 5)]);
    let done = |first_seq| Outcome::Done { first_seq };
    assert_eq!(outcomes, [done(3), Outcome::Refused, done(4), done(2)]);
    let there: Vec<u8> = (1..=4).filter(|n| bench.order("north", *n).is_some()).collect();
    assert_eq!(there, [1, 2, 4]);
    assert_eq!(bench.log("north").len(), 4);
    assert_eq!(bench.read(bench.engine.idempotency(&place("north"), [3; 32])), None);
    assert_eq!(bench.read(bench.engine.idempotency(&place("north"), [4; 32])), Some(record(4, 4)));
}

pub(super) fn a_linker_without_the_key_writes_nothing(bench: &Bench) {
    struct Keyless;
    impl Linker for Keyless {
        fn link(&self, chain: &Chain, head: &Head, drafts: &[EntryDraft]) -> Result<Vec<Entry>> {
            match chain.as_str() {
                "north" => Err(Error::new(ErrorCode::Internal, "no key")),
                _ => Keys.link(chain, head, drafts),
            }
        }
    }
    let error = block_on(bench.engine.commit(vec![bench.insertion("north", 1)], &Keyless));
    assert_eq!(error.map_err(|error| error.code()), Err(ErrorCode::Internal));
    assert!(bench.order("north", 1).is_none());
    assert_eq!(bench.log("north").len(), 1);
    bench.insert("north", 1);
}

pub(super) fn a_unit_commits_now(bench: &Bench) {
    // An engine that never commits on the caller's thread gives the unit back as it was.
    let now = |unit: Unit| match bench.engine.commit_now(unit.clone(), &Keys) {
        Ok(outcome) => outcome,
        Err(NotNow::Busy(back)) => {
            assert_eq!(back, unit);
            bench.one(back)
        }
        Err(NotNow::Failed(error)) => panic!("{error:?}"),
    };
    assert_eq!(now(bench.insertion("north", 1)), Outcome::Done { first_seq: 2 });
    assert_eq!(now(bench.updating("north", 1, 4)), conflict(1, Some(1)));
    assert_eq!(now(bench.updating("north", 1, 1)), Outcome::Done { first_seq: 3 });
    let mut refused = bench.unit("north");
    refused.drafts.push(change(1, "delete", 2));
    assert_eq!(now(refused), Outcome::Refused);
    assert!(bench.order("north", 1).is_some_and(|row| row.version == 2));
}

pub(super) fn a_unit_without_drafts_commits(bench: &Bench) {
    let outcome = bench.one(bench.with("", Write::Key(key("data", "west", 1))));
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    assert_eq!(bench.log("").len(), 0);
    assert_eq!(bench.read(bench.engine.keys(&chain("west"))), [key("data", "west", 1)]);
}

pub(super) fn a_large_group_commits(bench: &Bench) {
    let units: Vec<Unit> = (0..512_u16)
        .map(|n| {
            let mut unit = bench.unit(if n % 2 == 0 { "north" } else { "south" });
            let mut row = row(1);
            let mut bytes = *id(1).as_bytes();
            bytes[14..].copy_from_slice(&n.to_be_bytes());
            row.order_id = crate::model::OrderId::from_bytes(bytes);
            let mut entry = change(1, "create", 1);
            entry.order_id = bytes;
            unit.writes.push(Write::Insert(Box::new(row)));
            unit.drafts.push(entry);
            unit
        })
        .collect();
    let expected: Vec<_> = (0..512).map(|n| Outcome::Done { first_seq: 2 + n / 2 }).collect();
    assert_eq!(bench.commit(units), expected);
    for territory in ["north", "south"] {
        assert_eq!(bench.read(bench.engine.order_count(&place(territory))), 256);
    }
}

pub(super) fn writers_on_several_threads_do_not_meet(bench: &Bench) {
    let threads: Vec<_> = (0..4_u8)
        .map(|thread| {
            let engine = Arc::clone(&bench.engine);
            std::thread::spawn(move || {
                let own = Bench { engine };
                for n in 0..10 {
                    own.insert("north", thread * 10 + n);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("every writer is served");
    }
    assert_eq!(bench.log("north").len(), 41);
    assert_eq!(bench.read(bench.engine.order_count(&place("north"))), 40);
}
