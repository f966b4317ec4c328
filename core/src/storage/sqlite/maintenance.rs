//! The engine's own thread: wakes subscribers of other processes' writes and keeps the WAL short.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::connect::FileGuard;
use super::rows::unavailable;
use super::{Shared, connect};
use crate::error::{Error, ErrorCode, Result};

/// How often `PRAGMA data_version` is looked at.
const TICK: Duration = Duration::from_millis(20);
/// WAL pages after which it is written back without waiting for anybody.
const PASSIVE_PAGES: u64 = 1_000;
/// Ticks without a commit before the WAL is truncated.
const IDLE_TICKS: u32 = 50;
/// Ticks between two truncations, so that a long rotation does not stop writers at every step.
const WIPE_TICKS: u32 = 25;

pub(super) struct Maintenance {
    stop: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Maintenance {
    pub(super) fn start(shared: &Arc<Shared>) -> Result<Self> {
        let conn = connect::connect(&shared.path, &shared.options)?;
        // A truncation holds the write lock while it waits for readers: it must not wait, but try again later.
        conn.busy_timeout(Duration::ZERO).map_err(|e| unavailable(&e))?;
        let weak = Arc::downgrade(shared);
        let (stop, stopped) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("medorder-sqlite".into())
            .spawn(move || {
                let mut watch = Watch::new(conn);
                while matches!(stopped.recv_timeout(TICK), Err(RecvTimeoutError::Timeout)) {
                    if !watch.tick(&weak) {
                        break;
                    }
                }
            })
            .map_err(|_| Error::new(ErrorCode::StorageUnavailable, "no thread can be started"))?;
        Ok(Self { stop, thread })
    }

    pub(super) fn stop(self) {
        let _ = self.stop.try_send(());
        let _ = self.thread.join();
    }
}

struct Watch {
    conn: Connection,
    data_version: i64,
    commits: u64,
    idle: u32,
    since_truncated: u32,
    /// The WAL may hold frames that are not written back.
    dirty: bool,
    /// Subscribers were woken because the file is not the one that was opened.
    told: bool,
}

impl Watch {
    fn new(conn: Connection) -> Self {
        Self {
            conn,
            data_version: -1,
            commits: 0,
            idle: 0,
            since_truncated: WIPE_TICKS,
            dirty: true,
            told: false,
        }
    }

    /// One look; false when the storage is gone.
    fn tick(&mut self, weak: &Weak<Shared>) -> bool {
        let Some(shared) = weak.upgrade() else { return false };
        if shared.live().is_err() {
            return false;
        }
        if !self.told && !super::lock(&shared.guard).as_ref().is_some_and(FileGuard::holds) {
            // Whoever waits for events would wait for ever: let them look, and find that the file is gone.
            self.told = true;
            shared.changed.send_modify(|count| *count += 1);
        }
        let version = self
            .conn
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get::<_, i64>(0)));
        let changed = matches!(version, Ok(version) if version != self.data_version);
        if let (true, Ok(version)) = (changed, version) {
            self.data_version = version;
            self.dirty = true;
            shared.changed.send_modify(|count| *count += 1);
        }
        let commits = shared.commits.load(Ordering::Relaxed);
        self.idle = if changed || commits != self.commits { 0 } else { self.idle.saturating_add(1) };
        self.commits = commits;
        self.since_truncated = self.since_truncated.saturating_add(1);
        let wipe = shared.wipe_wal.load(Ordering::Relaxed) && self.since_truncated >= WIPE_TICKS;
        if wipe || (self.idle >= IDLE_TICKS && self.dirty) {
            // Lowered before, so that a delete meanwhile raises it again. Busy readers or writers make the
            // truncation fail; then the next tick tries again.
            shared.wipe_wal.store(false, Ordering::Relaxed);
            if truncate_wal(&self.conn) {
                self.since_truncated = 0;
                shared.wal_pages.store(0, Ordering::Relaxed);
                self.dirty = false;
            } else {
                (self.since_truncated, self.idle) = (0, 0);
                shared.wipe_wal.fetch_or(wipe, Ordering::Relaxed);
            }
        } else if shared.wal_pages.load(Ordering::Relaxed) >= PASSIVE_PAGES {
            shared.wal_pages.store(0, Ordering::Relaxed);
            let _ = self.conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        }
        true
    }
}

/// Writes the WAL back and cuts it to nothing; false if somebody was in the way.
pub(super) fn truncate_wal(conn: &Connection) -> bool {
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
        .is_ok_and(|busy| busy == 0)
}

/// Copies the database with SQLite's own backup, from one snapshot, to a file that did not exist.
pub(super) fn backup(shared: &Shared, path: &Path) -> Result<()> {
    let failed = |_| Error::new(ErrorCode::StorageUnavailable, "the backup file exists or cannot be written");
    let mut open = std::fs::OpenOptions::new();
    open.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
    let file = open.open(path).map_err(failed)?;
    let copied = (|| {
        let source = connect::connect(&shared.path, &shared.options)?;
        // Without SQLITE_OPEN_URI: a path is taken literally.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut target = Connection::open_with_flags(path, flags).map_err(|e| unavailable(&e))?;
        {
            let backup = Backup::new(&source, &mut target).map_err(|e| unavailable(&e))?;
            // All pages in one step: one snapshot, and writers are not kept waiting in WAL mode.
            if !matches!(backup.step(-1).map_err(|e| unavailable(&e))?, StepResult::Done) {
                return Err(Error::new(
                    ErrorCode::StorageUnavailable,
                    "the database was too busy to be copied",
                ));
            }
        }
        target.close().map_err(|(_, e)| unavailable(&e))?;
        file.sync_all().map_err(failed)
    })();
    if copied.is_err() {
        // Half a copy must not be mistaken for a backup.
        let _ = std::fs::remove_file(path);
    }
    copied
}
