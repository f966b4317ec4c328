//! Opening the file: who may, with which settings, and whether it is still the file that was opened.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::ffi::ErrorCode as Sqlite;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::rows::unavailable;
use super::{SqliteOptions, Synchronous};
use crate::audit::Head;
use crate::error::{Error, ErrorCode, Result};
use crate::storage::Initial;

/// "medo", so that `file` and we can tell our databases from others.
const APPLICATION_ID: i32 = 0x6d65_646f;
/// The newest format this library knows.
const FORMAT: i32 = 1;
const INIT: &str = include_str!("../../../migrations/sqlite/0001_init.sql");

/// What is in the file before anything is changed.
pub(super) enum Found {
    Empty,
    Ours,
}

/// Opens a connection and looks at the file without changing it.
pub(super) fn inspect(path: &Path, options: &SqliteOptions) -> Result<(Connection, Found)> {
    if options.create {
        create_private(path)?;
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)
        .map_err(|_| Error::new(ErrorCode::StorageUnavailable, "the database file cannot be opened"))?;
    // A file that is refused stays as it is, its write-ahead log too.
    let keep = |conn: &Connection, on| conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, on);
    conn.busy_timeout(BUSY).and_then(|()| keep(&conn, true)).map_err(|e| unavailable(&e))?;
    // One snapshot: another process may be making the database just now, and half of what it writes would look
    // like a foreign file.
    let found = (|| {
        let snapshot = conn.unchecked_transaction()?;
        let pragma = |name: &str| snapshot.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        // A statement that reads pages comes first: a pragma alone does not begin the snapshot.
        let tables =
            snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
        Ok((pragma("application_id")?, pragma("user_version")?, tables))
    })()
    .map_err(|error: rusqlite::Error| match unavailable(&error) {
        e if e.code() == ErrorCode::IntegrityViolation => unsupported(),
        e => e,
    })?;
    let found = match found {
        (APPLICATION_ID, FORMAT, _) => Found::Ours,
        (0, 0, 0) if options.create => Found::Empty,
        _ => return Err(unsupported()),
    };
    keep(&conn, false).map_err(|e| unavailable(&e))?;
    Ok((conn, found))
}

/// Sets up a connection for use. Every connection of one database gets the same settings.
pub(super) fn configure(conn: &Connection, options: &SqliteOptions) -> Result<()> {
    conn.busy_timeout(BUSY)
        .and_then(|()| {
            conn.set_prepared_statement_cache_capacity(64);
            #[cfg(feature = "test-util")]
            super::trace::watch(conn);
            let synchronous = match options.synchronous {
                Synchronous::Full => "FULL",
                Synchronous::Normal => "NORMAL",
            };
            conn.execute_batch(&format!(
                "PRAGMA synchronous = {synchronous};
                 PRAGMA secure_delete = ON;
                 PRAGMA wal_autocheckpoint = 8000;
                 PRAGMA journal_size_limit = 67108864;
                 PRAGMA temp_store = MEMORY;
                 PRAGMA cache_size = -4096;
                 PRAGMA fullfsync = ON;
                 PRAGMA checkpoint_fullfsync = ON;
                 PRAGMA trusted_schema = OFF;"
            ))?;
            // Whoever writes the file could plant one that undoes what a commit has just acknowledged.
            conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
            conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
            conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map(|_| ())
        })
        .map_err(|e| unavailable(&e))
}

/// The format that the table says must be the one that the file's header says.
pub(super) fn expect_format(format: i64) -> Result<()> {
    if format == i64::from(FORMAT) { Ok(()) } else { Err(unsupported()) }
}

/// True if the file has the tables and indexes of this format and nothing else, to the letter. What
/// `ANALYZE` leaves is the operator's.
pub(super) fn has_our_schema(conn: &Connection) -> rusqlite::Result<bool> {
    const OBJECTS: &str = "SELECT type, name, tbl_name, sql FROM sqlite_schema \
                           WHERE name NOT LIKE 'sqlite_stat%' ORDER BY type, name";
    let objects = |conn: &Connection| {
        let mut statement = conn.prepare(OBJECTS)?;
        let text = |row: &rusqlite::Row<'_>, n| row.get::<_, Option<String>>(n);
        let rows = statement
            .query_map([], |row| Ok([text(row, 0)?, text(row, 1)?, text(row, 2)?, text(row, 3)?]))?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    let ours = Connection::open_in_memory()?;
    ours.execute_batch(INIT)?;
    Ok(objects(conn)? == objects(&ours)?)
}

/// Writes schema, generation and first keys in one transaction; the loser of a race finds the winner's.
pub(super) fn create(conn: &mut Connection, initial: &Initial) -> Result<()> {
    let patience = Instant::now() + BUSY;
    loop {
        match try_create(conn, initial) {
            // The busy handler does not cover the switch to WAL, which meets others that open the file now.
            Err(error) if is_busy(&error) && Instant::now() < patience => {
                std::thread::sleep(Duration::from_millis(2));
            }
            created => return created.map_err(|e| unavailable(&e)),
        }
    }
}

fn try_create(conn: &mut Connection, initial: &Initial) -> rusqlite::Result<()> {
    conn.execute_batch("PRAGMA page_size = 4096; PRAGMA journal_mode = WAL;")?;
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if tx.pragma_query_value(None, "application_id", |row| row.get::<_, i32>(0))? == APPLICATION_ID {
        return Ok(());
    }
    tx.execute_batch(INIT)?;
    tx.execute("INSERT INTO meta VALUES (1, ?1, ?2)", (initial.generation, FORMAT))?;
    let head = Head::genesis("");
    tx.execute("INSERT INTO territories VALUES (1, '', 1, 1, 0, ?1, ?2)", (head.hash, head.at))?;
    for key in &initial.keys {
        tx.execute(
            "INSERT INTO keys VALUES (?1, ?2, ?3, ?4)",
            (&key.purpose, &key.territory, key.version, &key.blob),
        )?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", FORMAT)?;
    tx.commit()
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(Sqlite::DatabaseBusy | Sqlite::DatabaseLocked))
}

/// One more connection to a database that exists.
pub(super) fn connect(path: &Path, options: &SqliteOptions) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(|e| unavailable(&e))?;
    configure(&conn, options)?;
    Ok(conn)
}

pub(super) const BUSY: Duration = Duration::from_secs(5);

fn unsupported() -> Error {
    Error::new(ErrorCode::SchemaUnsupported, "the file is not a medorder database of a format known here")
}

/// Makes a missing file that only its owner can read; SQLite gives `-wal` and `-shm` the same mode.
fn create_private(path: &Path) -> Result<()> {
    // Closing the descriptor drops this process's locks on the file, so no other thread may have opened it yet.
    static MAKING: Mutex<()> = Mutex::new(());
    let _alone = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut open = std::fs::OpenOptions::new();
    open.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
    match open.open(path) {
        Ok(file) => {
            drop(file);
            Ok(())
        }
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(_) => Err(Error::new(ErrorCode::StorageUnavailable, "the database file cannot be made")),
    }
}

/// Tells whether the paths still lead to the files that were opened.
///
/// POSIX drops every lock a process has on a file when it closes any descriptor of it, so a second open and
/// close in the host (a copy, another SQLite library) leaves the live WAL unprotected: another process may
/// delete it, and commits go to a file without a name. Comparing before each acknowledgement makes that loss
/// visible (STORAGE.md section 5).
pub(super) struct FileGuard {
    paths: [PathBuf; 2],
    #[cfg(unix)]
    ids: [(u64, u64); 2],
}

impl FileGuard {
    /// Remembers the files. The connection that opened them must have read once, so that the WAL exists.
    pub(super) fn new(path: &Path) -> Result<Self> {
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        let paths = [path.to_owned(), PathBuf::from(wal)];
        #[cfg(unix)]
        let ids = {
            let id = |path| {
                identity(path)
                    .ok_or_else(|| Error::new(ErrorCode::StorageUnavailable, "the database file is gone"))
            };
            [id(&paths[0])?, id(&paths[1])?]
        };
        Ok(Self {
            paths,
            #[cfg(unix)]
            ids,
        })
    }

    /// True if both paths lead to the files that were opened. Elsewhere than on Unix locks belong to the
    /// handle, the danger does not exist, and the answer is always true.
    #[cfg_attr(not(unix), expect(clippy::unused_self, reason = "same shape on every system"))]
    pub(super) fn holds(&self) -> bool {
        #[cfg(unix)]
        return self.paths.iter().zip(&self.ids).all(|(path, id)| identity(path).as_ref() == Some(id));
        #[cfg(not(unix))]
        true
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}
