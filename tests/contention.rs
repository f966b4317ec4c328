//! Several writers of PostgreSQL who want the same rows in opposite order, and readers who wait for them.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use medorder::{
    BatchItem, BatchMode, ErrorCode, OrderId, OrderService, OrderStatus, OrderSummary, Result, TestKey,
    Verdict,
};
use medorder_tests::child::Worker;
use medorder_tests::postgres::{RUNTIME, Server};
use medorder_tests::site::Site;
use medorder_tests::{change, id, request, root};

const WORKER: &str = env!("CARGO_BIN_EXE_worker");
const WRITERS: usize = 3;
const TERRITORIES: usize = 5;
const ORDERS: usize = 6;
const ROUNDS: usize = 6;
/// Nobody waits that long but for each other.
const HANGS: Duration = Duration::from_secs(60);

/// What everybody wants to do with every order, in this sequence.
const STEPS: [OrderStatus; 3] = [OrderStatus::Verified, OrderStatus::InProgress, OrderStatus::Completed];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_who_want_everything_in_opposite_order_do_not_wait_for_each_other() {
    let started = Instant::now();
    let territories: Vec<String> = (0..TERRITORIES).map(|n| format!("t{n}")).collect();
    let names = territories.clone();
    let site = tokio::task::spawn_blocking(move || {
        Site::postgres(Server::shared(), &names, |database| database.url(RUNTIME))
    });
    let site = site.await.unwrap();
    let mut services = Vec::new();
    for _ in 0..WRITERS {
        services.push(OrderService::open(&site.url, TestKey::new()).await.unwrap());
    }
    let mut calls = 0;
    for round in 0..ROUNDS {
        let mut orders: BTreeMap<&String, Vec<OrderId>> = BTreeMap::new();
        for territory in &territories {
            let session = services[0].session(root(), id(territory));
            let made = session.create_orders(vec![request(); ORDERS], BatchMode::Atomic).await.unwrap();
            orders.insert(territory, made.iter().filter_map(|item| Some(done(item)?.id)).collect());
        }
        let mut tasks = Vec::new();
        for (n, service) in services.iter().enumerate() {
            // One from the front, one from the back, one from the middle.
            let turn = |list: &mut Vec<OrderId>| match n {
                0 => {}
                1 => list.reverse(),
                _ => list.rotate_left(ORDERS / 2),
            };
            let mut places: Vec<(&String, Vec<OrderId>)> = orders.clone().into_iter().collect();
            if n == 1 {
                places.reverse();
            }
            for (territory, mut list) in places {
                turn(&mut list);
                for step in STEPS {
                    let session = service.session(root(), id(territory));
                    let changes: Vec<_> = list.iter().map(|order| (*order, change(step))).collect();
                    tasks.push(tokio::spawn(async move {
                        session
                            .update_statuses(changes, BatchMode::Atomic)
                            .await
                            .map(|items| won(&items, ORDERS))
                    }));
                }
                for order in list {
                    let session = service.session(root(), id(territory));
                    tasks.push(tokio::spawn(async move { one(session.order(order, None).await) }));
                    let session = service.session(root(), id(territory));
                    let change = change(STEPS[round % STEPS.len()]);
                    tasks.push(tokio::spawn(async move { one(session.update_status(order, change).await) }));
                }
            }
        }
        calls += tasks.len();
        for task in tasks {
            let answer = tokio::time::timeout(HANGS, task).await.expect("no call waits for ever").unwrap();
            if let Err(error) = answer {
                panic!("round {round}: {error}");
            }
        }
        // Nobody stopped half way: what is left of each order is a step that the next batch could have made.
        for (territory, list) in &orders {
            let session = services[round % WRITERS].session(root(), id(territory));
            for order in list {
                let order = session.order(*order, None).await.unwrap();
                assert!(order.summary.version <= 4, "{order:?}");
            }
        }
    }
    for service in &services {
        service.close().await.unwrap();
    }
    let (raw, verdict) = tokio::task::spawn_blocking(move || {
        let service = site.open();
        let verdict = service.admin(root()).verify_audit().unwrap().verdict;
        service.close().unwrap();
        (site.raw(), verdict)
    })
    .await
    .unwrap();
    assert_eq!((raw.faults(), verdict), (Vec::new(), Verdict::Intact));
    let log = Server::shared().log();
    let count = |what: &str| log.lines().filter(|line| line.contains(what)).count();
    let (deadlocks, timeouts) = (count("deadlock detected"), count("due to lock timeout"));
    say(&format!(
        "{WRITERS} writers, {calls} calls, {} entries: {deadlocks} deadlocks, {timeouts} lock timeouts in {:.1?}\n",
        raw.entries.len(),
        started.elapsed()
    ));
    assert_eq!((deadlocks, timeouts), (0, 0));
}

fn done(item: &BatchItem) -> Option<&OrderSummary> {
    match item {
        BatchItem::Done(order) => Some(order),
        _ => None,
    }
}

/// An atomic batch is done as a whole or not at all.
fn won(items: &[BatchItem], whole: usize) {
    let count = items.iter().filter_map(done).count();
    assert!(count == 0 || count == whole, "{count} of {whole} of an atomic batch: {items:?}");
    for item in items {
        if let BatchItem::Failed(error) = item {
            fair(error.code());
        }
    }
}

/// One order's call; that another one was faster is no fault.
fn one<T>(answer: Result<T>) -> Result<()> {
    match answer {
        Ok(_) => Ok(()),
        Err(error)
            if matches!(error.code(), ErrorCode::InvalidStatusTransition | ErrorCode::VersionConflict) =>
        {
            Ok(())
        }
        Err(error) => Err(error),
    }
}

fn fair(code: ErrorCode) {
    assert!(matches!(code, ErrorCode::InvalidStatusTransition | ErrorCode::VersionConflict), "{code:?}");
}

/// How long it takes until a reader hears of another process' change, each time after `before`.
fn heard(url: &str, rounds: usize, mut before: impl FnMut()) -> Vec<Duration> {
    let open = || {
        let mut worker = Worker::start(WORKER, ["ask"]);
        worker.must(&format!("open {url} B"));
        worker
    };
    let (mut reader, mut writer) = (open(), open());
    reader.must("subscribe t0 now");
    writer.must("create t0");
    reader.must("next 20000");
    let mut took: Vec<Duration> = (0..rounds)
        .map(|n| {
            reader.tell("next 20000");
            // At no particular moment of whatever the reader does by itself.
            std::thread::sleep(Duration::from_millis(40 + 37 * n as u64 % 200));
            before();
            let made = writer.must("create t0").swap_remove(0);
            let committed = Instant::now();
            let heard = reader.hear().unwrap();
            assert!(heard.starts_with(&format!("ok {made} 1")), "{heard}, not {made}");
            committed.elapsed()
        })
        .collect();
    took.sort_unstable();
    took
}

fn site(more: &str) -> Site {
    let more = more.to_owned();
    Site::postgres(Server::shared(), &["t0".to_owned()], |database| {
        database.url_at(database.port, RUNTIME, &more)
    })
}

#[test]
fn a_reader_is_told_of_another_process_at_once() {
    let took = heard(&site("").url, 20, || {});
    say(&format!("told by NOTIFY: half of the time within {:?}, always within {:?}\n", took[10], took[19]));
    // By looking it would take half a second on average.
    assert!(took[10] < Duration::from_millis(150), "{took:?}");
    assert!(took[19] < Duration::from_millis(2_500), "{took:?}");
}

#[test]
fn a_reader_without_notify_looks_by_itself() {
    let took = heard(&site("&listen=off").url, 12, || {});
    say(&format!("found by looking: half of the time within {:?}, always within {:?}\n", took[6], took[11]));
    assert!(took[11] < Duration::from_millis(2_500), "{took:?}");
}

#[test]
fn a_reader_whose_listener_was_cut_hears_all_the_same() {
    let site = site("");
    let mut cuts = 0;
    let took = heard(&site.url, 12, || cuts += site.database().cut("query ~* 'listen'"));
    say(&format!("{cuts} listeners cut: half within {:?}, always within {:?}\n", took[6], took[11]));
    assert!(cuts > 0);
    assert!(took[11] < Duration::from_millis(3_500), "{took:?}");
}

fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
