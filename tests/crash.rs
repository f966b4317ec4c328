//! A process is killed in the middle of its calls, again and again, and nothing it was told is lost.
//!
//! On PostgreSQL the server is killed too, while the process goes on.
//!
//! `MEDORDER_KILLS` (200) says how often on a file, `MEDORDER_SERVER_KILLS` (40) on a server, `MEDORDER_SEED` where
//! the times of the kills start.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use medorder::service::{BlockingService, BlockingSubscription};
use medorder::{AnchorFile, OrderFilter, OrderId, OrderService, TestKey, Verdict};
use medorder_tests::child::Worker;
use medorder_tests::engine::{Engine, made};
use medorder_tests::postgres::{Database, RUNTIME, Server, Setup};
use medorder_tests::raw::{RawEntry, RawFile};
use medorder_tests::{id, root};

const WORKER: &str = env!("CARGO_BIN_EXE_worker");
const KINDS: [&str; 9] =
    ["create", "batch", "move", "moves", "view", "delete", "rotate", "checkpoint", "register"];
/// Kills that share a file, so that damage of one would be found by the next.
const SHARED: u64 = 10;
/// What a call may be told if another one was faster, or if a root moves where there is nowhere to go.
const FAIR: [&str; 3] = ["ORDER_NOT_FOUND", "INVALID_STATUS_TRANSITION", "VERSION_CONFLICT"];
/// How often the server is killed.
const CRASHES: u64 = 5;
/// Within this time the process works again: a commit goes on trying for 30 seconds.
const BACK: Duration = Duration::from_secs(40);

#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    kill_again_and_again(Engine::Sqlite, setting("MEDORDER_KILLS", 200));
}

#[test]
fn nothing_acknowledged_is_lost_by_a_kill_beside_a_server() {
    kill_again_and_again(Engine::Postgres, setting("MEDORDER_SERVER_KILLS", 40));
}

fn kill_again_and_again(engine: Engine, kills: u64) {
    let mut chance = Chance::new();
    let started = Instant::now();
    let mut report = Report::default();
    let mut home = Home::on(engine);
    for n in 0..kills {
        if n > 0 && n % SHARED == 0 {
            home = Home::on(engine);
        }
        let (mut worker, heard) = home.start(n);
        std::thread::sleep(chance.between(10, 250));
        worker.kill();
        home.end(n, heard, &mut report);
        home.judge(n, &mut report);
    }
    report.print(&format!("{kills} kills on {engine:?}"), started.elapsed());
    assert!(report.hits * 2 >= kills, "only {} of {kills} kills hit a call in flight", report.hits);
}

/// The server is killed under the load and comes back; the process goes on with it by itself.
#[test]
fn nothing_acknowledged_is_lost_by_a_crash_of_the_server() {
    let mut chance = Chance::new();
    let started = Instant::now();
    let mut report = Report { crashes: true, ..Report::default() };
    let server = Server::start(&Setup::new());
    let database = server.database();
    runtime().block_on(made(&database));
    let mut home = Home::at(database.url(RUNTIME).into());
    for n in 0..CRASHES {
        let (mut worker, heard) = home.start(n);
        std::thread::sleep(chance.between(100, 400));
        server.crash();
        std::thread::sleep(chance.between(0, 300));
        server.start_again();
        let head = "SELECT sum(seq) FROM medorder.territories";
        let before: u64 = database.cell(head).parse().unwrap();
        let back = Instant::now();
        while database.cell(head).parse::<u64>().unwrap() <= before + 20 {
            assert!(back.elapsed() < BACK, "the process does not come back");
            std::thread::sleep(Duration::from_millis(50));
        }
        report.slowest = report.slowest.max(back.elapsed());
        std::thread::sleep(chance.between(0, 200));
        worker.kill();
        home.end(n, heard, &mut report);
        home.judge(n, &mut report);
    }
    report.print(&format!("{CRASHES} crashes of the server"), started.elapsed());
    // Six callers were at work at each crash, and at each kill.
    assert!(report.cut > 0 && report.hits == CRASHES, "{} calls were cut by a crash", report.cut);
}

#[test]
fn a_kill_during_the_first_open_leaves_a_file_that_opens() {
    for n in 0..20_u64 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders.db");
        let mut worker = Worker::start(WORKER, ["ask"]);
        worker.must("ping");
        worker.tell(&format!("open {} a", path.display()));
        std::thread::sleep(Duration::from_micros(n * 700));
        worker.kill();
        let service = BlockingService::open(&path, TestKey::with_root([b'a'; 32])).unwrap();
        service.admin(root()).register_territory(&id("north")).unwrap();
        assert_eq!(service.admin(root()).verify_audit().unwrap().verdict, Verdict::Intact);
        service.close().unwrap();
    }
}

/// A database, its anchor, and everything that was said about it.
struct Home {
    _folder: tempfile::TempDir,
    path: PathBuf,
    anchor: PathBuf,
    calls: BTreeMap<String, Call>,
}

/// A call that was announced.
struct Call {
    kind: String,
    /// How many entries it leaves if it happens.
    whole: usize,
    end: End,
}

enum End {
    /// The kill came first.
    Open,
    /// It was confirmed, with these orders and their versions and statuses.
    Ack(Vec<(OrderId, u64, String)>),
    Failed,
}

impl Home {
    fn on(engine: Engine) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = runtime().block_on(engine.place(folder.path()));
        Self::furnished(folder, path)
    }

    fn at(path: PathBuf) -> Self {
        Self::furnished(tempfile::tempdir().unwrap(), path)
    }

    fn furnished(folder: tempfile::TempDir, path: PathBuf) -> Self {
        let anchor = folder.path().join("anchor");
        let home = Self { _folder: folder, path, anchor, calls: BTreeMap::new() };
        let service = home.open();
        let admin = service.admin(root());
        for territory in ["north", "south"] {
            admin.register_territory(&id(territory)).unwrap();
            admin.register_relationship(&id(territory), &id("p-1"), &id("npi-1")).unwrap();
        }
        admin.checkpoint().unwrap();
        service.close().unwrap();
        home
    }

    fn open(&self) -> BlockingService {
        let builder = OrderService::builder(&self.path, TestKey::new());
        let anchor = AnchorFile::open(&self.anchor).unwrap();
        runtime().block_on(builder.anchor(anchor).open()).unwrap().blocking()
    }

    /// Starts the load; it works once this answers.
    fn start(&self, n: u64) -> (Worker, JoinHandle<Vec<String>>) {
        let favourite = KINDS[(n % KINDS.len() as u64) as usize];
        let (db, anchor) = (self.path.display().to_string(), self.anchor.display().to_string());
        let mut worker = Worker::start(WORKER, ["load", &db, &anchor, &format!("r{n}"), favourite]);
        assert_eq!(worker.hear().as_deref(), Some("ready"));
        let heard = worker.listen();
        (worker, heard)
    }

    /// Notes what the killed load said.
    fn end(&mut self, n: u64, heard: JoinHandle<Vec<String>>, report: &mut Report) {
        let name = format!("r{n}");
        for line in heard.join().unwrap() {
            self.note(&line, report);
        }
        if let Some(database) = self.path.to_str().and_then(Database::of) {
            // What a process has sent, the server does, whether the process lives or not.
            let sessions = format!(
                "SELECT count(*) FROM pg_stat_activity WHERE usename = '{RUNTIME}' \
                 AND datname = current_database()"
            );
            database.wait_for(&sessions, "0");
        }
        let calls: Vec<&Call> = self
            .calls
            .iter()
            .filter(|(call, _)| call.starts_with(&format!("{name}w")))
            .map(|(_, c)| c)
            .collect();
        let open: Vec<&&Call> = calls.iter().filter(|call| matches!(call.end, End::Open)).collect();
        report.calls += calls.len();
        report.acks += calls.iter().filter(|call| matches!(call.end, End::Ack(_))).count();
        report.hits += u64::from(!open.is_empty());
        for call in open {
            *report.open.entry(call.kind.clone()).or_default() += 1;
        }
    }

    fn note(&mut self, line: &str, report: &mut Report) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["begin", call, kind, whole] => {
                let call = (*call).to_owned();
                let begun = Call { kind: (*kind).to_owned(), whole: whole.parse().unwrap(), end: End::Open };
                assert!(self.calls.insert(call, begun).is_none(), "{line}");
            }
            ["ack", call, orders @ ..] => {
                let orders = orders.iter().map(|order| {
                    let parts: Vec<&str> = order.split(':').collect();
                    (id(parts[0]), parts[1].parse().unwrap(), parts[2].to_owned())
                });
                self.calls.get_mut(*call).expect(line).end = End::Ack(orders.collect());
            }
            // Cut by a crash of the server.
            ["fail", call, code @ ("STORAGE_UNAVAILABLE" | "OUTCOME_UNKNOWN")] if report.crashes => {
                report.cut += 1;
                let call = self.calls.get_mut(*call).expect(line);
                // The one says that nothing happened, but for acts of several steps, whose entry is the first
                // of them; the other leaves it open.
                let steps = matches!(&*call.kind, "checkpoint" | "rotate");
                if *code == "STORAGE_UNAVAILABLE" && !steps {
                    call.end = End::Failed;
                }
            }
            ["fail", call, code] => {
                assert!(FAIR.contains(code), "{line}");
                self.calls.get_mut(*call).expect(line).end = End::Failed;
            }
            _ => panic!("the worker said {line:?}"),
        }
    }

    /// Opens the database after a kill and compares rows, log and feed with what was said.
    fn judge(&mut self, n: u64, report: &mut Report) {
        let service = self.open();
        let raw = RawFile::read(&self.path);
        assert_eq!(raw.faults(), [""; 0], "after kill {n}");
        let mut by_request: HashMap<&str, Vec<&RawEntry>> = HashMap::new();
        for entry in raw.entries.iter().filter(|entry| entry.outcome == "success") {
            by_request.entry(&entry.request).or_default().push(entry);
        }
        for (name, call) in &self.calls {
            let told = by_request.get(name.as_str()).map_or(&[][..], Vec::as_slice);
            let what = format!("kill {n}, {} {name}", call.kind);
            match &call.end {
                End::Open => assert!([0, call.whole].contains(&told.len()), "half of {what}"),
                End::Failed => assert_eq!(told.len(), 0, "{what} failed and left something"),
                End::Ack(orders) => {
                    assert_eq!(told.len(), call.whole, "{what} was lost");
                    check_ack(&what, &call.kind, orders, told, &raw);
                    if call.kind == "register" {
                        assert!(raw.patients.contains(&format!("p-{name}")), "{what} was lost");
                    }
                }
            }
            report.landed += usize::from(matches!(call.end, End::Open) && !told.is_empty());
        }
        for territory in ["north", "south"] {
            self.check_feed(&service, territory, &raw);
        }
        let verdict = service.admin(root()).verify_audit().unwrap();
        assert_eq!(
            (verdict.verdict, verdict.anchored),
            (Verdict::Intact, true),
            "after kill {n}: {verdict:?}"
        );
        for territory in ["north", "south"] {
            self.check_rotation(&service, territory, &raw, report);
            open_all(&service, territory, &raw);
        }
        // What landed without an answer is settled now; the next kills are judged by it.
        let landed: BTreeSet<String> =
            by_request.keys().filter(|name| !name.is_empty()).map(|&name| name.to_owned()).collect();
        for (name, call) in &mut self.calls {
            if matches!(call.end, End::Open) {
                call.end = if landed.contains(name) { End::Ack(Vec::new()) } else { End::Failed };
            }
        }
        service.close().unwrap();
    }

    fn check_feed(&self, service: &BlockingService, territory: &str, raw: &RawFile) {
        let changes: Vec<_> =
            raw.entries.iter().filter(|entry| entry.territory == territory && entry.is_change()).collect();
        let mut feed = service.session(root(), id(territory)).subscribe(None, Some("")).unwrap();
        for entry in changes {
            let event = next(&mut feed).expect("an event of each change");
            let status = event.new_status.name().to_owned();
            assert_eq!(
                (event.order_id, event.version, status),
                (entry.order, entry.version, entry.new_status.clone())
            );
        }
        assert!(next(&mut feed).is_none(), "an event without a change");
    }

    /// A rotation that was cut is finished by the next one, which then makes no new key.
    fn check_rotation(&self, service: &BlockingService, territory: &str, raw: &RawFile, report: &mut Report) {
        let newest = raw.keys[territory];
        let behind = raw
            .orders
            .values()
            .filter(|order| order.territory == territory && order.key.is_some_and(|key| key != newest))
            .count() as u64;
        if behind == 0 {
            return;
        }
        report.resumed += 1;
        let done = service.admin(root()).rotate_keys(&id(territory), |_| {}).unwrap();
        assert_eq!((done.version, done.rewrapped, done.resumed), (newest, behind, true));
    }
}

fn next(feed: &mut BlockingSubscription) -> Option<medorder::OrderEvent> {
    feed.next_within(Duration::ZERO).unwrap()
}

/// An acknowledged call's orders are in the log with the versions it was told, and the rows are not older.
fn check_ack(what: &str, kind: &str, orders: &[(OrderId, u64, String)], told: &[&RawEntry], raw: &RawFile) {
    for (order, version, status) in orders {
        let entry = told.iter().find(|entry| entry.order == *order && entry.version == *version);
        let entry = entry.unwrap_or_else(|| panic!("{what}: version {version} of {order} was lost"));
        let row = &raw.orders[order];
        assert!(row.version >= *version, "{what}: {order} went back to {}", row.version);
        match kind {
            "delete" => assert!(row.bare && row.version == *version, "{what}: {order} came back"),
            "view" => assert_eq!(entry.action, "view", "{what}"),
            _ => assert!(entry.is_change() && entry.new_status == *status, "{what}"),
        }
    }
}

/// Every order that was not deleted still opens, and no other is listed.
fn open_all(service: &BlockingService, territory: &str, raw: &RawFile) {
    let session = service.session(root(), id(territory));
    let (mut cursor, mut open) = (None, BTreeSet::new());
    loop {
        let page = session.orders(&OrderFilter::new(), cursor.as_deref(), 500, None).unwrap();
        for order in &page.orders {
            assert!(order.service_type.is_some());
            open.insert(order.summary.id.to_string());
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let here = raw.orders.iter().filter(|(_, order)| order.territory == territory && !order.bare);
    assert_eq!(open, here.map(|(order, _)| order.to_string()).collect());
}

#[derive(Default)]
struct Report {
    hits: u64,
    /// Whether the server is killed too, and how many calls were told so.
    crashes: bool,
    cut: usize,
    /// How long it took at most until the process worked again.
    slowest: Duration,
    calls: usize,
    acks: usize,
    /// Calls in flight when the kill came, by kind.
    open: BTreeMap<String, usize>,
    /// Of those, how many turned out to be done.
    landed: usize,
    /// Rotations that were cut and finished.
    resumed: usize,
}

impl Report {
    /// Past the test harness, which shows nothing of a test that passes.
    fn print(&self, what: &str, took: Duration) {
        let in_flight: usize = self.open.values().sum();
        let text = format!(
            "{what} in {took:.0?}, {} kills with calls in flight ({in_flight} calls: {:?}; {} of these \
             had landed), {} calls begun, {} acknowledged, {} cut by the server, \
             which was missed for {:.1?} at most, {} cut rotations finished\n",
            self.hits, self.open, self.landed, self.calls, self.acks, self.cut, self.slowest, self.resumed
        );
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// Times that are the same for the same seed (xorshift).
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        Self(setting("MEDORDER_SEED", 0x5eed) | 1)
    }

    /// So many milliseconds, or some microseconds more.
    fn between(&mut self, least: u64, most: u64) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_micros(least * 1_000 + self.0 % ((most - least) * 1_000))
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}
