//! Signed notes in a file that is only read.

use std::path::Path;

use medorder::{AnchorCallback, AnchorSink, Result, audit::checkpoint};

use crate::connect::file_error;

/// How many lines a note has: name, number, hash, an empty line, signature.
const LINES: usize = 5;
/// How long 32 bytes of a hash and 68 of a signature are as base64.
const HASH: usize = 44;
const SIGNATURE: usize = 92;

/// The notes of a file.
#[derive(Clone)]
pub(crate) struct Notes(Vec<String>);

impl Notes {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| file_error(path, "read", &e))?;
        // A torn note may end inside a character.
        Ok(Self::parse(&String::from_utf8_lossy(&bytes)))
    }

    /// Whole notes alone: one that was torn by a crash was never acknowledged.
    fn parse(text: &str) -> Self {
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        Self(lines.windows(LINES).filter(|lines| is_note(lines)).map(<[&str]>::concat).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Answers the newest note of a chain, and keeps nothing.
    pub(crate) fn sink(self) -> impl AnchorSink {
        AnchorCallback::new(
            |_: &str| Ok(()),
            move |chain: &str| {
                Ok(self.0.iter().rev().find(|note| checkpoint::chain_of(note) == Some(chain)).cloned())
            },
        )
    }
}

/// The form alone; the engine checks the signature.
fn is_note(lines: &[&str]) -> bool {
    let [name, number, hash, empty, signature] = lines else { return false };
    let signature = signature.strip_suffix('\n').and_then(|line| line.strip_prefix("\u{2014} "));
    checkpoint::chain_of(name).is_some()
        && number.trim_end().parse::<u64>().is_ok()
        && hash.trim_end().len() == HASH
        && *empty == "\n"
        && signature
            .and_then(|line| line.rsplit_once(' '))
            .is_some_and(|(_, signature)| signature.len() == SIGNATURE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_notes_are_told_from_torn_ones() {
        let note = |chain: &str| {
            let (hash, signature) = ("h".repeat(HASH), "s".repeat(SIGNATURE));
            format!("medorder/g/{chain}\n7\n{hash}\n\n\u{2014} medorder/g {signature}\n")
        };
        let (one, two) = (note("a"), note("b"));
        assert_eq!(Notes::parse(&format!("{one}{two}")).0, [one.clone(), two.clone()]);
        for cut in 0..two.len() {
            let torn = [one.as_bytes(), &two.as_bytes()[..cut], b"\n", one.as_bytes()].concat();
            let notes = Notes::parse(&String::from_utf8_lossy(&torn)).0;
            assert!(notes.first() == Some(&one) && notes.last() == Some(&one), "cut at {cut}");
            assert!(
                Notes::parse(&String::from_utf8_lossy(&two.as_bytes()[..cut])).is_empty(),
                "cut at {cut}"
            );
        }
    }
}
