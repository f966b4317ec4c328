//! How a service is opened.

use std::sync::Arc;

use medorder::{Error, Fault, Rule, wire};
use serde_json::{Value, json};

use crate::shared::{Members, arguments, json};

/// Settings of a service; what is not set stays as it is by default. Checked when the service is opened, all at once. Its
/// text shows nothing, since a url may hold a password.
#[derive(uniffi::Object)]
#[uniffi::export(Display)]
pub struct OpenOptions(Members<Settings>);

#[derive(Default)]
struct Settings {
    create: Option<bool>,
    synchronous: Option<Synchronous>,
    key_cache_ttl_ms: Option<i64>,
    commit_timeout_ms: Option<i64>,
    access_json: Option<String>,
    cancel_before_start: Option<bool>,
    anchor_file: Option<String>,
    connections: Option<i32>,
    listen_url: Option<String>,
    patience_ms: Option<i64>,
}

/// When a commit on SQLite is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[uniffi::export(Display)]
pub enum Synchronous {
    /// When it is on the disk.
    Full,
    /// When the operating system has it: it outlives the program, and not a loss of power.
    Normal,
}

impl std::fmt::Display for Synchronous {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::Normal => "normal",
        })
    }
}

#[uniffi::export]
impl OpenOptions {
    /// Settings as they are by default.
    #[uniffi::constructor]
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Members::default()))
    }

    /// Whether a missing SQLite file is made; true by default.
    pub fn set_create(&self, create: bool) {
        self.0.lock().create = Some(create);
    }

    /// Whether a commit on SQLite waits for the disk; `FULL` by default.
    pub fn set_synchronous(&self, synchronous: Synchronous) {
        self.0.lock().synchronous = Some(synchronous);
    }

    /// How long unwrapped keys and positive answers of the directory are kept, in milliseconds; 300,000 by default, 0 for
    /// not at all.
    pub fn set_key_cache_ttl_ms(&self, milliseconds: i64) {
        self.0.lock().key_cache_ttl_ms = Some(milliseconds);
    }

    /// How long a change waits for room in the queue, in milliseconds; 30,000 by default.
    pub fn set_commit_timeout_ms(&self, milliseconds: i64) {
        self.0.lock().commit_timeout_ms = Some(milliseconds);
    }

    /// Roles and rules of access in place of the standard ones, as JSON:
    /// `{"separate_verifier": true, "roles": {"nurse": {"permissions": ["order.view"], "fields": ["notes"]}}}`.
    pub fn set_access_json(&self, access_json: String) {
        self.0.lock().access_json = Some(access_json);
    }

    /// Allows `CANCELLED` also from the first two states; false by default.
    pub fn set_cancel_before_start(&self, cancel_before_start: bool) {
        self.0.lock().cancel_before_start = Some(cancel_before_start);
    }

    /// A file that keeps signed checkpoints; put it on another volume than the database.
    pub fn set_anchor_file(&self, path: String) {
        self.0.lock().anchor_file = Some(path);
    }

    /// How many connections to PostgreSQL readers share, 1 or more; 8 by default. The engine needs four more.
    pub fn set_connections(&self, connections: i32) {
        self.0.lock().connections = Some(connections);
    }

    /// Where to listen for changes when the url leads to a pooler of PostgreSQL; without it changes of other processes come
    /// within 250 ms.
    pub fn set_listen_url(&self, url: String) {
        self.0.lock().listen_url = Some(url);
    }

    /// How long a commit goes on trying when the PostgreSQL server goes away, in milliseconds, before it is
    /// `OUTCOME_UNKNOWN`; 30,000 by default.
    pub fn set_patience_ms(&self, milliseconds: i64) {
        self.0.lock().patience_ms = Some(milliseconds);
    }
}

impl OpenOptions {
    pub(crate) fn get(&self) -> Result<wire::OpenOptions, Error> {
        let own = self.0.lock();
        let synchronous = own.synchronous.map(|word| json!(word.to_string()));
        let options = arguments([
            ("create", own.create.map(|create| json!(create))),
            ("synchronous", synchronous),
            ("key_cache_ttl_ms", own.key_cache_ttl_ms.map(|time| json!(time))),
            ("commit_timeout_ms", own.commit_timeout_ms.map(|time| json!(time))),
            ("cancel_before_start", own.cancel_before_start.map(|cancel| json!(cancel))),
            ("anchor_file", own.anchor_file.as_ref().map(|path| json!(path))),
            ("connections", own.connections.map(|number| json!(number))),
            ("listen_url", own.listen_url.as_ref().map(|url| json!(url))),
            ("patience_ms", own.patience_ms.map(|time| json!(time))),
        ]);
        let Some(access) = &own.access_json else { return wire::open_options(&json(&options)) };
        if serde_json::from_str::<Value>(access).is_err() {
            let mut faults = vec![Fault::new("access", Rule::Format)];
            if let Err(error) = wire::open_options(&json(&options)) {
                faults.extend_from_slice(error.faults());
            }
            return Err(Error::validation(faults));
        }
        // The engine reads the policy as it stands, so that it sees also what stands in it twice.
        let text = options.to_string();
        let others = text.strip_suffix('}').unwrap_or(&text);
        let comma = if others == "{" { "" } else { "," };
        wire::open_options(format!("{others}{comma}\"access\":{access}}}").as_bytes())
    }
}

impl std::fmt::Display for OpenOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpenOptions(..)")
    }
}
