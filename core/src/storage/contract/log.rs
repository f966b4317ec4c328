//! The log: one chain a territory, without a gap, and everything that is read from it.

use super::bench::{Bench, Keys, chain, change, draft, id, place, row};
use crate::audit::{Entry, Head};
use crate::storage::{EntryQuery, Linker, Write};

fn seqs(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.seq).collect()
}

pub(super) fn a_chain_starts_at_its_genesis(bench: &Bench) {
    let system = bench.read(bench.engine.territory(&chain(""))).expect("born with its row");
    assert_eq!((system.head, system.last_seq, system.active), (Head::genesis(""), 0, true));
    let mut unit = crate::storage::Unit::new(chain("west"), 5);
    unit.writes.push(Write::Territory);
    bench.done(unit);
    let west = bench.read(bench.engine.territory(&chain("west"))).expect("it was registered");
    assert_eq!((west.head, west.last_seq), (Head::genesis("west"), 0));
    assert_eq!((west.epoch, west.active, west.chain), (5, true, chain("west")));
}

pub(super) fn seq_has_no_gap_and_links_hold(bench: &Bench) {
    for n in 1..=5 {
        bench.insert("north", n);
        bench.insert("south", n);
        // What misfits uses no number.
        bench.one(bench.updating("north", n, 9));
    }
    let mut unit = bench.unit("north");
    unit.drafts = (0..20).map(|_| draft("view", "success")).collect();
    assert_eq!(bench.done(unit), 7);
    assert_eq!(seqs(&bench.log("north")), (1..=26).collect::<Vec<_>>());
    let head = bench.read(bench.engine.territory(&chain("north"))).expect("it is there").head;
    let last = bench.log("north").pop().expect("an entry");
    assert_eq!(head, Head { seq: 26, hash: last.hash, at: last.body.at });
    bench.check_chains();
}

pub(super) fn time_never_decreases(bench: &Bench) {
    for at in [8_000, 3_000, 9_000, -1] {
        let mut unit = bench.unit("north");
        unit.drafts = vec![draft("view", "success"), draft("view", "success")];
        unit.drafts[0].at = at;
        unit.drafts[1].at = at - 1;
        bench.done(unit);
    }
    let times: Vec<i64> = bench.log("north").iter().skip(1).map(|entry| entry.body.at).collect();
    assert_eq!(times, [8_000, 8_000, 8_000, 8_000, 9_000, 9_000, 9_000, 9_000]);
}

pub(super) fn entries_come_back_as_linked(bench: &Bench) {
    let head = bench.read(bench.engine.territory(&chain("north"))).expect("it is there").head;
    let mut drafts =
        vec![change(1, "create", 1), change(2, "view", i64::MAX as u64), draft("audit", "denied")];
    drafts[0].fields = u32::MAX;
    drafts[1].details = (0..=255).collect();
    drafts[2].user_id = "u-\u{e9}'".to_owned();
    (drafts[2].request_id, drafts[2].source) = (String::new(), String::new());
    let expected = Keys.link(&chain("north"), &head, &drafts).expect("the linker has every key");
    let mut unit = bench.unit("north");
    unit.drafts = drafts;
    bench.done(unit);
    assert_eq!(bench.log("north")[1..], expected);
}

/// Orders 1 (of `p-1`) and 2 (of `p-0`) in north, with a log of twelve entries by two users.
fn furnish(bench: &Bench) {
    for n in [1, 2] {
        bench.insert("north", n);
        bench.insert("south", n);
    }
    bench.done(bench.updating("north", 1, 1));
    let mut unit = bench.unit("north");
    for (n, at) in [(1, 6_000), (2, 7_000), (1, 8_000), (2, 9_000)] {
        let mut view = change(n, "view", 1);
        (view.at, view.user_id) = (at, "u-2".to_owned());
        unit.drafts.push(view);
    }
    unit.drafts[2].fields = 0;
    let mut denied = change(1, "view", 1);
    (denied.at, denied.outcome) = (9_000, "denied".into());
    // An id that was asked for and never existed.
    let mut unknown = change(77, "view", 0);
    (unknown.at, unknown.outcome, unknown.fields) = (9_500, "denied".into(), 0);
    unit.drafts.extend([denied, unknown]);
    bench.done(unit);
    bench.shred("north", 1, 2);
    bench.shred("north", 2, 1);
}

pub(super) fn entries_by_every_member_of_a_query(bench: &Bench) {
    furnish(bench);
    let ask =
        |query: EntryQuery, limit| seqs(&bench.read(bench.engine.entries(&chain("north"), &query, limit)));
    let all = EntryQuery::default;
    assert_eq!(ask(all(), 100), (1..=12).collect::<Vec<_>>());
    assert_eq!(ask(all(), 3), [1, 2, 3]);
    assert_eq!(ask(EntryQuery { after: 3, ..all() }, 2), [4, 5]);
    assert_eq!(ask(EntryQuery { after: 3, upto: Some(5), ..all() }, 100), [4, 5]);
    assert_eq!(ask(EntryQuery { upto: Some(0), ..all() }, 100), [0; 0]);
    assert_eq!(ask(EntryQuery { after: 12, ..all() }, 100), [0; 0]);
    assert_eq!(ask(EntryQuery { after: u64::MAX, ..all() }, 100), [0; 0]);
    assert_eq!(ask(EntryQuery { upto: Some(u64::MAX), after: 11, ..all() }, 100), [12]);
    assert_eq!(ask(EntryQuery { order_id: Some(id(1)), ..all() }, 100), [2, 4, 5, 7, 9, 11]);
    assert_eq!(ask(EntryQuery { order_id: Some(id(77)), ..all() }, 100), [10]);
    // Skeletons keep their patient.
    assert_eq!(ask(EntryQuery { patient_id: Some("p-1".to_owned()), ..all() }, 100), [2, 4, 5, 7, 9, 11]);
    assert_eq!(ask(EntryQuery { patient_id: Some("p-0".to_owned()), ..all() }, 100), [3, 6, 8, 12]);
    assert_eq!(ask(EntryQuery { patient_id: Some("p-9".to_owned()), ..all() }, 100), [0; 0]);
    assert_eq!(ask(EntryQuery { user_id: Some("u-2".to_owned()), ..all() }, 100), [5, 6, 7, 8]);
    assert_eq!(ask(EntryQuery { from: Some(7_000), ..all() }, 100), [6, 7, 8, 9, 10, 11, 12]);
    assert_eq!(ask(EntryQuery { to: Some(6_000), ..all() }, 100), [1, 2, 3, 4]);
    assert_eq!(ask(EntryQuery { from: Some(6_000), to: Some(8_000), ..all() }, 100), [5, 6]);
    let together = EntryQuery {
        after: 5,
        upto: Some(11),
        order_id: Some(id(1)),
        patient_id: Some("p-1".to_owned()),
        user_id: Some("u-1".to_owned()),
        from: Some(9_000),
        to: Some(9_500),
        disclosures: false,
    };
    assert_eq!(ask(together.clone(), 100), [9]);
    assert_eq!(ask(EntryQuery { patient_id: Some("p-0".to_owned()), ..together }, 100), [0; 0]);
    let page = EntryQuery { patient_id: Some("p-1".to_owned()), after: 2, ..all() };
    assert_eq!(ask(page, 2), [4, 5]);
}

pub(super) fn disclosures_are_views_that_showed_something(bench: &Bench) {
    furnish(bench);
    let ask = |query: EntryQuery| seqs(&bench.read(bench.engine.entries(&chain("north"), &query, 100)));
    let shown = || EntryQuery { disclosures: true, ..EntryQuery::default() };
    assert_eq!(ask(shown()), [5, 6, 8]);
    assert_eq!(ask(EntryQuery { patient_id: Some("p-0".to_owned()), ..shown() }), [6, 8]);
    assert_eq!(ask(EntryQuery { order_id: Some(id(1)), ..shown() }), [5]);
}

pub(super) fn entries_of_chains_do_not_meet(bench: &Bench) {
    furnish(bench);
    let mut unit = bench.unit("");
    unit.drafts = vec![draft("verify", "success"), change(1, "view", 1)];
    bench.done(unit);
    let by_order = EntryQuery { order_id: Some(id(1)), ..EntryQuery::default() };
    let by_patient = EntryQuery { patient_id: Some("p-1".to_owned()), ..EntryQuery::default() };
    let ask = |territory: &str, query| seqs(&bench.read(bench.engine.entries(&chain(territory), query, 100)));
    assert_eq!(seqs(&bench.log("")), [1, 2]);
    assert_eq!(ask("", &by_order), [2]);
    assert_eq!(ask("", &by_patient), [0; 0], "the system chain has no orders");
    assert_eq!(ask("south", &by_order), [2]);
    assert_eq!(ask("south", &by_patient), [2]);
    assert_eq!(ask("west", &by_order), [0; 0]);
}

pub(super) fn changes_are_success_entries_of_one_order(bench: &Bench) {
    furnish(bench);
    let ask = |territory: &str, n, after, limit| {
        let entries = bench.read(bench.engine.changes(&place(territory), id(n), after, limit));
        assert!(entries.iter().all(Entry::is_event));
        entries.iter().map(|entry| (entry.seq, entry.body.row_version)).collect::<Vec<_>>()
    };
    assert_eq!(ask("north", 1, 0, 100), [(2, 1), (4, 2), (11, 3)]);
    assert_eq!(ask("north", 1, 1, 1), [(4, 2)]);
    assert_eq!(ask("north", 1, 3, 100), []);
    assert_eq!(ask("north", 1, u64::MAX, 100), []);
    assert_eq!(ask("north", 2, 0, 100), [(3, 1), (12, 2)]);
    assert_eq!(ask("south", 1, 0, 100), [(2, 1)]);
    assert_eq!(ask("north", 77, 0, 100), []);
}

pub(super) fn events_of_all_orders(bench: &Bench) {
    furnish(bench);
    let ask = |after, limit| {
        let page = bench.read(bench.engine.events(&place("north"), None, after, limit)).expect("a territory");
        seqs(&page.events)
    };
    assert_eq!(ask(0, 100), [2, 3, 4, 11, 12]);
    assert_eq!(ask(2, 2), [3, 4]);
    assert_eq!(ask(4, 1), [11]);
    assert_eq!(ask(12, 100), [0; 0]);
    assert_eq!(ask(u64::MAX, 100), [0; 0]);
    let page = bench.read(bench.engine.events(&place("north"), None, 1, 1)).expect("a territory");
    assert_eq!(page.events, bench.log("north")[1..2], "as the log has them");
}

pub(super) fn events_of_one_order(bench: &Bench) {
    furnish(bench);
    let ask = |territory: &str, n, after, limit| {
        let page = bench.read(bench.engine.events(&place(territory), Some(id(n)), after, limit));
        seqs(&page.expect("a territory").events)
    };
    assert_eq!(ask("north", 1, 0, 100), [2, 4, 11]);
    assert_eq!(ask("north", 1, 2, 1), [4]);
    assert_eq!(ask("north", 2, 3, 100), [12]);
    assert_eq!(ask("north", 77, 0, 100), [0; 0]);
    assert_eq!(ask("south", 1, 0, 100), [2]);
}

pub(super) fn events_tell_anchor_head_and_activity(bench: &Bench) {
    furnish(bench);
    let ask = |after| bench.read(bench.engine.events(&place("north"), None, after, 1)).expect("a territory");
    let log = bench.log("north");
    let last = log.last().expect("an entry");
    for after in [0, 1, 5, 12, 13, u64::MAX] {
        let page = ask(after);
        assert_eq!((page.head.seq, page.head.hash, page.active), (12, last.hash, true));
        let entry = log.iter().find(|entry| entry.seq == after);
        assert_eq!(page.anchor, entry.map(|entry| entry.hash), "after {after}");
    }
    assert_eq!(bench.read(bench.engine.events(&place("west"), None, 0, 1)), None);
    bench.done(bench.with("north", Write::Unregister));
    assert!(!ask(0).active);
    assert_eq!(seqs(&ask(0).events), [2], "events stay readable");
    assert!(bench.order("south", 1) == Some(row(1)));
}
