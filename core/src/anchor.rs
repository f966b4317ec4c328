//! Where signed checkpoints are kept outside the database, so that a rolled-back database shows.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
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
        let mut text = String::new();
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.read_to_string(&mut text))
            .map_err(|_| unavailable())?;
        Ok(text)
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
        file.write_all(note.as_bytes()).and_then(|()| file.sync_all()).map_err(|_| unavailable())
    }

    fn newest(&self, chain: &str) -> Result<Option<String>> {
        let text = self.text()?;
        Ok(notes(&text).filter(|note| checkpoint::chain_of(note) == Some(chain)).last().map(str::to_owned))
    }
}

/// Notes of a text where each ends with its signature line. A torn last note (a crash while writing) is left
/// out: it was never acknowledged.
fn notes(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let signature = rest.find("\n\u{2014} ")? + 1;
        let end = signature + rest[signature..].find('\n')? + 1;
        let (note, tail) = rest.split_at(end);
        rest = tail;
        Some(note)
    })
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

    #[test]
    fn a_torn_note_is_left_out() {
        let one = "medorder/g/a\n1\nh\n\n\u{2014} medorder/g sig\n";
        let text = format!("{one}{one}medorder/g/a\n2\nh\n\n\u{2014} medorder/g si");
        assert_eq!(notes(&text).collect::<Vec<_>>(), [one, one]);
    }
}
