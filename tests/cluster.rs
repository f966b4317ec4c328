//! Many processes on one database, at work on the same orders: nothing forks, nothing acknowledged is lost, nothing
//! happens twice, and what everybody was told could have happened one call after the other.
//!
//! `MEDORDER_CLUSTER_SECONDS` says how long each crew works (a campaign: 300), `MEDORDER_SEED` where its choices
//! start.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use medorder::storage::postgres::PostgresOptions;
use medorder::{OrderService, TestKey};
use medorder_tests::child::Worker;
use medorder_tests::crew::{Crew, Plan};
use medorder_tests::pooler::Pooler;
use medorder_tests::postgres::{RUNTIME, Server, Setup};
use medorder_tests::site::Site;
use medorder_tests::verdict::Figures;
use medorder_tests::{id, request, root};

const WORKER: &str = env!("CARGO_BIN_EXE_worker");

/// What a call may say when connections are cut under it.
const CUT: &[&str] = &["STORAGE_UNAVAILABLE"];

/// One crew at a time, so that each has the machine.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn plan(processes: usize, seconds: u64) -> Plan {
    let setting = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    Plan {
        processes,
        followers: 1,
        work: Duration::from_secs(setting("MEDORDER_CLUSTER_SECONDS").unwrap_or(seconds)),
        seed: setting("MEDORDER_SEED").unwrap_or(0x5eed),
        allowed: &[],
    }
}

/// SQLite lets its writers in by chance: on a slow disk one may wait longer than its five seconds.
fn patient(plan: Plan) -> Plan {
    Plan { allowed: CUT, ..plan }
}

fn starved(figures: &Figures) -> usize {
    figures.told_nothing.get("STORAGE_UNAVAILABLE").copied().unwrap_or_default()
}

fn territories(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("t{n}")).collect()
}

#[test]
fn eight_processes_on_one_hot_territory_of_postgres() {
    let (_alone, hot) = (alone(), territories(1));
    let site = Site::postgres(Server::shared(), &hot, |database| database.url(RUNTIME));
    let figures = Crew::start(WORKER, &site, &hot, plan(8, 10)).work("postgres, hot", |_, _| {});
    assert!(figures.changes > 30 && figures.replays > 0, "{figures:?}");
}

#[test]
fn eight_processes_on_sixteen_territories_of_postgres() {
    let (_alone, many) = (alone(), territories(16));
    let site = Site::postgres(Server::shared(), &many, |database| database.url(RUNTIME));
    let figures = Crew::start(WORKER, &site, &many, plan(8, 10)).work("postgres, 16 territories", |_, _| {});
    assert!(figures.changes > 30, "{figures:?}");
}

#[test]
fn four_processes_on_one_hot_territory_of_a_file() {
    let (_alone, hot) = (alone(), territories(1));
    let site = Site::sqlite(&hot);
    let figures = Crew::start(WORKER, &site, &hot, patient(plan(4, 8))).work("sqlite, hot", |_, _| {});
    assert!(figures.changes > 30 && figures.replays > 0, "{figures:?}");
    assert!(starved(&figures) * 100 <= figures.calls, "{figures:?}");
}

#[test]
fn four_processes_on_sixteen_territories_of_a_file() {
    let (_alone, many) = (alone(), territories(16));
    let site = Site::sqlite(&many);
    let figures =
        Crew::start(WORKER, &site, &many, patient(plan(4, 6))).work("sqlite, 16 territories", |_, _| {});
    assert!(figures.changes > 30, "{figures:?}");
    assert!(starved(&figures) * 100 <= figures.calls, "{figures:?}");
}

#[test]
fn without_notify_everything_is_the_same() {
    let (_alone, few) = (alone(), territories(2));
    let site = Site::postgres(Server::shared(), &few, |database| {
        database.url_at(database.port, RUNTIME, "&listen=off")
    });
    let figures = Crew::start(WORKER, &site, &few, plan(4, 6)).work("postgres, listen=off", |_, _| {});
    assert!(figures.events > 30, "{figures:?}");
}

#[test]
fn behind_a_pooler_everything_is_the_same() {
    let (_alone, few) = (alone(), territories(4));
    // Fewer connections than callers, so that transactions of several processes share each.
    let pooler = Pooler::before(Server::shared().port(), 8);
    let site = Site::postgres(Server::shared(), &few, |database| {
        database.url_at(pooler.port(), RUNTIME, "&pooler=transaction")
    });
    let figures = Crew::start(WORKER, &site, &few, plan(6, 8)).work("postgres, pgbouncer", |_, _| {});
    assert!(figures.changes > 30, "{figures:?}");
}

#[test]
fn readers_that_are_killed_or_cut_off_miss_nothing() {
    let (_alone, few) = (alone(), territories(2));
    let site = Site::postgres(Server::shared(), &few, |database| database.url(RUNTIME));
    let mut plan = plan(3, 10);
    (plan.followers, plan.allowed) = (2, CUT);
    let mut random = plan.seed | 1;
    let mut cuts = 0;
    let crew = Crew::start(WORKER, &site, &few, plan);
    let mut next = Duration::from_millis(500);
    let figures = crew.work("postgres, readers killed, LISTEN cut", |crew, gone| {
        if gone < next {
            return;
        }
        let chance = below(&mut random, 100);
        next = gone + Duration::from_millis(100 + below(&mut random, 400));
        match chance {
            0..40 => crew.kill_follower(chance as usize),
            // The connections that listen or notify, or that are about to.
            _ => cuts += site.database().cut("query ~* 'listen|notify' AND random() < 0.7"),
        }
    });
    assert!(cuts > 0, "no listener was found to cut");
    assert!(figures.events > 30, "{figures:?}");
    say(&format!("{cuts} LISTEN and NOTIFY connections cut\n"));
}

#[test]
fn workers_that_are_killed_leave_nothing_by_halves() {
    let (_alone, few) = (alone(), territories(3));
    let site = Site::postgres(Server::shared(), &few, |database| database.url(RUNTIME));
    let mut plan = plan(4, 7);
    plan.allowed = CUT;
    let mut random = plan.seed | 1;
    let mut cuts = 0;
    let crew = Crew::start(WORKER, &site, &few, plan);
    let mut next = Duration::from_millis(500);
    crew.work("postgres, workers killed, connections cut", |crew, gone| {
        if gone < next {
            return;
        }
        let chance = below(&mut random, 100);
        next = gone + Duration::from_millis(100 + below(&mut random, 500));
        match chance {
            0..35 => crew.kill(chance as usize % 4),
            _ => cuts += site.database().cut("random() < 0.3"),
        }
    });
    assert!(cuts > 0, "nothing was cut");
    say(&format!("{cuts} connections of all kinds cut\n"));
}

#[test]
fn a_server_that_loses_power_under_load_loses_nothing_acknowledged() {
    let (_alone, few) = (alone(), territories(3));
    // Not the shared one: the other tests want it to live.
    let setup = Setup::new().setting("recovery_init_sync_method = syncfs");
    let server = Server::start(&setup);
    let site = Site::postgres(&server, &few, |database| database.url(RUNTIME));
    let mut plan = plan(4, 12);
    plan.allowed = CUT;
    let crew = Crew::start(WORKER, &site, &few, plan);
    let mut next = Instant::now() + Duration::from_secs(3);
    let mut crashes = 0;
    let figures = crew.work("postgres, server crashed and started again", |_, _| {
        if Instant::now() >= next {
            server.crash();
            std::thread::sleep(Duration::from_millis(300));
            server.start_again();
            crashes += 1;
            next = Instant::now() + Duration::from_secs(3);
        }
    });
    assert!(crashes >= 2 && figures.changes > 50, "{crashes} crashes, {figures:?}");
    say(&format!("{crashes} crashes of the server\n"));
}

/// Rights are taken away and keys renewed by another process while everybody writes.
fn end_epochs(title: &str, site: &Site, three: &[String], mut plan: Plan) {
    // In the second one, calls come when it is out of service, or too often under an epoch that is over.
    plan.allowed = &["TERRITORY_NOT_FOUND", "STORAGE_UNAVAILABLE"];
    let mut random = plan.seed | 1;
    let service = site.open();
    let admin = service.admin(root());
    let (mut next, mut rotations, mut pauses) = (Duration::from_millis(300), 0, 0);
    let figures = Crew::start(WORKER, site, three, plan).work(title, |_, gone| {
        if gone < next {
            return;
        }
        if (rotations + pauses) % 2 == 0 {
            admin.rotate_keys(&id("t0"), |_| {}).unwrap();
            rotations += 1;
        } else {
            admin.unregister_territory(&id("t1")).unwrap();
            std::thread::sleep(Duration::from_millis(below(&mut random, 60)));
            admin.register_territory(&id("t1")).unwrap();
            pauses += 1;
        }
        next = gone + Duration::from_millis(100 + below(&mut random, 300));
    });
    service.close().unwrap();
    assert!(figures.changes > 50 && rotations > 0 && pauses > 0, "{rotations}, {pauses}, {figures:?}");
    let raw = site.raw();
    let old = raw.orders.values().filter(|order| order.territory == "t0" && order.key.is_some());
    let old = old.filter(|order| order.key != Some(raw.keys["t0"])).count();
    assert_eq!(old, 0, "{title}: orders wrapped under a key that was retired");
    let mut serves = true;
    for entry in raw.entries.iter().filter(|entry| entry.territory == "t1") {
        match &*entry.action {
            "register" => serves = true,
            "unregister" => serves = false,
            action => assert!(serves, "{title}: {action} at {} in a territory out of service", entry.seq),
        }
    }
    say(&format!("{title}: {rotations} rotations, {pauses} times out of service\n"));
}

#[test]
fn an_epoch_that_was_ended_elsewhere_is_over_on_postgres() {
    let (_alone, three) = (alone(), territories(3));
    let site = Site::postgres(Server::shared(), &three, |database| database.url(RUNTIME));
    end_epochs("postgres, epochs ended", &site, &three, plan(4, 8));
}

#[test]
fn an_epoch_that_was_ended_elsewhere_is_over_on_a_file() {
    let (_alone, three) = (alone(), territories(3));
    end_epochs("sqlite, epochs ended", &Site::sqlite(&three), &three, plan(3, 5));
}

fn say(text: &str) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// A number below `bound` (xorshift: repeatable from its seed).
fn below(random: &mut u64, bound: u64) -> u64 {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    *random % bound
}

#[test]
fn the_child_of_a_fork_leaves_the_connections_of_postgres_alone() {
    let north = ["north".to_owned()];
    let site = Site::postgres(Server::shared(), &north, |database| database.url(RUNTIME));
    let mut service = Worker::start(WORKER, ["ask"]);
    service.must(&format!("open {} B", site.url));
    service.must("create north");
    service.must("subscribe north start");
    assert_eq!(service.must("fork"), ["0"], "calls that did not answer CLOSED");
    // The child dropped what it had, and said nothing on the parent's connections.
    service.must("create north");
    service.must("next 0");
    service.must("next 0");
    assert_eq!(service.must("verify"), ["intact"]);
    service.must("close");
    assert_eq!(site.raw().orders.len(), 2);
}

const LISTENERS: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%'";

#[test]
fn behind_a_pooler_a_listener_of_its_own_hears() {
    let north = ["north".to_owned()];
    let pooler = Pooler::before(Server::shared().port(), 4);
    let site = Site::postgres(Server::shared(), &north, |database| {
        database.url_at(pooler.port(), RUNTIME, "&pooler=transaction")
    });
    let database = site.database();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let open = || {
        let mut options = PostgresOptions::default();
        options.listen_url = Some(database.url(RUNTIME));
        let builder = OrderService::builder(&site.url, TestKey::new()).postgres(options);
        runtime.block_on(builder.open()).unwrap().blocking()
    };
    let (here, there) = (open(), open());
    database.wait_for(LISTENERS, "2");
    let mut feed = here.session(root(), id("north")).subscribe(None, None).unwrap();
    let made = there.session(root(), id("north")).create_order(request()).unwrap();
    let heard = feed.next_within(Duration::from_secs(20)).unwrap().expect("an event");
    assert_eq!(heard.order_id, made.id);
    // Both ends are let go of, the listeners too.
    here.close().unwrap();
    there.close().unwrap();
    database.wait_for(LISTENERS, "0");
}
