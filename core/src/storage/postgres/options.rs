//! How to use a server, and how to make the schema on it.

use std::fmt;
use std::time::Duration;

/// How to use the server.
#[derive(Clone)]
#[non_exhaustive]
pub struct PostgresOptions {
    /// At most this many connections for reading async callers, and as many for blocking ones; 8 by default. One
    /// more writes, one looks for news, and two carry `NOTIFY`.
    pub connections: u32,
    /// Where to listen when the url leads to a pooler, which cannot carry `LISTEN`. Without it commits of other
    /// processes are found by looking, every 250 ms.
    pub listen_url: Option<String>,
    /// Open a server that runs with `fsync=off`; off by default, since such a server loses commits.
    pub allow_fsync_off: bool,
    /// How long a commit goes on trying when the server goes away in the middle of it, before it is
    /// `OUTCOME_UNKNOWN`; 30 seconds by default. A connection that is silent for 10 seconds is given up and what
    /// became of the commit looked up on a new one, for which there are always 5 seconds.
    pub patience: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { connections: 8, listen_url: None, allow_fsync_off: false, patience: Duration::from_secs(30) }
    }
}

impl fmt::Debug for PostgresOptions {
    /// Without the url, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("connections", &self.connections)
            .field("allow_fsync_off", &self.allow_fsync_off)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

/// How to make the schema, with the owner's url.
#[derive(Clone, Debug)]
pub struct PostgresInit {
    pub(super) role: String,
    pub(super) partitions: u16,
    pub(super) row_security: bool,
}

impl PostgresInit {
    /// For programs that sign in as `role`, which must exist and must be neither the owner nor a superuser.
    #[must_use]
    pub fn new(role: impl Into<String>) -> Self {
        Self { role: role.into(), partitions: 0, row_security: true }
    }

    /// Splits every table that has rows of territories into so many partitions by territory; 0, the default, does
    /// not. Fixed once the schema is made.
    #[must_use]
    pub const fn partitions(mut self, count: u16) -> Self {
        self.partitions = count;
        self
    }

    /// Row-level security as a second wall between territories; on by default. Fixed once the schema is made.
    #[must_use]
    pub const fn row_security(mut self, on: bool) -> Self {
        self.row_security = on;
        self
    }
}
