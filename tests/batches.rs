//! Batches and races: all or nothing, each in its order, one winner a version.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use medorder::storage::{BoxFuture, Linker, NotNow, Outcome, Storage, Unit, Write};
use medorder::{
    BatchItem, BatchMode, CreateOrder, ErrorCode, OrderId, OrderStatus, OrderSummary, Result, Rule, Verdict,
};
use medorder_tests::wrapped::{Hook, Wrapped};
use medorder_tests::{World, change, id, request, root};

/// Counts commits, and lets every change of an order meet another one if told to.
#[derive(Default)]
struct Contended {
    commits: AtomicUsize,
    always: std::sync::atomic::AtomicBool,
}

impl Hook for Contended {
    fn commit<'a>(
        &'a self,
        inner: &'a dyn Storage,
        units: Vec<Unit>,
        linker: &'a dyn Linker,
    ) -> BoxFuture<'a, Result<Vec<Outcome>>> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        if !self.always.load(Ordering::SeqCst) {
            return inner.commit(units, linker);
        }
        let lose = |unit: &Unit| match unit.writes.first() {
            Some(Write::Update(update)) => {
                Outcome::Conflict { order: Some((update.order_id, Some(update.from_version + 1))) }
            }
            _ => Outcome::StaleEpoch,
        };
        Box::pin(std::future::ready(Ok(units.iter().map(lose).collect())))
    }

    fn commit_now(&self, _: &dyn Storage, unit: Unit, _: &dyn Linker) -> Result<Outcome, NotNow> {
        Err(NotNow::Busy(unit))
    }
}

async fn world() -> (World, Arc<Wrapped<Contended>>) {
    World::around(|inner| Wrapped::new(inner, Contended::default()), |builder| builder).await
}

async fn count(engine: &Wrapped<Contended>) -> u64 {
    engine.inner.order_count(&id("north")).await.unwrap()
}

fn done(item: &BatchItem) -> &OrderSummary {
    match item {
        BatchItem::Done(order) => order,
        other => panic!("{other:?}"),
    }
}

fn failed(item: &BatchItem) -> ErrorCode {
    match item {
        BatchItem::Failed(error) => error.code(),
        other => panic!("{other:?}"),
    }
}

fn keyed(keys: &[&str]) -> Vec<CreateOrder> {
    keys.iter().map(|key| request().idempotency_key(*key)).collect()
}

/// A request that the directory refuses.
fn stranger() -> CreateOrder {
    CreateOrder::new("p-unknown", "npi-1", "MRI")
}

#[tokio::test]
async fn an_atomic_batch_is_all_or_nothing() {
    let (world, engine) = world().await;
    let session = world.all();
    // A fault of shape, a refusal of the directory: either stops all.
    let shapeless = CreateOrder::new("", "npi-1", "MRI");
    for (bad, code) in
        [(shapeless, ErrorCode::ValidationError), (stranger(), ErrorCode::PatientProviderMismatch)]
    {
        let batch = vec![request(), bad, request().idempotency_key("k-1")];
        let items = session.create_orders(batch, BatchMode::Atomic).await.unwrap();
        assert!(matches!(items[0], BatchItem::NotApplied) && matches!(items[2], BatchItem::NotApplied));
        assert_eq!(failed(&items[1]), code);
        assert_eq!(count(&engine).await, 0);
    }
    let items = session.create_orders(keyed(&["k-1", "k-2"]), BatchMode::Atomic).await.unwrap();
    let orders = [done(&items[0]).id, done(&items[1]).id];
    assert_eq!(count(&engine).await, 2);

    let steps = vec![(orders[0], change(OrderStatus::Verified)), (orders[1], change(OrderStatus::Completed))];
    let items = session.update_statuses(steps, BatchMode::Atomic).await.unwrap();
    assert!(matches!(items[0], BatchItem::NotApplied));
    assert_eq!(failed(&items[1]), ErrorCode::InvalidStatusTransition);
    assert_eq!(session.order(orders[0], None).await.unwrap().version, 1);
    let steps = orders.map(|order| (order, change(OrderStatus::Verified))).to_vec();
    let items = session.update_statuses(steps, BatchMode::Atomic).await.unwrap();
    assert!(items.iter().all(|item| done(item).version == 2));
}

#[tokio::test]
async fn an_atomic_batch_with_some_keys_used_is_a_mismatch() {
    let (world, engine) = world().await;
    let session = world.all();
    let first = session.create_orders(keyed(&["k-1", "k-2"]), BatchMode::Atomic).await.unwrap();
    let error = session.create_orders(keyed(&["k-2", "k-3"]), BatchMode::Atomic).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::IdempotencyMismatch);
    assert_eq!(count(&engine).await, 2);
    // All used: the same answers, no second order.
    let again = session.create_orders(keyed(&["k-1", "k-2"]), BatchMode::Atomic).await.unwrap();
    let ids = |items: &[BatchItem]| items.iter().map(|item| done(item).id).collect::<Vec<_>>();
    assert_eq!(ids(&again), ids(&first));
    assert_eq!(count(&engine).await, 2);
    // Each by itself: the used one is replayed, the new one made.
    let each = session.create_orders(keyed(&["k-2", "k-3"]), BatchMode::Each).await.unwrap();
    assert_eq!(done(&each[0]).id, ids(&first)[1]);
    assert_eq!(count(&engine).await, 3);
}

#[tokio::test]
async fn an_atomic_batch_names_an_order_or_a_key_once() {
    let (world, engine) = world().await;
    let session = world.all();
    let error = session.create_orders(keyed(&["k", "l", "k"]), BatchMode::Atomic).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ValidationError);
    assert_eq!(error.faults().len(), 1);
    assert_eq!(
        (error.faults()[0].path.as_str(), error.faults()[0].rule),
        ("[2].idempotency_key", Rule::Duplicate)
    );
    assert_eq!(count(&engine).await, 0);
    let order = world.order(OrderStatus::PendingVerification).await;
    let steps = vec![(order, change(OrderStatus::Verified)), (order, change(OrderStatus::InProgress))];
    let error = session.update_statuses(steps, BatchMode::Atomic).await.unwrap_err();
    assert_eq!(error.faults()[0].path, "[1].order_id");
    assert_eq!(session.order(order, None).await.unwrap().version, 1);
}

#[tokio::test]
async fn items_on_one_order_apply_in_their_order() {
    use OrderStatus::{Cancelled, Completed, InProgress, Verified};
    let (world, _) = world().await;
    let session = world.all();
    let (one, two) =
        (world.order(OrderStatus::PendingVerification).await, world.order(OrderStatus::Verified).await);
    let nowhere = OrderId::from_bytes([7; 16]);
    let steps = [
        (one, InProgress),
        (one, Verified),
        (two, InProgress),
        (nowhere, Verified),
        (one, InProgress),
        (two, Completed),
        (one, Completed),
        (two, Cancelled),
    ];
    let steps = steps.map(|(order, status)| (order, change(status))).to_vec();
    let items = session.update_statuses(steps, BatchMode::Each).await.unwrap();
    assert_eq!(failed(&items[0]), ErrorCode::InvalidStatusTransition, "too early");
    assert_eq!(failed(&items[3]), ErrorCode::OrderNotFound);
    assert_eq!(failed(&items[7]), ErrorCode::InvalidStatusTransition, "too late");
    let versions = [1, 4, 6].map(|n| (done(&items[n]).id, done(&items[n]).version));
    assert_eq!(versions, [(one, 2), (one, 3), (one, 4)]);
    let versions = [2, 5].map(|n| (done(&items[n]).id, done(&items[n]).version));
    assert_eq!(versions, [(two, 3), (two, 4)]);
    // One key twice: the second is the first one's replay.
    let items = session.create_orders(keyed(&["k-1", "k-1"]), BatchMode::Each).await.unwrap();
    assert_eq!(done(&items[0]).id, done(&items[1]).id);
}

#[tokio::test]
async fn a_batch_has_at_most_10000_items() {
    let (world, engine) = world().await;
    let session = world.all();
    for mode in [BatchMode::Each, BatchMode::Atomic] {
        let error = session.create_orders(vec![request(); 10_001], mode).await.unwrap_err();
        assert_eq!((error.code(), error.faults()[0].rule), (ErrorCode::ValidationError, Rule::TooMany));
    }
    assert_eq!(count(&engine).await, 0);
    let before = engine.hook.commits.load(Ordering::SeqCst);
    let mut batch = vec![request(); 10_000];
    batch[9_998] = stranger();
    let items = session.create_orders(batch, BatchMode::Each).await.unwrap();
    assert_eq!((items.len(), failed(&items[9_998])), (10_000, ErrorCode::PatientProviderMismatch));
    assert_eq!(items.iter().filter(|item| matches!(item, BatchItem::Done(_))).count(), 9_999);
    assert_eq!(count(&engine).await, 9_999);
    assert_eq!(engine.hook.commits.load(Ordering::SeqCst) - before, 20, "groups of 500");
    // The answers stand in the order of the requests.
    let page = engine.inner.events(&id("north"), None, 0, 20_000).await.unwrap().unwrap();
    let logged = page.events.into_iter();
    let logged: Vec<_> = logged.map(|entry| OrderId::from_bytes(entry.body.order_id)).collect();
    let answered: Vec<_> = items
        .iter()
        .filter_map(|item| if let BatchItem::Done(order) = item { Some(order.id) } else { None })
        .collect();
    assert!(logged == answered);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_64_callers_one_wins_each_version() {
    use OrderStatus::{Completed, InProgress, Verified};
    let (world, _) = world().await;
    let order = world.order(OrderStatus::PendingVerification).await;
    for (version, status) in [(1, Verified), (2, InProgress), (3, Completed)] {
        // With the version they expect, the losers learn which it is; without, that the step is taken.
        for expect in [true, false] {
            let target = if expect { order } else { world.order(before(status)).await };
            let calls: Vec<_> = (0..64)
                .map(|_| {
                    let session = world.all();
                    let mut step = change(status);
                    if expect {
                        step = step.expected_version(version);
                    }
                    tokio::spawn(async move { session.update_status(target, step).await })
                })
                .collect();
            let mut won = 0;
            for call in calls {
                match call.await.unwrap() {
                    Ok(order) => {
                        won += 1;
                        assert_eq!(order.version, version + 1);
                    }
                    Err(error) if expect => {
                        assert_eq!(error.code(), ErrorCode::VersionConflict);
                        assert_eq!(error.details().current_version, Some(version + 1));
                    }
                    Err(error) => assert_eq!(error.code(), ErrorCode::InvalidStatusTransition),
                }
            }
            assert_eq!(won, 1, "{status:?}");
        }
    }
    let report = world.service.admin(root()).verify_audit().await.unwrap();
    assert_eq!(report.verdict, Verdict::Intact);
}

fn before(status: OrderStatus) -> OrderStatus {
    match status {
        OrderStatus::Verified => OrderStatus::PendingVerification,
        OrderStatus::InProgress => OrderStatus::Verified,
        _ => OrderStatus::InProgress,
    }
}

#[tokio::test]
async fn a_change_that_always_meets_another_gives_up_after_eight_rounds() {
    let (world, engine) = world().await;
    let order = world.order(OrderStatus::PendingVerification).await;
    let session = world.all();
    let commits = || engine.hook.commits.swap(0, Ordering::SeqCst);
    engine.hook.always.store(true, Ordering::SeqCst);
    commits();
    let error = session.update_status(order, change(OrderStatus::Verified)).await.unwrap_err();
    assert_eq!((error.code(), commits()), (ErrorCode::VersionConflict, 8));
    assert_eq!(error.details().current_version, Some(2));
    assert_eq!(error.details().order_id, Some(order.to_string()));
    let step = change(OrderStatus::Verified).expected_version(1);
    let error = session.update_status(order, step).await.unwrap_err();
    assert_eq!(
        (error.code(), commits()),
        (ErrorCode::VersionConflict, 1),
        "whoever expects a version is told at once"
    );
    // An epoch that ends under every round is trouble of the storage.
    let error = session.create_order(request()).await.unwrap_err();
    assert_eq!((error.code(), commits()), (ErrorCode::StorageUnavailable, 8));
}
