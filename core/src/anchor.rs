//! Where signed checkpoints are kept outside the database, so that a rolled-back database shows.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::audit::checkpoint;
use crate::error::{Error, ErrorCode, Result};

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
    /// `STORAGE_UNAVAILABLE` if it can't be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let mut open = OpenOptions::new();
        open.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
        let file = open.open(path.as_ref()).map_err(|_| unavailable())?;
        Ok(Self { path: path.as_ref().to_owned(), file: Mutex::new(file) })
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
        Ok(notes(&text).filter(|note| checkpoint::chain_of(note) == Some(chain)).last().map(str::to_owned))
    }
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

/// The notes of a text: five lines each, the last one signed. A torn note (a crash while writing) is left out
/// wherever it stands: it was never acknowledged, and those after it count.
fn notes(text: &str) -> impl Iterator<Item = &str> {
    let mut starts = Vec::new();
    let mut at = 0;
    text.split_inclusive('\n').filter_map(move |line| {
        starts.push(at);
        at += line.len();
        let first = starts.len().checked_sub(LINES)?;
        Some(&text[starts[first]..at]).filter(|note| note.ends_with('\n') && checkpoint::is_whole(note))
    })
}

/// Name, number, hash, an empty line, signature.
const LINES: usize = 5;

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
