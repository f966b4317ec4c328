//! The floor on PostgreSQL: the runtime role's connections, one writer. A lone caller drives its connection itself;
//! 64 callers are tasks on two threads, read over a small pool and hand their writes to one task that commits what is
//! waiting as one statement.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions};
use sqlx::{Connection, Executor, Postgres, Row as _};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};

use super::statements::{self, Job, Sql};
use crate::orders::Shape;
use crate::rows::Head;
use crate::seal::{Keys, TERRITORY, random};
use crate::table::{CALLERS, Clock, Op, Sample, Timer};

/// The most writes of one group, as the library's.
const GROUP: usize = 512;
/// The most rows of one statement of a batch: larger ones were no faster.
const CHUNK: usize = 1_000;
/// Connections that read for 64 callers. More than the cores can serve only adds switches.
const READERS: u32 = 8;

/// What a connection says first: the territories it may see, and that a plan is good for all values.
const NAMED: &str = "SELECT set_config('medorder.t', 'north', false), set_config('plan_cache_mode', 'force_generic_plan', false)";

pub(crate) struct Floor {
    url: String,
    /// A lone caller's runtime: it runs on the caller's own thread.
    here: Runtime,
    crowd: Runtime,
    head: Head,
    shared: Arc<Shared>,
}

struct Shared {
    sql: Sql,
    keys: Keys,
    shapes: Arc<Vec<Shape>>,
    ids: Arc<Vec<[u8; 16]>>,
    moved: AtomicUsize,
}

async fn connect(url: &str) -> PgConnection {
    let mut conn = PgConnection::connect(url).await.expect("the server answers");
    conn.execute(NAMED).await.expect("a setting");
    conn
}

impl Floor {
    pub(crate) fn open(url: &str, shapes: Arc<Vec<Shape>>, ids: Arc<Vec<[u8; 16]>>) -> Self {
        let here = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let crowd = Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let (head, keys) = here.block_on(async {
            let mut conn = connect(url).await;
            let row = conn
                .fetch_one("SELECT seq, hash, at FROM medorder.territories WHERE territory_id = 'north'")
                .await
                .expect("the territory");
            let hash: Vec<u8> = row.get(1);
            let hash = hash.try_into().expect("32 bytes");
            let head = Head { pk: 0, seq: row.get(0), hash, at: row.get(2) };
            let rows = conn
                .fetch_all(
                    "SELECT purpose, version, blob FROM medorder.keys WHERE territory_id = 'north' ORDER BY version DESC",
                )
                .await
                .expect("the keys");
            let keys = Keys::unwrapped(|purpose| {
                let row = rows.iter().find(|row| row.get::<&str, _>(0) == purpose).expect("a key row");
                (row.get::<i64, _>(1) as u32, row.get(2))
            });
            conn.close().await.expect("an end");
            (head, keys)
        });
        let shared = Shared { sql: Sql::new(), keys, shapes, ids, moved: AtomicUsize::new(0) };
        Self { url: url.to_owned(), here, crowd, head, shared: Arc::new(shared) }
    }

    pub(crate) fn run(&mut self, op: Op, clock: Clock) -> Sample {
        let shared = Arc::clone(&self.shared);
        match op {
            Op::Create => self.alone(clock, async |_, n| Some(shared.create(n))),
            Op::Get => self.alone(clock, async |conn, n| Some(shared.get(conn, n).await)),
            Op::Update => self.alone(clock, async |conn, _| shared.update(conn).await),
            Op::Batch(count) => self.batch(clock, count),
            Op::List => self.list(clock),
            Op::Create64 => self.crowd(clock, Op::Create),
            Op::Get64 => self.crowd(clock, Op::Get),
            Op::Update64 => self.crowd(clock, Op::Update),
            Op::Verify => self.verify(),
            Op::Rotate => self.rotate(),
        }
    }

    /// One caller: at most one trip to read, and one to write.
    fn alone(
        &mut self,
        clock: Clock,
        prepare: impl AsyncFn(&mut PgConnection, usize) -> Option<Job>,
    ) -> Sample {
        let Self { here, url, head, shared, .. } = self;
        here.block_on(async {
            let mut conn = connect(url).await;
            // The connection knows its statements before the clock runs, as the library's does.
            let warm = prepare(&mut conn, 0).await;
            let mut timer = Timer::start();
            let (mut n, mut job) = (1, warm);
            while let Some(ready) = job.take() {
                shared.sql.one(&mut conn, head, &shared.keys, &ready).await;
                std::hint::black_box(ready);
                timer.lap(1);
                if timer.goes_on(clock) {
                    job = prepare(&mut conn, n).await;
                }
                n += 1;
            }
            timer.finish()
        })
    }

    fn batch(&mut self, clock: Clock, count: usize) -> Sample {
        let Self { here, url, head, shared, .. } = self;
        here.block_on(async {
            let mut conn = connect(url).await;
            let mut timer = Timer::start();
            while timer.goes_on(clock) {
                for chunk in (0..count).step_by(CHUNK) {
                    let jobs: Vec<Job> =
                        (chunk..count.min(chunk + CHUNK)).map(|n| shared.create(n)).collect();
                    shared.sql.many(&mut conn, head, &shared.keys, &jobs).await;
                }
                timer.lap(count);
            }
            timer.finish()
        })
    }

    fn list(&mut self, clock: Clock) -> Sample {
        let Self { here, url, head, shared, .. } = self;
        here.block_on(async {
            let mut conn = connect(url).await;
            let mut timer = Timer::start();
            while timer.goes_on(clock) {
                let rows = statements::newest(&mut conn).await;
                let views: Vec<Job> = rows.into_iter().map(|row| shared.view(row)).collect();
                shared.sql.many(&mut conn, head, &shared.keys, &views).await;
                std::hint::black_box(views);
                timer.lap(1);
            }
            timer.finish()
        })
    }

    fn crowd(&mut self, clock: Clock, op: Op) -> Sample {
        let Self { crowd, url, head, shared, .. } = self;
        let shared = Arc::clone(shared);
        crowd.block_on(async {
            let named = PgPoolOptions::new().max_connections(READERS).min_connections(READERS);
            let named =
                named.after_connect(|conn, _| Box::pin(async { conn.execute(NAMED).await.map(drop) }));
            let pool = named.connect(url).await.expect("the server answers");
            let mut conn = connect(url).await;
            let (sender, mut waiting) = mpsc::channel::<(Job, oneshot::Sender<Job>)>(4_096);
            let begun = Instant::now();
            let callers: Vec<_> = (0..CALLERS)
                .map(|caller| {
                    let (shared, pool, sender) = (Arc::clone(&shared), pool.clone(), sender.clone());
                    tokio::spawn(call(shared, pool, sender, op, caller, begun, clock))
                })
                .collect();
            drop(sender);
            // The writer is a task of its own, so that the thread that waits here is none of the two.
            let writer = Arc::clone(&shared);
            let mut at = *head;
            let writing = tokio::spawn(async move {
                let mut group = Vec::with_capacity(GROUP);
                while waiting.recv_many(&mut group, GROUP).await > 0 {
                    let (jobs, replies): (Vec<Job>, Vec<_>) = group.drain(..).unzip();
                    writer.sql.many(&mut conn, &mut at, &writer.keys, &jobs).await;
                    for (job, reply) in jobs.into_iter().zip(replies) {
                        // A caller that stopped does not listen any more.
                        let _ = reply.send(job);
                    }
                }
                at
            });
            let mut laps = Vec::new();
            for caller in callers {
                laps.extend(caller.await.expect("a caller"));
            }
            *head = writing.await.expect("the writer");
            let wall = begun.elapsed();
            pool.close().await;
            Sample::of(laps.len(), wall, laps)
        })
    }

    /// The chain as one stream, then every row's key, commitment and MAC.
    fn verify(&mut self) -> Sample {
        let Self { here, url, shared, .. } = self;
        here.block_on(async {
            let mut conn = connect(url).await;
            let begun = Instant::now();
            let entries = super::chain::verify(&mut conn, &shared.keys).await;
            let mut at = Vec::new();
            loop {
                let page = statements::after(&mut conn, &at).await;
                let Some(last) = page.last() else { break };
                at = last.id.to_vec();
                for row in &page {
                    std::hint::black_box(shared.keys.check(row));
                }
            }
            Sample::of(entries, begun.elapsed(), vec![begun.elapsed()])
        })
    }

    /// Every order's key under a new territory key. The last act on its copy: the key row is not stored.
    fn rotate(&mut self) -> Sample {
        let Self { here, url, shared, .. } = self;
        let new = shared.keys.rotated();
        here.block_on(async {
            let mut conn = connect(url).await;
            let (mut at, mut count) = (Vec::new(), 0);
            let begun = Instant::now();
            loop {
                let page = sqlx::query(
                    "SELECT order_id, wrapped FROM medorder.orders WHERE territory_id = $1 AND order_id > $2 \
                     AND wrapped IS NOT NULL ORDER BY order_id LIMIT 500",
                );
                let page = conn.fetch_all(page.bind(TERRITORY).bind(&at)).await.expect("rows");
                let (mut ids, mut olds, mut news) = (Vec::new(), Vec::new(), Vec::new());
                for row in &page {
                    let (id, old): (&[u8], &[u8]) = (row.get(0), row.get(1));
                    let id16: [u8; 16] = id.try_into().expect("16 bytes");
                    let key = shared.keys.unwrap(&id16, old);
                    news.push(new.wrap(&id16, &key, &random::<32>()));
                    ids.push(id);
                    olds.push(old);
                }
                let Some(last) = ids.last() else { break };
                at = last.to_vec();
                count += ids.len();
                let write = sqlx::query(
                    "UPDATE medorder.orders t SET wrapped = n.new \
                     FROM UNNEST($2::bytea[], $3::bytea[], $4::bytea[]) AS n(id, old, new) \
                     WHERE t.territory_id = $1 AND t.order_id = n.id AND t.wrapped = n.old",
                );
                let write = write.bind(TERRITORY).bind(ids).bind(olds).bind(news);
                conn.execute(write).await.expect("an update");
            }
            Sample::of(count, begun.elapsed(), vec![begun.elapsed()])
        })
    }
}

/// One of the 64: prepares, hands over, waits, until its time is up.
async fn call(
    shared: Arc<Shared>,
    pool: PgPool,
    sender: mpsc::Sender<(Job, oneshot::Sender<Job>)>,
    op: Op,
    caller: usize,
    begun: Instant,
    clock: Clock,
) -> Vec<Duration> {
    let mut laps = Vec::new();
    let mut n = caller;
    while begun.elapsed() < clock.at_most {
        let lap = Instant::now();
        let job = match op {
            Op::Create => Some(shared.create(n)),
            Op::Get => Some(shared.get(&mut *reader(&pool).await, n).await),
            _ => shared.update(&mut *reader(&pool).await).await,
        };
        let Some(job) = job else { break };
        let (reply, answer) = oneshot::channel();
        if sender.send((job, reply)).await.is_err() {
            break;
        }
        let Ok(job) = answer.await else { break };
        std::hint::black_box(job);
        laps.push(lap.elapsed());
        n += CALLERS;
    }
    laps
}

async fn reader(pool: &PgPool) -> PoolConnection<Postgres> {
    pool.acquire().await.expect("a connection")
}

impl Shared {
    fn create(&self, n: usize) -> Job {
        Job::Insert(self.keys.create(&self.shapes[n % self.shapes.len()]))
    }

    async fn get(&self, conn: &mut PgConnection, n: usize) -> Job {
        self.view(statements::order(conn, &self.ids[n * 7_919 % self.ids.len()]).await)
    }

    /// The decrypted order is made for the caller, who is not there.
    fn view(&self, row: crate::seal::Row) -> Job {
        let plain = std::hint::black_box(self.keys.open(row));
        Job::View(plain.row)
    }

    /// The next order of the seed in its next status, `None` when all are done.
    async fn update(&self, conn: &mut PgConnection) -> Option<Job> {
        let n = self.moved.fetch_add(1, Ordering::Relaxed);
        let status = ["in_progress", "completed"].get(n / self.ids.len())?;
        let mut row = statements::order(conn, &self.ids[n % self.ids.len()]).await;
        self.keys.restamp(&mut row, status);
        Some(Job::Update(row))
    }
}
