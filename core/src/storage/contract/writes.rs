//! Each kind of write applies and misfits as it says.

use super::bench::{Bench, chain, change, conflict, draft, id, key, place, row, update, wrapped};
use crate::storage::{Outcome, Write};

pub(super) fn insert_keeps_every_column(bench: &Bench) {
    bench.insert("north", 1);
    assert!(bench.order("north", 1) == Some(row(1)), "the row comes back as it went in");
    // Times before 1970 and the highest version are values like others.
    let mut edge = row(2);
    (edge.created_at, edge.updated_at, edge.version) = (i64::MIN, -1, i64::MAX as u64);
    edge.patient_id = "p-\u{e9}\u{1f600}'\"\\%".to_owned();
    bench.done(bench.with("north", Write::Insert(Box::new(edge.clone()))));
    assert!(bench.order("north", 2) == Some(edge));
    assert!(bench.order("north", 3).is_none());
}

pub(super) fn insert_of_a_known_id_is_refused(bench: &Bench) {
    bench.insert("north", 1);
    bench.shred("north", 1, 1);
    bench.insert("north", 2);
    for n in [1, 2] {
        let before = bench.order("north", n);
        let mut again = row(n);
        again.status = "completed".to_owned();
        assert_eq!(bench.one(bench.with("north", Write::Insert(Box::new(again)))), Outcome::Refused);
        assert!(bench.order("north", n) == before, "the order that was there stays");
    }
}

pub(super) fn update_gives_a_new_version(bench: &Bench) {
    bench.insert("north", 1);
    bench.insert("north", 2);
    bench.done(bench.updating("north", 1, 1));
    let (old, new) = (row(1), update(1, 1));
    let stored = bench.order("north", 1).expect("the order is there");
    assert_eq!((stored.status.as_str(), stored.version, stored.updated_at), ("verified", 2, 7_777));
    assert_eq!((Some(new.seal), new.fields), (stored.seal, Some(stored.fields)));
    assert_eq!((old.patient_id, old.provider_id), (stored.patient_id, stored.provider_id));
    assert_eq!((old.created_at, old.wrapped), (stored.created_at, stored.wrapped));
    assert!(bench.order("north", 2) == Some(row(2)), "the neighbour stays as it is");
}

pub(super) fn update_without_fields_keeps_them(bench: &Bench) {
    bench.insert("north", 1);
    let mut restamped = update(1, 1);
    restamped.fields = None;
    bench.done(bench.with("north", Write::Update(Box::new(restamped.clone()))));
    let stored = bench.order("north", 1).expect("the order is there");
    assert_eq!((stored.fields, stored.seal), (row(1).fields, Some(restamped.seal)));
    assert_eq!((stored.version, stored.status), (2, restamped.status));
}

pub(super) fn update_of_another_version_misfits(bench: &Bench) {
    bench.insert("north", 1);
    bench.done(bench.updating("north", 1, 1));
    let before = bench.order("north", 1);
    for from in [1, 3] {
        assert_eq!(bench.one(bench.updating("north", 1, from)), conflict(1, Some(2)), "from {from}");
    }
    assert!(bench.order("north", 1) == before);
}

pub(super) fn update_without_a_row_or_key_misfits(bench: &Bench) {
    assert_eq!(bench.one(bench.updating("north", 1, 1)), conflict(1, None));
    bench.insert("north", 1);
    bench.shred("north", 1, 1);
    for from in [1, 2] {
        assert_eq!(bench.one(bench.updating("north", 1, from)), conflict(1, None), "from {from}");
    }
    bench.insert("south", 1);
    assert_eq!(bench.one(bench.updating("north", 1, 1)), conflict(1, None), "south's order is not north's");
}

pub(super) fn shred_leaves_the_skeleton(bench: &Bench) {
    bench.insert("north", 1);
    bench.insert("north", 2);
    bench.shred("north", 1, 1);
    let mut skeleton = row(1);
    (skeleton.version, skeleton.updated_at) = (2, 9_000);
    (skeleton.wrapped, skeleton.seal, skeleton.fields) = (None, None, Default::default());
    assert!(bench.order("north", 1) == Some(skeleton));
    assert!(bench.order("north", 2) == Some(row(2)));
}

pub(super) fn shred_of_another_version_misfits(bench: &Bench) {
    bench.insert("north", 1);
    assert_eq!(bench.one(bench.shredding("north", 1, 2)), conflict(1, Some(1)));
    assert_eq!(bench.one(bench.shredding("north", 2, 1)), conflict(2, None));
    assert!(bench.order("north", 1) == Some(row(1)));
    bench.shred("north", 1, 1);
    let skeleton = bench.order("north", 1);
    assert_eq!(bench.one(bench.shredding("north", 1, 2)), conflict(1, None));
    assert!(bench.order("north", 1) == skeleton);
}

pub(super) fn present_misfits_without_a_key(bench: &Bench) {
    bench.insert("north", 1);
    let looking = |n| {
        let mut unit = bench.with("north", Write::Present(id(n)));
        unit.drafts.push(change(n, "view", 1));
        unit
    };
    bench.done(looking(1));
    bench.done(bench.updating("north", 1, 1));
    bench.done(looking(1));
    assert!(bench.order("north", 1).is_some_and(|row| row.version == 2), "looking changes nothing");
    assert_eq!(bench.one(looking(2)), conflict(2, None));
    bench.shred("north", 1, 2);
    let entries = bench.log("north").len();
    assert_eq!(bench.one(looking(1)), conflict(1, None));
    assert_eq!(bench.log("north").len(), entries);
}

pub(super) fn rewrap_replaces_only_the_bytes_it_names(bench: &Bench) {
    bench.insert("north", 1);
    bench.insert("north", 2);
    bench.insert("north", 3);
    bench.shred("north", 3, 1);
    let rewrap =
        |n, old: u32| Write::Rewrap { order_id: id(n), old: wrapped(n, old), new: wrapped(n, old + 1) };
    let mut unit = bench.unit("north");
    // The second names other bytes, the third has none left, the fourth does not exist: all are passed over.
    unit.writes = vec![rewrap(1, 1), rewrap(2, 5), rewrap(3, 1), rewrap(4, 1)];
    unit.drafts.push(draft("rotate_keys", "success"));
    bench.done(unit);
    let key = |n| bench.order("north", n).and_then(|row| row.wrapped);
    assert_eq!((key(1), key(2), key(3)), (Some(wrapped(1, 2)), Some(wrapped(2, 1)), None));
    let mut others = bench.order("north", 1).expect("the order is there");
    others.wrapped = row(1).wrapped;
    assert!(others == row(1), "nothing but the wrapped key changed, the version neither");
}

pub(super) fn key_is_insert_only(bench: &Bench) {
    bench.done(bench.with("", Write::Key(key("data", "north", 1))));
    bench.done(bench.with("north", Write::Key(key("data", "north", 2))));
    bench.done(bench.with("north", Write::Key(key("audit", "north", 1))));
    let mut other = key("data", "north", 1);
    other.blob = b"other".to_vec();
    for row in [other, key("data", "north", 1)] {
        assert_eq!(bench.one(bench.with("", Write::Key(row))), Outcome::Conflict { order: None });
    }
    let stored = bench.read(bench.engine.keys(&chain("north")));
    assert_eq!(stored, [key("audit", "north", 1), key("data", "north", 1), key("data", "north", 2)]);
}

pub(super) fn replace_keys_needs_exactly_the_old_rows(bench: &Bench) {
    bench.done(bench.with("north", Write::Key(key("data", "north", 1))));
    let all = bench.read(bench.engine.all_keys());
    let mut new = all.clone();
    new.iter_mut().for_each(|row| row.blob = b"under another root".to_vec());
    let mut unlike = all.clone();
    unlike[0].blob.push(0);
    let mut more = all.clone();
    more.push(key("data", "south", 1));
    for old in [unlike, more, all[1..].to_vec()] {
        let write = Write::ReplaceKeys { old, new: new.clone() };
        assert_eq!(bench.one(bench.with("", write)), Outcome::Conflict { order: None });
        assert_eq!(bench.read(bench.engine.all_keys()), all);
    }
    bench.done(bench.with("", Write::ReplaceKeys { old: all, new: new.clone() }));
    assert_eq!(bench.read(bench.engine.all_keys()), new);
}

pub(super) fn checkpoint_of_a_position_is_the_newest_one(bench: &Bench) {
    let keep = |seq, note: &str| bench.with("north", Write::Checkpoint { seq, note: note.to_owned() });
    bench.done(keep(1, "before the restore"));
    // A restored database signs the same position again, under its new generation.
    bench.done(keep(1, "after the restore"));
    let newest = bench.read(bench.engine.checkpoint(&chain("north")));
    assert_eq!(newest.as_deref(), Some("after the restore"));
    assert_eq!(bench.read(bench.engine.order_count(&place("north"))), 0);
}
