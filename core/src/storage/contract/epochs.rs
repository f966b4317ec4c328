//! Whatever takes a right away ends the epoch: units made under it write nothing.

use super::bench::{Bench, chain, draft, key, pair, place};
use crate::storage::{Outcome, Unit, Write};

/// True if a unit made under `epoch` is turned away and leaves nothing.
fn is_stale(bench: &Bench, territory: &str, epoch: u64) -> bool {
    let log = bench.log(territory).len();
    let mut unit = Unit::new(chain(territory), epoch);
    unit.writes.push(Write::Relationship(pair("p-stale", "npi-stale")));
    unit.drafts.push(draft("register", "success"));
    match bench.one(unit) {
        Outcome::StaleEpoch => {
            assert_eq!(bench.log(territory).len(), log);
            true
        }
        Outcome::Done { .. } => false,
        other => panic!("{other:?}"),
    }
}

pub(super) fn another_epoch_is_stale(bench: &Bench) {
    let epoch = bench.epoch("north");
    assert!(is_stale(bench, "north", epoch + 1));
    assert!(is_stale(bench, "north", epoch - 1));
    assert!(!is_stale(bench, "north", epoch));
    // No such territory, and nobody registers it.
    assert_eq!(bench.one(Unit::new(chain("west"), 1)), Outcome::StaleEpoch);
    assert_eq!(bench.read(bench.engine.territory(&chain("west"))), None);
}

pub(super) fn raise_epoch_ends_an_epoch(bench: &Bench) {
    let (north, south) = (bench.epoch("north"), bench.epoch("south"));
    let mut unit = bench.with("north", Write::Key(key("data", "north", 2)));
    unit.writes.push(Write::RaiseEpoch);
    bench.done(unit);
    assert!(is_stale(bench, "north", north) && !is_stale(bench, "south", south));
    assert!(!is_stale(bench, "north", bench.epoch("north")));
}

pub(super) fn unregister_ends_an_epoch_and_keeps_the_row(bench: &Bench) {
    bench.insert("north", 1);
    let epoch = bench.epoch("north");
    let mut unit = bench.with("north", Write::Unregister);
    unit.drafts.push(draft("unregister", "success"));
    bench.done(unit);
    assert!(is_stale(bench, "north", epoch));
    let row = bench.read(bench.engine.territory(&chain("north"))).expect("the row stays");
    assert_eq!((row.active, row.head.seq, row.last_seq), (false, 3, 3));
    assert!(bench.order("north", 1).is_some(), "its orders stay too");
}

pub(super) fn territory_makes_an_unregistered_one_active(bench: &Bench) {
    bench.insert("north", 1);
    bench.done(bench.with("north", Write::Unregister));
    let mut unit = bench.with("north", Write::Territory);
    unit.drafts.push(draft("register", "success"));
    assert_eq!(bench.one(unit.clone()), Outcome::Done { first_seq: 3 }, "the chain goes on");
    let row = bench.read(bench.engine.territory(&chain("north"))).expect("the row is there");
    assert!(row.active && row.epoch == unit.epoch);
    assert!(bench.order("north", 1).is_some());
    // Once more does no harm.
    bench.done(bench.with("north", Write::Territory));
    assert!(bench.read(bench.engine.territory(&chain("north"))).is_some_and(|row| row.active));
}

pub(super) fn remove_relationship_ends_an_epoch(bench: &Bench) {
    let here =
        |patient, provider| bench.read(bench.engine.relationship(&place("north"), &pair(patient, provider)));
    bench.done(bench.with("north", Write::Relationship(pair("p-1", "npi-1"))));
    bench.done(bench.with("north", Write::Relationship(pair("p-1", "npi-2"))));
    let epoch = bench.epoch("north");
    bench.done(bench.with("north", Write::RemoveRelationship(pair("p-1", "npi-1"))));
    assert!(is_stale(bench, "north", epoch));
    assert!(!here("p-1", "npi-1") && here("p-1", "npi-2"));
    // One that is not there: nothing happens.
    let epoch = bench.epoch("north");
    bench.done(bench.with("north", Write::RemoveRelationship(pair("p-1", "npi-1"))));
    assert_eq!(bench.epoch("north"), epoch);
}

pub(super) fn replace_keys_ends_every_epoch(bench: &Bench) {
    let epochs = ["", "north", "south"].map(|territory| bench.epoch(territory));
    let keys = bench.read(bench.engine.all_keys());
    let mut unit = bench.with("", Write::ReplaceKeys { old: keys.clone(), new: keys });
    unit.drafts.push(draft("change_root", "success"));
    bench.done(unit);
    for (territory, epoch) in ["", "north", "south"].into_iter().zip(epochs) {
        assert!(is_stale(bench, territory, epoch), "{territory:?}");
    }
}

pub(super) fn generation_ends_every_epoch(bench: &Bench) {
    let epochs = ["", "north", "south"].map(|territory| bench.epoch(territory));
    let mut unit = bench.with("", Write::Generation([3; 16]));
    unit.drafts.push(draft("restore", "success"));
    bench.done(unit);
    assert_eq!(bench.read(bench.engine.meta()).generation, [3; 16]);
    for (territory, epoch) in ["", "north", "south"].into_iter().zip(epochs) {
        assert!(is_stale(bench, territory, epoch), "{territory:?}");
    }
}

pub(super) fn an_epoch_ends_within_a_group(bench: &Bench) {
    let before = bench.insertion("north", 1);
    let mut after = bench.insertion("north", 2);
    let elsewhere = bench.insertion("south", 3);
    let mut anew = bench.insertion("north", 4);
    anew.epoch += 1;
    after.drafts.push(draft("view", "success"));
    let raise = bench.with("north", Write::RaiseEpoch);
    let outcomes = bench.commit(vec![before, raise, after, elsewhere, anew]);
    assert!(matches!(outcomes[0], Outcome::Done { first_seq: 2 }));
    assert!(matches!(outcomes[1], Outcome::Done { .. }));
    assert_eq!(
        outcomes[2..],
        [Outcome::StaleEpoch, Outcome::Done { first_seq: 2 }, Outcome::Done { first_seq: 3 }]
    );
}

pub(super) fn every_epoch_ends_within_a_group(bench: &Bench) {
    let epochs = ["", "north", "south"].map(|territory| bench.epoch(territory));
    let (first, second) = (bench.insertion("north", 1), bench.insertion("north", 2));
    let third = bench.insertion("south", 3);
    let generation = bench.with("", Write::Generation([4; 16]));
    let outcomes = bench.commit(vec![first, generation, second, third]);
    assert!(matches!(outcomes[..2], [Outcome::Done { first_seq: 2 }, Outcome::Done { .. }]));
    assert_eq!(outcomes[2..], [Outcome::StaleEpoch, Outcome::StaleEpoch]);
    let now = ["", "north", "south"].map(|territory| bench.epoch(territory));
    assert_eq!(now, epochs.map(|epoch| epoch + 1), "each is raised once");
    bench.insert("north", 4);
    bench.insert("south", 5);
}
