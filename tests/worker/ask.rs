//! One command a line, one answer a line: `ok ...` or `err CODE`.

use std::fs::File;
use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use medorder::service::{BlockingService, BlockingSubscription};
use medorder::{Error, OrderStatus, Result};
use medorder_tests::{change, id, request, root};
use rusqlite::Connection;

use super::{code, root_key, say};

/// What the commands work on.
#[derive(Default)]
struct Desk {
    service: Option<BlockingService>,
    /// A second service in this process, on the same file or another.
    other: Option<BlockingService>,
    feed: Option<BlockingSubscription>,
    /// A thread that makes orders until it is told to stop, and then says how many.
    busy: Option<(Arc<AtomicBool>, JoinHandle<usize>)>,
    /// A connection of the host's own.
    host: Option<Connection>,
}

pub(crate) fn run() {
    let mut desk = Desk::default();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("lines of text");
        let words: Vec<&str> = line.split(' ').collect();
        match desk.answer(&words) {
            Ok(answer) => say(format!("ok {answer}").trim_end()),
            Err(error) => say(&format!("err {}", code(&error))),
        }
    }
}

impl Desk {
    fn answer(&mut self, words: &[&str]) -> Result<String> {
        match *words {
            ["ping"] => Ok(String::new()),
            ["open", path, root] => {
                self.service = Some(BlockingService::open(path, root_key(root))?);
                Ok(String::new())
            }
            ["close"] => self.service().close().map(nothing),
            // The service that was opened first steps back; `swap` again brings it back.
            ["swap"] => {
                std::mem::swap(&mut self.service, &mut self.other);
                Ok(String::new())
            }
            ["subscribe", territory, since] => {
                let since = match since {
                    "now" => None,
                    "start" => Some(""),
                    cursor => Some(cursor),
                };
                self.feed = Some(self.service().session(root(), id(territory)).subscribe(None, since)?);
                Ok(String::new())
            }
            ["next", millis] => {
                let wait = Duration::from_millis(millis.parse().expect("a number"));
                let feed = self.feed.as_mut().expect("a subscription");
                Ok(feed.next_within(wait)?.map_or_else(
                    || "none".into(),
                    |event| format!("{} {} {}", event.order_id, event.version, event.cursor),
                ))
            }
            ["busy", territory] => {
                let stop = Arc::new(AtomicBool::new(false));
                let (stopped, session) = (Arc::clone(&stop), self.service().session(root(), id(territory)));
                let work = move || {
                    let mut made = 0;
                    while !stopped.load(Ordering::Relaxed) {
                        session.create_order(request()).expect("the load goes on");
                        made += 1;
                    }
                    made
                };
                self.busy = Some((stop, std::thread::spawn(work)));
                Ok(String::new())
            }
            ["calm"] => {
                let (stop, thread) = self.busy.take().expect("a load");
                stop.store(true, Ordering::Relaxed);
                Ok(thread.join().expect("no call of the load failed").to_string())
            }
            ["poke", path] => {
                // What a copy of "orders.db*" does: closing drops every lock of this process. Since 3.51 SQLite
                // looks at the locks of `-shm` too before it takes a log away, so both must be touched here;
                // an older SQLite needs the first alone.
                for file in [path.to_owned(), format!("{path}-shm")] {
                    drop(File::open(file).expect("the file is there"));
                }
                Ok(String::new())
            }
            ["host-open", path] => {
                let conn = Connection::open(path).expect("the host opens the file");
                let count: i64 = conn
                    .query_row("SELECT count(*) FROM orders", [], |row| row.get(0))
                    .expect("the host reads the file");
                self.host = Some(conn);
                Ok(count.to_string())
            }
            ["host-sql", ref statement @ ..] => {
                let host = self.host.as_ref().expect("an open connection");
                host.execute_batch(&statement.join(" ")).expect("the statement runs");
                Ok(String::new())
            }
            ["host-close"] => {
                self.host.take().expect("an open connection").close().expect("it closes");
                Ok(String::new())
            }
            #[cfg(unix)]
            ["fork"] => Ok(self.fork()),
            ref other => self.call(other),
        }
    }

    /// Commands that are calls of the service.
    fn call(&self, words: &[&str]) -> Result<String> {
        let service = self.service();
        let session = |territory| service.session(root(), id(territory));
        let admin = service.admin(root());
        match *words {
            ["create", territory] => session(territory)
                .create_order(request())
                .map(|order| format!("{} {}", order.id, order.version)),
            ["move", territory, order, status] => {
                let status = OrderStatus::parse(status).expect("a status");
                let moved = session(territory).update_status(id(order), change(status))?;
                Ok(moved.version.to_string())
            }
            ["view", territory, order] => {
                let seen = session(territory).order(id(order), None)?;
                Ok(seen.summary.version.to_string())
            }
            ["register", territory] => admin.register_territory(&id(territory)).map(nothing),
            ["unregister", territory] => admin.unregister_territory(&id(territory)).map(nothing),
            ["relate", territory] => {
                admin.register_relationship(&id(territory), &id("p-1"), &id("npi-1")).map(nothing)
            }
            ["unrelate", territory] => {
                admin.unregister_relationship(&id(territory), &id("p-1"), &id("npi-1")).map(nothing)
            }
            ["rotate", territory] => {
                let done = admin.rotate_keys(&id(territory), |_| {})?;
                Ok(format!("{} {} {}", done.version, done.rewrapped, done.resumed))
            }
            ["root", name] => admin.change_root(root_key(name), |_| {}).map(nothing),
            ["backup", path] => admin.backup(path).map(nothing),
            // What its cursors and checkpoints are bound to.
            ["generation"] => {
                let note = admin.checkpoint()?.swap_remove(0);
                Ok(note.split('/').nth(1).expect("a note names it").to_owned())
            }
            ["verify"] => admin.verify_audit().map(|report| report.verdict.name().to_owned()),
            ref other => panic!("no such command: {other:?}"),
        }
    }

    fn service(&self) -> &BlockingService {
        self.service.as_ref().expect("an open service")
    }
}

fn nothing(_: ()) -> String {
    String::new()
}

#[cfg(unix)]
impl Desk {
    /// Forks; the child calls everything it inherited, drops it, and says in its exit code how many calls did
    /// not answer `CLOSED`. Answers that number.
    fn fork(&mut self) -> String {
        use medorder::ErrorCode;
        match fork::fork().expect("a fork") {
            fork::Fork::Parent(child) => {
                let status = fork::waitpid(child).expect("the child ends");
                assert!(fork::WIFEXITED(status), "the child was ended by a signal");
                fork::WEXITSTATUS(status).to_string()
            }
            fork::Fork::Child => {
                let service = self.service();
                let order = medorder::OrderId::from_bytes([7; 16]);
                let session = service.session(root(), id("north"));
                let admin = service.admin(root());
                let mut answers: Vec<Option<Error>> = vec![
                    session.create_order(request()).err(),
                    session.order(order, None).err(),
                    session.update_status(order, change(OrderStatus::Verified)).err(),
                    session.subscribe(None, None).err(),
                    session.verify_audit(None).err(),
                    admin.checkpoint().err(),
                    admin.rotate_keys(&id("north"), |_| {}).err(),
                    admin.backup("never").err(),
                    service.close().err(),
                ];
                if let Some(feed) = &mut self.feed {
                    answers.push(feed.next_within(Duration::from_millis(50)).err());
                }
                let closed = |answer: &Option<Error>| {
                    answer.as_ref().is_some_and(|error| error.code() == ErrorCode::Closed)
                };
                let wrong = answers.iter().filter(|answer| !closed(answer)).count();
                // Dropping must neither touch the file nor hang.
                drop((session, admin));
                *self = Self::default();
                std::process::exit(i32::try_from(wrong).unwrap_or(i32::MAX))
            }
        }
    }
}
