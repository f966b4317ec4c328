//! Lists: pages without gaps or doubles, cursors that fit one filter, and a feed that goes on where they stop.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use medorder::{
    DeleteOrder, ErrorCode, FieldSet, Order, OrderEvent, OrderFilter, OrderId, OrderStatus, Rule, Session,
    Subscription, Timestamp,
};
use medorder_tests::{START, World, change, id, request, root};

const NOTHING: Option<FieldSet> = Some(FieldSet::EMPTY);

async fn worlds() -> [World; 2] {
    [World::new().await, World::in_memory().await]
}

async fn drain(feed: &mut Subscription) -> Vec<OrderEvent> {
    let mut events = Vec::new();
    while let Some(event) = feed.ready().await.unwrap() {
        events.push(event);
    }
    events
}

/// Every page, and whether all carried one feed cursor.
async fn pages(session: &Session, filter: &OrderFilter, limit: usize) -> Vec<Vec<Order>> {
    let (mut pages, mut cursor, mut feeds) = (Vec::new(), None, BTreeSet::new());
    loop {
        let page = session.orders(filter, cursor.as_deref(), limit, NOTHING).await.unwrap();
        pages.push(page.orders);
        feeds.insert(page.feed_cursor);
        cursor = page.next_cursor;
        if cursor.is_none() {
            assert_eq!(feeds.len(), 1, "every page hands on the first one's feed cursor");
            return pages;
        }
    }
}

fn ids(orders: &[Order]) -> Vec<OrderId> {
    orders.iter().map(|order| order.id).collect()
}

#[tokio::test]
async fn all_orders_stand_once_on_the_pages_newest_first() {
    for world in worlds().await {
        let mut made = Vec::new();
        for n in 0..25 {
            made.push(world.order(OrderStatus::ALL[n % OrderStatus::ALL.len()]).await);
        }
        let south = world.service.session(root(), id("south"));
        south.create_order(request()).await.unwrap();
        // Ids grow with time; of one microsecond, the order is theirs.
        made.sort_unstable();
        made.reverse();
        for limit in [1, 2, 5, 7, 24, 25, 26, 500] {
            let pages = pages(&world.all(), &OrderFilter::default(), limit).await;
            assert!(pages.iter().all(|page| page.len() <= limit));
            assert_eq!(ids(&pages.concat()), made, "{limit}");
        }
        for status in OrderStatus::ALL {
            let some = pages(&world.all(), &OrderFilter::new().status(*status), 2).await.concat();
            assert!(!some.is_empty() && some.iter().all(|order| order.status == *status));
        }
        let two = OrderFilter::new().status(OrderStatus::Verified).status(OrderStatus::Rejected);
        let either = pages(&world.all(), &two, 3).await.concat();
        let fits = |order: &&Order| matches!(order.status.name(), "verified" | "rejected");
        let all = pages(&world.all(), &OrderFilter::default(), 500).await.concat();
        assert_eq!(ids(&either), all.iter().filter(fits).map(|order| order.id).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn filters_are_by_patient_provider_and_time() {
    let world = World::at_start().await;
    let admin = world.service.admin(root());
    admin.register_relationship(&id("north"), &id("p-2"), &id("npi-2")).await.unwrap();
    let desk = world.session("requester");
    let first = desk.create_order(request()).await.unwrap().id;
    world.clock.advance(1_000);
    let other = medorder::CreateOrder::new("p-2", "npi-2", "X-ray");
    let second = desk.create_order(other).await.unwrap().id;
    let at = |micros| Timestamp::from_micros(START + micros);
    for (filter, expected) in [
        (OrderFilter::new().patient_id(id("p-1")), vec![first]),
        (OrderFilter::new().provider_id(id("npi-2")), vec![second]),
        (OrderFilter::new().patient_id(id("p-1")).provider_id(id("npi-2")), vec![]),
        (OrderFilter::new().created_from(at(1_000)), vec![second]),
        (OrderFilter::new().created_from(at(0)), vec![second, first]),
        (OrderFilter::new().created_to(at(1_000)), vec![first]),
        (OrderFilter::new().created_to(at(1_001)), vec![second, first]),
        (OrderFilter::new().created_from(at(1)).created_to(at(1_000)), vec![]),
        (OrderFilter::new().patient_id(id("P-1")), vec![]),
    ] {
        let page = desk.orders(&filter, None, 10, NOTHING).await.unwrap();
        assert_eq!(ids(&page.orders), expected, "{filter:?}");
    }
}

#[tokio::test]
async fn a_page_cursor_fits_its_filter_territory_and_database_alone() {
    for world in worlds().await {
        for _ in 0..4 {
            world.order(OrderStatus::Verified).await;
        }
        let all = world.all();
        let filter = OrderFilter::new().status(OrderStatus::Verified).patient_id(id("p-1"));
        let page = all.orders(&filter, None, 2, NOTHING).await.unwrap();
        let cursor = page.next_cursor.unwrap();
        // The limit may change between pages, and somebody else may go on.
        let reader = world.session("fulfiller");
        assert_eq!(reader.orders(&filter, Some(&cursor), 3, NOTHING).await.unwrap().orders.len(), 2);
        let base = OrderFilter::new().status(OrderStatus::Verified);
        let at = Timestamp::from_micros(START);
        for other in [
            OrderFilter::default(),
            base.clone(),
            base.clone().patient_id(id("p-2")),
            base.clone().provider_id(id("p-1")),
            filter.clone().status(OrderStatus::Rejected),
            filter.clone().created_from(at),
            filter.clone().created_to(at),
        ] {
            let error = all.orders(&other, Some(&cursor), 2, NOTHING).await.unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidCursor, "{other:?}");
        }
        let refused = |session: Session, token: String| {
            let filter = filter.clone();
            async move {
                let error = session.orders(&filter, Some(&token), 2, NOTHING).await.unwrap_err();
                assert_eq!(error.code(), ErrorCode::InvalidCursor, "{token}");
            }
        };
        for token in ["", "garbage", &cursor[1..], &format!("{cursor}A"), &page.feed_cursor] {
            refused(all.clone(), token.to_owned()).await;
        }
        for at in 0..cursor.len() {
            let other = if cursor.as_bytes()[at] == b'A' { "B" } else { "A" };
            refused(all.clone(), format!("{}{other}{}", &cursor[..at], &cursor[at + 1..])).await;
        }
        refused(world.service.session(root(), id("south")), cursor.clone()).await;
        world.service.admin(root()).restore().await.unwrap();
        refused(all.clone(), cursor.clone()).await;
    }
}

#[tokio::test]
async fn a_page_has_one_to_five_hundred_orders() {
    for world in worlds().await {
        for limit in [0, 501, usize::MAX] {
            let error = world.all().orders(&OrderFilter::default(), None, limit, NOTHING).await.unwrap_err();
            assert_eq!(error.code(), ErrorCode::ValidationError);
            assert_eq!((&*error.faults()[0].path, error.faults()[0].rule), ("limit", Rule::Format));
        }
        let empty = world.all().orders(&OrderFilter::default(), None, 1, NOTHING).await.unwrap();
        assert_eq!((empty.orders.len(), empty.next_cursor), (0, None));
        world.all().create_order(request()).await.unwrap();
        let mut feed = world.all().subscribe(None, Some(&empty.feed_cursor)).await.unwrap();
        assert_eq!(drain(&mut feed).await.len(), 1, "an empty list is followed too");
    }
}

#[tokio::test]
async fn pages_go_on_where_they_stopped_whatever_happens_between_them() {
    for world in worlds().await {
        let mut made = Vec::new();
        for _ in 0..6 {
            made.push(world.order(OrderStatus::PendingVerification).await);
        }
        let all = world.all();
        let first = all.orders(&OrderFilter::default(), None, 2, NOTHING).await.unwrap();
        let seen = ids(&first.orders);
        // The place itself goes, one comes, one changes, one further on goes.
        all.delete_order(seen[1], DeleteOrder::new("entered in error")).await.unwrap();
        let new = world.order(OrderStatus::PendingVerification).await;
        all.update_status(made[1], change(OrderStatus::Verified)).await.unwrap();
        all.delete_order(made[0], DeleteOrder::new("entered in error")).await.unwrap();
        let rest =
            all.orders(&OrderFilter::default(), first.next_cursor.as_deref(), 10, NOTHING).await.unwrap();
        let mut expected: Vec<_> = made[1..].iter().copied().filter(|order| !seen.contains(order)).collect();
        expected.sort_unstable();
        expected.reverse();
        assert_eq!(ids(&rest.orders), expected);
        assert_eq!((expected.len(), rest.next_cursor), (3, None));
        assert_eq!(rest.feed_cursor, first.feed_cursor);
        let mut feed = all.subscribe(None, Some(&rest.feed_cursor)).await.unwrap();
        let told: Vec<_> = drain(&mut feed).await.iter().map(|event| event.order_id).collect();
        assert_eq!(told, [seen[1], new, made[1], made[0]]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn list_then_subscribe_loses_nothing() {
    for world in worlds().await {
        let stop = Arc::new(AtomicBool::new(false));
        let writers = (0..2).map(|_| {
            let (session, stop) = (world.all(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut made = BTreeSet::new();
                while !stop.load(Ordering::Acquire) {
                    made.insert(session.create_order(request()).await.unwrap().id);
                }
                made
            })
        });
        let writers: Vec<_> = writers.collect();
        let desk = world.session("requester");
        let mut views = Vec::new();
        for limit in (1..=30).map(|n| n * 3) {
            let (mut known, mut cursor, mut feed_cursors) = (BTreeSet::new(), None, BTreeSet::new());
            loop {
                let page = desk
                    .orders(&OrderFilter::default(), cursor.as_deref(), limit, Some(FieldSet::EMPTY))
                    .await
                    .unwrap();
                known.extend(page.orders.iter().map(|order| order.id));
                feed_cursors.insert(page.feed_cursor);
                cursor = page.next_cursor;
                if cursor.is_none() || known.len() > 200 {
                    break;
                }
            }
            assert_eq!(feed_cursors.len(), 1, "every page hands on the first one's");
            // What the pages were cut short of is older than the first page.
            let whole = cursor.is_none();
            views.push((
                known,
                whole,
                desk.subscribe(None, feed_cursors.first().map(|c| &**c)).await.unwrap(),
            ));
        }
        stop.store(true, Ordering::Release);
        let mut made = BTreeSet::new();
        for writer in writers {
            made.extend(writer.await.unwrap());
        }
        for (mut known, whole, mut feed) in views {
            let oldest = known.first().copied();
            known.extend(drain(&mut feed).await.iter().map(|event| event.order_id));
            let lost: Vec<_> =
                made.difference(&known).filter(|id| whole || oldest.is_none_or(|old| **id > old)).collect();
            assert!(lost.is_empty(), "{lost:?}");
        }
    }
}
