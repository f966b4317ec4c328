//! The database file under other hands: a host that opens it a second time, a copy, a replacement, a fork.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use medorder::service::BlockingService;
use medorder::{ErrorCode, TestKey, Verdict};
use medorder_tests::child::Worker;
use medorder_tests::raw::RawFile;
use medorder_tests::{request, root};

const WORKER: &str = env!("CARGO_BIN_EXE_worker");

/// A database with one territory, open in a process of its own.
struct Scene {
    folder: tempfile::TempDir,
    path: PathBuf,
    service: Worker,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders.db");
        let mut service = Worker::start(WORKER, ["ask"]);
        service.must(&format!("open {} B", path.display()));
        service.must("register north");
        service.must("relate north");
        service.must("create north");
        Self { folder, path, service }
    }

    fn wal(&self) -> PathBuf {
        self.folder.path().join("orders.db-wal")
    }

    /// Another program, which knows nothing of the service, opens the file and closes it.
    fn stranger(&self) {
        let mut stranger = Worker::start(WORKER, ["ask"]);
        stranger.must(&format!("host-open {}", self.path.display()));
        stranger.must("host-close");
        assert!(stranger.finish());
    }

    /// The next change must not be confirmed, and nothing after it happens.
    #[track_caller]
    fn must_notice(&mut self) {
        assert_eq!(self.service.ask("create north"), "err OUTCOME_UNKNOWN");
        assert_eq!(self.service.ask("create north"), "err CLOSED");
        assert_eq!(self.service.ask("verify"), "err CLOSED");
    }
}

/// How many orders there are for whoever opens the file now.
fn orders_after(path: &Path) -> usize {
    let service = BlockingService::open(path, TestKey::new()).unwrap();
    let raw = RawFile::read(path);
    assert_eq!(raw.faults(), [""; 0]);
    assert_eq!(service.admin(root()).verify_audit().unwrap().verdict, Verdict::Intact);
    service.close().unwrap();
    raw.orders.len()
}

#[test]
#[cfg(unix)]
fn locks_that_the_host_dropped_never_cost_a_confirmed_change() {
    let mut scene = Scene::new();
    scene.service.must(&format!("poke {}", scene.path.display()));
    scene.stranger();
    assert!(!scene.wal().exists(), "the stranger took the log away, or this test shows nothing");
    scene.must_notice();
    drop(scene.service);
    assert_eq!(orders_after(&scene.path), 1);
}

#[test]
#[cfg(unix)]
fn locks_that_a_subscriber_lost_show_too() {
    let mut scene = Scene::new();
    scene.service.must("subscribe north now");
    scene.service.must(&format!("poke {}", scene.path.display()));
    scene.stranger();
    // A read leaves an entry, so it does not answer from a file that is gone either.
    let order = RawFile::read(&scene.path).orders.into_keys().next().unwrap();
    assert_eq!(scene.service.ask(&format!("view north {order}")), "err OUTCOME_UNKNOWN");
    assert_eq!(scene.service.ask("next 0"), "err CLOSED");
}

#[test]
#[cfg(unix)]
fn a_subscriber_does_not_wait_for_ever_at_a_file_that_is_gone() {
    let mut scene = Scene::new();
    scene.service.must("subscribe north now");
    assert_eq!(scene.service.must("next 0"), ["none"]);
    scene.service.tell("next 20000");
    fs::remove_file(scene.wal()).unwrap();
    assert_eq!(scene.service.hear().as_deref(), Some("err CLOSED"));
}

#[test]
#[cfg(unix)]
fn a_file_put_in_the_place_of_the_database_is_noticed() {
    let mut scene = Scene::new();
    let copy = scene.folder.path().join("copy.db");
    scene.service.must(&format!("backup {}", copy.display()));
    fs::rename(&copy, &scene.path).unwrap();
    scene.must_notice();
}

#[test]
#[cfg(unix)]
fn a_log_removed_by_hand_is_noticed() {
    let mut scene = Scene::new();
    fs::remove_file(scene.wal()).unwrap();
    scene.must_notice();
}

#[test]
fn without_a_second_open_a_stranger_takes_nothing_away() {
    let mut scene = Scene::new();
    scene.stranger();
    assert!(scene.wal().exists());
    scene.service.must("create north");
    scene.service.must("close");
    assert_eq!(orders_after(&scene.path), 2);
}

#[test]
fn a_backup_keeps_the_locks() {
    let mut scene = Scene::new();
    for n in 0..5 {
        // A connection of the host that uses the same SQLite is harmless as well.
        scene.service.must(&format!("host-open {}", scene.path.display()));
        let copy = scene.folder.path().join(format!("copy-{n}.db"));
        scene.service.must(&format!("backup {}", copy.display()));
        scene.service.must("host-close");
        scene.stranger();
        assert!(scene.wal().exists(), "backup {n} dropped the locks");
        scene.service.must("create north");
        assert_eq!(orders_after(&copy), n + 1);
    }
    let taken = scene.folder.path().join("copy-0.db");
    assert_eq!(scene.service.ask(&format!("backup {}", taken.display())), "err STORAGE_UNAVAILABLE");
    scene.service.must("create north");
    scene.service.must("close");
    assert_eq!(orders_after(&scene.path), 7);
}

#[test]
fn a_backup_under_load_keeps_the_locks_and_is_whole() {
    let mut scene = Scene::new();
    scene.service.must("busy north");
    let mut before = 0;
    for n in 0..6 {
        let copy = scene.folder.path().join(format!("copy-{n}.db"));
        scene.service.must(&format!("backup {}", copy.display()));
        scene.stranger();
        assert!(scene.wal().exists(), "backup {n} dropped the locks");
        let orders = orders_after(&copy);
        assert!(orders >= before, "a later copy has less");
        before = orders;
    }
    let made: usize = scene.service.must("calm")[0].parse().unwrap();
    scene.service.must("close");
    assert!(made >= 6, "there was no load");
    assert_eq!(orders_after(&scene.path), made + 1);
}

#[test]
fn a_second_service_of_the_process_keeps_the_locks() {
    let mut scene = Scene::new();
    scene.service.must("swap");
    scene.service.must(&format!("open {} B", scene.path.display()));
    scene.service.must("create north");
    scene.service.must("close");
    scene.service.must("swap");
    scene.stranger();
    assert!(scene.wal().exists());
    scene.service.must("create north");
    scene.service.must("close");
    assert_eq!(orders_after(&scene.path), 3);
}

/// A caller that blocks polls on its own thread, where nothing can interrupt it.
#[test]
fn a_poll_does_not_wait_for_a_process_that_writes() {
    let scene = Scene::new();
    let service = BlockingService::open(&scene.path, TestKey::new()).unwrap();
    let session = service.service().session(root(), "north".parse().unwrap()).inline();
    let mut context = Context::from_waker(Waker::noop());
    let free = pin!(session.create_order(request())).poll(&mut context);
    assert!(matches!(free, Poll::Ready(Ok(_))), "with the lock free the change commits right there");

    let mut other = Worker::start(WORKER, ["ask"]);
    other.must(&format!("host-open {}", scene.path.display()));
    other.must("host-sql BEGIN IMMEDIATE");
    let mut waits = pin!(session.create_order(request()));
    assert!(waits.as_mut().poll(&mut context).is_pending());
    other.must("host-sql ROLLBACK");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(waits).unwrap();
    assert!(pin!(session.create_order(request())).poll(&mut context).is_ready(), "and so it goes on");
    service.close().unwrap();
    drop((other, scene.service));
    assert_eq!(orders_after(&scene.path), 4);
}

#[test]
#[cfg(unix)]
fn a_refused_open_keeps_the_locks() {
    let mut scene = Scene::new();
    scene.service.must("swap");
    assert_eq!(scene.service.ask(&format!("open {} x", scene.path.display())), "err KEY_MISMATCH");
    scene.service.must("swap");
    scene.stranger();
    assert!(scene.wal().exists());
    scene.service.must("create north");
    scene.service.must("close");
    assert_eq!(orders_after(&scene.path), 2);
}

#[test]
#[cfg(unix)]
fn the_child_of_a_fork_finds_everything_closed() {
    let mut scene = Scene::new();
    scene.service.must("subscribe north start");
    assert_eq!(scene.service.must("fork"), ["0"], "calls that did not answer CLOSED");
    // The child dropped what it had; the parent's locks, log and feed are as before.
    scene.stranger();
    assert!(scene.wal().exists());
    scene.service.must("create north");
    scene.service.must("next 0");
    scene.service.must("next 0");
    assert_eq!(scene.service.must("verify"), ["intact"]);
    scene.service.must("close");
    assert_eq!(orders_after(&scene.path), 2);
}

#[test]
fn what_is_no_database_of_ours_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.db");
    fs::write(&path, b"SQLite format 3, or so it says").unwrap();
    let before = fs::read(&path).unwrap();
    let error = BlockingService::open(&path, TestKey::new()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::SchemaUnsupported);
    assert_eq!(fs::read(&path).unwrap(), before);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let theirs = folder.path().join("theirs.db");
    rusqlite::Connection::open(&theirs).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    let error = BlockingService::open(&theirs, TestKey::new()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::SchemaUnsupported);
}
