//! What a face costs: create and get through each language beside the Rust API, each in a process of its own on a
//! database of its own, in turn.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use medorder::{CreateOrder, Insurance, OrderId, OrderService, Session, Synchronous, generate_key_file};
use medorder::{KeyFile, access::role};
use tokio::runtime::Builder;
use tokio::task::JoinSet;

/// Programs that `cargo xtask faces --release` leaves, `target/faces/NAME/bench`. Each is given the number of calls and
/// prints lines `NAME MICROSECONDS`.
const FACES: [&str; 4] = ["c", "python", "node", "kotlin"];
/// Callers at once, of the rows that end in ` 64`.
const CALLERS: usize = 64;

/// The rows of one run: microseconds a call.
type Rows = BTreeMap<String, f64>;

/// Prints the table.
pub(crate) fn measure(rounds: usize, count: usize) {
    let mut runs: BTreeMap<&str, Vec<Rows>> = BTreeMap::new();
    for _ in 0..rounds {
        let own = std::env::current_exe().expect("this program");
        runs.entry("rust").or_default().push(run(&own, &["--face-alone", &count.to_string()]));
        for face in FACES {
            let program = folder().join(face).join("bench");
            if program.is_file() {
                runs.entry(face).or_default().push(run(&program, &[&count.to_string()]));
            } else {
                println!("{face} is not built: `cargo xtask faces --release` does that");
            }
        }
    }
    println!("\n| face | row | us a call | Rust | extra us |\n|---|---|---|---|---|");
    for face in FACES {
        let Some(rounds) = runs.get(face) else { continue };
        for row in rounds[0].keys() {
            // Members that are there cost nothing in Rust, and no row of Rust goes through JSON.
            let call = row.strip_suffix(" and read").or(row.strip_suffix(" by call")).unwrap_or(row);
            // A promise has the async API under it, which hops to other threads where the blocking one does not.
            let is_async = face == "node" && !call.ends_with("64");
            let peer = if is_async { format!("{call} async") } else { call.to_owned() };
            let (face_us, rust_us) = (quietest(rounds, row), quietest(&runs["rust"], &peer));
            println!("| {face} | {row} | {face_us:.1} | {rust_us:.1} | **{:.1}** |", face_us - rust_us);
        }
    }
}

/// The Rust API, in the same form.
pub(crate) fn alone(count: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("root.key");
    generate_key_file(&key).expect("a key file");
    let keys = KeyFile::open(&key).expect("a key file");
    let opening =
        OrderService::builder(folder.path().join("orders.db"), keys).synchronous(Synchronous::Normal);
    let runtime = Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    let service = runtime.block_on(opening.open()).expect("the service opens");
    let actor = medorder::Actor::new(id("u-1"), medorder::Purpose::Treatment)
        .roles([role::requester(), role::administrator()])
        .all_territories();
    let blocking = service.blocking();
    let admin = blocking.admin(actor.clone());
    admin.register_territory(&id("north")).expect("a territory");
    admin.register_relationship(&id("north"), &id("p-1"), &id("npi-1")).expect("a relationship");

    let session = blocking.session(actor.clone(), id("north"));
    let mut ids: Vec<OrderId> = Vec::with_capacity(count);
    let create = middle(count, || ids.push(session.create_order(request()).expect("an order").id));
    let mut at = ids.iter().cycle();
    let get = middle(count, || {
        session.order(*at.next().expect("an order"), None).expect("the order");
    });
    println!("create {create}\nget {get}");

    let session = service.session(actor, id("north"));
    // Spawned, as an addon's calls are: whoever waits is woken by another thread.
    let create = middle(count, || {
        let session = session.clone();
        let work = async move { session.create_order(request()).await.map(drop) };
        runtime.block_on(async { runtime.spawn(work).await }).expect("it runs").expect("an order");
    });
    let mut at = ids.iter().cycle();
    let get = middle(count, || {
        let (session, id) = (session.clone(), *at.next().expect("an order"));
        let work = async move { session.order(id, None).await.map(drop) };
        runtime.block_on(async { runtime.spawn(work).await }).expect("it runs").expect("the order");
    });
    println!("create async {create}\nget async {get}");

    let create = together(&runtime, count, &session, |session, _| async move {
        session.create_order(request()).await.expect("an order");
    });
    let ids = Arc::new(ids);
    let get = together(&runtime, count, &session, move |session, n| {
        let id = ids[n % ids.len()];
        async move {
            session.order(id, None).await.expect("the order");
        }
    });
    println!("create 64 {create}\nget 64 {get}");
    blocking.close().expect("it closes");
}

/// The order that every face makes.
fn request() -> CreateOrder {
    CreateOrder::new("p-1", "npi-1", "MRI brain series 001")
        .diagnosis_codes(["G43.01", "G43.11"])
        .notes("claustrophobic, prefers mornings; ".repeat(6)[..200].to_owned())
        .insurance(
            Insurance::new("Prairie Mutual Health Insurance Company", "POL-00010001").group_number("G001"),
        )
}

/// The median microseconds of a call.
fn middle(count: usize, mut call: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..count)
        .map(|_| {
            let started = Instant::now();
            call();
            started.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[count / 2]
}

/// Microseconds a call with 64 callers, by the whole time.
fn together<F: Future<Output = ()> + Send + 'static>(
    runtime: &tokio::runtime::Runtime,
    count: usize,
    session: &Session,
    call: impl Fn(Session, usize) -> F + Send + Sync + 'static,
) -> f64 {
    let call = Arc::new(call);
    runtime.block_on(async {
        let started = Instant::now();
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let (call, session) = (Arc::clone(&call), session.clone());
            callers.spawn(async move {
                for n in (caller..count).step_by(CALLERS) {
                    call(session.clone(), n).await;
                }
            });
        }
        while let Some(caller) = callers.join_next().await {
            caller.expect("a caller");
        }
        started.elapsed().as_secs_f64() * 1e6 / count as f64
    })
}

fn run(program: &Path, arguments: &[&str]) -> Rows {
    let output = Command::new(program).args(arguments).output().expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{}: {text}{}",
        program.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    let row =
        |line: &str| line.rsplit_once(' ').and_then(|(name, us)| Some((name.to_owned(), us.parse().ok()?)));
    text.lines().filter_map(row).collect()
}

/// The least of the rounds' medians: what the disk adds differs by more from round to round than a face costs.
fn quietest(rounds: &[Rows], row: &str) -> f64 {
    rounds.iter().filter_map(|rows| rows.get(row).copied()).fold(f64::INFINITY, f64::min)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/faces")
}

fn id<T: std::str::FromStr<Err = medorder::Error>>(text: &str) -> T {
    text.parse().expect("a good id")
}
