//! Reads members out of a JSON object, noting every fault of form.

use super::faults::{Faults, item, member, stranger};
use super::json::Value;
use crate::error::Rule;

/// The members of an object at a path.
pub(crate) struct Members<'v, 'a> {
    path: String,
    known: &'static [&'static str],
    values: Vec<Option<&'v Value<'a>>>,
}

impl<'v, 'a> Members<'v, 'a> {
    /// The members of `value`; a member beyond `known` is a fault, and of one that stands twice the first
    /// counts.
    pub(crate) fn read(
        value: &'v Value<'a>,
        path: &str,
        known: &'static [&'static str],
        faults: &mut Faults,
    ) -> Option<Self> {
        let Value::Object(members) = value else {
            faults.spoil(path.to_owned(), Rule::Type);
            return None;
        };
        let mut values = vec![None; known.len()];
        for (name, value) in members {
            match known.iter().position(|known| *known == &**name) {
                None => faults.add(stranger(path, name), Rule::Unknown),
                Some(at) if values[at].is_some() => faults.add(member(path, name), Rule::Duplicate),
                Some(at) => values[at] = Some(value),
            }
        }
        Some(Self { path: path.to_owned(), known, values })
    }

    /// The path of a member.
    pub(crate) fn path(&self, name: &str) -> String {
        member(&self.path, name)
    }

    /// The value of a member that may be absent or null.
    pub(crate) fn optional(&self, name: &str) -> Option<&'v Value<'a>> {
        let at = self.known.iter().position(|known| *known == name)?;
        self.values[at].filter(|value| **value != Value::Null)
    }

    /// The value of a member that must be there.
    pub(crate) fn required(&self, name: &str, faults: &mut Faults) -> Option<&'v Value<'a>> {
        let value = self.optional(name);
        if value.is_none() {
            faults.spoil(self.path(name), Rule::Required);
        }
        value
    }

    pub(crate) fn required_text(&self, name: &str, faults: &mut Faults) -> Option<&'v str> {
        self.required(name, faults).and_then(|value| text(value, || self.path(name), faults))
    }

    pub(crate) fn optional_text(&self, name: &str, faults: &mut Faults) -> Option<&'v str> {
        self.optional(name).and_then(|value| text(value, || self.path(name), faults))
    }

    /// A text that `check` turns into a value.
    pub(crate) fn optional_parsed<T>(
        &self,
        name: &str,
        check: impl FnOnce(&str) -> Result<T, Rule>,
        faults: &mut Faults,
    ) -> Option<T> {
        let text = self.optional_text(name, faults)?;
        faults.value(|| self.path(name), check(text))
    }

    /// A text that must be there and that `check` turns into a value.
    pub(crate) fn required_parsed<T>(
        &self,
        name: &str,
        check: impl FnOnce(&str) -> Result<T, Rule>,
        faults: &mut Faults,
    ) -> Option<T> {
        let text = self.required_text(name, faults)?;
        faults.value(|| self.path(name), check(text))
    }

    /// A whole number of 64 bits without sign.
    pub(crate) fn optional_number(&self, name: &str, faults: &mut Faults) -> Option<u64> {
        match self.optional(name)? {
            Value::Number(number) => {
                let number = number.parse().map_err(|_| Rule::Format);
                faults.value(|| self.path(name), number)
            }
            _ => {
                faults.spoil(self.path(name), Rule::Type);
                None
            }
        }
    }
}

/// The text of `value`.
pub(crate) fn text<'v>(
    value: &'v Value<'_>,
    path: impl FnOnce() -> String,
    faults: &mut Faults,
) -> Option<&'v str> {
    match value {
        Value::String(text) => Some(text),
        _ => {
            faults.spoil(path(), Rule::Type);
            None
        }
    }
}

/// The items of `value`.
pub(crate) fn list<'v, 'a>(value: &'v Value<'a>, path: &str, faults: &mut Faults) -> Option<&'v [Value<'a>]> {
    match value {
        Value::Array(items) => Some(items),
        _ => {
            faults.spoil(path.to_owned(), Rule::Type);
            None
        }
    }
}

/// The words of a list, none of them twice; empty where a word is faulty.
pub(crate) fn words<T: Copy + PartialEq>(
    value: &Value<'_>,
    path: &str,
    check: impl Fn(&str) -> Result<T, Rule>,
    faults: &mut Faults,
) -> Vec<T> {
    let mut words = Vec::new();
    for (at, value) in list(value, path, faults).unwrap_or_default().iter().enumerate() {
        let place = || item(path, at);
        let Some(word) = text(value, place, faults).and_then(|text| faults.value(place, check(text))) else {
            continue;
        };
        if words.contains(&word) {
            faults.add(place(), Rule::Duplicate);
        } else {
            words.push(word);
        }
    }
    words
}
