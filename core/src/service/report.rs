//! What `verify_audit` answers.

use serde::Serialize;

/// What verification found, the worst last to be believed: the first of these that applies is the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// Somebody changed, added or removed a record.
    Tampered,
    /// The newest entries are gone.
    Truncated,
    /// All is consistent, but older than the checkpoint, or of another generation.
    RolledBack,
    /// Every record is what this library wrote, and nothing is missing.
    Intact,
}

impl Verdict {
    /// The word on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tampered => "tampered",
            Self::Truncated => "truncated",
            Self::RolledBack => "rolled_back",
            Self::Intact => "intact",
        }
    }

    /// The exit code of a command line: 0, 2, 3, 4; 1 is for "could not run".
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Intact => 0,
            Self::Tampered => 2,
            Self::Truncated => 3,
            Self::RolledBack => 4,
        }
    }
}

/// The answer of `verify_audit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// The first that applies, over all chains.
    pub verdict: Verdict,
    /// True if every chain was compared with a checkpoint from outside the database. Without one a database
    /// that was put back as a whole cannot be told from the true one.
    pub anchored: bool,
    /// One report a chain.
    pub chains: Vec<ChainReport>,
}

/// What is true of one chain and its orders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ChainReport {
    /// The territory, or empty for the system chain.
    pub territory_id: String,
    /// What was found.
    pub verdict: Verdict,
    /// True if it was compared with a checkpoint from outside the database.
    pub anchored: bool,
    /// How many entries hold.
    pub entries: u64,
    /// How many order rows were compared with their entries.
    pub orders: u64,
    /// The first record that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_bad: Option<BadRecord>,
}

/// Where the first fault is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BadRecord {
    /// The position in the chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// The order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// What is wrong with it.
    pub what: &'static str,
}
