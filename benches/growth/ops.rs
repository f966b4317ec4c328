//! What each operation costs in a database of one size.

use std::fmt;
use std::time::{Duration, Instant};

use medorder::{AuditFilter, BatchMode, OrderFilter, OrderStatus, StatusChange, Synchronous};

use crate::load::{Stock, done, id, open, root};
use crate::people::{Orders, TERRITORY, mix, patient_id, patients};

/// At most so long, and so many times, each.
const LONG: Duration = Duration::from_secs(2);
const OFTEN: usize = 800;
/// Batches: each makes a thousand orders, which shall not become most of a small database.
const BATCHES: usize = 5;
/// Calls before the first that counts: caches are full and statements known.
const WARM: usize = 20;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Create,
    Get,
    Update,
    List,
    ListPatient,
    ListOpen,
    Batch,
    Audit,
}

impl Op {
    pub(crate) const ALL: [Self; 8] = [
        Self::Create,
        Self::Get,
        Self::Update,
        Self::List,
        Self::ListPatient,
        Self::ListOpen,
        Self::Audit,
        Self::Batch,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Get => "get",
            Self::Update => "update_status",
            Self::List => "list of 50",
            Self::ListPatient => "list by patient (about 20)",
            Self::ListOpen => "list of 50 open orders",
            Self::Batch => "batch of 1,000, an order",
            Self::Audit => "audit by order",
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Microseconds a call.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) mean: f64,
    pub(crate) p50: f64,
}

/// Measures every operation, each a durable one as a host would call it.
pub(crate) fn measure(url: &str, orders: &Orders, stock: &mut Stock) -> Vec<(Op, Cost)> {
    let service = open(url, Synchronous::Full, None);
    let session = service.session(root(), id(TERRITORY));
    let (size, people) = (stock.all.len(), patients(stock.all.len()));
    let mut measured = Vec::new();
    for op in Op::ALL {
        let cost = match op {
            Op::Create => cost(OFTEN, |n| {
                stock.extra += 1;
                session.create_order(orders.request(mix(n) % size)).expect("an order");
            }),
            Op::Get => cost(OFTEN, |n| {
                let order = session.order(stock.all[mix(n) % size], None);
                std::hint::black_box(order.expect("an order"));
            }),
            // Each order once: what is rejected stays so.
            Op::Update => cost(OFTEN, |n| {
                let next = if stock.open.is_empty() { None } else { Some(mix(n) % stock.open.len()) };
                let order = stock.open.swap_remove(next.expect("an open order is left"));
                let change = StatusChange::to(OrderStatus::Rejected).reason("not covered");
                session.update_status(order, change).expect("it moves");
            }),
            Op::List => cost(OFTEN, |_| {
                let page = session.orders(&OrderFilter::new(), None, 50, None).expect("a page");
                assert!(page.orders.len() == 50);
            }),
            Op::ListPatient => cost(OFTEN, |n| {
                let filter = OrderFilter::new().patient_id(id(&patient_id(mix(n) % people)));
                std::hint::black_box(session.orders(&filter, None, 50, None).expect("a page"));
            }),
            Op::ListOpen => cost(OFTEN, |_| {
                let open = [OrderStatus::PendingVerification, OrderStatus::Verified, OrderStatus::InProgress];
                let filter = open.into_iter().fold(OrderFilter::new(), OrderFilter::status);
                let page = session.orders(&filter, None, 50, None).expect("a page");
                assert!(page.orders.len() == 50);
            }),
            Op::Batch => {
                let each = cost(BATCHES, |n| {
                    stock.extra += 1_000;
                    let requests = (0..1_000).map(|k| orders.request(mix(n * 1_000 + k) % size)).collect();
                    done(session.create_orders(requests, BatchMode::Each).expect("a batch"));
                });
                Cost { mean: each.mean / 1_000.0, p50: each.p50 / 1_000.0 }
            }
            Op::Audit => cost(OFTEN, |n| {
                let filter =
                    AuditFilter { order_id: Some(stock.all[mix(n) % size]), ..AuditFilter::default() };
                let page = session.audit(&filter, 0, 50).expect("a page");
                assert!(!page.records.is_empty());
            }),
        };
        measured.push((op, cost));
    }
    service.close().expect("it closes");
    measured
}

fn cost(most: usize, mut call: impl FnMut(usize)) -> Cost {
    let mut laps = Vec::with_capacity(most);
    let (mut n, mut begun) = (0, Instant::now());
    while laps.len() < most && (begun.elapsed() < LONG || laps.len() < 3) {
        let lap = Instant::now();
        call(n);
        // A batch takes too long to throw twenty away.
        if n < WARM && lap.elapsed() < LONG / 100 {
            begun = Instant::now();
        } else {
            laps.push(lap.elapsed().as_secs_f64() * 1e6);
        }
        n += 1;
    }
    let mean = laps.iter().sum::<f64>() / laps.len() as f64;
    laps.sort_unstable_by(f64::total_cmp);
    Cost { mean, p50: laps[laps.len() / 2] }
}
