//! Live changes: every change once, in order, to whoever watches, wherever they start and however often they
//! stop.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::collections::BTreeSet;
use std::time::Duration;

use medorder::audit::Cursor;
use medorder::{
    BatchMode, DeleteOrder, ErrorCode, EventKind, OrderEvent, OrderId, OrderService, OrderStatus, Session,
    Subscription, TestKey, Timestamp, wire,
};
use medorder_tests::{START, World, actor, change, id, request, root};

/// Longer than anything here takes: a wait that reaches it has failed.
const LONG: Duration = Duration::from_secs(60);

async fn worlds() -> [World; 2] {
    [World::new().await, World::in_memory().await]
}

/// All events that are there now.
async fn drain(feed: &mut Subscription) -> Vec<OrderEvent> {
    let mut events = Vec::new();
    while let Some(event) = feed.ready().await.unwrap() {
        events.push(event);
    }
    events
}

fn steps(events: &[OrderEvent]) -> Vec<(OrderId, u64, &'static str)> {
    events.iter().map(|event| (event.order_id, event.version, event.new_status.name())).collect()
}

async fn end(feed: &mut Subscription) -> ErrorCode {
    tokio::time::timeout(LONG, feed.next()).await.expect("the wait ends").unwrap_err().code()
}

#[tokio::test]
async fn an_event_is_exactly_what_the_specification_says() {
    let world = World::at_start().await;
    let desk = world.session("requester");
    let order = desk.create_order(request()).await.unwrap().id;
    world.session("verifier").update_status(order, change(OrderStatus::Rejected)).await.unwrap();
    world.session("administrator").delete_order(order, DeleteOrder::new("entered in error")).await.unwrap();
    let events = drain(&mut desk.subscribe(None, Some("")).await.unwrap()).await;
    let json = |event: &OrderEvent| String::from_utf8(wire::event_json(event).to_vec()).unwrap();
    let expected = |kind: &str, old: &str, new: &str, context: &str, event: &OrderEvent| {
        format!(
            concat!(
                r#"{{"type":"{}","order_id":"{}","territory_id":"north","old_status":{},"new_status":"{}","#,
                r#""timestamp":"{}","context":{},"version":{},"cursor":"{}"}}"#
            ),
            kind,
            order,
            old,
            new,
            Timestamp::from_micros(START),
            context,
            event.version,
            event.cursor
        )
    };
    let [made, rejected, deleted] = &events[..] else { panic!("{events:?}") };
    let (pending, changed) = ("pending_verification", "ORDER_STATUS_CHANGED");
    assert_eq!(json(made), expected(changed, "null", pending, r#"{"user_id":"u-requester"}"#, made));
    let context = r#"{"user_id":"u-verifier","reason":"not covered"}"#;
    let old = r#""pending_verification""#;
    assert_eq!(json(rejected), expected(changed, old, "rejected", context, rejected));
    let context = r#"{"user_id":"u-administrator","reason":"entered in error"}"#;
    assert_eq!(json(deleted), expected("ORDER_DELETED", r#""rejected""#, "rejected", context, deleted));
    assert_eq!(events.iter().map(|event| event.version).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(Timestamp::from_micros(START).to_string(), "2026-01-01T00:00:00.000000Z");
}

#[tokio::test]
async fn the_feed_of_an_order_has_its_changes_and_no_others() {
    for world in worlds().await {
        let one = world.order(OrderStatus::PendingVerification).await;
        let other = world.order(OrderStatus::PendingVerification).await;
        let desk = world.session("requester");
        let mut all = desk.subscribe(None, None).await.unwrap();
        let mut mine = desk.subscribe(Some(one), None).await.unwrap();
        for order in [other, one] {
            world.session("verifier").update_status(order, change(OrderStatus::Verified)).await.unwrap();
        }
        assert_eq!(steps(&drain(&mut mine).await), [(one, 2, "verified")]);
        assert_eq!(steps(&drain(&mut all).await), [(other, 2, "verified"), (one, 2, "verified")]);
        let south = world.service.session(root(), id("south"));
        assert_eq!(drain(&mut south.subscribe(None, Some("")).await.unwrap()).await, []);
        // A deleted order is watched to its end, and found there later.
        world.all().delete_order(one, DeleteOrder::new("entered in error")).await.unwrap();
        assert_eq!(mine.next().await.unwrap().kind, EventKind::Deleted);
        let again = drain(&mut desk.subscribe(Some(one), Some("")).await.unwrap()).await;
        assert_eq!(again.iter().map(|event| event.version).collect::<Vec<_>>(), [1, 2, 3]);
    }
}

#[tokio::test]
async fn whoever_resumes_from_a_cursor_gets_what_came_after_it() {
    for world in worlds().await {
        for _ in 0..3 {
            world.order(OrderStatus::Completed).await;
        }
        let desk = world.session("requester");
        let all = drain(&mut desk.subscribe(None, Some("")).await.unwrap()).await;
        assert_eq!(all.len(), 12);
        assert_eq!(all.iter().map(|event| &event.cursor).collect::<BTreeSet<_>>().len(), 12);
        for (at, event) in all.iter().enumerate() {
            let mut feed = desk.subscribe(None, Some(&event.cursor)).await.unwrap();
            assert_eq!(feed.cursor(), event.cursor);
            assert_eq!(drain(&mut feed).await, all[at + 1..]);
            let order = Some(all[0].order_id);
            let mine = drain(&mut desk.subscribe(order, Some(&event.cursor)).await.unwrap()).await;
            let rest = all[at + 1..].iter().filter(|event| event.order_id == all[0].order_id);
            assert!(mine.iter().eq(rest));
        }
    }
}

#[tokio::test]
async fn views_and_denials_are_no_events_but_the_cursor_moves_past_them() {
    for world in worlds().await {
        let order = world.order(OrderStatus::PendingVerification).await;
        let desk = world.session("requester");
        let mut feed = desk.subscribe(None, None).await.unwrap();
        let from = Cursor::decode(&feed.cursor()).unwrap();
        for _ in 0..5 {
            desk.order(order, None).await.unwrap();
            assert!(desk.update_status(order, change(OrderStatus::Verified)).await.is_err());
        }
        world.service.admin(root()).checkpoint().await.unwrap();
        let admin = world.service.admin(root());
        admin.register_relationship(&id("north"), &id("p-2"), &id("npi-1")).await.unwrap();
        assert_eq!(drain(&mut feed).await, []);
        let to = Cursor::decode(&feed.cursor()).unwrap();
        // The subscription's own view, five views, five denials, one act.
        assert_eq!(to.seq, from.seq + 12);
        let mut resumed = desk.subscribe(None, Some(&feed.cursor())).await.unwrap();
        world.session("verifier").update_status(order, change(OrderStatus::Verified)).await.unwrap();
        assert_eq!(steps(&drain(&mut resumed).await), [(order, 2, "verified")]);
        assert_eq!(steps(&drain(&mut feed).await), [(order, 2, "verified")]);
    }
}

#[tokio::test]
async fn a_subscription_leaves_one_view_entry_without_an_order() {
    let world = World::new().await;
    let order = world.order(OrderStatus::PendingVerification).await;
    let ledger = medorder_tests::ledger::Ledger::open(&world.path);
    let mark = ledger.mark();
    let mut feed = world.session("requester").subscribe(Some(order), Some("")).await.unwrap();
    drain(&mut feed).await;
    let entries = ledger.entries_since(&mark);
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((&*entry.action, &*entry.outcome, entry.order_id), ("view", "success", None));
    assert_eq!((entry.fields, &*entry.chain), (0, "north"));
}

#[tokio::test]
async fn a_cursor_of_elsewhere_is_refused() {
    for world in worlds().await {
        let order = world.order(OrderStatus::Verified).await;
        let desk = world.session("requester");
        let here = desk.subscribe(None, None).await.unwrap().cursor();
        let good = Cursor::decode(&here).unwrap();
        let south = world.service.session(root(), id("south")).subscribe(None, None).await.unwrap().cursor();
        let start = Cursor { seq: 0, ..good.clone() };
        let wrong = [
            Cursor { generation: [7; 16], ..good.clone() }.encode(),
            Cursor { chain: "west".to_owned(), ..good.clone() }.encode(),
            Cursor { chain: String::new(), ..good.clone() }.encode(),
            Cursor { seq: good.seq + 1_000, ..good.clone() }.encode(),
            Cursor { seq: (1 << 40) + good.seq, ..good.clone() }.encode(),
            Cursor { seq: i64::MAX as u64, ..good.clone() }.encode(),
            Cursor { seq: good.seq - 1, ..good.clone() }.encode(),
            Cursor { hash8: [0; 8], ..good.clone() }.encode(),
            start.encode(),
            south,
            "garbage".to_owned(),
            "\u{1}".to_owned(),
            "A".repeat(100_000),
            format!("{here}="),
        ];
        for token in wrong {
            for order in [None, Some(order)] {
                let error = desk.subscribe(order, Some(&token)).await.unwrap_err();
                assert_eq!(error.code(), ErrorCode::InvalidCursor, "{token:.200}");
            }
        }
        let fits = desk.subscribe(None, Some(&here)).await;
        assert!(fits.is_ok(), "the cursor it was made from still fits");
    }
}

#[tokio::test]
async fn a_cursor_of_before_a_restore_is_refused() {
    for world in worlds().await {
        world.order(OrderStatus::Verified).await;
        let before = world.all().subscribe(None, None).await.unwrap().cursor();
        world.service.admin(root()).restore().await.unwrap();
        let error = world.all().subscribe(None, Some(&before)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidCursor);
        assert_eq!(drain(&mut world.all().subscribe(None, Some("")).await.unwrap()).await.len(), 2);
    }
}

#[tokio::test]
async fn a_reader_resumes_after_the_service_was_restarted() {
    let world = World::new().await;
    let first = world.order(OrderStatus::PendingVerification).await;
    let mut feed = world.session("requester").subscribe(None, Some("")).await.unwrap();
    let cursor = feed.next().await.unwrap().cursor;
    world.session("verifier").update_status(first, change(OrderStatus::Verified)).await.unwrap();
    world.service.close().await.unwrap();
    assert_eq!(end(&mut feed).await, ErrorCode::Closed);

    let service = OrderService::open(&world.path, TestKey::new()).await.unwrap();
    let desk = service.session(actor("requester"), id("north"));
    let second = desk.create_order(request()).await.unwrap().id;
    let mut feed = desk.subscribe(None, Some(&cursor)).await.unwrap();
    let expected = [(first, 2, "verified"), (second, 1, "pending_verification")];
    assert_eq!(steps(&drain(&mut feed).await), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_one_process_sees_the_writes_of_another() {
    let world = World::new().await;
    let mut feed = world.session("requester").subscribe(None, None).await.unwrap();
    let elsewhere = OrderService::open(&world.path, TestKey::new()).await.unwrap();
    let waiting = tokio::spawn(async move { feed.next().await });
    let order = elsewhere.session(root(), id("north")).create_order(request()).await.unwrap().id;
    let event = tokio::time::timeout(LONG, waiting).await.expect("it wakes").unwrap().unwrap();
    assert_eq!(event.order_id, order);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_subscription_ends_promptly_and_says_why() {
    for world in worlds().await {
        let desk = world.session("requester");
        let revoked = waiting(&desk).await;
        parked().await;
        desk.revoke();
        assert_eq!(revoked.await.unwrap(), ErrorCode::AccessDenied);

        let unregistered = waiting(&world.service.session(root(), id("south"))).await;
        parked().await;
        world.service.admin(root()).unregister_territory(&id("south")).await.unwrap();
        assert_eq!(unregistered.await.unwrap(), ErrorCode::TerritoryNotFound);

        let closed = waiting(&world.all()).await;
        parked().await;
        world.service.close().await.unwrap();
        assert_eq!(closed.await.unwrap(), ErrorCode::Closed);
    }
}

/// A reader that has begun, and waits for its end.
async fn waiting(session: &Session) -> tokio::task::JoinHandle<ErrorCode> {
    let mut feed = session.subscribe(None, None).await.unwrap();
    tokio::spawn(async move { end(&mut feed).await })
}

/// Long enough for a reader to be waiting; if it is not, the test says less and fails no less.
async fn parked() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[tokio::test]
async fn an_expired_reader_gets_nothing_more_and_a_denial_is_kept() {
    let world = World::at_start().await;
    let until = Timestamp::from_micros(START + 10);
    let desk = world.service.session(actor("requester").expires_at(until), id("north"));
    let order = world.order(OrderStatus::PendingVerification).await;
    let mut feed = desk.subscribe(Some(order), Some("")).await.unwrap();
    assert_eq!(feed.next().await.unwrap().version, 1);
    world.all().update_status(order, change(OrderStatus::Verified)).await.unwrap();
    world.clock.advance(10);
    let ledger = medorder_tests::ledger::Ledger::open(&world.path);
    let mark = ledger.mark();
    assert_eq!(feed.ready().await.unwrap_err().code(), ErrorCode::AccessDenied);
    let entries = ledger.entries_since(&mark);
    let [entry] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!((&*entry.action, &*entry.outcome, entry.order_id), ("view", "denied", Some(order)));
}

#[tokio::test]
async fn a_wait_that_is_given_up_loses_nothing() {
    for world in worlds().await {
        let desk = world.session("requester");
        let mut feed = desk.subscribe(None, None).await.unwrap();
        let mut seen = Vec::new();
        let mut made = Vec::new();
        for n in 0..200_u64 {
            if n % 4 == 0 {
                made.push(desk.create_order(request()).await.unwrap().id);
            }
            // Dropped after no poll, one poll, or a few, wherever it then stands.
            tokio::select! {
                biased;
                () = yields(n % 7) => {}
                event = feed.next() => seen.push(event.unwrap().order_id),
            }
        }
        seen.extend(drain(&mut feed).await.iter().map(|event| event.order_id));
        assert_eq!(seen, made);
    }
}

async fn yields(times: u64) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_slow_reader_gets_every_one_of_five_thousand_events() {
    let world = World::new().await;
    let desk = world.session("requester");
    let mut slow = desk.subscribe(None, None).await.unwrap();
    for _ in 0..5 {
        let batch = (0..1_000).map(|_| request()).collect();
        desk.create_orders(batch, BatchMode::Each).await.unwrap();
    }
    let mut seen = BTreeSet::new();
    let mut last = 0;
    while let Some(event) = slow.ready().await.unwrap() {
        let seq = Cursor::decode(&event.cursor).unwrap().seq;
        assert!(seq > last, "in the order of the log");
        last = seq;
        assert!(seen.insert(event.order_id), "none twice");
    }
    assert_eq!(seen.len(), 5_000);
}

#[tokio::test]
async fn a_slow_reader_holds_one_page_at_most() {
    let world = World::new().await;
    let desk = world.session("requester");
    let mut slow = desk.subscribe(None, None).await.unwrap();
    desk.create_orders((0..600).map(|_| request()).collect(), BatchMode::Each).await.unwrap();
    slow.next().await.unwrap();
    // What it has not read by now is gone; what it still gives was in memory.
    world.sql().run("DELETE FROM audit_entries");
    let mut held = 0;
    let end = loop {
        match slow.ready().await {
            Ok(event) => held += usize::from(event.is_some()),
            Err(error) => break error.code(),
        }
    };
    assert_eq!((held, end), (255, ErrorCode::InvalidCursor));
}

#[tokio::test]
async fn nothing_is_delivered_from_a_territory_out_of_service() {
    for world in worlds().await {
        let order = world.order(OrderStatus::Completed).await;
        let desk = world.session("requester");
        let mut feed = desk.subscribe(None, Some("")).await.unwrap();
        assert_eq!(feed.next().await.unwrap().version, 1);
        let admin = world.service.admin(root());
        admin.unregister_territory(&id("north")).await.unwrap();
        // The rest was read before, and is not given out.
        for _ in 0..2 {
            assert_eq!(feed.ready().await.unwrap_err().code(), ErrorCode::TerritoryNotFound);
        }
        admin.register_territory(&id("north")).await.unwrap();
        let rest = [(order, 2, "verified"), (order, 3, "in_progress"), (order, 4, "completed")];
        assert_eq!(steps(&drain(&mut feed).await), rest);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn eight_writers_and_several_readers_make_no_gap_and_no_double() {
    for world in worlds().await {
        let mut readers = Vec::new();
        for n in 0..4 {
            let since = if n % 2 == 0 { None } else { Some("") };
            let mut feed = world.session("requester").subscribe(None, since).await.unwrap();
            readers.push(tokio::spawn(async move {
                let mut events = Vec::new();
                while events.len() < 8 * 10 * 4 {
                    events.push(tokio::time::timeout(LONG, feed.next()).await.expect("it comes").unwrap());
                }
                assert!(feed.ready().await.unwrap().is_none());
                events
            }));
        }
        let writers = (0..8).map(|_| {
            let session = world.all();
            tokio::spawn(async move {
                for _ in 0..10 {
                    let order = session.create_order(request()).await.unwrap().id;
                    for step in medorder_tests::path_to(OrderStatus::Completed) {
                        session.update_status(order, change(step)).await.unwrap();
                    }
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        let log = drain(&mut world.session("requester").subscribe(None, Some("")).await.unwrap()).await;
        for reader in readers {
            assert_eq!(reader.await.unwrap(), log);
        }
        for order in log.iter().map(|event| event.order_id).collect::<BTreeSet<_>>() {
            let versions: Vec<_> =
                log.iter().filter(|event| event.order_id == order).map(|event| event.version).collect();
            assert_eq!(versions, [1, 2, 3, 4]);
        }
    }
}

#[test]
fn a_blocking_reader_waits_as_long_as_it_says() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::new());
    let session = world.service.blocking().session(root(), id("north"));
    let mut feed = session.subscribe(None, None).unwrap();
    assert_eq!(feed.next_within(Duration::from_millis(1)).unwrap(), None);
    assert_eq!(feed.next_within(Duration::ZERO).unwrap(), None);
    let order = session.create_order(request()).unwrap().id;
    let event = feed.next_within(Duration::ZERO).unwrap().expect("it is there already");
    assert_eq!((event.order_id, &event.cursor), (order, &feed.cursor()));
    let other = session.clone();
    let writer = std::thread::spawn(move || other.create_order(request()).unwrap().id);
    let event = feed.next_within(LONG).unwrap().expect("it comes");
    assert_eq!(event.order_id, writer.join().unwrap());
    session.revoke();
    assert_eq!(feed.next_within(LONG).unwrap_err().code(), ErrorCode::AccessDenied);
}

#[tokio::test]
async fn an_event_that_did_not_reach_its_reader_comes_again() {
    for world in worlds().await {
        let desk = world.session("requester");
        let mut feed = desk.subscribe(None, None).await.unwrap();
        let start = feed.cursor();
        let one = desk.create_order(request()).await.unwrap().id;
        let two = desk.create_order(request()).await.unwrap().id;
        assert_eq!(feed.next().await.unwrap().order_id, one);
        feed.put_back();
        // Only the last one, and only once.
        feed.put_back();
        assert_eq!(feed.cursor(), start);
        let events = drain(&mut feed).await;
        assert_eq!(events.iter().map(|event| event.order_id).collect::<Vec<_>>(), [one, two]);
        assert!(feed.ready().await.unwrap().is_none());
        feed.put_back();
        assert_eq!(drain(&mut feed).await.len(), 1, "the last of a page, after a look for more");
        assert_eq!(feed.cursor(), events[1].cursor);
    }
}
