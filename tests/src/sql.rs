//! A second connection to a database, whichever engine made it: what another program has, or somebody who
//! should have none. It may do everything: on PostgreSQL it is the superuser's.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::canary::hex;
#[cfg(unix)]
use crate::postgres::Database;

/// A connection, on which temporary tables live as long as it does.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "the suites tell engines apart where SQL does")]
pub enum Sql {
    /// Of a file of SQLite.
    File(Connection),
    /// Of a database of PostgreSQL.
    Server(Mutex<Psql>),
}

/// Why a statement did nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third way")]
pub enum Refusal {
    /// A constraint or a type speaks against it.
    BySchema(String),
    /// Anything else.
    Trouble(String),
}

/// A running psql, asked statement by statement: to start one for each takes longer than most statements.
#[derive(Debug)]
pub struct Psql {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// Characters that no stored text has.
const END: u8 = 0x1c;
const NULL: char = '\u{1d}';
const ROW: char = '\u{1e}';
const CELL: char = '\u{1f}';

impl Sql {
    /// Connects to what a service was opened with: a path or a URL.
    ///
    /// # Panics
    /// If there is no such database.
    #[must_use]
    pub fn open(place: &Path) -> Self {
        #[cfg(unix)]
        if let Some(database) = place.to_str().and_then(Database::of) {
            return Self::Server(Mutex::new(Psql::start(&database)));
        }
        let conn = Connection::open(place).expect("the file opens a second time");
        conn.execute_batch("PRAGMA synchronous = OFF; PRAGMA busy_timeout = 5000;").expect("settings");
        conn.set_prepared_statement_cache_capacity(64);
        Self::File(conn)
    }

    /// Whether it leads to PostgreSQL.
    #[must_use]
    pub const fn is_server(&self) -> bool {
        matches!(self, Self::Server(_))
    }

    /// One of two, for what the engines' schemas or dialects say differently.
    pub fn either<T>(&self, file: T, server: T) -> T {
        if self.is_server() { server } else { file }
    }

    /// Runs statements, all or none.
    ///
    /// # Panics
    /// If one of them fails.
    pub fn run(&self, statements: &str) {
        self.attempt(statements).unwrap_or_else(|refusal| panic!("{statements}: {refusal:?}"));
    }

    /// Runs statements, all or none.
    ///
    /// # Errors
    /// Why none was run.
    pub fn attempt(&self, statements: &str) -> Result<(), Refusal> {
        match self {
            Self::File(conn) => {
                let all = || {
                    let tx = conn.unchecked_transaction()?;
                    tx.execute_batch(statements)?;
                    tx.commit()
                };
                all().map_err(|error: rusqlite::Error| (&error).into())
            }
            Self::Server(psql) => {
                // Sent as one query, they are one transaction.
                let joined = statements.trim().trim_end_matches(';').replace(';', "\\;");
                let mut psql = psql.lock().unwrap_or_else(PoisonError::into_inner);
                psql.ask(&joined).map(drop)
            }
        }
    }

    /// The rows of a query, cells as text: bytes in hexadecimal, nothing for NULL.
    ///
    /// # Panics
    /// If the query fails.
    #[must_use]
    pub fn rows(&self, query: &str) -> Vec<Vec<Option<String>>> {
        match self {
            Self::File(conn) => {
                let mut statement = conn.prepare(query).expect("a statement");
                let columns = statement.column_count();
                let rows = statement.query_map([], |row| {
                    (0..columns).map(|n| row.get_ref(n).map(|cell| text(&cell))).collect()
                });
                rows.and_then(Iterator::collect).expect("rows")
            }
            Self::Server(psql) => {
                let mut psql = psql.lock().unwrap_or_else(PoisonError::into_inner);
                let answer = psql.ask(query).unwrap_or_else(|refusal| panic!("{query}: {refusal:?}"));
                let Some(answer) = answer.strip_suffix('\n') else { return Vec::new() };
                answer.split(ROW).map(|row| row.split(CELL).map(cell).collect()).collect()
            }
        }
    }

    /// From here on every query sees the same moment, until the connection ends.
    pub fn begin_snapshot(&self) {
        match self {
            Self::File(conn) => conn.execute_batch("BEGIN").expect("a snapshot"),
            Self::Server(_) => self.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
        }
    }

    /// The only cell of the only row, a number.
    ///
    /// # Panics
    /// If it is something else.
    #[must_use]
    pub fn number(&self, query: &str) -> i64 {
        let cell = self.rows(query).swap_remove(0).swap_remove(0);
        cell.expect("a value").parse().expect("a number")
    }

    /// The only cell of the only row, bytes.
    ///
    /// # Panics
    /// If it is something else.
    #[must_use]
    pub fn bytes(&self, query: &str) -> Vec<u8> {
        unhex(&self.rows(query).swap_remove(0).swap_remove(0).expect("a value"))
    }

    /// How this engine writes bytes in a statement.
    #[must_use]
    pub fn blob(&self, bytes: &[u8]) -> String {
        self.either(format!("x'{}'", hex(bytes)), format!("'\\x{}'::bytea", hex(bytes)))
    }
}

/// The bytes that hexadecimal stands for.
///
/// # Panics
/// If it is none.
#[must_use]
pub fn unhex(text: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(digit).collect()
}

fn text(cell: &ValueRef<'_>) -> Option<String> {
    match cell {
        ValueRef::Null => None,
        ValueRef::Blob(bytes) => Some(hex(bytes)),
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Real(number) => Some(number.to_string()),
        ValueRef::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
    }
}

fn cell(text: &str) -> Option<String> {
    let mut null = [0; 4];
    (text != NULL.encode_utf8(&mut null)).then(|| text.strip_prefix("\\x").unwrap_or(text).to_owned())
}

impl From<&rusqlite::Error> for Refusal {
    fn from(error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{ConstraintViolation, TypeMismatch};
        match error.sqlite_error_code() {
            Some(ConstraintViolation | TypeMismatch) => Self::BySchema(error.to_string()),
            _ => Self::Trouble(error.to_string()),
        }
    }
}

impl Psql {
    #[cfg(unix)]
    fn start(database: &Database) -> Self {
        let mut child = database
            .psql("postgres")
            .arg("-P")
            .arg(format!("null={NULL}"))
            .args(["-R", &ROW.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("psql starts");
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut psql = Self { child, input, output };
        // Tables are called as on SQLite, and temporary ones come first anyway.
        psql.ask("SET search_path = medorder, pg_catalog").expect("a setting");
        psql
    }

    /// What the statements answer. Several are joined by `\;`.
    fn ask(&mut self, statements: &str) -> Result<String, Refusal> {
        let told = format!("{statements};\n\\echo '\\034' :SQLSTATE :LAST_ERROR_MESSAGE '\\034'\n");
        self.input.write_all(told.as_bytes()).and_then(|()| self.input.flush()).expect("psql listens");
        let mut answer = Vec::new();
        self.output.read_until(END, &mut answer).expect("psql answers");
        assert_eq!(answer.pop(), Some(END), "psql ended at {statements:?}");
        // A message may have several lines.
        let (mut end, mut line) = (Vec::new(), String::new());
        self.output.read_until(END, &mut end).expect("psql answers");
        self.output.read_line(&mut line).expect("psql answers");
        let end = String::from_utf8_lossy(&end);
        match end.split_whitespace().next() {
            Some("00000") => Ok(String::from_utf8(answer).expect("text")),
            // Our own way to say that a row is not there.
            Some("22012") => Err(Refusal::Trouble(end.trim().to_owned())),
            // Data that do not fit, a text that is none, a broken constraint, another type.
            Some(state) if state.starts_with("22") || state.starts_with("23") || state == "42804" => {
                Err(Refusal::BySchema(end.trim().to_owned()))
            }
            _ => Err(Refusal::Trouble(end.trim().to_owned())),
        }
    }
}

impl Drop for Psql {
    fn drop(&mut self) {
        // It holds nothing that must be saved.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
