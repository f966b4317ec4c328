//! How the committer gathers, orders, bounds and answers what callers hand it.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::time::Duration;

use medorder::service::Builder;
use medorder::storage::{Unit, Write};
use medorder::{
    BatchItem, BatchMode, CreateOrder, ErrorCode, OrderId, OrderStatus, OrderSummary, Result, StatusChange,
};
use medorder_tests::gate::{Call, Gate, queue};
use medorder_tests::wrapped::Wrapped;
use medorder_tests::{World, actor, change, id, request};

struct Stage {
    world: World,
    engine: std::sync::Arc<Wrapped<Gate>>,
}

impl Stage {
    async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    async fn with(settings: impl FnOnce(Builder) -> Builder) -> Self {
        let (world, engine) = World::around(Gate::around, settings).await;
        Self { world, engine }
    }

    fn gate(&self) -> &Gate {
        &self.engine.hook
    }

    /// Holds the gate, with one order inside it: what is queued from now on stays in the queue.
    fn block(&self) -> Call<Result<OrderSummary>> {
        self.gate().hold();
        let blocker = self.create(request());
        self.gate().came(1);
        blocker
    }

    fn create(&self, request: CreateOrder) -> Call<Result<OrderSummary>> {
        let session = self.world.all();
        queue(async move { session.create_order(request).await })
    }

    fn update(&self, id: OrderId, change: StatusChange) -> Call<Result<OrderSummary>> {
        let session = self.world.all();
        queue(async move { session.update_status(id, change).await })
    }

    fn create_orders(&self, requests: Vec<CreateOrder>, mode: BatchMode) -> Call<Result<Vec<BatchItem>>> {
        let session = self.world.all();
        queue(async move { session.create_orders(requests, mode).await })
    }

    async fn count(&self) -> u64 {
        self.engine.inner.order_count(&id("north")).await.unwrap()
    }
}

/// The orders that a group makes or changes, in the order of its units.
fn orders_of(group: &[Unit]) -> Vec<OrderId> {
    group.iter().flat_map(|unit| unit.writes.iter().filter_map(Write::changes)).collect()
}

/// A request of about 60 kB.
fn heavy() -> CreateOrder {
    request().notes("n".repeat(60_000))
}

/// Requests that fill the whole queue as one unit.
fn a_queue_full() -> Vec<CreateOrder> {
    vec![heavy(); 280]
}

#[tokio::test]
async fn a_group_holds_512_units_first_come_first_served() {
    let stage = Stage::new().await;
    let blocker = stage.block();
    let calls: Vec<_> = (0..600).map(|_| stage.create(request())).collect();
    stage.gate().release();
    blocker.await.unwrap();
    let mut answered = Vec::new();
    for call in calls {
        answered.push(call.await.unwrap().id);
    }
    let groups = stage.gate().groups();
    assert_eq!(groups.iter().map(Vec::len).collect::<Vec<_>>(), [1, 512, 88]);
    assert_eq!(groups[1..].iter().flat_map(|group| orders_of(group)).collect::<Vec<_>>(), answered);
}

#[tokio::test]
async fn a_group_holds_a_mebibyte() {
    let stage = Stage::new().await;
    let blocker = stage.block();
    let calls: Vec<_> = (0..40).map(|_| stage.create(heavy())).collect();
    stage.gate().release();
    blocker.await.unwrap();
    for call in calls {
        call.await.unwrap();
    }
    let groups = stage.gate().groups();
    let weight = |group: &[Unit]| group.iter().map(Unit::weight).sum::<usize>();
    assert!(groups.iter().all(|group| weight(group) <= 1 << 20));
    for pair in groups[1..].windows(2) {
        assert!(weight(&pair[0]) + pair[1][0].weight() > 1 << 20, "no group ends early");
    }
    assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), 41);
}

#[tokio::test]
async fn a_unit_above_a_bound_enters_alone() {
    let stage = Stage::new().await;
    let blocker = stage.block();
    let before = stage.create(request());
    let large = stage.create_orders(vec![heavy(); 20], BatchMode::Atomic);
    let lot = stage.create_orders(vec![request(); 500], BatchMode::Each);
    let after = [stage.create(request()), stage.create(request())];
    stage.gate().release();
    blocker.await.unwrap();
    before.await.unwrap();
    assert_eq!(large.await.unwrap().len(), 20);
    assert_eq!(lot.await.unwrap().len(), 500);
    for call in after {
        call.await.unwrap();
    }
    let groups = stage.gate().groups();
    let large = groups.iter().position(|group| group[0].writes.len() == 20).unwrap();
    assert_eq!((large, groups[1].len(), groups[2].len()), (2, 1, 1));
    assert!(groups[2][0].weight() > 1 << 20);
    assert_eq!(groups[3..].iter().map(Vec::len).sum::<usize>(), 502);
}

#[tokio::test]
async fn units_of_one_order_wait_for_each_other_in_order() {
    let stage = Stage::new().await;
    let order = stage.world.order(OrderStatus::PendingVerification).await;
    let blocker = stage.block();
    let verify = |user: &str| {
        let session = stage.world.service.session(actor(user).role(id("verifier")), id("north"));
        queue(async move { session.update_status(order, change(OrderStatus::Verified)).await })
    };
    let first = verify("first");
    let between = stage.create(request());
    let second = verify("second");
    let third = verify("third");
    let after = stage.create(request());
    stage.gate().pass();
    stage.gate().came(2);
    // The orders between overtake only what has to wait.
    let groups = stage.gate().groups();
    assert_eq!(groups[1].len(), 3);
    assert_eq!(orders_of(&groups[1])[0], order);
    stage.gate().pass();
    stage.gate().came(3);
    assert_eq!(first.await.unwrap().version, 2);
    between.await.unwrap();
    after.await.unwrap();
    stage.gate().pass();
    stage.gate().came(4);
    let groups = stage.gate().groups();
    let users: Vec<_> = groups[1..].iter().map(|group| group[0].drafts[0].user_id.as_str()).collect();
    assert_eq!(users, ["u-first", "u-second", "u-third"]);
    assert!(groups[2..].iter().all(|group| group.len() == 1));
    stage.gate().release();
    blocker.await.unwrap();
    for late in [second, third] {
        assert_eq!(late.await.unwrap_err().code(), ErrorCode::InvalidStatusTransition, "validated anew");
    }
}

#[tokio::test]
async fn units_of_one_idempotency_key_wait_for_each_other() {
    let stage = Stage::new().await;
    let blocker = stage.block();
    let keyed = || stage.create(request().idempotency_key("k-1"));
    let (first, second) = (keyed(), keyed());
    let other = stage.create(request().idempotency_key("k-2"));
    stage.gate().release();
    blocker.await.unwrap();
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!((first.id, first.version), (second.id, second.version));
    assert_ne!(other.await.unwrap().id, first.id);
    let groups = stage.gate().groups();
    assert_eq!((groups[1].len(), groups[2].len()), (2, 1));
    assert_eq!(stage.count().await, 3);
}

#[tokio::test]
async fn views_of_one_order_share_a_group() {
    let stage = Stage::new().await;
    let order = stage.world.order(OrderStatus::PendingVerification).await;
    let blocker = stage.block();
    let view = || {
        let session = stage.world.all();
        queue(async move { session.order(order, None).await })
    };
    let calls = [view(), view()];
    let update = stage.update(order, change(OrderStatus::Verified));
    stage.gate().release();
    blocker.await.unwrap();
    for call in calls {
        call.await.unwrap();
    }
    update.await.unwrap();
    assert_eq!(stage.gate().groups()[1].len(), 3);
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_back_only_what_was_not_taken() {
    let stage = Stage::new().await;
    let taken = stage.block();
    let waiting = stage.create(request());
    let (lot, atomic) = (
        stage.create_orders(vec![request(); 3], BatchMode::Each),
        stage.create_orders(vec![request(); 3], BatchMode::Atomic),
    );
    let last = stage.create(request());
    drop((taken, waiting, lot, atomic));
    stage.gate().release();
    let last = last.await.unwrap().id;
    let groups = stage.gate().groups();
    let taken = orders_of(&groups[0])[0];
    assert_eq!(groups[1..].iter().flat_map(|group| orders_of(group)).collect::<Vec<_>>(), [last]);
    let rows = stage.engine.inner.walk(&id("north"), None, 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.order_id).collect::<Vec<_>>(), [taken, last]);
}

#[tokio::test]
async fn a_full_queue_refuses_after_the_timeout_and_keeps_nothing() {
    let stage = Stage::with(|builder| builder.commit_timeout(Duration::from_millis(20))).await;
    let blocker = stage.block();
    let full = stage.create_orders(a_queue_full(), BatchMode::Atomic);
    let session = stage.world.all();
    let refused = tokio::time::timeout(Duration::from_secs(30), session.create_order(request())).await;
    let error = refused.unwrap().unwrap_err();
    assert_eq!((error.code(), error.retryable()), (ErrorCode::StorageUnavailable, true));
    let items = session.create_orders(vec![request(); 2], BatchMode::Each).await.unwrap();
    for item in items {
        assert!(matches!(item, BatchItem::Failed(error) if error.code() == ErrorCode::StorageUnavailable));
    }
    stage.gate().release();
    blocker.await.unwrap();
    assert_eq!(full.await.unwrap().len(), 280);
    stage.world.all().create_order(request()).await.unwrap();
    assert_eq!(stage.count().await, 282);
}

#[tokio::test]
async fn the_queue_holds_4096_units() {
    let stage = Stage::with(|builder| builder.commit_timeout(Duration::from_millis(20))).await;
    let blocker = stage.block();
    let mut lots: Vec<_> =
        (0..8).map(|_| stage.create_orders(vec![request(); 500], BatchMode::Each)).collect();
    let singles: Vec<_> = (0..96).map(|_| stage.create(request())).collect();
    let session = stage.world.all();
    // If it were queued it would wait for ever, since the gate is held.
    let refused = tokio::time::timeout(Duration::from_secs(30), session.create_order(request())).await;
    assert_eq!(refused.unwrap().unwrap_err().code(), ErrorCode::StorageUnavailable);
    stage.gate().release();
    blocker.await.unwrap();
    for lot in lots.drain(..) {
        assert!(lot.await.unwrap().iter().all(|item| matches!(item, BatchItem::Done(_))));
    }
    for single in singles {
        single.await.unwrap();
    }
    assert_eq!(stage.count().await, 4_097);
}

#[tokio::test]
async fn a_caller_waits_for_room() {
    let stage = Stage::new().await;
    let blocker = stage.block();
    let full = stage.create_orders(a_queue_full(), BatchMode::Atomic);
    let waiting = stage.create(request());
    stage.gate().release();
    blocker.await.unwrap();
    full.await.unwrap();
    waiting.await.unwrap();
    assert_eq!(stage.count().await, 282);
}

#[tokio::test]
async fn close_refuses_drains_and_answers() {
    let stage = Stage::new().await;
    let inside = stage.block();
    let queued = stage.create(request());
    let full = stage.create_orders(a_queue_full()[..279].to_vec(), BatchMode::Atomic);
    let service = stage.world.service.clone();
    let closing = queue(async move { service.close().await });
    let error = stage.world.all().create_order(request()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Closed);
    stage.gate().release();
    assert!(inside.await.is_ok() && queued.await.is_ok());
    // It was queued, or it waited for room: it is stored, or it learns that it is not.
    match full.await {
        Ok(items) => assert_eq!(items.len(), 279),
        Err(error) => assert_eq!(error.code(), ErrorCode::Closed),
    }
    closing.await.unwrap();
    assert_eq!(stage.world.all().create_order(request()).await.unwrap_err().code(), ErrorCode::Closed);
    assert_eq!(stage.engine.inner.meta().await.unwrap_err().code(), ErrorCode::Closed);
}

#[tokio::test]
async fn async_callers_never_commit_on_their_own_thread() {
    let stage = Stage::new().await;
    stage.gate().hold();
    stage.gate().release();
    let order = stage.world.order(OrderStatus::Completed).await;
    stage.world.all().order(order, None).await.unwrap();
    assert_eq!(stage.gate().inline(), (0, 0));
    let threads = stage.gate().threads();
    assert_eq!(threads.len(), 5);
    assert!(threads.iter().all(|name| name.as_deref() == Some("medorder-commit")), "{threads:?}");
}

#[test]
fn blocking_callers_commit_inline_only_when_nobody_waits() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stage = runtime.block_on(Stage::new());
    stage.gate().hold();
    stage.gate().release();
    let session = stage.world.service.blocking().session(medorder_tests::root(), id("north"));
    session.create_order(request()).unwrap();
    assert_eq!((stage.gate().inline(), stage.gate().groups().len()), ((1, 0), 0), "idle: right here");

    let blocker = stage.block();
    let queued = stage.create(request());
    let (began, begun) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        began.send(()).unwrap();
        session.create_order(request()).map(|order| order.id)
    });
    begun.recv().unwrap();
    // The gate is held until the caller had time to barge in, if it wanted to.
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(stage.gate().inline(), (0, 0));
    stage.gate().release();
    let blocked = thread.join().unwrap().unwrap();
    let (first, second) = (runtime.block_on(blocker).unwrap().id, runtime.block_on(queued).unwrap().id);
    let order: Vec<_> = stage.gate().groups().iter().flat_map(|group| orders_of(group)).collect();
    assert_eq!(order[..2], [first, second]);
    assert!(order.get(2).is_none_or(|third| *third == blocked));
    assert_eq!(stage.gate().inline().1, 0);
}
