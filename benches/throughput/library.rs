//! The library, called as a host calls it: the blocking API for one caller, tasks for 64.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use medorder::service::{BlockingAdmin, BlockingService, BlockingSession};
use medorder::{
    Actor, BatchItem, BatchMode, OrderFilter, OrderId, OrderService, OrderStatus, Purpose, Session,
    StatusChange, Synchronous, TerritoryId, TestKey, Verdict, VerificationData,
};
use tokio::runtime::{Builder, Runtime};

use crate::orders::Shape;
use crate::seal::TERRITORY;
use crate::table::{CALLERS, Clock, Op, Sample, Timer};

pub(crate) struct Library {
    service: OrderService,
    blocking: BlockingService,
    runtime: Runtime,
    shapes: Arc<Vec<Shape>>,
    ids: Arc<Vec<[u8; 16]>>,
    moved: Arc<AtomicUsize>,
}

/// Parses an id that is known to be good.
fn id<T: std::str::FromStr<Err = medorder::Error>>(text: &str) -> T {
    text.parse().expect("a good id")
}

fn actor(role: &str) -> Actor {
    Actor::new(id(&format!("u-{role}")), Purpose::Treatment).role(id(role)).territory(id(TERRITORY))
}

fn root() -> Actor {
    let roles = ["requester", "verifier", "fulfiller", "auditor", "administrator"];
    Actor::new(id("u-root"), Purpose::Operations).roles(roles.map(id)).all_territories()
}

/// Makes a database with `count` verified orders and returns their ids.
pub(crate) fn seed(path: &Path, shapes: &[Shape], count: usize) -> Vec<[u8; 16]> {
    let service = open(path, false).blocking();
    let territory: TerritoryId = id(TERRITORY);
    let admin = service.admin(root());
    admin.register_territory(&territory).expect("the territory");
    for shape in shapes {
        admin
            .register_relationship(&territory, &id(&shape.patient_id), &id(&shape.provider_id))
            .expect("a relationship");
    }
    let session = service.session(root(), territory);
    let mut ids = Vec::with_capacity(count);
    while ids.len() < count {
        let requests = (0..10_000.min(count - ids.len())).map(|n| shapes[n % shapes.len()].request());
        let made = done(session.create_orders(requests.collect(), BatchMode::Each).expect("a batch"));
        let verified = made.iter().map(|id| {
            let data = VerificationData::new("u-verifier", "phone");
            (*id, StatusChange::to(OrderStatus::Verified).verification(data))
        });
        done(session.update_statuses(verified.collect(), BatchMode::Each).expect("a batch"));
        ids.extend(made.iter().map(|id| *id.as_bytes()));
    }
    service.close().expect("it closes");
    ids
}

fn done(items: Vec<BatchItem>) -> Vec<OrderId> {
    let each = items.into_iter().map(|item| match item {
        BatchItem::Done(summary) => summary.id,
        other => panic!("an item failed: {other:?}"),
    });
    each.collect()
}

fn open(path: &Path, full: bool) -> OrderService {
    let synchronous = if full { Synchronous::Full } else { Synchronous::Normal };
    let opening = OrderService::builder(path, TestKey::new()).synchronous(synchronous).open();
    Builder::new_current_thread().build().expect("a runtime").block_on(opening).expect("the service opens")
}

/// Panics unless the library finds the database intact, whoever wrote it.
pub(crate) fn judge(path: &Path) {
    let service = open(path, false).blocking();
    let report = service.admin(root()).verify_audit().expect("a report");
    assert!(report.verdict == Verdict::Intact, "{report:?}");
    service.close().expect("it closes");
}

impl Library {
    pub(crate) fn open(path: &Path, full: bool, shapes: Arc<Vec<Shape>>, ids: Arc<Vec<[u8; 16]>>) -> Self {
        let service = open(path, full);
        let runtime = Builder::new_multi_thread().build().expect("a runtime");
        Self { blocking: service.blocking(), service, runtime, shapes, ids, moved: Arc::default() }
    }

    pub(crate) fn close(self) {
        self.blocking.close().expect("it closes");
    }

    fn session(&self, role: &str) -> BlockingSession {
        self.blocking.session(actor(role), id(TERRITORY))
    }

    fn admin(&self) -> BlockingAdmin {
        self.blocking.admin(root())
    }

    pub(crate) fn run(&self, op: Op, clock: Clock) -> Sample {
        match op {
            Op::Create => {
                let session = self.session("requester");
                alone(clock, |n| {
                    session.create_order(self.shapes[n % self.shapes.len()].request()).expect("an order");
                    true
                })
            }
            Op::Create64 => {
                let shapes = Arc::clone(&self.shapes);
                self.crowd(clock, "requester", move |session, n| {
                    let request = shapes[n % shapes.len()].request();
                    async move { session.create_order(request).await.is_ok() }
                })
            }
            Op::Batch(count) => self.batch(clock, count),
            Op::Get => {
                let session = self.session("requester");
                alone(clock, |n| {
                    let order = OrderId::from_bytes(self.ids[n * 7_919 % self.ids.len()]);
                    std::hint::black_box(session.order(order, None).expect("an order"));
                    true
                })
            }
            Op::Get64 => {
                let ids = Arc::clone(&self.ids);
                self.crowd(clock, "requester", move |session, n| {
                    let order = OrderId::from_bytes(ids[n * 7_919 % ids.len()]);
                    async move { std::hint::black_box(session.order(order, None).await).is_ok() }
                })
            }
            Op::Update => {
                let session = self.session("fulfiller");
                alone(clock, |_| {
                    let Some((order, change)) = next_move(&self.moved, &self.ids) else { return false };
                    session.update_status(order, change).expect("it moves");
                    true
                })
            }
            Op::Update64 => {
                let (moved, ids) = (Arc::clone(&self.moved), Arc::clone(&self.ids));
                self.crowd(clock, "fulfiller", move |session, _| {
                    let next = next_move(&moved, &ids);
                    async move {
                        let Some((order, change)) = next else { return false };
                        session.update_status(order, change).await.is_ok()
                    }
                })
            }
            Op::List => {
                let session = self.session("requester");
                alone(clock, |_| {
                    let page = session.orders(&OrderFilter::new(), None, 50, None).expect("a page");
                    std::hint::black_box(page);
                    true
                })
            }
            Op::Verify => {
                let session = self.session("auditor");
                let begun = Instant::now();
                let report = session.verify_audit(None).expect("a report");
                assert!(report.verdict == Verdict::Intact, "{report:?}");
                let entries = report.chains.iter().map(|chain| chain.entries as usize).sum();
                Sample::of(entries, begun.elapsed(), vec![begun.elapsed()])
            }
            Op::Rotate => {
                let begun = Instant::now();
                let report = self.admin().rotate_keys(&id(TERRITORY), |_| {}).expect("a rotation");
                Sample::of(report.rewrapped as usize, begun.elapsed(), vec![begun.elapsed()])
            }
        }
    }

    fn batch(&self, clock: Clock, count: usize) -> Sample {
        let session = self.session("requester");
        let mut timer = Timer::start();
        while timer.goes_on(clock) {
            let requests = (0..count).map(|n| self.shapes[n % self.shapes.len()].request()).collect();
            done(session.create_orders(requests, BatchMode::Each).expect("a batch"));
            timer.lap(count);
        }
        timer.finish()
    }

    /// 64 tasks on the runtime's threads, one a core.
    fn crowd<F: Future<Output = bool> + Send>(
        &self,
        clock: Clock,
        role: &str,
        call: impl Fn(Session, usize) -> F + Clone + Send + 'static,
    ) -> Sample {
        let session = self.service.session(actor(role), id(TERRITORY));
        let begun = Instant::now();
        let tasks: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (session, call) = (session.clone(), call.clone());
                self.runtime.spawn(async move {
                    let mut laps: Vec<Duration> = Vec::new();
                    let mut n = caller;
                    while begun.elapsed() < clock.at_most {
                        let lap = Instant::now();
                        if !call(session.clone(), n).await {
                            break;
                        }
                        laps.push(lap.elapsed());
                        n += CALLERS;
                    }
                    laps
                })
            })
            .collect();
        let laps: Vec<Duration> = self.runtime.block_on(async {
            let mut all = Vec::new();
            for task in tasks {
                all.extend(task.await.expect("a caller"));
            }
            all
        });
        Sample::of(laps.len(), begun.elapsed(), laps)
    }
}

fn alone(clock: Clock, mut call: impl FnMut(usize) -> bool) -> Sample {
    let mut timer = Timer::start();
    let mut n = 0;
    while timer.goes_on(clock) && call(n) {
        timer.lap(1);
        n += 1;
    }
    timer.finish()
}

/// The next order of the seed and its next status, `None` when all are done.
fn next_move(moved: &AtomicUsize, ids: &[[u8; 16]]) -> Option<(OrderId, StatusChange)> {
    let n = moved.fetch_add(1, Ordering::Relaxed);
    let status = [OrderStatus::InProgress, OrderStatus::Completed].get(n / ids.len()).copied()?;
    Some((OrderId::from_bytes(ids[n % ids.len()]), StatusChange::to(status)))
}
