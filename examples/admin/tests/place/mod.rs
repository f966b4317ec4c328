//! A folder with a key and a database, and the program run in it.

#![allow(dead_code, reason = "each suite uses a part of it")]

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// The orders of the project.
pub(crate) const ORDERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/orders.ndjson");
/// Somebody in them.
pub(crate) const PATIENT: &str = "a5cb8ce9-cec6-6b23-0990-cbaf753578a4";

/// A folder with a key and, mostly, a database.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
}

/// What a command answered.
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// With a database that knows everybody in the file of orders.
    pub(crate) fn furnished() -> Self {
        let place = Self::empty();
        place.plain(&["keygen", "--key-file", "root.key"]).is(0);
        place.on("orders.db", &["init"]).is(0);
        place.on("orders.db", &["register", "--from-ndjson", ORDERS]).is(0);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_medorder-admin"));
        command.args(arguments).current_dir(self.folder.path()).env("USER", "u-story").stdin(Stdio::null());
        command
    }

    pub(crate) fn plain(&self, arguments: &[&str]) -> Answer {
        Answer::new(self.command(arguments).output().expect("the program starts"))
    }

    /// The command on this database, with the key.
    pub(crate) fn on(&self, db: &str, arguments: &[&str]) -> Answer {
        self.plain(&[arguments, &["--db", db, "--key-file", "root.key"]].concat())
    }

    pub(crate) fn copy(&self, from: &str, to: &str) {
        std::fs::copy(self.path(from), self.path(to)).expect("the file is copied");
    }

    /// Changes a closed database behind the engine's back.
    pub(crate) fn sql(&self, db: &str, statements: &str) {
        let conn = rusqlite::Connection::open(self.path(db)).expect("the database opens");
        conn.execute_batch(statements).expect("the statements run");
    }
}

impl Answer {
    pub(crate) fn new(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    #[track_caller]
    pub(crate) fn is(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "out: {}\nerr: {}", self.out, self.err);
        self
    }

    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        let (out, err) = (&self.out, &self.err);
        assert!(out.contains(text) || err.contains(text), "{text:?} is not in out: {out}\nerr: {err}");
        self
    }
}
