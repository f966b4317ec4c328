//! Fills a database through the library, as fast as it goes: batches of 10,000 over about three years.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use medorder::env::{Clock, Env, SystemClock, SystemEntropy};
use medorder::service::BlockingService;
use medorder::{
    Actor, BatchItem, BatchMode, Error, OrderId, OrderService, OrderStatus, Purpose, StatusChange,
    Synchronous, TestKey,
};
use tokio::runtime::Builder;

use crate::people::{Orders, TERRITORY, patient_id, patients, provider_id};

const BATCH: usize = 10_000;
/// One order in so many is still open: most orders of a hospital are closed.
pub(crate) const OPEN: usize = 10;
/// How far the clock goes at each look: a million orders end before now.
const STEP: i64 = 10_000_000;
const YEARS: i64 = 3 * 365 * 24 * 3_600 * 1_000_000;

/// What stands in a database.
#[derive(Default)]
pub(crate) struct Stock {
    /// Every order, in its place of the order of creation.
    pub(crate) all: Vec<OrderId>,
    /// Those that are pending.
    pub(crate) open: Vec<OrderId>,
    /// Orders beside these, made by what was measured.
    pub(crate) extra: usize,
    patients: usize,
    at: i64,
}

/// A clock that goes on by itself, so that orders get times of their own.
struct Marching(Arc<AtomicI64>);

impl Clock for Marching {
    fn now_micros(&self) -> i64 {
        self.0.fetch_add(STEP, Ordering::Relaxed)
    }
}

pub(crate) fn id<T: std::str::FromStr<Err = Error>>(text: &str) -> T {
    text.parse().expect("a good id")
}

pub(crate) fn root() -> Actor {
    let roles = ["requester", "verifier", "fulfiller", "auditor", "administrator"];
    Actor::new(id("u-root"), Purpose::Operations).roles(roles.map(id)).all_territories()
}

/// Opens a database by its path or URL, with the real clock or with `env`.
pub(crate) fn open(url: &str, synchronous: Synchronous, env: Option<Env>) -> BlockingService {
    let mut builder = OrderService::builder(Path::new(url), TestKey::new()).synchronous(synchronous);
    if let Some(env) = env {
        builder = builder.env(env);
    }
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(builder.open()).expect("the service opens").blocking()
}

/// Adds orders until there are `count`.
pub(crate) fn fill(url: &str, orders: &Orders, stock: &mut Stock, count: usize) {
    if stock.at == 0 {
        stock.at = SystemClock.now_micros() - YEARS;
    }
    let clock = Arc::new(AtomicI64::new(stock.at));
    let env = Env { clock: Arc::new(Marching(Arc::clone(&clock))), entropy: Arc::new(SystemEntropy) };
    // What is loaded is safe after the close; each batch need not be before.
    let service = open(url, Synchronous::Normal, Some(env));
    register(&service, stock, patients(count));
    let session = service.session(root(), id(TERRITORY));
    while stock.all.len() < count {
        let from = stock.all.len();
        let requests = (from..count.min(from + BATCH)).map(|n| orders.request(n)).collect();
        let made = done(session.create_orders(requests, BatchMode::Each).expect("a batch"));
        let (open, closed): (Vec<_>, Vec<_>) = made.iter().enumerate().partition(|(n, _)| n % OPEN == 0);
        let reject = |id| (id, StatusChange::to(OrderStatus::Rejected).reason("not covered"));
        let changes = closed.into_iter().map(|(_, id)| reject(*id)).collect();
        done(session.update_statuses(changes, BatchMode::Each).expect("a batch"));
        stock.open.extend(open.into_iter().map(|(_, id)| *id));
        stock.all.extend(made);
    }
    stock.at = clock.load(Ordering::Relaxed);
    assert!(stock.at < SystemClock.now_micros(), "the loading clock has overtaken the real one");
    service.close().expect("it closes");
}

/// The relationships that are still missing, many callers at once, so that they share commits.
fn register(service: &BlockingService, stock: &mut Stock, count: usize) {
    let territory = id(TERRITORY);
    if stock.patients == 0 {
        service.admin(root()).register_territory(&territory).expect("the territory");
    }
    let admin = service.service().admin(root());
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let from = stock.patients;
    let tasks: Vec<_> = (0..64)
        .map(|part| {
            let (admin, territory) = (admin.clone(), territory.clone());
            runtime.spawn(async move {
                for patient in (from + part..count).step_by(64) {
                    let (of, by) = (id(&patient_id(patient)), id(&provider_id(patient)));
                    admin.register_relationship(&territory, &of, &by).await.expect("a relationship");
                }
            })
        })
        .collect();
    tasks.into_iter().for_each(|task| runtime.block_on(task).expect("registered"));
    stock.patients = count;
}

pub(crate) fn done(items: Vec<BatchItem>) -> Vec<OrderId> {
    let each = items.into_iter().map(|item| match item {
        BatchItem::Done(summary) => summary.id,
        other => panic!("an item failed: {other:?}"),
    });
    each.collect()
}
