//! Texts that must not be found, in every form they could hide in, and an ear for everything that is logged.

use std::fmt::{Debug, Write};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// One PHI field and the text that stands in it.
#[derive(Debug)]
pub struct Canary {
    /// The field.
    pub field: &'static str,
    /// What to put in it: with a quote, a backslash and a letter beyond ASCII, which encoders like to change.
    pub text: String,
    needles: Vec<Vec<u8>>,
}

impl Canary {
    /// A canary for `field`.
    #[must_use]
    pub fn new(field: &'static str) -> Self {
        let word = format!("zq{}zq", field.replace(['_', '.'], "Q"));
        let text = format!("{word} \"x\" \\ \u{fc} {word}");
        let escaped = serde_json::Value::from(text.as_str()).to_string();
        let mut needles = vec![text.clone().into_bytes(), escaped.into_bytes()];
        // The word has no character that any encoder of text would change.
        needles.push(word.clone().into_bytes());
        needles.push(hex(word.as_bytes()).into_bytes());
        needles.push(hex(word.as_bytes()).to_uppercase().into_bytes());
        needles.push(word.encode_utf16().flat_map(u16::to_le_bytes).collect());
        for alignment in 0..3 {
            let shifted = [&b"\0\0\0"[..alignment], word.as_bytes()].concat();
            for code in [STANDARD.encode(&shifted), URL_SAFE.encode(&shifted)] {
                // The characters that the bytes before and behind would change are left out.
                let from = (alignment * 8).div_ceil(6);
                let upto = shifted.len() * 8 / 6;
                needles.push(code.as_bytes()[from..upto].to_vec());
            }
        }
        Self { field, text, needles }
    }

    /// True if `bytes` hold it in some form.
    #[must_use]
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        self.needles.iter().any(|needle| contains(bytes, needle))
    }
}

/// A canary that `bytes` hold in some form. One pass, for places of many megabytes.
#[must_use]
pub fn first_in<'c>(canaries: &'c [Canary], bytes: &[u8]) -> Option<&'c Canary> {
    let mut begins = vec![false; 1 << 16];
    for needle in canaries.iter().flat_map(|canary| &canary.needles) {
        begins[usize::from(needle[0]) << 8 | usize::from(needle[1])] = true;
    }
    let mut last = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let pair = last << 8 | usize::from(*byte);
        last = usize::from(*byte);
        if at > 0 && begins[pair] {
            let rest = &bytes[at - 1..];
            let found = canaries.iter().find(|one| one.needles.iter().any(|needle| rest.starts_with(needle)));
            if found.is_some() {
                return found;
            }
        }
    }
    None
}

/// True if `needle` stands somewhere in `bytes`.
#[must_use]
pub fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else { return true };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        if rest[at..].starts_with(needle) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string grows");
        text
    })
}

/// The bytes of a file that is open here, read by another process: closing a descriptor of it in this one
/// would drop the locks of the engine.
///
/// # Panics
/// If the file cannot be read.
#[must_use]
pub fn read_elsewhere(path: &Path) -> Vec<u8> {
    let output = Command::new("cat").arg(path).output().expect("cat runs");
    assert!(output.status.success(), "{}", path.display());
    output.stdout
}

/// Hears every event and span at every level.
#[derive(Clone, Debug, Default)]
pub struct Ear(Arc<Mutex<String>>);

impl Ear {
    /// All that was logged so far.
    ///
    /// # Panics
    /// If a test panicked while it logged.
    #[must_use]
    pub fn heard(&self) -> String {
        self.0.lock().expect("nobody panicked").clone()
    }

    fn write(&self, metadata: &Metadata<'_>, record: impl FnOnce(&mut Line)) {
        let mut line = Line(format!("{} {} {}", metadata.level(), metadata.target(), metadata.name()));
        record(&mut line);
        let mut heard = self.0.lock().expect("nobody panicked");
        heard.push_str(&line.0);
        heard.push('\n');
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).expect("a string grows");
    }
}

impl Subscriber for Ear {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.write(span.metadata(), |line| span.record(line));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        let mut line = Line(String::new());
        values.record(&mut line);
        self.0.lock().expect("nobody panicked").push_str(&line.0);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.write(event.metadata(), |line| event.record(line));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_found_in_every_form() {
        let canary = Canary::new("insurance.carrier");
        let text = &canary.text;
        for before in ["", "a", "ab", "abc"] {
            let bytes = format!("{before}{text}tail");
            for form in [
                bytes.clone(),
                hex(bytes.as_bytes()),
                hex(bytes.as_bytes()).to_uppercase(),
                STANDARD.encode(&bytes),
                URL_SAFE.encode(&bytes),
                serde_json::Value::from(bytes.as_str()).to_string(),
            ] {
                assert!(canary.is_in(form.as_bytes()), "{form}");
                let found = first_in(&[Canary::new("notes"), Canary::new(canary.field)], form.as_bytes());
                assert_eq!(found.map(|one| one.field), Some(canary.field), "{form}");
            }
        }
        assert!(!Canary::new("notes").is_in(text.as_bytes()));
        assert!(first_in(&[Canary::new("notes")], text.as_bytes()).is_none());
    }
}
