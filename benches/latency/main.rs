//! How long after the acknowledgement of a commit its event is in a subscriber's hands: in the same process, and in
//! another one. An event that is there before the acknowledgement counts as 0.

#![expect(clippy::print_stdout, reason = "a program that prints a table")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use medorder::env::{Clock, SystemClock};
use medorder::storage::postgres::PostgresInit;
use medorder::{
    Actor, CreateOrder, Error, OrderService, Purpose, Session, Subscription, TerritoryId, TestKey,
};
use shared::server::{ROLE, Server};
use tokio::runtime::{Builder, Runtime};

const USAGE: &str = "latency [--events N] [--postgres | --postgres-url URL]";
/// How many of the commits that come all at once are under way at a time.
const CALLERS: usize = 64;
const DATABASE: &str = "medorder_bench_latency";

/// When something happened to an order, by its id, in microseconds.
type Times = HashMap<String, i64>;

fn main() {
    let (mut events, mut postgres, mut subscriber) = (400_usize, None, None);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| refuse());
        match word.as_str() {
            "--postgres" => postgres = Some(None),
            "--postgres-url" => postgres = Some(Some(value())),
            "--events" => events = value().parse().unwrap_or_else(|_| refuse()),
            "--subscribe" => subscriber = Some(value()),
            _ => refuse(),
        }
    }
    if let Some(url) = subscriber {
        subscribe(&url, events);
        return;
    }
    println!("| engine | subscriber | commits | p50 us | p99 us | most us |\n|---|---|---|---|---|---|");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("latency.db").display().to_string();
    measure("SQLite", &file, events);
    if let Some(url) = postgres {
        let server = Server::start(url.as_deref());
        server.create(DATABASE, None);
        let builder = OrderService::builder(server.owner(DATABASE), TestKey::new());
        runtime().block_on(builder.init(&PostgresInit::new(ROLE))).expect("the schema");
        measure("PostgreSQL", &server.app(DATABASE), events);
        server.drop(DATABASE);
    }
}

fn refuse() -> ! {
    println!("{USAGE}");
    std::process::exit(2)
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().enable_all().build().expect("a runtime")
}

fn id<T: std::str::FromStr<Err = Error>>(text: &str) -> T {
    text.parse().expect("a good id")
}

fn root() -> Actor {
    Actor::new(id("u-root"), Purpose::Operations)
        .roles(["requester", "administrator"].map(id))
        .all_territories()
}

fn request() -> CreateOrder {
    CreateOrder::new("p-1", "npi-1", "MRI brain").diagnosis_code("G43.9")
}

async fn open(url: &str) -> OrderService {
    OrderService::builder(Path::new(url), TestKey::new()).open().await.expect("the service opens")
}

fn measure(engine: &str, url: &str, events: usize) {
    let runtime = runtime();
    let service = runtime.block_on(open(url));
    let north: TerritoryId = id("north");
    runtime.block_on(async {
        let admin = service.admin(root());
        admin.register_territory(&north).await.expect("the territory");
        admin.register_relationship(&north, &id("p-1"), &id("npi-1")).await.expect("the relationship");
    });
    let session = service.session(root(), north);
    for lone in [true, false] {
        let subscription = runtime.block_on(session.subscribe(None, None)).expect("a subscription");
        let here = runtime.spawn(receive(subscription, events));
        let said = publish(&runtime, &session, events, lone);
        let heard = runtime.block_on(here).expect("the subscriber");
        report(engine, "in process", lone, &said, &heard);

        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--events", &events.to_string(), "--subscribe", url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child process");
        // Held until the child has ended, which ends also when this end of the pipe goes.
        let hold = child.stdin.take();
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let ready = lines.next().expect("a line").expect("a text");
        assert!(ready == "ready", "{ready}");
        let said = publish(&runtime, &session, events, lone);
        let heard = lines
            .map(|line| {
                let line = line.expect("a text");
                let (order, at) = line.split_once(' ').expect("two words");
                (order.to_owned(), at.parse().expect("a time"))
            })
            .collect();
        assert!(child.wait().expect("an end").success(), "the subscriber failed");
        drop(hold);
        report(engine, "another process", lone, &said, &heard);
    }
    runtime.block_on(service.close()).expect("it closes");
}

/// Creates orders, alone with pauses or 64 at a time without; when each was acknowledged.
fn publish(runtime: &Runtime, session: &Session, count: usize, lone: bool) -> Times {
    if lone {
        let one = |n: usize| {
            // Not in step with any period of the engine's.
            std::thread::sleep(Duration::from_micros(4_000 + n as u64 * 7_919 % 25_000));
            runtime.block_on(create(session.clone()))
        };
        return (0..count).map(one).collect();
    }
    let tasks: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (session, share) = (session.clone(), (count + CALLERS - 1 - caller) / CALLERS);
            runtime.spawn(async move {
                let mut times = Vec::new();
                for _ in 0..share {
                    times.push(create(session.clone()).await);
                }
                times
            })
        })
        .collect();
    tasks.into_iter().flat_map(|task| runtime.block_on(task).expect("a caller")).collect()
}

async fn create(session: Session) -> (String, i64) {
    let order = session.create_order(request()).await.expect("an order");
    (order.id.to_string(), SystemClock.now_micros())
}

async fn receive(mut subscription: Subscription, count: usize) -> Times {
    let mut times = Times::new();
    while times.len() < count {
        let event = subscription.next().await.expect("an event");
        times.insert(event.order_id.to_string(), SystemClock.now_micros());
    }
    times
}

/// The other process.
fn subscribe(url: &str, count: usize) {
    std::thread::spawn(|| {
        // Only an end comes.
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(1)
    });
    runtime().block_on(async {
        let service = open(url).await;
        let session = service.session(root(), id("north"));
        let subscription = session.subscribe(None, None).await.expect("a subscription");
        println!("ready");
        for (order, at) in receive(subscription, count).await {
            println!("{order} {at}");
        }
        service.close().await.expect("it closes");
    });
}

fn report(engine: &str, place: &str, lone: bool, said: &Times, heard: &Times) {
    let mut waits: Vec<i64> = said
        .iter()
        .map(|(order, at)| heard.get(order).expect("every event came").saturating_sub(*at).max(0))
        .collect();
    waits.sort_unstable();
    let at = |part: usize| waits[(waits.len() - 1) * part / 100];
    let pace = if lone { "one at a time" } else { "64 at a time" };
    println!("| {engine} | {place} | {pace} | {} | {} | {} |", at(50), at(99), at(100));
}
