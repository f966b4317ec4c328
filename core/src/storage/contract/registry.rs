//! Keys, territories, relationships and checkpoints.

use super::bench::{Bench, chain, draft, key, pair, place};
use crate::storage::{Meta, Outcome, Relationship, RelationshipQuery, Unit, Write};

pub(super) fn meta_is_what_it_was_born_with(bench: &Bench) {
    // Every head row tells it too, of the same moment.
    let expect = |generation| {
        assert_eq!(bench.read(bench.engine.meta()), Meta { generation, format: 1 });
        let north = bench.read(bench.engine.territory(&chain("north")));
        assert_eq!(north.map(|row| row.generation), Some(generation));
        let all = bench.read(bench.engine.territories());
        assert!(all.len() > 1 && all.iter().all(|row| row.generation == generation));
    };
    expect(super::generation());
    bench.done(bench.with("", Write::Generation([8; 16])));
    expect([8; 16]);
}

pub(super) fn keys_are_sorted_and_by_chain(bench: &Bench) {
    for (purpose, territory, version) in
        [("data", "south", 1), ("data", "north", 10), ("data", "north", 2), ("audit", "north", 1)]
    {
        bench.done(bench.with("", Write::Key(key(purpose, territory, version))));
    }
    let names = |keys: Vec<crate::storage::KeyRow>| -> Vec<String> {
        keys.iter().map(|key| format!("{} {} {}", key.purpose, key.territory, key.version)).collect()
    };
    let of = |territory| names(bench.read(bench.engine.keys(&chain(territory))));
    assert_eq!(of("north"), ["audit north 1", "data north 2", "data north 10"]);
    assert_eq!(of(""), ["audit  1", "check  1", "checkpoint  1"]);
    assert!(of("west").is_empty());
    let mut all = names(bench.read(bench.engine.all_keys()));
    assert_eq!(
        all,
        [
            "audit  1",
            "audit north 1",
            "check  1",
            "checkpoint  1",
            "data north 2",
            "data north 10",
            "data south 1"
        ]
    );
    all.dedup();
    assert_eq!(all.len(), 7);
    let mut born = super::keys();
    born.sort();
    assert_eq!(bench.read(bench.engine.keys(&chain(""))), born, "blobs as they were given");
}

pub(super) fn territories_are_sorted_with_their_heads(bench: &Bench) {
    // Sorted by bytes, not by a language's rules.
    for territory in ["a_b", "a-b", "east"] {
        let mut unit = Unit::new(chain(territory), 3);
        unit.writes.push(Write::Territory);
        unit.drafts.push(draft("register", "success"));
        assert_eq!(bench.one(unit), Outcome::Done { first_seq: 1 });
    }
    let rows = bench.read(bench.engine.territories());
    let names: Vec<_> = rows.iter().map(|row| row.chain.as_str()).collect();
    assert_eq!(names, ["", "a-b", "a_b", "east", "north", "south"]);
    for row in &rows {
        assert_eq!(bench.read(bench.engine.territory(&row.chain)).as_ref(), Some(row));
        let entries = u64::from(!row.chain.as_str().is_empty());
        assert_eq!((row.head.seq, row.last_seq, row.active), (entries, entries, true), "{:?}", row.chain);
    }
}

fn furnish(bench: &Bench) {
    let mut unit = bench.unit("north");
    for (patient, provider) in
        [("p-2", "npi-1"), ("p-1", "npi-2"), ("p-10", "npi-1"), ("p-1", "npi-1"), ("p-2", "npi-3")]
    {
        unit.writes.push(Write::Relationship(pair(patient, provider)));
    }
    bench.done(unit);
}

fn list(bench: &Bench, query: &RelationshipQuery, limit: usize) -> Vec<String> {
    let found = bench.read(bench.engine.relationships(&place("north"), query, limit));
    found.iter().map(|one: &Relationship| format!("{} {}", one.patient_id, one.provider_id)).collect()
}

pub(super) fn relationships_are_listed_by_pages(bench: &Bench) {
    furnish(bench);
    let all = RelationshipQuery::default();
    let sorted = ["p-1 npi-1", "p-1 npi-2", "p-10 npi-1", "p-2 npi-1", "p-2 npi-3"];
    assert_eq!(list(bench, &all, 100), sorted);
    let (mut query, mut paged) = (all, Vec::new());
    loop {
        let page = bench.read(bench.engine.relationships(&place("north"), &query, 2));
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        query.after = Some(last.clone());
        paged.extend(page.iter().map(|one| format!("{} {}", one.patient_id, one.provider_id)));
    }
    assert_eq!(paged, sorted);
    // A pair that is not there is a place to go on from as well.
    query.after = Some(pair("p-1", "npi-9"));
    assert_eq!(list(bench, &query, 1), ["p-10 npi-1"]);
}

pub(super) fn relationships_of_one_side(bench: &Bench) {
    furnish(bench);
    let patient = |id: &str| RelationshipQuery { patient_id: Some(id.to_owned()), ..Default::default() };
    let provider = |id: &str| RelationshipQuery { provider_id: Some(id.to_owned()), ..Default::default() };
    assert_eq!(list(bench, &patient("p-1"), 100), ["p-1 npi-1", "p-1 npi-2"]);
    assert_eq!(list(bench, &provider("npi-1"), 100), ["p-1 npi-1", "p-10 npi-1", "p-2 npi-1"]);
    let mut both = patient("p-2");
    both.provider_id = Some("npi-3".to_owned());
    assert_eq!(list(bench, &both, 100), ["p-2 npi-3"]);
    let mut page = provider("npi-1");
    page.after = Some(pair("p-1", "npi-1"));
    assert_eq!(list(bench, &page, 1), ["p-10 npi-1"]);
    assert!(list(bench, &patient("p-9"), 100).is_empty());
}

pub(super) fn relationship_twice_is_one(bench: &Bench) {
    furnish(bench);
    let epoch = bench.epoch("north");
    bench.done(bench.with("north", Write::Relationship(pair("p-1", "npi-1"))));
    assert_eq!(list(bench, &RelationshipQuery::default(), 100).len(), 5);
    assert_eq!(bench.epoch("north"), epoch, "a right that is given ends no epoch");
}

pub(super) fn relationships_of_territories_do_not_meet(bench: &Bench) {
    furnish(bench);
    let here = |territory| bench.read(bench.engine.relationship(&place(territory), &pair("p-1", "npi-1")));
    assert!(here("north") && !here("south") && !here("west"));
    assert!(!bench.read(bench.engine.relationship(&place("north"), &pair("npi-1", "p-1"))));
    let all = RelationshipQuery::default();
    for territory in ["south", "west"] {
        assert!(bench.read(bench.engine.relationships(&place(territory), &all, 10)).is_empty());
    }
    bench.done(bench.with("south", Write::RemoveRelationship(pair("p-1", "npi-1"))));
    assert!(here("north"));
}

pub(super) fn the_newest_checkpoint_of_each_chain(bench: &Bench) {
    let keep = |territory, seq, note: &str| {
        bench.done(bench.with(territory, Write::Checkpoint { seq, note: note.to_owned() }));
    };
    let newest = |territory| bench.read(bench.engine.checkpoint(&chain(territory)));
    assert_eq!((newest("north"), newest("west")), (None, None));
    keep("north", 2, "two");
    keep("north", 10, "ten");
    keep("north", 9, "nine");
    keep("", 1, "system");
    assert_eq!(newest("north").as_deref(), Some("ten"));
    assert_eq!(newest("").as_deref(), Some("system"));
    assert_eq!(newest("south"), None);
}
