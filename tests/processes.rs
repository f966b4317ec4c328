//! Several processes, and several services of one process, on one file.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use medorder::service::BlockingService;
use medorder::{ErrorCode, OrderFilter, TestKey, Verdict};
use medorder_tests::child::Worker;
use medorder_tests::raw::RawFile;
use medorder_tests::{id, request, root};

const WORKER: &str = env!("CARGO_BIN_EXE_worker");
const PROCESSES: usize = 4;

/// A database with its territories, closed again.
struct Place {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new(territories: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders.db");
        let service = BlockingService::open(&path, TestKey::new()).unwrap();
        let admin = service.admin(root());
        for territory in territories {
            admin.register_territory(&id(territory)).unwrap();
            admin.register_relationship(&id(territory), &id("p-1"), &id("npi-1")).unwrap();
        }
        service.close().unwrap();
        Self { _folder: folder, path }
    }

    /// A process that has the file open.
    fn worker(&self) -> Worker {
        opened(&self.path, "B")
    }
}

fn opened(path: &Path, root: &str) -> Worker {
    let mut worker = Worker::start(WORKER, ["ask"]);
    worker.must(&format!("open {} {root}", path.display()));
    worker
}

/// Writers of several processes at once: nothing forks, nothing is lost, and everybody sees the same.
fn hammer(processes: usize, rounds: usize, territories: &[&str]) {
    let place = Place::new(territories);
    let db = place.path.display().to_string();
    let mut workers: Vec<Worker> = (0..processes)
        .map(|n| {
            let (name, rounds) = (format!("w{n}"), rounds.to_string());
            let fixed = ["hammer", &db, &name, &rounds];
            Worker::start(WORKER, fixed.into_iter().chain(territories.iter().copied()))
        })
        .collect();
    for worker in &mut workers {
        assert_eq!(worker.hear().as_deref(), Some("ready"));
    }
    workers.iter_mut().for_each(|worker| worker.tell("go"));
    let mut acked = BTreeSet::new();
    for worker in &mut workers {
        let mut writing = 2 * territories.len();
        while writing > 0 {
            let line = worker.hear().expect("the worker lives");
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["ack", territory, order, version] => {
                    let change = ((*territory).to_owned(), (*order).to_owned(), (*version).to_owned());
                    assert!(acked.insert(change), "{line}: acknowledged twice");
                }
                ["done"] => writing -= 1,
                _ => panic!("the worker said {line:?}"),
            }
        }
    }
    assert_eq!(acked.len(), processes * 2 * territories.len() * rounds * 2, "every call was acknowledged");
    let mut seen = Vec::new();
    for worker in &mut workers {
        worker.tell(&acked.len().to_string());
        let mut events: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in worker.rest() {
            if line == "closed" {
                continue;
            }
            let event = line.strip_prefix("event ").unwrap_or_else(|| panic!("the worker said {line:?}"));
            let (territory, event) = event.split_once(' ').unwrap();
            events.entry(territory.to_owned()).or_default().push(event.to_owned());
        }
        assert!(worker.finish());
        seen.push(events);
    }
    assert!(seen.iter().all(|events| *events == seen[0]), "the processes saw different feeds");

    let service = BlockingService::open(&place.path, TestKey::new()).unwrap();
    let raw = RawFile::read(&place.path);
    assert_eq!(raw.faults(), [""; 0]);
    let changes = raw.entries.iter().filter(|entry| entry.is_change());
    let stored: Vec<_> = changes
        .map(|entry| (entry.territory.clone(), entry.order.to_string(), entry.version.to_string()))
        .collect();
    assert_eq!(stored.iter().cloned().collect::<BTreeSet<_>>(), acked);
    for (territory, events) in &seen[0] {
        let told: Vec<_> = events.iter().map(|event| event.rsplit_once(' ').unwrap().0.to_owned()).collect();
        let here = stored.iter().filter(|(place, ..)| place == territory);
        let log: Vec<_> = here.map(|(_, order, version)| format!("{order} {version}")).collect();
        assert_eq!(told, log, "the feed is the log");
    }
    assert_eq!(service.admin(root()).verify_audit().unwrap().verdict, Verdict::Intact);
    service.close().unwrap();
}

#[test]
fn processes_take_turns_in_one_hot_territory() {
    hammer(8, 40, &["hot"]);
}

#[test]
fn processes_take_turns_over_several_territories() {
    hammer(PROCESSES, 12, &["north", "south", "east"]);
}

#[test]
fn a_subscriber_hears_of_another_process() {
    let place = Place::new(&["north"]);
    let (mut a, mut b) = (place.worker(), place.worker());
    a.must("subscribe north now");
    assert_eq!(a.must("next 0"), ["none"]);
    a.tell("next 20000");
    let made = b.must("create north");
    let heard = a.hear().unwrap();
    assert!(heard.starts_with(&format!("ok {} {}", made[0], made[1])), "{heard}");
    // The same through the cursor, in the other process.
    let cursor = heard.rsplit_once(' ').unwrap().1;
    b.must(&format!("subscribe north {cursor}"));
    assert_eq!(b.must("next 0"), ["none"]);
    a.must(&format!("move north {} verified", made[0]));
    assert_eq!(b.must("next 20000")[..2], [made[0].clone(), "2".to_owned()]);
}

#[test]
fn a_right_taken_away_elsewhere_is_gone_here() {
    let place = Place::new(&["north", "south"]);
    let (mut a, mut b) = (place.worker(), place.worker());
    let order = a.must("create north").swap_remove(0);
    a.must("create south");
    a.must("subscribe south now");

    b.must("unrelate north");
    assert_eq!(a.ask("create north"), "err PATIENT_PROVIDER_MISMATCH");
    b.must("relate north");
    a.must("create north");

    b.must("unregister south");
    assert_eq!(a.ask("create south"), "err TERRITORY_NOT_FOUND");
    assert_eq!(a.ask("next 20000"), "err TERRITORY_NOT_FOUND");
    b.must("register south");
    a.must("create south");

    assert_eq!(b.must("rotate north"), ["2", "2", "false"]);
    a.must(&format!("view north {order}"));
    let second = a.must("create north").swap_remove(0);
    let raw = RawFile::read(&place.path);
    assert_eq!(raw.orders[&id(&second)].key, Some(2), "nobody wraps under a key that was retired");
    assert_eq!(raw.orders[&id(&order)].key, Some(2));
    assert_eq!(a.must("verify"), ["intact"]);
}

#[test]
fn a_rotation_that_was_done_elsewhere_is_not_taken_for_an_unfinished_one() {
    let place = Place::new(&["north"]);
    let (mut a, mut b) = (place.worker(), place.worker());
    a.must("create north");
    a.must("create north");
    assert_eq!(b.must("rotate north"), ["2", "2", "false"]);
    // A still remembers the first key.
    assert_eq!(a.must("rotate north"), ["3", "2", "false"]);
    assert_eq!(b.must("rotate north"), ["4", "2", "false"]);
}

#[test]
fn a_root_changed_elsewhere_ends_the_work_here() {
    let place = Place::new(&["north"]);
    let (mut a, mut b) = (place.worker(), place.worker());
    let order = a.must("create north").swap_remove(0);
    b.must("root n");
    assert_eq!(a.ask("create north"), "err KEY_MISMATCH");
    assert_eq!(a.ask(&format!("view north {order}")), "err KEY_MISMATCH");
    assert_eq!(a.ask("register east"), "err KEY_MISMATCH");
    b.must(&format!("view north {order}"));
    let mut c = opened(&place.path, "n");
    c.must(&format!("move north {order} verified"));
    let mut late = Worker::start(WORKER, ["ask"]);
    assert_eq!(late.ask(&format!("open {} B", place.path.display())), "err KEY_MISMATCH");
    assert_eq!(c.must("verify"), ["intact"]);
}

#[test]
fn a_missing_file_opened_by_all_at_once_becomes_one_database() {
    for round in 0..60 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders.db");
        let mut workers: Vec<Worker> = (0..PROCESSES).map(|_| Worker::start(WORKER, ["ask"])).collect();
        workers.iter_mut().for_each(|worker| drop(worker.must("ping")));
        workers.iter_mut().for_each(|worker| worker.tell(&format!("open {} B", path.display())));
        let answers: Vec<_> = workers.iter_mut().map(|worker| worker.hear().unwrap()).collect();
        assert_eq!(answers, ["ok"; PROCESSES], "round {round}");
        let generations: BTreeSet<_> =
            workers.iter_mut().map(|worker| worker.must("generation").swap_remove(0)).collect();
        assert_eq!(generations.len(), 1);
        workers[0].must("register north");
        workers[1].must("relate north");
        let order = workers[2].must("create north").swap_remove(0);
        workers[3].must(&format!("view north {order}"));
        assert_eq!(workers[3].must("verify"), ["intact"]);
    }
}

#[test]
fn a_missing_file_opened_by_threads_at_once_becomes_one_database() {
    for _ in 0..60 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders.db");
        let opened: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..PROCESSES)
                .map(|_| scope.spawn(|| BlockingService::open(&path, TestKey::new())))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap().unwrap()).collect()
        });
        opened[0].admin(root()).register_territory(&id("north")).unwrap();
        for service in &opened {
            service.admin(root()).register_relationship(&id("north"), &id("p-1"), &id("npi-1")).unwrap();
        }
        opened.iter().for_each(|service| service.close().unwrap());
    }
}

#[test]
fn two_services_of_one_process_share_a_file() {
    let place = Place::new(&["north"]);
    let one = BlockingService::open(&place.path, TestKey::new()).unwrap();
    let two = BlockingService::open(&place.path, TestKey::new()).unwrap();
    let session = |service: &BlockingService| service.session(root(), id("north"));
    let order = session(&one).create_order(request()).unwrap();
    assert!(session(&two).order(order.id, None).unwrap().service_type.is_some());
    std::thread::scope(|scope| {
        for service in [&one, &two] {
            let session = session(service);
            scope.spawn(move || {
                for _ in 0..30 {
                    session.create_order(request()).unwrap();
                }
            });
        }
    });
    one.close().unwrap();
    assert_eq!(session(&one).order(order.id, None).unwrap_err().code(), ErrorCode::Closed);
    let last = session(&two).create_order(request()).unwrap();
    let page = session(&two).orders(&OrderFilter::new(), None, 500, None).unwrap();
    assert_eq!((page.orders.len(), page.orders[0].summary.id), (62, last.id));
    two.close().unwrap();
    assert_eq!(RawFile::read(&place.path).faults(), [""; 0]);
}
