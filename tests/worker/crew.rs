//! Mixed work beside other processes, on orders that all of them fight for. Every call is announced before it is
//! made and confirmed after it was answered.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use medorder::service::BlockingService;
use medorder::{
    BatchItem, BatchMode, DeleteOrder, Error, ErrorCode, OrderFilter, OrderId, OrderStatus, OrderSummary,
    Result, StatusChange, TestKey,
};
use medorder_tests::history::Act;
use medorder_tests::{change, id, request, root, told};

use super::chance::Chance;
use super::{code, say};

/// Kinds of calls, with their weights.
const KINDS: [(&str, u64); 9] = [
    ("create", 12),
    ("move", 34),
    ("delete", 4),
    ("view", 14),
    ("list", 4),
    ("key", 4),
    ("creates", 5),
    ("moves", 6),
    ("atomic", 8),
];
/// Callers of one process; every other one is async.
const HANDS: u64 = 4;
/// As many orders of a territory are fought for.
const HOT: usize = 12;
/// How often a request of unknown outcome is made again under its key.
const RETRIES: usize = 30;

/// Works for `millis`, and follows the feed of the first two territories until a line comes in.
pub(crate) fn run(db: &str, name: &str, seed: &str, millis: &str, territories: &[&str]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    let service = BlockingService::open(db, TestKey::new()).expect("the service opens");
    let seed: u64 = seed.parse().expect("a seed");
    let work = Duration::from_millis(millis.parse().expect("a number"));
    let stop = Arc::new(AtomicBool::new(false));
    let mut feeds = Vec::new();
    for territory in territories.iter().take(2) {
        let (service, territory, stop) = (service.clone(), (*territory).to_owned(), Arc::clone(&stop));
        feeds.push(std::thread::spawn(move || follow_feed(&service, &territory, "", &stop)));
    }
    say("ready");
    let mut go = String::new();
    std::io::stdin().read_line(&mut go).expect("the word to begin");
    let pool: Pool = Arc::default();
    let (mut threads, mut tasks) = (Vec::new(), Vec::new());
    for n in 0..HANDS {
        let mut hand = Hand {
            service: service.clone(),
            blocks: n % 2 == 0,
            name: format!("{name}.{n}"),
            calls: 0,
            territories: territories.iter().map(|&t| t.to_owned()).collect(),
            pool: Arc::clone(&pool),
            random: Chance((seed ^ (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)) | 1),
        };
        let until = Instant::now() + work;
        if hand.blocks {
            threads.push(std::thread::spawn(move || {
                while Instant::now() < until {
                    hand.turn();
                }
            }));
        } else {
            // Its calls wait on the runtime's threads, this thread only hands them over.
            let handle = runtime.handle().clone();
            tasks.push(std::thread::spawn(move || {
                while Instant::now() < until {
                    hand.turn_on(&handle);
                }
            }));
        }
    }
    for thread in threads.into_iter().chain(tasks) {
        thread.join().expect("no caller panics");
    }
    say("worked");
    std::io::stdin().read_line(&mut go).expect("the word to end");
    stop.store(true, Ordering::SeqCst);
    for feed in feeds {
        feed.join().expect("no reader panics");
    }
    match service.close() {
        Ok(()) => say("closed"),
        Err(error) => say(&format!("close-error {}", code(&error))),
    }
}

/// Follows one feed from a cursor until a line comes in.
pub(crate) fn follow(db: &str, territory: &str, since: &str) {
    let service = BlockingService::open(db, TestKey::new()).expect("the service opens");
    let stop = Arc::new(AtomicBool::new(false));
    let reader = {
        let (service, territory, since, stop) = (
            service.clone(),
            territory.to_owned(),
            since.trim_start_matches('-').to_owned(),
            Arc::clone(&stop),
        );
        std::thread::spawn(move || follow_feed(&service, &territory, &since, &stop))
    };
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("the word to end");
    stop.store(true, Ordering::SeqCst);
    reader.join().expect("no reader panics");
    say("closed");
}

/// Says every event, with the time; once told to stop, reads to the end of the feed.
fn follow_feed(service: &BlockingService, territory: &str, since: &str, stop: &AtomicBool) {
    let mut since = since.to_owned();
    'subscribe: loop {
        let session = service.session(root(), id(territory));
        let mut feed = match session.subscribe(None, Some(&since)) {
            Ok(feed) => {
                say(&format!("follows {territory}"));
                feed
            }
            Err(error) => {
                say(&format!("feed-error {territory} {}", code(&error)));
                std::thread::sleep(Duration::from_millis(100));
                continue;
            }
        };
        loop {
            let over = stop.load(Ordering::SeqCst);
            match feed.next_within(if over { Duration::ZERO } else { Duration::from_millis(50) }) {
                Ok(Some(event)) => {
                    let (order, version, status) = (event.order_id, event.version, event.new_status.name());
                    let (time, cursor) = (told::now(), &event.cursor);
                    say(&format!("event {territory} {order} {version} {status} {time} {cursor}"));
                }
                Ok(None) if over => return,
                Ok(None) => {}
                Err(error) => {
                    say(&format!("feed-error {territory} {}", code(&error)));
                    since = feed.cursor();
                    continue 'subscribe;
                }
            }
        }
    }
}

/// The newest orders of each territory, as they were seen last.
type Hot = HashMap<String, Vec<(OrderId, u64, OrderStatus)>>;
type Pool = Arc<Mutex<Hot>>;

/// One caller, with one call under way at a time.
struct Hand {
    service: BlockingService,
    blocks: bool,
    name: String,
    calls: u64,
    territories: Vec<String>,
    pool: Pool,
    random: Chance,
}

/// Makes the same call through whichever face the caller has.
macro_rules! through {
    ($hand:expr, $call:expr, $territory:expr, $method:ident($($arg:expr),*)) => {{
        let actor = root().request_id(id($call));
        if $hand.blocks {
            $hand.service.session(actor, id($territory)).$method($($arg),*)
        } else {
            $hand.service.service().session(actor, id($territory)).$method($($arg),*).await
        }
    }};
}

impl Hand {
    /// A blocking call waits inside itself, and needs no runtime, as in a program that has none.
    fn turn(&mut self) {
        let done = pin!(self.call()).poll(&mut Context::from_waker(Waker::noop()));
        assert!(done.is_ready(), "a blocking call came back without an answer");
    }

    fn turn_on(&mut self, handle: &tokio::runtime::Handle) {
        handle.block_on(self.call());
    }

    async fn call(&mut self) {
        self.calls += 1;
        let call = format!("{}.{}", self.name, self.calls);
        let n = self.random.below(self.territories.len() as u64) as usize;
        let territory = self.territories[n].clone();
        let kind = self.random.kind(&KINDS);
        match kind {
            "create" => self.create(&call, &territory).await,
            "list" => self.list(&call, &territory).await,
            "creates" => self.creates(&call, &territory).await,
            "key" => {
                let (key, begun) = (self.create_key(&territory), told::now());
                if let Ok(order) = through!(self, &call, &territory, order_by_key(&id(&key))) {
                    self.saw(&call, begun, &territory, &order);
                }
            }
            _ => match self.some(&territory, if matches!(kind, "moves" | "atomic") { 4 } else { 1 }) {
                picked if picked.is_empty() => self.list(&call, &territory).await,
                picked if kind == "moves" => self.moves(&call, &territory, &picked, BatchMode::Each).await,
                picked if kind == "atomic" => self.moves(&call, &territory, &picked, BatchMode::Atomic).await,
                picked => self.on_one(kind, &call, &territory, picked[0]).await,
            },
        }
    }

    async fn create(&mut self, call: &str, territory: &str) {
        let key = (self.random.below(2) == 0).then(|| self.create_key(territory));
        for retry in 0..RETRIES {
            let call = if retry == 0 { call.to_owned() } else { format!("{call}.r{retry}") };
            say(&told::begin(&call, told::now(), territory, None, &Act::Create { key: key.clone() }));
            let wanted = match &key {
                Some(key) => request().idempotency_key(key),
                None => request(),
            };
            let made = through!(self, &call, territory, create_order(wanted));
            self.settle(&call, territory, &made);
            if key.is_none() || !again(&made) {
                break;
            }
        }
    }

    async fn on_one(&mut self, kind: &str, call: &str, territory: &str, picked: (OrderId, u64, OrderStatus)) {
        let (order, version, status) = picked;
        let expected = (self.random.below(3) == 0).then_some(version);
        match kind {
            "move" => {
                let (act, change) = self.step(order, version, status);
                let is_keyed = matches!(act, Act::Move { key: Some(_), .. });
                for retry in 0..RETRIES {
                    let call = if retry == 0 { call.to_owned() } else { format!("{call}.r{retry}") };
                    say(&told::begin(&call, told::now(), territory, Some(order), &act));
                    let moved = through!(self, &call, territory, update_status(order, change.clone()));
                    self.settle(&call, territory, &moved);
                    if !is_keyed || !again(&moved) {
                        break;
                    }
                }
            }
            "delete" => {
                say(&told::begin(call, told::now(), territory, Some(order), &Act::Delete { expected }));
                let mut reason = DeleteOrder::new("entered in error");
                if let Some(expected) = expected {
                    reason = reason.expected_version(expected);
                }
                let gone = through!(self, call, territory, delete_order(order, reason));
                say(&told::end(call, told::now(), &gone.as_ref()));
                self.lock().entry(territory.to_owned()).or_default().retain(|(one, ..)| *one != order);
            }
            _ => {
                say(&told::begin(call, told::now(), territory, Some(order), &Act::Get));
                let seen = through!(self, call, territory, order(order, None)).map(|order| order.summary);
                self.settle(call, territory, &seen);
            }
        }
    }

    async fn list(&mut self, call: &str, territory: &str) {
        let begun = told::now();
        let page = through!(self, call, territory, orders(&OrderFilter::new(), None, HOT, None));
        let Ok(page) = page else { return };
        for (n, order) in page.orders.iter().enumerate() {
            self.saw(&format!("{call}#{n}"), begun, territory, &order.summary);
        }
        let hot = page.orders.iter().map(|o| (o.summary.id, o.summary.version, o.summary.status)).collect();
        self.lock().insert(territory.to_owned(), hot);
    }

    async fn creates(&mut self, call: &str, territory: &str) {
        let mode = if self.random.below(2) == 0 { BatchMode::Each } else { BatchMode::Atomic };
        let name = |n: usize| format!("{call}#{n}");
        for n in 0..3 {
            say(&told::begin(&name(n), told::now(), territory, None, &Act::Create { key: None }));
        }
        let made = through!(self, call, territory, create_orders(vec![request(); 3], mode));
        self.settle_all(call, territory, 3, &made);
    }

    async fn moves(
        &mut self,
        call: &str,
        territory: &str,
        all: &[(OrderId, u64, OrderStatus)],
        mode: BatchMode,
    ) {
        let mut changes = Vec::new();
        for (n, &(order, version, status)) in all.iter().enumerate() {
            let (mut act, mut change) = self.step(order, version, status);
            // An atomic batch with only some of its keys used is refused as a whole, which says nothing here.
            if let (BatchMode::Atomic, Act::Move { to, key: key @ Some(_), .. }) = (mode, &mut act) {
                *key = None;
                change = medorder_tests::change(*to);
            }
            say(&told::begin(&format!("{call}#{n}"), told::now(), territory, Some(order), &act));
            changes.push((order, change));
        }
        let count = changes.len();
        let moved = through!(self, call, territory, update_statuses(changes, mode));
        self.settle_all(call, territory, count, &moved);
    }

    /// A change of an order seen at `version`: mostly one that it might make.
    fn step(&mut self, order: OrderId, version: u64, status: OrderStatus) -> (Act, StatusChange) {
        use OrderStatus::{Cancelled, Completed, InProgress, PendingVerification, Rejected, Verified};
        let any = [Verified, Rejected, InProgress, Completed, Cancelled][self.random.below(5) as usize];
        let to = match status {
            _ if self.random.below(4) == 0 => any,
            PendingVerification => [Verified, Verified, Verified, Rejected][self.random.below(4) as usize],
            Verified => InProgress,
            InProgress => [Completed, Cancelled][self.random.below(2) as usize],
            _ => any,
        };
        let change = change(to);
        match self.random.below(3) {
            0 => (Act::Move { to, expected: Some(version), key: None }, change.expected_version(version)),
            // The same key in every process: whoever comes second is told what the first one did.
            1 => {
                let key = format!("m-{order}-{}", to.name());
                (Act::Move { to, expected: None, key: Some(key.clone()) }, change.idempotency_key(key))
            }
            _ => (Act::Move { to, expected: None, key: None }, change),
        }
    }

    /// A key that the other processes use at about the same time.
    fn create_key(&mut self, territory: &str) -> String {
        format!("c-{territory}-{}", told::now() / 500_000_000 - self.random.below(2))
    }

    fn saw(&self, call: &str, begun: u64, territory: &str, order: &OrderSummary) {
        say(&told::begin(call, begun, territory, Some(order.id), &Act::Get));
        say(&told::end(call, told::now(), &Ok(order)));
    }

    fn settle(&self, call: &str, territory: &str, answer: &Result<OrderSummary>) {
        say(&told::end(call, told::now(), &answer.as_ref()));
        if let Ok(order) = answer {
            let mut pool = self.lock();
            let hot = pool.entry(territory.to_owned()).or_default();
            hot.retain(|(one, ..)| *one != order.id);
            hot.insert(0, (order.id, order.version, order.status));
            hot.truncate(HOT);
        }
    }

    fn settle_all(&self, call: &str, territory: &str, count: usize, answers: &Result<Vec<BatchItem>>) {
        for n in 0..count {
            let name = format!("{call}#{n}");
            match answers {
                Err(error) => say(&told::end(&name, told::now(), &Err(error))),
                Ok(items) => match &items[n] {
                    BatchItem::Done(order) => self.settle(&name, territory, &Ok(order.clone())),
                    BatchItem::Failed(error) => say(&told::end(&name, told::now(), &Err(error))),
                    _ => say(&told::end_for_another(&name, told::now())),
                },
            }
        }
    }

    /// Up to `count` of the orders that everybody works on, in an order of this caller's own.
    fn some(&mut self, territory: &str, count: usize) -> Vec<(OrderId, u64, OrderStatus)> {
        let mut hot = self.lock().get(territory).cloned().unwrap_or_default();
        let mut picked = Vec::new();
        while picked.len() < count && !hot.is_empty() {
            let n = self.random.below(hot.len() as u64) as usize;
            picked.push(hot.swap_remove(n));
        }
        picked
    }

    fn lock(&self) -> MutexGuard<'_, Hot> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a request under a key is to be made again, after a while.
fn again(answer: &Result<OrderSummary>) -> bool {
    let unsettled =
        |error: &Error| matches!(error.code(), ErrorCode::OutcomeUnknown | ErrorCode::StorageUnavailable);
    let again = answer.as_ref().err().is_some_and(unsettled);
    if again {
        std::thread::sleep(Duration::from_millis(100));
    }
    again
}
