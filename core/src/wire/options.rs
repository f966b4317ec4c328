//! How a service is opened, as faces say it.

use std::path::PathBuf;
use std::time::Duration;

use super::access::read_policy;
use super::faults::Faults;
use super::json::Value;
use super::read::Members;
use super::requests::one;
use crate::access::AccessPolicy;
use crate::error::{Result, Rule};

/// Settings of a service; what is `None` stays as [`Builder`](crate::service::Builder) has it.
#[derive(Clone, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "filled in by faces with `..Default::default()`")]
pub struct OpenOptions {
    /// Whether a missing SQLite file is made.
    pub create: Option<bool>,
    /// Whether a commit on SQLite waits for the disk (`full`) or not (`normal`).
    pub wait_for_disk: Option<bool>,
    /// How long unwrapped keys and positive answers of the directory are kept.
    pub key_cache_ttl: Option<Duration>,
    /// How long a change waits for room in the queue.
    pub commit_timeout: Option<Duration>,
    /// Roles and rules of access, in place of the standard ones.
    pub access: Option<AccessPolicy>,
    /// Adds `cancelled` from the first two states.
    pub cancel_before_start: Option<bool>,
    /// A file that keeps signed checkpoints.
    pub anchor_file: Option<PathBuf>,
    /// Connections to PostgreSQL for readers.
    pub connections: Option<u32>,
    /// Where to listen when the url leads to a pooler.
    pub listen_url: Option<String>,
    /// How long a commit goes on trying when the PostgreSQL server goes away.
    pub patience: Option<Duration>,
}

/// Reads `{create?, synchronous?: "full" | "normal", key_cache_ttl_ms?, commit_timeout_ms?, access?,
/// cancel_before_start?, anchor_file?, connections?, listen_url?, patience_ms?}`.
///
/// # Errors
/// `VALIDATION_ERROR` with every fault.
///
/// ```
/// let options = medorder::wire::open_options(br#"{"create":false,"key_cache_ttl_ms":5000}"#)?;
/// assert_eq!(options.create, Some(false));
/// # Ok::<(), medorder::Error>(())
/// ```
pub fn open_options(json: &[u8]) -> Result<OpenOptions> {
    one(json, |value, path, faults| {
        const KNOWN: &[&str] = &[
            "create",
            "synchronous",
            "key_cache_ttl_ms",
            "commit_timeout_ms",
            "access",
            "cancel_before_start",
            "anchor_file",
            "connections",
            "listen_url",
            "patience_ms",
        ];
        let members = Members::read(value, path, KNOWN, faults)?;
        let create = flag(&members, "create", faults);
        let synchronous = members.optional_parsed("synchronous", synchronous, faults);
        let connections = members.optional_number("connections", faults);
        let connections = connections.map(|n| u32::try_from(n).ok().filter(|n| *n > 0).ok_or(Rule::Format));
        Some(OpenOptions {
            create,
            wait_for_disk: synchronous,
            key_cache_ttl: millis(&members, "key_cache_ttl_ms", faults),
            commit_timeout: millis(&members, "commit_timeout_ms", faults),
            access: members
                .optional("access")
                .and_then(|value| read_policy(value, &members.path("access"), faults)),
            cancel_before_start: flag(&members, "cancel_before_start", faults),
            anchor_file: members.optional_text("anchor_file", faults).map(PathBuf::from),
            connections: connections.and_then(|number| faults.value(|| members.path("connections"), number)),
            listen_url: members.optional_text("listen_url", faults).map(Into::into),
            patience: millis(&members, "patience_ms", faults),
        })
    })
}

fn synchronous(word: &str) -> Result<bool, Rule> {
    match word {
        "full" => Ok(true),
        "normal" => Ok(false),
        _ => Err(Rule::OneOf),
    }
}

fn flag(members: &Members<'_, '_>, name: &str, faults: &mut Faults) -> Option<bool> {
    match members.optional(name)? {
        Value::Bool(on) => Some(*on),
        _ => {
            faults.spoil(members.path(name), Rule::Type);
            None
        }
    }
}

fn millis(members: &Members<'_, '_>, name: &str, faults: &mut Faults) -> Option<Duration> {
    members.optional_number(name, faults).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(json: &str) -> Vec<String> {
        open_options(json.as_bytes()).unwrap_err().faults().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_member_is_read() {
        let options = open_options(
            br#"{"create":false,"synchronous":"normal","key_cache_ttl_ms":1,"commit_timeout_ms":2,
                 "access":{"roles":{}},"cancel_before_start":true,"anchor_file":"notes","connections":3,
                 "listen_url":"postgres://x","patience_ms":4}"#,
        )
        .unwrap();
        assert_eq!((options.create, options.wait_for_disk), (Some(false), Some(false)));
        let millis = [options.key_cache_ttl, options.commit_timeout, options.patience];
        assert_eq!(millis.map(|time| time.unwrap().as_millis()), [1, 2, 4]);
        assert_eq!(options.access, Some(AccessPolicy::empty()));
        assert_eq!((options.cancel_before_start, options.connections), (Some(true), Some(3)));
        assert_eq!(options.anchor_file, Some(PathBuf::from("notes")));
        assert_eq!(options.listen_url.as_deref(), Some("postgres://x"));
        let none = open_options(br#"{"create":null}"#).unwrap();
        assert_eq!((none.create, none.access, none.anchor_file), (None, None, None));
    }

    #[test]
    fn every_fault_is_listed() {
        assert_eq!(
            faults(
                r#"{"create":1,"synchronous":"off","key_cache_ttl_ms":-1,"connections":0,"access":{"roles":{"a":{}}},"anchor":"x"}"#
            ),
            [
                "anchor unknown",
                "create type",
                "synchronous one_of",
                "key_cache_ttl_ms format",
                "access.roles.a.permissions required",
                "access.roles.a.fields required",
                "connections format",
            ]
        );
        assert_eq!(faults("[]"), ["type"]);
    }
}
