//! Where signed checkpoints are kept outside the database, so that a rolled-back database shows.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::audit::checkpoint;
use crate::error::{Error, ErrorCode, Result, Rule};

/// Keeps checkpoints away from whoever can write the database: another volume, another machine, a witness.
///
/// Calls come on any thread with no lock held and have 5 seconds.
pub trait AnchorSink: Send + Sync + 'static {
    /// Keeps a signed note durably. The same note may come twice.
    ///
    /// # Errors
    /// Any error means that the note is not kept.
    fn keep(&self, note: &str) -> Result<()>;

    /// The newest note of `chain` (a territory id, or the empty text of the system chain), of whatever
    /// generation; `None` if there is none.
    ///
    /// # Errors
    /// Any error means that the sink can't tell.
    fn newest(&self, chain: &str) -> Result<Option<String>>;
}

/// An append-only file of notes, one after the other. Keep it on another volume than the database.
pub struct AnchorFile {
    path: PathBuf,
    file: Mutex<File>,
}

impl AnchorFile {
    /// Opens the file, or makes it with mode 0600.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE` if it can't be opened, `VALIDATION_ERROR` (`anchor_file format`) if it holds
    /// anything but checkpoints: it may be another file that must not be written to.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let mut open = OpenOptions::new();
        open.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
        let file = open.open(path.as_ref()).map_err(|_| unavailable())?;
        let anchor = Self { path: path.as_ref().to_owned(), file: Mutex::new(file) };
        match notes(&anchor.text()?) {
            Some(_) => Ok(anchor),
            None => Err(Error::fault("anchor_file", Rule::Format)),
        }
    }

    fn text(&self) -> Result<String> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.read_to_end(&mut bytes))
            .map_err(|_| unavailable())?;
        // A torn note may end inside a character.
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl std::fmt::Debug for AnchorFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AnchorFile({})", self.path.display())
    }
}

impl AnchorSink for AnchorFile {
    fn keep(&self, note: &str) -> Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = (|| {
            // After a torn note the next one begins on a line of its own.
            let gap = if ends_with_line(&mut file)? { "" } else { "\n" };
            file.write_all([gap, note].concat().as_bytes())?;
            file.sync_all()
        })();
        written.map_err(|_: io::Error| unavailable())
    }

    fn newest(&self, chain: &str) -> Result<Option<String>> {
        let text = self.text()?;
        let notes = notes(&text).ok_or_else(|| {
            Error::new(ErrorCode::AuditBroken, "the anchor file holds something that is no checkpoint")
        })?;
        let own: Vec<&str> =
            notes.into_iter().filter(|note| checkpoint::chain_of(note) == Some(chain)).collect();
        // Two processes may keep theirs out of order: the highest of the newest generation counts.
        let name = own.last().and_then(|note| note.lines().next());
        let newest = own.into_iter().filter(|note| note.lines().next() == name).max_by_key(|note| seq(note));
        Ok(newest.map(str::to_owned))
    }
}

/// The position that a note signs.
fn seq(note: &str) -> Option<u64> {
    note.lines().nth(1)?.parse().ok()
}

/// True if the file is empty or its last line is whole.
fn ends_with_line(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == [b'\n'])
}

/// Name, number, hash, an empty line, signature.
const LINES: usize = 5;

/// The notes of a text, `None` if it holds anything else. A torn note (a crash while writing) is left out
/// wherever it stands: it was never acknowledged, and those after it count.
fn notes(text: &str) -> Option<Vec<&str>> {
    let mut ends = vec![0];
    ends.extend(text.split_inclusive('\n').scan(0, |at, line| {
        *at += line.len();
        Some(*at)
    }));
    let lines = ends.len() - 1;
    let whole = |at: usize| {
        let note = text.get(ends[at]..*ends.get(at + LINES)?)?;
        (note.ends_with('\n') && checkpoint::is_whole(note)).then_some(note)
    };
    let (mut notes, mut at, mut part) = (Vec::new(), 0, 0);
    while at < lines {
        if let Some(note) = whole(at) {
            notes.push(note);
            (at, part) = (at + LINES, 0);
        } else {
            part = torn(part, text[ends[at]..ends[at + 1]].trim_end_matches('\n'))?;
            at += 1;
        }
    }
    Some(notes)
}

/// Which line of a torn note may follow after `line` stood where line `part` may stand; `None` if no torn note
/// has it there.
fn torn(part: usize, line: &str) -> Option<usize> {
    const NAME: &str = "medorder/";
    let base64 = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let (fits, complete) = match part {
        0 => {
            (!line.is_empty() && (NAME.starts_with(line) || line.starts_with(NAME)), line.len() > NAME.len())
        }
        1 => (!line.is_empty() && line.bytes().all(|b| b.is_ascii_digit()), true),
        2 => (line.len() <= 44 && line.bytes().all(base64), line.len() == 44),
        3 => (line.is_empty(), true),
        // May end inside the dash, whose bytes were replaced when the text was read.
        _ => ("\u{2014} medorder/".starts_with(line) || line.starts_with(['\u{2014}', '\u{fffd}']), false),
    };
    match (fits, complete) {
        (true, true) => Some(part + 1),
        (true, false) => Some(0),
        // The one before was torn right at the end of a line, and this begins anew.
        (false, _) if part > 0 => torn(0, line),
        (false, _) => None,
    }
}

/// The host's own place, by two functions: a database of its own, an object store, a witness.
pub struct AnchorCallback<K, N> {
    keep: K,
    newest: N,
}

impl<K, N> AnchorCallback<K, N>
where
    K: Fn(&str) -> Result<()> + Send + Sync + 'static,
    N: Fn(&str) -> Result<Option<String>> + Send + Sync + 'static,
{
    /// A sink that calls `keep` with each note and `newest` with a chain.
    pub const fn new(keep: K, newest: N) -> Self {
        Self { keep, newest }
    }
}

impl<K, N> AnchorSink for AnchorCallback<K, N>
where
    K: Fn(&str) -> Result<()> + Send + Sync + 'static,
    N: Fn(&str) -> Result<Option<String>> + Send + Sync + 'static,
{
    fn keep(&self, note: &str) -> Result<()> {
        (self.keep)(note)
    }

    fn newest(&self, chain: &str) -> Result<Option<String>> {
        (self.newest)(chain)
    }
}

fn unavailable() -> Error {
    Error::new(ErrorCode::StorageUnavailable, "the anchor file cannot be read or written")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(chain: &str, seq: u64) -> String {
        let checkpoint =
            checkpoint::Checkpoint { generation: [1; 16], chain: chain.to_owned(), seq, hash: [2; 32] };
        checkpoint::Signer::new(&[3; 32]).sign(&checkpoint)
    }

    #[test]
    fn another_file_is_refused_and_left_alone() {
        let path = std::env::temp_dir().join(format!("medorder-anchor-other-{}", std::process::id()));
        for other in ["medorder-root-v1 AAAA\n", "junk", "\n", "{}", "medorder/g/a\nx\nh\n\n\u{2014} s\n"] {
            std::fs::write(&path, other).unwrap();
            assert_eq!(AnchorFile::open(&path).unwrap_err().faults()[0].path, "anchor_file", "{other:?}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), other);
        }
        let garbled = note("a", 1).replace("\n1\n", "\none\n");
        std::fs::write(&path, note("a", 1)).unwrap();
        let anchor = AnchorFile::open(&path).unwrap();
        std::fs::write(&path, garbled).unwrap();
        assert_eq!(anchor.newest("a").unwrap_err().code(), ErrorCode::AuditBroken);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_note_torn_anywhere_is_left_out_and_those_after_it_count() {
        let folder = std::env::temp_dir().join(format!("medorder-anchor-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("anchor");
        let (first, torn, next) = (note("a", 1), note("a", 2), note("a", 3));
        for cut in 0..torn.len() {
            std::fs::write(&path, [first.as_bytes(), &torn.as_bytes()[..cut]].concat()).unwrap();
            let anchor = AnchorFile::open(&path).unwrap();
            assert_eq!(anchor.newest("a").unwrap().as_ref(), Some(&first), "cut at {cut}");
            anchor.keep(&note("b", 7)).unwrap();
            // A note that lacked nothing but the end of its line is whole now, and as true as the others.
            let newest = if cut + 1 == torn.len() { &torn } else { &first };
            assert_eq!(anchor.newest("a").unwrap().as_ref(), Some(newest), "cut at {cut}");
            anchor.keep(&next).unwrap();
            assert_eq!(anchor.newest("a").unwrap().as_ref(), Some(&next), "cut at {cut}");
            assert_eq!(anchor.newest("b").unwrap(), Some(note("b", 7)), "cut at {cut}");
            assert_eq!(anchor.newest("").unwrap(), None);
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
