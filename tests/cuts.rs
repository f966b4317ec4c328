//! The wire to PostgreSQL is cut at each byte of a call: the call is acknowledged or fails, what is unknown is
//! settled by its key, nothing acknowledged is lost and nothing happens twice.
//!
//! `MEDORDER_CUT_STEP` (83 and more) is the distance between the bytes; a campaign has 1, which cuts at every one.
//! `MEDORDER_SEED` says where the steps start.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::time::{Duration, Instant};

use medorder::service::{BlockingService, BlockingSession};
use medorder::storage::postgres::PostgresOptions;
use medorder::{
    BatchItem, BatchMode, CreateOrder, DeleteOrder, ErrorCode, OrderId, OrderService, OrderStatus, Result,
    TestKey, Verdict,
};
use medorder_tests::postgres::{RUNTIME, Server, Setup};
use medorder_tests::proxy::{Proxy, Way};
use medorder_tests::raw::{RawEntry, RawFile};
use medorder_tests::site::Site;
use medorder_tests::{change, id, request, root};

/// What is called when the wire is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One statement that commits by itself.
    Create,
    Move,
    /// A group of several orders.
    Batch,
    /// A transaction under the head's lock.
    Delete,
    /// Nothing but an entry.
    View,
}

const KINDS: [Kind; 5] = [Kind::Create, Kind::Move, Kind::Batch, Kind::Delete, Kind::View];

/// What became of the calls.
#[derive(Debug, Default)]
struct Tally {
    calls: usize,
    cuts: usize,
    acknowledged: usize,
    failed: usize,
    unknown: usize,
    /// Of unknown outcome, and done.
    landed: usize,
    longest: Duration,
}

/// A service whose wire can be cut.
struct Bench {
    site: Site,
    proxy: Proxy,
    service: BlockingService,
    calls: u64,
    /// What each request must have left: the changes of each of its orders.
    promised: BTreeMap<String, Promise>,
    /// A call of unknown outcome, the same under its key again, and what both together must have left.
    pairs: Vec<(String, String, usize)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Promise {
    Nothing,
    /// So many entries.
    All(usize),
    Either(usize),
}

impl Bench {
    fn new(more: &str, patience: Duration) -> Self {
        let proxy = Proxy::to(Server::shared().port());
        let north = ["north".to_owned()];
        // Nothing else is to be on the wire: no listener, and nobody who waits for events.
        let more = format!("&listen=off{more}");
        let site = Site::postgres(Server::shared(), &north, |database| {
            database.url_at(proxy.port(), RUNTIME, &more)
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut options = PostgresOptions::default();
        options.patience = patience;
        let service = OrderService::builder(&site.url, TestKey::new()).postgres(options);
        let service = runtime.block_on(service.open()).unwrap().blocking();
        Self { site, proxy, service, calls: 0, promised: BTreeMap::new(), pairs: Vec::new() }
    }

    fn session(&self, call: &str) -> BlockingSession {
        self.service.session(root().request_id(id(call)), id("north"))
    }

    fn name(&mut self) -> String {
        self.calls += 1;
        format!("c{}", self.calls)
    }

    /// Cuts after `bytes` more of the next call, and judges what it answers. False if the call was shorter.
    fn cut(&mut self, kind: Kind, way: Way, bytes: u64, tally: &mut Tally) -> bool {
        let (warm, call) = (self.name(), self.name());
        // So that connections and statements are as they are in the middle of a day.
        let order = self.session(&warm).create_order(request()).unwrap().id;
        self.session(&warm).order(order, None).unwrap();
        self.proxy.cut_after(way, bytes);
        let started = Instant::now();
        let answer = self.make(kind, &call, order);
        tally.longest = tally.longest.max(started.elapsed());
        let was_cut = self.proxy.disarm();
        self.proxy.heal();
        tally.calls += 1;
        tally.cuts += usize::from(was_cut);
        let whole = if kind == Kind::Batch { 3 } else { 1 };
        let what = format!("{kind:?} cut {way:?} after {bytes}: {answer:?}");
        match answer.map_err(|error| error.code()) {
            Ok(()) => {
                tally.acknowledged += 1;
                self.promised.insert(call, Promise::All(whole));
            }
            Err(ErrorCode::StorageUnavailable) => {
                tally.failed += 1;
                self.promised.insert(call, Promise::Nothing);
            }
            Err(ErrorCode::OutcomeUnknown) => {
                tally.unknown += 1;
                self.promised.insert(call.clone(), Promise::Either(whole));
                self.settle(kind, &call, order, &what);
            }
            Err(_) => panic!("{what}"),
        }
        was_cut
    }

    /// Makes the call under a key of its own, where it has one.
    fn make(&self, kind: Kind, key: &str, order: OrderId) -> Result<()> {
        let session = self.session(key);
        self.ask(&session, kind, key, order)
    }

    fn ask(&self, session: &BlockingSession, kind: Kind, key: &str, order: OrderId) -> Result<()> {
        match kind {
            Kind::Create => session.create_order(request().idempotency_key(key)).map(drop),
            Kind::Move => {
                session.update_status(order, change(OrderStatus::Verified).idempotency_key(key)).map(drop)
            }
            Kind::Batch => {
                let items: Vec<CreateOrder> =
                    (0..3).map(|n| request().idempotency_key(format!("{key}.{n}"))).collect();
                let made = session.create_orders(items, BatchMode::Atomic)?;
                made.into_iter().try_for_each(|item| match item {
                    BatchItem::Failed(error) => Err(error),
                    _ => Ok(()),
                })
            }
            Kind::Delete => session.delete_order(order, DeleteOrder::new("entered in error")).map(drop),
            Kind::View => session.order(order, None).map(drop),
        }
    }

    /// The same request again under its key, from a second request on: whatever became of the first one, it has
    /// been done once afterwards.
    fn settle(&mut self, kind: Kind, call: &str, order: OrderId, what: &str) {
        let again = self.name();
        let session = self.session(&again);
        match (kind, self.ask(&session, kind, call, order)) {
            (Kind::View, Ok(())) => {}
            (_, Ok(())) => {
                let whole = if kind == Kind::Batch { 3 } else { 1 };
                self.promised.insert(again.clone(), Promise::Either(whole));
                self.pairs.push((call.to_owned(), again, whole));
            }
            (Kind::Delete, Err(error)) if error.code() == ErrorCode::OrderNotFound => {
                // It had landed.
                self.promised.insert(call.to_owned(), Promise::All(1));
            }
            (_, Err(error)) => panic!("{what}: and then {error}"),
        }
    }

    /// Compares everything with the log.
    fn judge(self, tally: &mut Tally, unknown: &[String]) {
        self.service.close().unwrap();
        let raw: RawFile = self.site.raw();
        assert_eq!(raw.faults(), [""; 0]);
        let mut done: HashMap<&str, usize> = HashMap::new();
        for entry in raw.entries.iter().filter(|entry| entry.outcome == "success" && !entry.order.is_nil()) {
            *done.entry(&entry.request).or_default() += 1;
        }
        for (call, promise) in &self.promised {
            let done = done.get(call.as_str()).copied().unwrap_or_default();
            match promise {
                Promise::Nothing => assert_eq!(done, 0, "{call} failed and left something"),
                Promise::All(whole) => assert_eq!(done, *whole, "{call} was acknowledged"),
                Promise::Either(whole) => {
                    assert!([0, *whole].contains(&done), "{call} left {done} of {whole}");
                    tally.landed += usize::from(done > 0 && unknown.contains(call));
                }
            }
        }
        for (call, again, whole) in &self.pairs {
            // The second one may have left a view instead: what it was answered was made by the first.
            let of = |entry: &&RawEntry| entry.is_change() && [call, again].contains(&&entry.request);
            let changes = raw.entries.iter().filter(of).count();
            assert_eq!(changes, *whole, "{call} and then {again}");
        }
        let service = self.site.open();
        assert_eq!(service.admin(root()).verify_audit().unwrap().verdict, Verdict::Intact);
        // Every key has been used once or not at all: no order more than the log says, and each key finds one.
        let session = service.session(root(), id("north"));
        for (call, promise) in &self.promised {
            if let (Promise::All(1), Ok(order)) = (promise, session.order_by_key(&id(call))) {
                assert!(raw.orders.contains_key(&order.id), "{call}");
            }
        }
        service.close().unwrap();
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Cuts every kind of call, both ways, at every so manyth byte.
fn campaign(title: &str, mut bench: Bench, step: u64, stays_dead: bool) {
    let seed = setting("MEDORDER_SEED", 3);
    // First of all, so that it is known however this ends.
    let _ = std::io::stderr().write_all(format!("{title}: MEDORDER_SEED={seed}\n").as_bytes());
    let started = Instant::now();
    let mut tally = Tally::default();
    bench.proxy.stay_dead(stays_dead);
    for kind in KINDS {
        for way in [Way::Up, Way::Down] {
            let mut bytes = seed % step;
            while bench.cut(kind, way, bytes, &mut tally) {
                bytes += step;
            }
        }
    }
    let unknown: Vec<String> = bench
        .promised
        .iter()
        .filter(|(_, p)| matches!(p, Promise::Either(_)))
        .map(|(c, _)| c.clone())
        .collect();
    bench.judge(&mut tally, &unknown);
    let text = format!("{title} (step {step}): {tally:?} in {:.1?}\n", started.elapsed());
    let _ = std::io::stderr().write_all(text.as_bytes());
    assert!(tally.cuts > 30, "{tally:?}");
    if stays_dead {
        assert!(tally.unknown > 0 && tally.failed > 0, "the cuts met no commit: {tally:?}");
    } else {
        assert!(tally.acknowledged > 0, "{tally:?}");
    }
}

#[test]
fn a_call_whose_wire_is_cut_and_mended_is_done_once() {
    campaign(
        "cut and mended",
        Bench::new("", Duration::from_secs(20)),
        setting("MEDORDER_CUT_STEP", 83),
        false,
    );
}

#[test]
fn a_transaction_whose_wire_is_cut_and_mended_is_done_once() {
    let bench = Bench::new("&pooler=transaction", Duration::from_secs(20));
    campaign("cut and mended, in transactions", bench, setting("MEDORDER_CUT_STEP", 211), false);
}

#[test]
fn a_call_whose_wire_stays_cut_is_settled_by_its_key() {
    let bench = Bench::new("", Duration::from_millis(60));
    campaign("cut for good", bench, setting("MEDORDER_CUT_STEP", 211), true);
}

/// The wire stays open and the server works on, but no answer comes: a network that swallows. The call takes as long
/// as an answer is waited for, and then knows what became of it.
#[test]
fn a_call_whose_answer_is_swallowed_is_looked_up() {
    // As long as an answer is waited for, so that the look is the one that there always is.
    for patience in [10, 30] {
        let mut bench = Bench::new("", Duration::from_secs(patience));
        let (warm, call) = (bench.name(), bench.name());
        bench.session(&warm).create_order(request()).unwrap();
        bench.proxy.mute();
        bench.session(&call).create_order(request().idempotency_key(&call)).unwrap();
        bench.promised.insert(call, Promise::All(1));
        bench.judge(&mut Tally::default(), &[]);
    }
}

/// The primary has the commit on its disk, the standby that it must wait for does not exist, and the connection that
/// waited is ended: the look on a new one finds the commit, and may not say so either.
#[test]
fn what_a_standby_has_not_confirmed_is_not_acknowledged() {
    let server = Server::start(&Setup::new());
    let north = ["north".to_owned()];
    let site =
        Site::postgres(&server, &north, |database| database.url_at(database.port, RUNTIME, "&listen=off"));
    let database = site.database();
    let mut options = PostgresOptions::default();
    options.patience = Duration::from_secs(3);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let service = OrderService::builder(&site.url, TestKey::new()).postgres(options);
    let service = runtime.block_on(service.open()).unwrap().blocking();
    let create = |key: &str| {
        let session = service.session(root(), id("north"));
        session.create_order(request().idempotency_key(key)).map_err(|error| error.code())
    };
    create("before").unwrap();
    let set = |value: &str| {
        let _ = database.rows(&format!("ALTER SYSTEM SET synchronous_standby_names = '{value}'"));
        let _ = database.rows("SELECT pg_reload_conf()");
        database.wait_for("SHOW synchronous_standby_names", value);
    };
    set("nobody");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| create("waits"));
        let waits = "wait_event = 'SyncRep'";
        let count = format!("SELECT count(*) FROM pg_stat_activity WHERE usename = '{RUNTIME}' AND {waits}");
        database.wait_for(&count, "1");
        assert_eq!(database.cut(waits), 1);
        assert_eq!(waiting.join().unwrap().map(drop), Err(ErrorCode::OutcomeUnknown));
    });
    set("");
    let made = create("waits").unwrap().id;
    assert_eq!(service.session(root(), id("north")).order_by_key(&id("waits")).unwrap().id, made);
    service.close().unwrap();
    let created = site.raw().entries.iter().filter(|entry| entry.action == "create").count();
    assert_eq!(created, 2, "the key found what the first call had left");
}
