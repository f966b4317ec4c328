//! Whatever call of the engine fails: what was acknowledged is there, what was not is absent or whole, nothing
//! is disclosed without its entry, and the service goes on.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::future::Future;
use std::sync::Arc;

use medorder::audit::Action;
use medorder::storage::{EntryQuery, OrderRow, Storage};
use medorder::{
    BatchItem, BatchMode, Chain, CreateOrder, DeleteOrder, Error, ErrorCode, OrderFilter, OrderId,
    OrderStatus, OrderSummary, Result, StatusChange, Verdict,
};
use medorder_tests::faulty::{Faulty, How};
use medorder_tests::gate::{Gate, queue};
use medorder_tests::wrapped::Wrapped;
use medorder_tests::{World, change, id, request, root};

/// Stands in every field of PHI, and in no error.
const CANARY: &str = "canary-4711";

struct Script {
    world: World,
    engine: Arc<Wrapped<Faulty>>,
    how: How,
    /// Versions that were acknowledged.
    acknowledged: Vec<(OrderId, u64)>,
}

impl Script {
    async fn armed(n: u64, how: How) -> Self {
        let (world, engine) = World::around(Faulty::around, |builder| builder).await;
        engine.hook.arm(n, how);
        Self { world, engine, how, acknowledged: Vec::new() }
    }

    /// Makes a call; if the fault strikes it, looks what it left and makes it again. Gives the last answer, and
    /// the error that came before it.
    async fn step<T, F: Future<Output = Result<T>>>(
        &self,
        call: impl Fn() -> F,
    ) -> (Result<T>, Option<Error>) {
        let before = self.look().await;
        match call().await {
            Ok(answer) => (Ok(answer), None),
            Err(error) => {
                self.check_error(&error);
                let after = self.look().await;
                assert!(after.changes.starts_with(&before.changes), "nothing is lost");
                if self.how == How::Before {
                    assert_eq!(after.changes, before.changes, "nothing was done");
                }
                self.check_whole().await;
                (call().await, Some(error))
            }
        }
    }

    fn check_error(&self, error: &Error) {
        assert!(self.engine.hook.struck(), "nothing else fails: {error:?}");
        let expected = match self.how {
            How::Before => ErrorCode::StorageUnavailable,
            _ => ErrorCode::OutcomeUnknown,
        };
        assert_eq!(error.code(), expected);
        let told = format!("{error:?} {error} {:?}", error.details());
        assert!(!told.contains(CANARY) && !told.contains("p-1"), "{told}");
    }

    async fn look(&self) -> Look {
        look(&*self.engine.inner).await
    }

    /// Rows, entries and events agree, and hold what was acknowledged.
    async fn check_whole(&self) {
        let inner = &*self.engine.inner;
        for territory in ["north", "south", "east"] {
            let territory = id(territory);
            let rows = inner.walk(&territory, None, 1_000).await.unwrap();
            let mut changes = 0;
            for row in &rows {
                let told = inner.changes(&territory, row.order_id, 0, 100).await.unwrap();
                let versions: Vec<u64> = told.iter().map(|entry| entry.body.row_version).collect();
                assert_eq!(versions, (1..=row.version).collect::<Vec<_>>(), "an entry a version");
                let last = told.last().unwrap();
                assert_eq!(last.body.new_status, row.status);
                assert_eq!(last.body.action == Action::Delete.name(), row.is_skeleton());
                let page = inner.events(&territory, Some(row.order_id), 0, 100).await.unwrap().unwrap();
                assert_eq!(page.events, told, "the entry is the event");
                changes += told.len();
            }
            if let Some(page) = inner.events(&territory, None, 0, 1_000).await.unwrap() {
                assert_eq!(page.events.len(), changes, "no event without its row");
            }
        }
        for (order, version) in &self.acknowledged {
            let row: OrderRow = inner.order(&id("north"), *order).await.unwrap().expect("acknowledged");
            assert!(row.version >= *version, "version {version} was acknowledged");
        }
        // The service goes on, and finds nothing wrong.
        let report = self.world.service.admin(root()).verify_audit().await.unwrap();
        assert_eq!(report.verdict, Verdict::Intact, "{report:?}");
    }

    fn acknowledge(&mut self, order: &OrderSummary) {
        self.acknowledged.push((order.id, order.version));
    }

    /// A change of an order under an idempotency key: again it answers the same, and nothing happens twice.
    async fn change<F: Future<Output = Result<OrderSummary>>>(
        &mut self,
        call: impl Fn() -> F,
    ) -> OrderSummary {
        let before = self.look().await.changes.len();
        let (answer, error) = self.step(&call).await;
        let answer = answer.unwrap();
        if let Some(error) = error.filter(|error| error.code() == ErrorCode::OutcomeUnknown) {
            assert_eq!(error.details().order_id, Some(answer.id.to_string()), "the caller can look");
        }
        assert_eq!(self.look().await.changes.len(), before + 1, "exactly once");
        self.acknowledge(&answer);
        answer
    }

    /// The whole script; every step once more where it failed. False if it was over before the fault came.
    async fn run(&mut self) -> bool {
        let session = self.world.all();
        let admin = self.world.service.admin(root());
        let session = &session;
        let (north, east) = (id("north"), id("east"));
        let (patient, provider) = (id("p-1"), id("npi-1"));

        let (done, _) = self.step(|| admin.register_territory(&east)).await;
        done.unwrap();
        let (done, _) = self.step(|| admin.register_relationship(&east, &patient, &provider)).await;
        done.unwrap();

        let order = self.change(|| session.create_order(secret("k-1"))).await;
        assert_eq!(order.version, 1);
        let step = || change(OrderStatus::Verified).idempotency_key("k-2");
        assert_eq!(self.change(|| session.update_status(order.id, step())).await.version, 2);

        // Without a key the version tells what became of it.
        let step = || StatusChange::to(OrderStatus::InProgress).notes(CANARY).expected_version(2);
        let (answer, error) = self.step(|| session.update_status(order.id, step())).await;
        match answer {
            Ok(order) => assert_eq!(order.version, 3),
            Err(conflict) => {
                assert_eq!(error.unwrap().code(), ErrorCode::OutcomeUnknown);
                assert_eq!(conflict.code(), ErrorCode::VersionConflict);
                assert_eq!(conflict.details().current_version, Some(3));
            }
        }
        self.acknowledged.push((order.id, 3));

        self.views(order.id).await;
        self.batches().await;

        let (rotated, _) = self.step(|| admin.rotate_keys(&north, |_| {})).await;
        assert!(rotated.unwrap().version >= 2);
        let old = self.engine.inner.wraps_other_than(&id("north"), 1, None, 100).await.unwrap();
        assert_eq!(old.len(), 6, "every order has the new key");

        let gone = || session.delete_order(order.id, DeleteOrder::new("entered in error"));
        let (answer, error) = self.step(gone).await;
        match answer {
            Ok(order) => assert_eq!(order.version, 4),
            Err(missing) => {
                assert_eq!(error.unwrap().code(), ErrorCode::OutcomeUnknown);
                assert_eq!(missing.code(), ErrorCode::OrderNotFound);
            }
        }
        assert!(self.engine.inner.order(&id("north"), order.id).await.unwrap().unwrap().is_skeleton());
        let (report, _) = self.step(|| session.verify_audit(None)).await;
        assert_eq!(report.unwrap().verdict, Verdict::Intact);
        let reached = self.engine.hook.reached();
        self.engine.hook.disarm();
        self.check_whole().await;
        reached
    }

    /// No plaintext without its entry; an entry without plaintext is what a lost answer leaves.
    async fn views(&self, order: OrderId) {
        let session = self.world.all();
        let before = self.look().await.views;
        let (answer, error) = self.step(|| session.order(order, None)).await;
        assert!(answer.unwrap().notes.unwrap().expose().contains(CANARY));
        let lost =
            |error: Option<Error>| u64::from(error.is_some_and(|e| e.code() == ErrorCode::OutcomeUnknown));
        assert_eq!(self.look().await.views, before + 1 + lost(error));
        let before = self.look().await.views;
        let filter = OrderFilter::new();
        let (answer, error) = self.step(|| session.orders(&filter, None, 10, None)).await;
        assert_eq!(answer.unwrap().orders.len(), 1);
        assert_eq!(self.look().await.views, before + 1 + lost(error));
    }

    async fn batches(&mut self) {
        let session = self.world.all();
        let mut stored = self.look().await.changes.len();
        // Each by itself: failures stand in the answers.
        let batch = || ["k-3", "k-4", "k-5"].map(secret).to_vec();
        let (answer, _) = self.step(|| session.create_orders(batch(), BatchMode::Each)).await;
        let mut items = answer.unwrap();
        if items.iter().any(|item| matches!(item, BatchItem::Failed(_))) {
            for item in &items {
                match item {
                    BatchItem::Done(order) => self.acknowledge(order),
                    BatchItem::Failed(error) => self.check_error(error),
                    other => panic!("{other:?}"),
                }
            }
            self.check_whole().await;
            items = session.create_orders(batch(), BatchMode::Each).await.unwrap();
        }
        self.all_done(&items);
        stored += 3;
        assert_eq!(self.look().await.changes.len(), stored, "each exactly once");

        let batch = || ["k-6", "k-7"].map(secret).to_vec();
        let (answer, _) = self.step(|| session.create_orders(batch(), BatchMode::Atomic)).await;
        let mut items = answer.unwrap();
        if !items.iter().all(|item| matches!(item, BatchItem::Done(_))) {
            assert_eq!(self.look().await.changes.len(), stored, "nothing of it is stored");
            items = session.create_orders(batch(), BatchMode::Atomic).await.unwrap();
        }
        self.all_done(&items);
        assert_eq!(self.look().await.changes.len(), stored + 2);
    }

    fn all_done(&mut self, items: &[BatchItem]) {
        for item in items {
            match item {
                BatchItem::Done(order) => self.acknowledge(order),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// What a database holds, past every fault.
struct Look {
    changes: Vec<(OrderId, u64)>,
    views: u64,
}

async fn look(inner: &dyn Storage) -> Look {
    let chain = Chain::Territory(id("north"));
    let log = inner.entries(&chain, &EntryQuery::default(), 10_000).await.unwrap();
    let changes = log.iter().filter(|entry| entry.is_event());
    let disclosed = EntryQuery { disclosures: true, ..EntryQuery::default() };
    Look {
        changes: changes.map(|e| (OrderId::from_bytes(e.body.order_id), e.body.row_version)).collect(),
        views: inner.entries(&chain, &disclosed, 10_000).await.unwrap().len() as u64,
    }
}

fn secret(key: &str) -> CreateOrder {
    CreateOrder::new("p-1", "npi-1", CANARY).diagnosis_codes([CANARY]).notes(CANARY).idempotency_key(key)
}

/// Runs the script with the fault at every call, until one run is over before the fault comes.
async fn every_call_fails(how: How) {
    let mut struck = 0;
    for n in 1.. {
        let mut script = Script::armed(n, how).await;
        let reached = script.run().await;
        struck += u64::from(script.engine.hook.struck());
        if !reached {
            break;
        }
        assert!(n < 2_000, "the script ends");
    }
    // One commit a step at the very least.
    assert!(struck >= 12, "{struck}");
}

#[tokio::test]
async fn every_call_fails_before_it_is_done() {
    every_call_fails(How::Before).await;
}

#[tokio::test]
async fn every_commit_loses_its_answer() {
    every_call_fails(How::After).await;
}

#[tokio::test]
async fn a_panic_answers_all_who_wait_and_closes_the_service() {
    let mut faulty = None;
    let wrap = |inner| {
        let below = Faulty::around(inner);
        faulty = Some(Arc::clone(&below));
        Gate::around(below)
    };
    let (world, engine) = World::around(wrap, |builder| builder).await;
    let faulty = faulty.unwrap();
    let order = world.order(OrderStatus::Verified).await;
    engine.hook.hold();
    let create = |key: &'static str| {
        let session = world.all();
        queue(async move { session.create_order(request().idempotency_key(key)).await })
    };
    let inside = create("k-1");
    engine.hook.came(1);
    let waiting = [create("k-1"), create("k-2"), create("k-3")];
    faulty.hook.arm(1, How::Panic);
    engine.hook.release();
    for call in [inside].into_iter().chain(waiting) {
        assert_eq!(call.await.unwrap_err().code(), ErrorCode::OutcomeUnknown);
    }
    let session = world.all();
    for _ in 0..2 {
        assert_eq!(session.create_order(request()).await.unwrap_err().code(), ErrorCode::Closed);
        assert_eq!(session.order(order, None).await.unwrap_err().code(), ErrorCode::Closed);
        assert_eq!(session.allowed_transitions(order).await.unwrap_err().code(), ErrorCode::Closed);
        let blocking = world.service.blocking().session(root(), id("north"));
        let refused = std::thread::spawn(move || blocking.create_order(request())).join().unwrap();
        assert_eq!(refused.unwrap_err().code(), ErrorCode::Closed);
    }
    assert_eq!(look(&*engine.inner).await.changes.len(), 2, "the order's two changes and nothing else");
    world.service.close().await.unwrap();
    assert_eq!(engine.inner.meta().await.unwrap_err().code(), ErrorCode::Closed);
}

#[tokio::test]
async fn a_panic_on_the_callers_own_thread_closes_the_service() {
    let (world, faulty) = World::around(Faulty::around, |builder| builder).await;
    let session = world.service.blocking().session(root(), id("north"));
    let order = session.create_order(request()).unwrap().id;
    faulty.hook.arm(1, How::Panic);
    let error = session.create_order(request()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::OutcomeUnknown);
    assert!(faulty.hook.struck(), "the commit was reached");
    assert_eq!(session.create_order(request()).unwrap_err().code(), ErrorCode::Closed);
    assert_eq!(session.order(order, None).unwrap_err().code(), ErrorCode::Closed);
}
