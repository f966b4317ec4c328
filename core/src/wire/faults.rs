//! Collects every fault of a request.

use std::collections::HashSet;

use crate::error::{Error, Fault, Result, Rule};

/// The faults of a request so far, each path once a rule.
#[derive(Default)]
pub(crate) struct Faults {
    list: Vec<Fault>,
    seen: HashSet<(String, Rule)>,
    spoiled: HashSet<String>,
}

impl Faults {
    /// Notes that the value at `path` breaks `rule`; nothing for a path without a usable value.
    pub(crate) fn add(&mut self, path: String, rule: Rule) {
        if !self.spoiled.contains(&path) && self.seen.insert((path.clone(), rule)) {
            self.list.push(Fault::new(path, rule));
        }
    }

    /// Notes that there is no usable value at `path`, so that its contents are not judged as well.
    pub(crate) fn spoil(&mut self, path: String, rule: Rule) {
        self.add(path.clone(), rule);
        self.spoiled.insert(path);
    }

    /// The value at `path` under `check`.
    pub(crate) fn value<T>(&mut self, path: impl FnOnce() -> String, value: Result<T, Rule>) -> Option<T> {
        value.map_err(|rule| self.add(path(), rule)).ok()
    }

    /// # Errors
    /// `VALIDATION_ERROR` with all faults, if there are any.
    pub(crate) fn finish(self) -> Result<()> {
        if self.list.is_empty() { Ok(()) } else { Err(Error::validation(self.list)) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// The path of a member of the object at `base`.
pub(crate) fn member(base: &str, name: &str) -> String {
    if base.is_empty() { name.to_owned() } else { format!("{base}.{name}") }
}

/// The path of an item of the list at `base`.
pub(crate) fn item(base: &str, at: usize) -> String {
    format!("{base}[{at}]")
}

/// The path of a member that nobody knows. Its name is the caller's text: what does not look like a name may
/// be a value that was put in the wrong place.
pub(crate) fn stranger(base: &str, name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    let name = if name.len() <= 32 && !name.is_empty() && name.bytes().all(plain) { name } else { "?" };
    member(base, name)
}
