//! Which suites of `medorder-tests` run on which engine.

/// Suites that say nothing of either engine: they run on SQLite with all tests, and once more on PostgreSQL.
pub(crate) const ON_BOTH_ENGINES: &[&str] = &[
    "access_live",
    "batches",
    "callbacks",
    "checks",
    "checks_of_acts",
    "entries",
    "feed",
    "idempotency",
    "life",
    "lists",
    "reviewed",
    "rollback",
    "rotation",
    "secrecy_of_errors",
    "tamper",
];

/// Suites that run once, with all tests, and why not a second time.
#[cfg(test)]
const ONCE: &[(&str, &str)] = &[
    (
        "committer",
        "holds commits back and counts calls in the queue, which are there at once only if reads are",
    ),
    ("conformance", "has every engine"),
    ("cluster", "has crews of processes on every engine"),
    ("contention", "has every engine"),
    ("contract", "has every engine"),
    ("crash", "kills processes on both engines"),
    ("cuts", "cuts connections to PostgreSQL"),
    ("disk", "reads the bytes of the file; PostgreSQL keeps dead rows for a while, and says so"),
    ("faults", "fails every call of the engine in turn; minutes on PostgreSQL, and judges the service"),
    ("group", "builds its own engines"),
    ("isolation", "is about PostgreSQL"),
    ("locks", "is about the file's locks"),
    ("moving", "is about a file on its way to a server"),
    ("plans", "reads the plans of both engines"),
    ("processes", "is about processes on one file"),
    ("restore", "puts copies of the file back"),
    ("schema", "changes the file's schema; schema_server changes PostgreSQL's"),
    ("schema_server", "is about PostgreSQL"),
    ("secrecy", "reads the bytes of the file; secrecy_server reads PostgreSQL's"),
    ("secrecy_server", "is about PostgreSQL"),
    ("server", "is about PostgreSQL"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_is_in_one_of_the_lists() {
        let manifest = include_str!("../../Cargo.toml");
        let suites = manifest.split("[[test]]\nname = \"").skip(1).filter_map(|rest| rest.split('"').next());
        let mut suites: Vec<_> = suites.collect();
        suites.sort_unstable();
        let mut listed: Vec<_> = ON_BOTH_ENGINES.to_vec();
        listed.extend(ONCE.iter().map(|(suite, why)| {
            assert!(!why.is_empty());
            *suite
        }));
        listed.sort_unstable();
        assert_eq!(suites, listed, "a suite runs on PostgreSQL too, or there is a reason");
    }
}
