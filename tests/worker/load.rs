//! A mixed load through both faces at once. Every call is announced before it is made and confirmed after it
//! was answered, so that whoever kills this process knows what must be there and what may be.

use std::sync::{Arc, Mutex, PoisonError};

use medorder::service::{BlockingService, Progress};
use medorder::{
    AnchorFile, BatchItem, BatchMode, DeleteOrder, Error, OrderFilter, OrderId, OrderService, OrderStatus,
    OrderSummary, Result, TestKey,
};
use medorder_tests::{change, id, request, root};

use super::chance::Chance;
use super::{code, say};

/// Kinds of calls, with their weights.
const KINDS: [(&str, u64); 9] = [
    ("create", 20),
    ("batch", 10),
    ("move", 25),
    ("moves", 10),
    ("view", 20),
    ("delete", 6),
    ("rotate", 2),
    ("checkpoint", 2),
    ("register", 5),
];
const BATCH: usize = 5;
const MOVES: usize = 3;

/// One of the two faces.
#[derive(Clone)]
enum Face {
    Blocking(BlockingService),
    Async(OrderService),
}

/// Makes the same call of a session or an admin through whichever face it is.
macro_rules! through {
    ($face:expr, $handle:ident($($with:expr),*).$method:ident($($arg:expr),*)) => {
        match $face {
            Face::Blocking(service) => service.$handle($($with),*).$method($($arg),*),
            Face::Async(service) => service.$handle($($with),*).$method($($arg),*).await,
        }
    };
}

/// Orders that calls may pick: where they are and the status they had last.
type Pool = Arc<Mutex<Vec<(OrderId, &'static str, OrderStatus)>>>;

pub(crate) fn run(db: &str, anchor: &str, call: &str, favourite: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    runtime.block_on(async {
        let anchor = AnchorFile::open(anchor).expect("the anchor opens");
        let service =
            OrderService::builder(db, TestKey::new()).anchor(anchor).open().await.expect("the service opens");
        let pool: Pool = Arc::default();
        for territory in ["north", "south"] {
            let open = OrderFilter::new()
                .status(OrderStatus::PendingVerification)
                .status(OrderStatus::Verified)
                .status(OrderStatus::InProgress);
            let page = service.session(root(), id(territory)).orders(&open, None, 50, None).await;
            let page = page.expect("the orders of the round before");
            lock(&pool).extend(page.orders.iter().map(|o| (o.summary.id, territory, o.summary.status)));
        }
        say("ready");
        let mut workers = Vec::new();
        for n in 0..6_u64 {
            let seed = call.bytes().fold(n + 1, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
            let mut hand = Hand {
                face: if n % 2 == 0 {
                    Face::Blocking(service.blocking())
                } else {
                    Face::Async(service.clone())
                },
                pool: Arc::clone(&pool),
                name: format!("{call}w{n}"),
                calls: 0,
                favourite: favourite.to_owned(),
                random: Chance(seed | 1),
            };
            if n % 2 == 0 {
                // A thread of its own, so that the call commits right there.
                std::thread::spawn(move || {
                    let alone = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                    alone.block_on(hand.work());
                });
            } else {
                workers.push(tokio::spawn(async move { hand.work().await }));
            }
        }
        for worker in workers {
            // It works until it is killed.
            let _ = worker.await;
        }
    });
}

/// One caller, with one call under way at a time.
struct Hand {
    face: Face,
    pool: Pool,
    name: String,
    calls: u64,
    favourite: String,
    random: Chance,
}

impl Hand {
    async fn work(&mut self) {
        loop {
            let kind = if self.random.below(3) == 0 {
                self.favourite.clone()
            } else {
                self.random.kind(&KINDS).to_owned()
            };
            self.calls += 1;
            let call = format!("{}n{}", self.name, self.calls);
            match self.call(&kind, &call).await {
                Some(Ok(done)) => say(&format!("ack {call}{}", told(&done))),
                Some(Err(error)) => say(&format!("fail {call} {}", code(&error))),
                None => {}
            }
        }
    }

    /// Makes a call; `None` if there is no order for it yet.
    async fn call(&mut self, kind: &str, call: &str) -> Option<Result<Vec<OrderSummary>>> {
        let begin = |whole: usize| say(&format!("begin {call} {kind} {whole}"));
        let actor = root().request_id(id(call));
        let territory = ["north", "south"][self.random.below(2) as usize];
        let face = self.face.clone();
        Some(match kind {
            "create" => {
                begin(1);
                let made = through!(&face, session(actor, id(territory)).create_order(request()));
                made.map(|made| self.keep(vec![made], territory))
            }
            "batch" => {
                begin(BATCH);
                let requests = vec![request(); BATCH];
                let made =
                    through!(&face, session(actor, id(territory)).create_orders(requests, BatchMode::Atomic));
                made.and_then(whole).map(|made| self.keep(made, territory))
            }
            "move" => {
                let (order, territory, status) = self.pick()?;
                let next = self.next(status)?;
                begin(1);
                let moved = through!(&face, session(actor, id(territory)).update_status(order, change(next)));
                moved.map(|moved| self.keep(vec![moved], territory))
            }
            "moves" => {
                let (_, territory, _) = self.pick()?;
                let mut changes = Vec::new();
                for (order, _, status) in self.some(territory) {
                    changes.push((order, change(self.next(status)?)));
                }
                begin(changes.len());
                let moved = through!(
                    &face,
                    session(actor, id(territory)).update_statuses(changes, BatchMode::Atomic)
                );
                moved.and_then(whole).map(|moved| self.keep(moved, territory))
            }
            "view" => {
                let (order, territory, _) = self.pick()?;
                begin(1);
                let seen = through!(&face, session(actor, id(territory)).order(order, None));
                seen.map(|seen| vec![seen.summary])
            }
            "delete" => {
                let (order, territory, _) = self.pick()?;
                begin(1);
                let reason = DeleteOrder::new("entered in error");
                let gone = through!(&face, session(actor, id(territory)).delete_order(order, reason));
                lock(&self.pool).retain(|(one, ..)| *one != order);
                gone.map(|gone| vec![gone])
            }
            "rotate" => {
                begin(1);
                let ignore = |_: Progress| ();
                through!(&face, admin(actor).rotate_keys(&id(territory), ignore)).map(|_| Vec::new())
            }
            "checkpoint" => {
                begin(1);
                through!(&face, admin(actor).checkpoint()).map(|_| Vec::new())
            }
            _ => {
                begin(1);
                let patient = id(&format!("p-{call}"));
                through!(&face, admin(actor).register_relationship(&id(territory), &patient, &id("npi-1")))
                    .map(|()| Vec::new())
            }
        })
    }

    /// Remembers what orders are like now.
    fn keep(&self, summaries: Vec<OrderSummary>, territory: &str) -> Vec<OrderSummary> {
        let territory = if territory == "north" { "north" } else { "south" };
        let mut pool = lock(&self.pool);
        for summary in &summaries {
            pool.retain(|(order, ..)| *order != summary.id);
            pool.push((summary.id, territory, summary.status));
        }
        summaries
    }

    fn pick(&mut self) -> Option<(OrderId, &'static str, OrderStatus)> {
        let chance = self.random.below(u64::MAX);
        let pool = lock(&self.pool);
        if pool.is_empty() { None } else { Some(pool[(chance % pool.len() as u64) as usize]) }
    }

    /// The orders of a territory that changed longest ago.
    fn some(&self, territory: &str) -> Vec<(OrderId, &'static str, OrderStatus)> {
        let pool = lock(&self.pool);
        let open = pool.iter().filter(|(_, place, status)| *place == territory && !ended(*status));
        open.take(MOVES).copied().collect()
    }

    fn next(&mut self, status: OrderStatus) -> Option<OrderStatus> {
        use OrderStatus::{Cancelled, Completed, InProgress, PendingVerification, Rejected, Verified};
        let often = self.random.below(4) > 0;
        match status {
            PendingVerification => Some(if often { Verified } else { Rejected }),
            Verified => Some(InProgress),
            InProgress => Some(if often { Completed } else { Cancelled }),
            _ => None,
        }
    }
}

/// All of an atomic batch, or the error of the item that spoiled it.
fn whole(items: Vec<BatchItem>) -> Result<Vec<OrderSummary>> {
    let mut done = Vec::new();
    let mut spoiled: Option<Error> = None;
    for item in items {
        match item {
            BatchItem::Done(summary) => done.push(summary),
            BatchItem::Failed(error) => spoiled = Some(error),
            _ => {}
        }
    }
    spoiled.map_or(Ok(done), Err)
}

fn told(done: &[OrderSummary]) -> String {
    done.iter().map(|order| format!(" {}:{}:{}", order.id, order.version, order.status.name())).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const fn ended(status: OrderStatus) -> bool {
    matches!(status, OrderStatus::Rejected | OrderStatus::Completed | OrderStatus::Cancelled)
}
