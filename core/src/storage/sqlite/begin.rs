//! How a write transaction begins: waiting for whoever holds the lock, or not at all.

use std::time::Duration;

use super::connect::BUSY;
use super::write::Writer;

impl Writer {
    /// Begins a transaction, unless [`begin_now`](Self::begin_now) has; waits while another process writes.
    pub(super) fn begin(&mut self) -> rusqlite::Result<()> {
        if std::mem::take(&mut self.begun) {
            return Ok(());
        }
        self.end_stray();
        self.run("BEGIN IMMEDIATE")
    }

    /// Begins the transaction of the next commit if nobody holds the lock; false if somebody does. A caller that may be
    /// interrupted while it waits must not wait here, where nothing interrupts it.
    pub(super) fn begin_now(&mut self) -> bool {
        self.end_stray();
        let begun = self.conn.busy_timeout(Duration::ZERO).and_then(|()| self.run("BEGIN IMMEDIATE"));
        let patient = self.conn.busy_timeout(BUSY);
        self.begun = begun.is_ok() && patient.is_ok();
        self.begun
    }

    /// Ends a transaction that nobody will: a panic left it open, or a commit that was not to be, and with it the lock
    /// against everybody.
    pub(super) fn end_stray(&mut self) {
        self.begun = false;
        if !self.conn.is_autocommit() {
            let _ = self.run("ROLLBACK");
            self.forget_heads();
        }
    }
}
