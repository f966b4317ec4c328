//! Commands and options.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const EXIT: &str = "\
Exit status: 0 done, 1 could not run or lines failed. Of verify-audit: 0 intact, 1 could not run, 2 tampered, \
3 truncated, 4 rolled back; intact but not compared with the anchor or the notes given is 1. \
Of restore: the same, for a backup that is not intact.";

const IMPORT: &str = "\
Members of a line: territory_id, patient_id, provider_id, service_type, diagnosis_codes (may be []) and \
source_id (or idempotency_key) are required; notes and insurance may be \
there; authored_on and source_status are dropped. Territories and relationships must be registered before: \
register --from-ndjson FILE.";

const EXPORT: &str = "\
Holds the chains of the territories, not the system chain. In CSV a text that begins with = + - or @ gets a \
leading ', so that no spreadsheet takes it for a formula.";

/// Administration of a medorder database.
#[derive(Parser)]
#[command(name = "medorder-admin", version, after_help = EXIT)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Who acts, and with which key.
#[derive(Args)]
pub(crate) struct Access {
    #[command(flatten)]
    pub(crate) root: Root,
    /// File of signed checkpoints, outside the database's volume
    #[arg(long, value_name = "FILE")]
    pub(crate) anchor: Option<PathBuf>,
    /// User whom the audit names [default: $USER, else admin]
    #[arg(long)]
    pub(crate) user: Option<String>,
}

/// Where the root key is.
#[derive(Args)]
pub(crate) struct Root {
    /// Key file, mode 0600
    #[arg(long, value_name = "FILE", required_unless_present = "key_env", conflicts_with = "key_env")]
    pub(crate) key_file: Option<PathBuf>,
    /// Environment variable that holds the line of a key file
    #[arg(long, value_name = "VAR")]
    pub(crate) key_env: Option<String>,
}

/// A database and who opens it.
#[derive(Args)]
pub(crate) struct Database {
    /// Database file, or postgres://ROLE@HOST/NAME (its password: PGPASSWORD or a .pgpass file)
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) db: PathBuf,
    #[command(flatten)]
    pub(crate) access: Access,
}

/// How to make a PostgreSQL schema; the url is the owner's.
#[derive(Args)]
pub(crate) struct Schema {
    /// PostgreSQL: the role that programs will sign in as; it must exist and own nothing
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<String>,
    /// PostgreSQL: split the tables by territory into this many partitions
    #[arg(long, value_name = "N", requires = "role", default_value_t = 0)]
    pub(crate) partitions: u16,
    /// PostgreSQL: leave out row-level security, the second wall between territories
    #[arg(long, requires = "role")]
    pub(crate) no_row_security: bool,
}

/// What to register.
#[derive(Args)]
pub(crate) struct Registration {
    /// Territory to put into service, or the one of the relationship
    #[arg(long, required_unless_present = "from_ndjson", conflicts_with = "from_ndjson")]
    pub(crate) territory: Option<String>,
    /// Patient of a relationship
    #[arg(long, requires_all = ["territory", "provider"])]
    pub(crate) patient: Option<String>,
    /// Provider of a relationship
    #[arg(long, requires_all = ["territory", "patient"])]
    pub(crate) provider: Option<String>,
    /// Register every territory and relationship that a file of orders names
    #[arg(long, value_name = "FILE")]
    pub(crate) from_ndjson: Option<PathBuf>,
}

/// Where the new root key is.
#[derive(Args)]
pub(crate) struct NewRoot {
    /// New key file, made with keygen before
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "new_key_env",
        conflicts_with = "new_key_env"
    )]
    pub(crate) new_key_file: Option<PathBuf>,
    /// Environment variable that holds the new key's line
    #[arg(long, value_name = "VAR")]
    pub(crate) new_key_env: Option<String>,
}

/// The form of an export.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    Ndjson,
    Csv,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a key file; an existing one is never overwritten
    Keygen {
        /// File to make
        #[arg(long, value_name = "FILE")]
        key_file: PathBuf,
    },
    /// Make a database; on PostgreSQL again to bring a role's grants up to date
    Init {
        #[command(flatten)]
        database: Database,
        #[command(flatten)]
        schema: Schema,
    },
    /// Put a territory into service, or say which provider may order for which patient there
    Register {
        #[command(flatten)]
        database: Database,
        #[command(flatten)]
        what: Registration,
    },
    /// Create orders from a file of one JSON object a line; a second run doubles nothing
    #[command(after_help = IMPORT)]
    Import {
        #[command(flatten)]
        database: Database,
        /// Import the lines of this territory only
        #[arg(long)]
        territory: Option<String>,
        /// File of orders; source_id becomes the idempotency key
        file: PathBuf,
    },
    /// Give territories a new key and wrap every order's key under it, while others read and write
    RotateKeys {
        #[command(flatten)]
        database: Database,
        /// One territory [default: all]
        #[arg(long)]
        territory: Option<String>,
    },
    /// Wrap every key under another root key
    ChangeRoot {
        #[command(flatten)]
        database: Database,
        #[command(flatten)]
        new: NewRoot,
    },
    /// Sign the heads of all chains and print the signed notes
    Checkpoint(Database),
    /// Recompute the audit from stored bytes and name the first bad record; an anchor is not written
    VerifyAudit {
        #[command(flatten)]
        database: Database,
        /// One territory [default: all, and the system chain]
        #[arg(long)]
        territory: Option<String>,
        /// File of notes that `checkpoint` printed; it is not written
        #[arg(long, value_name = "FILE", conflicts_with = "anchor")]
        checkpoint: Option<PathBuf>,
    },
    /// Write every hashed column of every entry of the territories
    #[command(after_help = EXPORT)]
    ExportAudit {
        #[command(flatten)]
        database: Database,
        /// One territory [default: all]
        #[arg(long)]
        territory: Option<String>,
        #[arg(long, value_enum, default_value = "ndjson")]
        format: Format,
        /// File to make [default: standard output]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Print who saw what of a patient's orders, when and why
    Disclosures {
        #[command(flatten)]
        database: Database,
        /// One territory [default: all]
        #[arg(long)]
        territory: Option<String>,
        #[arg(long)]
        patient: String,
    },
    /// Copy the database while it is in use; not for PostgreSQL, which has tools of its own
    Backup {
        #[command(flatten)]
        database: Database,
        /// File to make
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Move a file into PostgreSQL and verify it there; nobody may write the file meanwhile or afterwards
    MoveTo {
        #[command(flatten)]
        database: Database,
        /// PostgreSQL url of the runtime role
        #[arg(long, value_name = "URL")]
        to: String,
        /// PostgreSQL url of the owner, who makes the schema
        #[arg(long, value_name = "URL")]
        owner: String,
        #[command(flatten)]
        schema: Schema,
    },
    /// Verify a backup and take it into use under a new name: new generation, fresh checkpoints
    Restore {
        /// Backup to copy; not for PostgreSQL, where the server's own tools have copied before
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        /// Database to make, or the PostgreSQL database that was put back
        #[arg(long, value_name = "FILE|URL", visible_alias = "db")]
        to: PathBuf,
        #[command(flatten)]
        access: Access,
        /// Take it into use even if it is not intact
        #[arg(long)]
        force: bool,
    },
}
