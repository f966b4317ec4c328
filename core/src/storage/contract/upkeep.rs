//! Telling of commits, copying and closing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pollster::block_on;

use super::bench::{Bench, Keys, chain, id, pair, place};
use crate::error::{ErrorCode, Result};
use crate::model::OrderFilter;
use crate::storage::{EntryQuery, NotNow, RelationshipQuery};

pub(super) fn a_commit_ticks_changed(bench: &Bench) {
    let mut changed = bench.engine.changed();
    for n in 1..=3 {
        let before = *changed.borrow_and_update();
        bench.insert("north", n);
        block_on(changed.changed()).expect("the engine is there");
        assert!(*changed.borrow_and_update() > before);
    }
}

pub(super) fn a_tick_reaches_who_came_before_it(bench: &Bench) {
    let mut waiting = [bench.engine.changed(), bench.engine.changed()];
    waiting.iter_mut().for_each(|one| one.mark_unchanged());
    let threads = waiting.map(|mut one| std::thread::spawn(move || block_on(one.changed()).is_ok()));
    bench.insert("north", 1);
    for thread in threads {
        assert!(thread.join().expect("the waiter ends"));
    }
}

pub(super) fn reads_see_whole_commits_only(bench: &Bench) {
    let (engine, over) = (Arc::clone(&bench.engine), Arc::new(AtomicBool::new(false)));
    let flag = Arc::clone(&over);
    let reader = std::thread::spawn(move || {
        let reader = Bench { engine };
        let mut looks = 0_u32;
        // Once more after the writer is over, so that at least one look sees everything.
        loop {
            let last = flag.load(Ordering::Acquire);
            let row = reader.read(reader.engine.territory(&chain("north"))).expect("it is there");
            assert_eq!(row.head.seq, row.last_seq, "head row and log are of one snapshot");
            let page =
                reader.read(reader.engine.events(&place("north"), None, 0, 1_000)).expect("it is there");
            let events = page.events.len() as u64;
            assert_eq!(events, page.head.seq - 1, "two orders a commit, and the register entry");
            assert_eq!(events % 2, 0, "both or none");
            let count = reader.read(reader.engine.order_count(&place("north")));
            assert_eq!(count % 2, 0);
            looks += 1;
            if last {
                return (looks, count);
            }
        }
    });
    for n in 0..20 {
        let mut unit = bench.insertion("north", 2 * n + 1);
        let second = bench.insertion("north", 2 * n + 2);
        unit.writes.extend(second.writes);
        unit.drafts.extend(second.drafts);
        bench.done(unit);
    }
    over.store(true, Ordering::Release);
    let (looks, count) = reader.join().expect("every look holds");
    assert!(looks > 0);
    assert_eq!(count, 40);
}

pub(super) fn backup_never_overwrites(bench: &Bench) {
    // Some file that surely exists.
    let existing = std::env::current_exe().expect("the path of this program");
    let before = std::fs::metadata(&existing).expect("it is there").len();
    let refused = block_on(bench.engine.backup(&existing));
    assert_eq!(code(refused), Some(ErrorCode::StorageUnavailable));
    assert_eq!(std::fs::metadata(&existing).expect("it is there").len(), before);
}

fn code<T>(answer: Result<T>) -> Option<ErrorCode> {
    answer.err().map(|error| error.code())
}

pub(super) fn everything_is_closed_after_close(bench: &Bench) {
    bench.insert("north", 1);
    let unit = bench.insertion("north", 2);
    block_on(bench.engine.close()).expect("a healthy engine closes");
    let (engine, north, system) = (&bench.engine, place("north"), chain(""));
    let closed = Some(ErrorCode::Closed);
    assert_eq!(code(block_on(engine.commit(vec![unit.clone()], &Keys))), closed);
    match engine.commit_now(unit.clone(), &Keys) {
        Err(NotNow::Failed(error)) => assert_eq!(error.code(), ErrorCode::Closed),
        Err(NotNow::Busy(back)) => assert_eq!(back, unit),
        Ok(outcome) => panic!("{outcome:?}"),
    }
    assert_eq!(code(block_on(engine.meta())), closed);
    assert_eq!(code(block_on(engine.territory(&system))), closed);
    assert_eq!(code(block_on(engine.territories())), closed);
    assert_eq!(code(block_on(engine.keys(&system))), closed);
    assert_eq!(code(block_on(engine.all_keys())), closed);
    assert_eq!(code(block_on(engine.order(&north, id(1)))), closed);
    assert_eq!(code(block_on(engine.order_exists(id(1)))), closed);
    assert_eq!(code(block_on(engine.orders(&north, &OrderFilter::new(), None, 1))), closed);
    assert_eq!(code(block_on(engine.order_count(&north))), closed);
    assert_eq!(code(block_on(engine.walk(&north, None, 1))), closed);
    assert_eq!(code(block_on(engine.wraps_other_than(&north, 1, None, 1))), closed);
    assert_eq!(code(block_on(engine.idempotency(&north, [1; 32]))), closed);
    assert_eq!(code(block_on(engine.entries(&system, &EntryQuery::default(), 1))), closed);
    assert_eq!(code(block_on(engine.changes(&north, id(1), 0, 1))), closed);
    assert_eq!(code(block_on(engine.events(&north, None, 0, 1))), closed);
    assert_eq!(code(block_on(engine.relationship(&north, &pair("p", "n")))), closed);
    assert_eq!(code(block_on(engine.relationships(&north, &RelationshipQuery::default(), 1))), closed);
    assert_eq!(code(block_on(engine.checkpoint(&system))), closed);
    let nowhere = std::path::Path::new("never-made.db");
    assert_eq!(code(block_on(engine.backup(nowhere))), closed);
    assert!(!nowhere.exists());
    assert_eq!(code(block_on(engine.close())), None, "a second close does nothing");
}
