//! What an object behind a handle is made of: members that any thread may read and set, and JSON for the engine.

use std::sync::{Mutex, MutexGuard, PoisonError};

use medorder::{Error, Phi, Rule, Zeroizing};
use serde_json::{Map, Value};

/// Members of an object.
#[derive(Default)]
pub(crate) struct Members<T>(Mutex<T>);

impl<T> Members<T> {
    pub(crate) const fn new(members: T) -> Self {
        Self(Mutex::new(members))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A text as PHI: wiped when dropped, and shown by nothing.
pub(crate) type Text = Option<Phi<String>>;

/// The text, for a language whose texts nobody can wipe.
pub(crate) fn expose(text: &Text) -> Option<String> {
    text.as_ref().map(|text| text.expose().clone())
}

/// Arguments of a call: those that are there.
pub(crate) fn arguments<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let there = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect::<Map<_, _>>())
}

/// The JSON that the engine reads.
pub(crate) fn json(value: &Value) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(value.to_string().into_bytes())
}

/// A number of this surface as one of the engine, which has no negative ones.
pub(crate) fn unsigned(number: i64, path: &str) -> Result<u64, Error> {
    u64::try_from(number).map_err(|_| Error::fault(path, Rule::Format))
}

/// A number of the engine. None of them, a version, a position or a count, comes near the end of the range.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
