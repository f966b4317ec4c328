//! The floor: what a careful program by hand would do to store the same bytes, and nothing else. No rules, no
//! access checks, no service; one connection that writes, cached statements, one transaction a call or a group.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};

use crate::orders::Shape;
use crate::rows::{self, Head, Said};
use crate::seal::{Keys, Plain, Row, random};
use crate::table::{CALLERS, Clock, Op, Sample, Timer};

/// The most writes of one group, as the library's.
const GROUP: usize = 512;

pub(crate) struct Floor {
    path: PathBuf,
    full: bool,
    conn: Connection,
    head: Head,
    shared: Arc<Shared>,
}

/// What the threads that prepare need.
struct Shared {
    pk: i64,
    keys: Keys,
    shapes: Arc<Vec<Shape>>,
    ids: Arc<Vec<[u8; 16]>>,
    moved: AtomicUsize,
}

/// A write, ready for its group.
enum Job {
    Insert(Row),
    Update(Row),
    View(Box<Plain>),
}

impl Floor {
    pub(crate) fn open(path: &Path, full: bool, shapes: Arc<Vec<Shape>>, ids: Arc<Vec<[u8; 16]>>) -> Self {
        let conn = rows::connect(path, full);
        let head = Head::read(&conn);
        let keys = Keys::read(&conn);
        let shared = Arc::new(Shared { pk: head.pk, keys, shapes, ids, moved: AtomicUsize::new(0) });
        Self { path: path.to_owned(), full, conn, head, shared }
    }

    pub(crate) fn run(&mut self, op: Op, clock: Clock) -> Sample {
        match op {
            Op::Create => self.alone(clock, |shared, _, n| Some(shared.create(n))),
            Op::Create64 => self.crowd(clock, |shared, _, n| Some(shared.create(n))),
            Op::Batch(count) => self.batch(clock, count),
            Op::Get => self.alone(clock, Shared::get),
            Op::Get64 => self.crowd(clock, Shared::get),
            Op::Update => self.alone(clock, |shared, conn, _| shared.update(conn)),
            Op::Update64 => self.crowd(clock, |shared, conn, _| shared.update(conn)),
            Op::List => self.list(clock),
            Op::Verify => self.verify(),
            Op::Rotate => self.rotate(),
        }
    }

    fn alone(
        &mut self,
        clock: Clock,
        prepare: impl Fn(&Shared, &Connection, usize) -> Option<Job>,
    ) -> Sample {
        // One connection reads and writes: the page cache of another one would be emptied by every commit.
        let shared = Arc::clone(&self.shared);
        let mut timer = Timer::start();
        let mut n = 0;
        while timer.goes_on(clock) {
            let Some(job) = prepare(&shared, &self.conn, n) else { break };
            rows::run(&self.conn, "BEGIN IMMEDIATE");
            self.write(&job);
            self.head.commit(&self.conn);
            std::hint::black_box(job);
            timer.lap(1);
            n += 1;
        }
        timer.finish()
    }

    fn batch(&mut self, clock: Clock, count: usize) -> Sample {
        let shared = Arc::clone(&self.shared);
        let mut timer = Timer::start();
        while timer.goes_on(clock) {
            rows::run(&self.conn, "BEGIN IMMEDIATE");
            for n in 0..count {
                let job = shared.create(n);
                self.write(&job);
            }
            self.head.commit(&self.conn);
            timer.lap(count);
        }
        timer.finish()
    }

    fn list(&mut self, clock: Clock) -> Sample {
        let shared = Arc::clone(&self.shared);
        let mut timer = Timer::start();
        while timer.goes_on(clock) {
            let page = rows::newest(&self.conn, shared.pk).into_iter();
            let page: Vec<Job> = page.map(|row| Job::View(Box::new(shared.keys.open(row)))).collect();
            rows::run(&self.conn, "BEGIN IMMEDIATE");
            for job in &page {
                self.write(job);
            }
            self.head.commit(&self.conn);
            std::hint::black_box(page);
            timer.lap(1);
        }
        timer.finish()
    }

    /// The chain, then every row's key, commitment and MAC.
    fn verify(&mut self) -> Sample {
        let shared = Arc::clone(&self.shared);
        let begun = Instant::now();
        let entries = rows::verify_chain(&self.conn, &shared.keys, shared.pk);
        let mut at = Vec::new();
        loop {
            let page = rows::after(&self.conn, shared.pk, &at);
            let Some(last) = page.last() else { break };
            at = last.id.to_vec();
            for row in &page {
                std::hint::black_box(shared.keys.check(row));
            }
        }
        Sample::of(entries, begun.elapsed(), vec![begun.elapsed()])
    }

    /// Every order's key under a new territory key. The last act on its copy: the key row is not stored.
    fn rotate(&mut self) -> Sample {
        let shared = Arc::clone(&self.shared);
        let new = shared.keys.rotated();
        let mut at = Vec::new();
        let mut count = 0;
        let begun = Instant::now();
        loop {
            let page: Vec<([u8; 16], Vec<u8>)> = {
                let mut statement = self
                    .conn
                    .prepare_cached(
                        "SELECT order_id, wrapped FROM orders WHERE territory_pk = ?1 AND order_id > ?2 \
                         AND wrapped IS NOT NULL ORDER BY order_id LIMIT 500",
                    )
                    .expect("a statement");
                let rows = statement.query_map(params![shared.pk, at], |row| Ok((row.get(0)?, row.get(1)?)));
                rows.expect("rows").map(|row| row.expect("a row")).collect()
            };
            let Some((last, _)) = page.last() else { break };
            at = last.to_vec();
            count += page.len();
            rows::run(&self.conn, "BEGIN IMMEDIATE");
            for (id, old) in page {
                let key = shared.keys.unwrap(&id, &old);
                let wrapped = new.wrap(&id, &key, &random::<32>());
                self.conn
                    .prepare_cached(
                        "UPDATE orders SET wrapped = ?3 WHERE territory_pk = ?1 AND order_id = ?2 AND wrapped = ?4",
                    )
                    .and_then(|mut statement| statement.execute(params![shared.pk, id, wrapped, old]))
                    .expect("an update");
            }
            rows::run(&self.conn, "COMMIT");
        }
        Sample::of(count, begun.elapsed(), vec![begun.elapsed()])
    }

    fn write(&mut self, job: &Job) {
        let (conn, shared) = (&self.conn, &self.shared);
        let (row, action, old, new, fields) = match job {
            Job::Insert(row) => (row, "create", "", "pending_verification", row.present()),
            Job::Update(row) => {
                let old = if row.status == "in_progress" { "verified" } else { "in_progress" };
                (row, "update_status", old, row.status.as_str(), 0)
            }
            Job::View(plain) => (&plain.row, "view", "", "", 31),
        };
        match job {
            Job::Insert(row) => rows::insert(conn, shared.pk, row),
            Job::Update(row) => rows::replace(conn, shared.pk, row),
            Job::View(_) => {}
        }
        let (user, role) = match job {
            Job::Update(_) => ("u-fulfiller", "fulfiller"),
            _ => ("u-requester", "requester"),
        };
        let (order, version, mac) = (row.id, row.version, &row.seal[76..]);
        let said = Said { order, action, old, new, version, mac, fields, user, role };
        self.head.say(conn, &shared.keys, &said);
    }

    /// 64 threads prepare; this one writes what is waiting, in groups.
    fn crowd(
        &mut self,
        clock: Clock,
        prepare: impl Fn(&Shared, &Connection, usize) -> Option<Job> + Sync,
    ) -> Sample {
        let readers: Vec<Connection> = (0..CALLERS).map(|_| rows::connect(&self.path, self.full)).collect();
        let (sender, receiver) = channel();
        let shared = Arc::clone(&self.shared);
        let stop = AtomicBool::new(false);
        let (shared, stop, prepare) = (&*shared, &stop, &prepare);
        std::thread::scope(|scope| {
            let begun = Instant::now();
            let callers: Vec<_> = readers
                .into_iter()
                .enumerate()
                .map(|(caller, conn)| {
                    let sender = sender.clone();
                    scope.spawn(move || call(stop, &sender, caller, |n| prepare(shared, &conn, n)))
                })
                .collect();
            drop(sender);
            scope.spawn(move || {
                std::thread::sleep(clock.at_most);
                stop.store(true, Ordering::Relaxed);
            });
            self.write_groups(&receiver);
            let wall = begun.elapsed();
            let laps = callers.into_iter().flat_map(|caller| caller.join().unwrap_or_default());
            let laps: Vec<Duration> = laps.collect();
            Sample::of(laps.len(), wall, laps)
        })
    }

    fn write_groups(&mut self, receiver: &Receiver<(Job, SyncSender<Job>)>) {
        let mut group = Vec::with_capacity(GROUP);
        while let Ok(first) = receiver.recv() {
            group.push(first);
            group.extend(receiver.try_iter().take(GROUP - 1));
            rows::run(&self.conn, "BEGIN IMMEDIATE");
            for (job, _) in &group {
                self.write(job);
            }
            self.head.commit(&self.conn);
            for (job, reply) in group.drain(..) {
                // A caller that stopped does not listen any more.
                let _ = reply.send(job);
            }
        }
    }
}

/// One of the 64: prepares, hands over, waits, until told to stop.
fn call(
    stop: &AtomicBool,
    sender: &Sender<(Job, SyncSender<Job>)>,
    caller: usize,
    prepare: impl Fn(usize) -> Option<Job>,
) -> Vec<Duration> {
    let (reply, answer) = sync_channel(1);
    let mut laps = Vec::new();
    let mut n = caller;
    while !stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let Some(job) = prepare(n) else { break };
        if sender.send((job, reply.clone())).is_err() {
            break;
        }
        let Ok(job) = answer.recv() else { break };
        std::hint::black_box(job);
        laps.push(begun.elapsed());
        n += CALLERS;
    }
    laps
}

impl Shared {
    fn create(&self, n: usize) -> Job {
        Job::Insert(self.keys.create(&self.shapes[n % self.shapes.len()]))
    }

    fn get(&self, conn: &Connection, n: usize) -> Option<Job> {
        let row = rows::order(conn, self.pk, &self.ids[n * 7_919 % self.ids.len()])?;
        Some(Job::View(Box::new(self.keys.open(row))))
    }

    /// The next order of the seed in its next status, `None` when all are done.
    fn update(&self, conn: &Connection) -> Option<Job> {
        let n = self.moved.fetch_add(1, Ordering::Relaxed);
        let status = ["in_progress", "completed"].get(n / self.ids.len())?;
        let mut row = rows::order(conn, self.pk, &self.ids[n % self.ids.len()])?;
        self.keys.restamp(&mut row, status);
        Some(Job::Update(row))
    }
}
