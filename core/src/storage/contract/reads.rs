//! Reading orders: by id, by filter, by page, and never from another territory.

use std::sync::Arc;

use pollster::block_on;

use super::bench::{Bench, chain, id, key, made, pair, place, record, row, update, wrapped};
use crate::error::ErrorCode;
use crate::model::{OrderFilter, OrderId, OrderStatus, Timestamp};
use crate::storage::memory::MemoryStorage;
use crate::storage::{OrderRow, Write, copy};

fn numbers(rows: &[OrderRow]) -> Vec<u8> {
    rows.iter().map(|row| row.order_id.as_bytes()[5]).collect()
}

/// Orders 1 to 12 in north, the even ones verified, 4 and 5 deleted, 6 completed; 3 and 20 in south.
fn furnish(bench: &Bench) {
    for n in [7, 1, 12, 3, 5, 2, 4, 6, 8, 9, 10, 11] {
        bench.insert("north", n);
        if n % 2 == 0 {
            bench.done(bench.updating("north", n, 1));
        }
    }
    bench.shred("north", 4, 2);
    bench.shred("north", 5, 1);
    let mut completed = update(6, 2);
    completed.status = "completed".to_owned();
    bench.done(bench.with("north", Write::Update(Box::new(completed))));
    bench.insert("south", 3);
    bench.insert("south", 20);
}

fn list(bench: &Bench, filter: &OrderFilter, before: Option<OrderId>, limit: usize) -> Vec<u8> {
    numbers(&bench.read(bench.engine.orders(&place("north"), filter, before, limit)))
}

pub(super) fn orders_newest_first_without_skeletons(bench: &Bench) {
    furnish(bench);
    assert_eq!(list(bench, &OrderFilter::new(), None, 100), [12, 11, 10, 9, 8, 7, 6, 3, 2, 1]);
    let rows = bench.read(bench.engine.orders(&place("north"), &OrderFilter::new(), Some(id(2)), 1));
    assert!(rows == [row(1)], "a listed row is the whole row");
}

pub(super) fn orders_by_every_filter(bench: &Bench) {
    furnish(bench);
    let statuses = [
        vec![],
        vec![OrderStatus::PendingVerification],
        vec![OrderStatus::Verified],
        vec![OrderStatus::Completed],
        vec![OrderStatus::Verified, OrderStatus::Verified, OrderStatus::PendingVerification],
        vec![OrderStatus::Completed, OrderStatus::Verified],
        vec![OrderStatus::Rejected],
    ];
    let live: Vec<u8> = vec![12, 11, 10, 9, 8, 7, 6, 3, 2, 1];
    let status_of = |n: u8| match n {
        6 => OrderStatus::Completed,
        n if n % 2 == 0 => OrderStatus::Verified,
        _ => OrderStatus::PendingVerification,
    };
    let mut asked = 0;
    for status in &statuses {
        for patient in [None, Some(0), Some(1), Some(9)] {
            for provider in [None, Some(0), Some(2)] {
                // `from` is inclusive, `to` is not.
                for (from, to) in [(None, None), (Some(3), None), (None, Some(9)), (Some(3), Some(9))] {
                    for before in [None, Some(10), Some(3)] {
                        let mut filter = OrderFilter::new();
                        filter.status.clone_from(status);
                        filter.patient_id = patient.map(|p| format!("p-{p}").parse().expect("a good id"));
                        filter.provider_id = provider.map(|p| format!("npi-{p}").parse().expect("a good id"));
                        filter.created_from = from.map(|n| Timestamp::from_micros(made(n)));
                        filter.created_to = to.map(|n| Timestamp::from_micros(made(n)));
                        let fits = |n: &u8| {
                            (status.is_empty() || status.contains(&status_of(*n)))
                                && patient.is_none_or(|p| n % 2 == p)
                                && provider.is_none_or(|p| n % 3 == p)
                                && from.is_none_or(|from| *n >= from)
                                && to.is_none_or(|to| *n < to)
                                && before.is_none_or(|before| *n < before)
                        };
                        let expected: Vec<u8> = live.iter().copied().filter(fits).collect();
                        let found = list(bench, &filter, before.map(id), 100);
                        assert_eq!(found, expected, "{status:?} {patient:?} {provider:?} {from:?} {to:?}");
                        let first = list(bench, &filter, before.map(id), 2);
                        assert_eq!(first, expected[..expected.len().min(2)]);
                        asked += 1;
                    }
                }
            }
        }
    }
    assert_eq!(asked, 7 * 4 * 3 * 4 * 3);
}

pub(super) fn orders_before_and_limit(bench: &Bench) {
    furnish(bench);
    let (mut before, mut pages) = (None, Vec::new());
    loop {
        let page = list(bench, &OrderFilter::new(), before, 4);
        let Some(last) = page.last() else { break };
        before = Some(id(*last));
        pages.push(page);
    }
    assert_eq!(pages, [vec![12, 11, 10, 9], vec![8, 7, 6, 3], vec![2, 1]]);
    // Any id is a place to go on from, an order's or not.
    assert_eq!(list(bench, &OrderFilter::new(), Some(id(5)), 2), [3, 2]);
    assert_eq!(list(bench, &OrderFilter::new(), Some(OrderId::from_bytes([0; 16])), 2), [0; 0]);
    assert_eq!(list(bench, &OrderFilter::new(), Some(OrderId::from_bytes([255; 16])), 1), [12]);
}

pub(super) fn walk_goes_up_with_skeletons(bench: &Bench) {
    furnish(bench);
    let walk = |after, limit| numbers(&bench.read(bench.engine.walk(&place("north"), after, limit)));
    assert_eq!(walk(None, 100), (1..=12).collect::<Vec<_>>());
    assert_eq!(walk(None, 5), [1, 2, 3, 4, 5]);
    assert_eq!(walk(Some(id(5)), 3), [6, 7, 8]);
    assert_eq!(walk(Some(id(12)), 3), [0; 0]);
    let rows = bench.read(bench.engine.walk(&place("north"), Some(id(3)), 2));
    assert!(rows.iter().all(OrderRow::is_skeleton));
}

pub(super) fn wraps_other_than_skips_the_current_version(bench: &Bench) {
    furnish(bench);
    let ask = |version, after, limit| {
        bench.read(bench.engine.wraps_other_than(&place("north"), version, after, limit))
    };
    let numbers = |wraps: Vec<(OrderId, Vec<u8>)>| -> Vec<u8> {
        wraps.iter().map(|(order, _)| order.as_bytes()[5]).collect()
    };
    assert_eq!(numbers(ask(1, None, 100)), [0; 0]);
    assert_eq!(numbers(ask(2, None, 100)), [1, 2, 3, 6, 7, 8, 9, 10, 11, 12], "skeletons have none");
    let mut unit = bench.unit("north");
    // 256 shows that the version is compared as a number of four bytes.
    for (n, version) in [(2, 2), (7, 256), (9, 2)] {
        let write = Write::Rewrap { order_id: id(n), old: wrapped(n, 1), new: wrapped(n, version) };
        unit.writes.push(write);
    }
    bench.done(unit);
    assert_eq!(numbers(ask(2, None, 100)), [1, 3, 6, 7, 8, 10, 11, 12]);
    assert_eq!(ask(2, Some(id(3)), 2), [(id(6), wrapped(6, 1)), (id(7), wrapped(7, 256))]);
    assert_eq!(numbers(ask(256, Some(id(6)), 2)), [8, 9]);
    assert_eq!(numbers(ask(2, Some(id(12)), 100)), [0; 0]);
}

pub(super) fn order_count_counts_skeletons(bench: &Bench) {
    furnish(bench);
    let count = |territory| bench.read(bench.engine.order_count(&place(territory)));
    assert_eq!((count("north"), count("south"), count("west")), (12, 2, 0));
}

pub(super) fn order_exists_in_any_territory(bench: &Bench) {
    furnish(bench);
    let exists = |n| bench.read(bench.engine.order_exists(id(n)));
    assert!(exists(1) && exists(20) && exists(3));
    assert!(exists(4), "a skeleton exists");
    assert!(!exists(21));
}

pub(super) fn one_id_in_two_territories_is_two_orders(bench: &Bench) {
    bench.insert("north", 1);
    bench.insert("south", 1);
    bench.done(bench.updating("south", 1, 1));
    assert!(bench.order("north", 1) == Some(row(1)));
    assert!(bench.order("south", 1).is_some_and(|row| row.version == 2));
    bench.shred("north", 1, 1);
    assert!(bench.order("south", 1).is_some_and(|row| !row.is_skeleton()));
    let rewrap = Write::Rewrap { order_id: id(1), old: wrapped(1, 1), new: wrapped(1, 2) };
    bench.done(bench.with("south", rewrap));
    assert!(bench.order("north", 1).is_some_and(|row| row.is_skeleton()));
    // Both write in one commit.
    let outcomes = bench.commit(vec![bench.updating("north", 1, 2), bench.updating("south", 1, 2)]);
    assert_eq!(outcomes[0], super::bench::conflict(1, None));
    assert!(bench.order("south", 1).is_some_and(|row| row.version == 3));
}

pub(super) fn one_key_in_two_territories_is_two_records(bench: &Bench) {
    let read = |territory| bench.read(bench.engine.idempotency(&place(territory), [1; 32]));
    let mut unit = bench.insertion("north", 1);
    unit.idempotency.push(record(1, 1));
    bench.done(unit);
    assert_eq!((read("north"), read("south")), (Some(record(1, 1)), None));
    let mut unit = bench.insertion("south", 2);
    unit.idempotency.push(record(1, 2));
    bench.done(unit);
    assert_eq!((read("north"), read("south")), (Some(record(1, 1)), Some(record(1, 2))));
    assert_eq!(bench.read(bench.engine.idempotency(&place("north"), [2; 32])), None);
}

pub(super) fn records_are_listed_by_pages(bench: &Bench) {
    let keys = [200, 3, 77];
    for (n, key) in (1..).zip(keys) {
        let mut unit = bench.insertion("north", n);
        unit.idempotency.push(record(key, n));
        bench.done(unit);
    }
    let page = |after, limit| bench.read(bench.engine.records(&place("north"), after, limit));
    assert_eq!(page(None, 2), [record(3, 2), record(77, 3)]);
    assert_eq!(page(Some([77; 32]), 2), [record(200, 1)]);
    assert_eq!(page(Some([200; 32]), 2), []);
    assert_eq!(bench.read(bench.engine.records(&place("south"), None, 2)), []);
}

/// From the engine into one in memory, which the same contract judges.
pub(super) fn a_copy_is_the_same_to_the_last_byte(bench: &Bench) {
    for n in 1..=5 {
        let mut unit = bench.insertion("north", n);
        unit.idempotency.push(record(n, n));
        bench.done(unit);
    }
    bench.done(bench.updating("north", 1, 1));
    bench.shred("north", 2, 1);
    bench.done(bench.with("north", Write::Key(key("data", "north", 1))));
    bench.done(bench.with("south", Write::Relationship(pair("p-1", "npi-1"))));
    bench.done(bench.with("south", Write::Unregister));
    let target = MemoryStorage::new(super::generation(), super::keys());
    let copied = block_on(copy(&*bench.engine, &target, &mut |_| {})).expect("an empty target takes a copy");
    assert_eq!(copied, 5 + 8 + 1, "orders, and entries of both chains");
    let other = Bench { engine: Arc::new(target) };
    for territory in ["north", "south"] {
        assert_eq!(bench.log(territory), other.log(territory));
        let heads = [bench, &other]
            .map(|bench| bench.read(bench.engine.territory(&chain(territory))).expect("it is there"));
        assert_eq!((heads[0].head, heads[0].active), (heads[1].head, heads[1].active));
        let walk = |bench: &Bench| bench.read(bench.engine.walk(&place(territory), None, 100));
        assert!(walk(bench) == walk(&other));
        let records = |bench: &Bench| bench.read(bench.engine.records(&place(territory), None, 100));
        assert_eq!(records(bench), records(&other));
    }
    assert_eq!(bench.read(bench.engine.all_keys()), other.read(other.engine.all_keys()));
    assert!(other.read(other.engine.relationship(&place("south"), &pair("p-1", "npi-1"))));
    other.check_chains();
    let again = block_on(copy(&*bench.engine, &*other.engine, &mut |_| {}));
    assert_eq!(again.map_err(|error| error.code()), Err(ErrorCode::ValidationError), "not into a full one");
}

pub(super) fn an_unknown_territory_is_empty(bench: &Bench) {
    furnish(bench);
    let west = place("west");
    assert!(bench.order("west", 1).is_none());
    assert!(bench.read(bench.engine.orders(&west, &OrderFilter::new(), None, 10)).is_empty());
    assert!(bench.read(bench.engine.walk(&west, None, 10)).is_empty());
    assert!(bench.read(bench.engine.wraps_other_than(&west, 9, None, 10)).is_empty());
    assert!(bench.read(bench.engine.changes(&west, id(1), 0, 10)).is_empty());
    assert!(bench.log("west").is_empty());
}
