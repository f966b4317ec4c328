//! The root key as one line of text, in a file or an environment variable.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::{Zeroize, Zeroizing};

use super::Root;
use crate::env::Env;
use crate::error::{Error, ErrorCode, Result, Rule};
use crate::phi::key::Key32;

const PREFIX: &[u8] = b"medorder-root-v1 ";
/// The prefix and base64 of 32 bytes.
const LINE: usize = PREFIX.len() + 44;

/// A root key read from a file that only its owner can read.
///
/// ```
/// use medorder::{KeyFile, KeyProvider, generate_key_file};
///
/// let folder = std::env::temp_dir().join(format!("medorder-key-{}", std::process::id()));
/// std::fs::create_dir_all(&folder)?;
/// let path = folder.join("root.key");
/// generate_key_file(&path)?;
/// assert!(generate_key_file(&path).is_err(), "never overwritten");
/// let keys = KeyFile::open(&path)?;
/// let blob = keys.wrap(&[7; 32], b"context")?;
/// assert_eq!(*keys.unwrap(&blob, b"context")?, [7; 32]);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct KeyFile(pub(super) Root);

impl KeyFile {
    /// Reads the file once: one line `medorder-root-v1 <base64 of 32 bytes>`, mode 0600 (or 0400) on Unix. On
    /// other systems the access list of the file is the operator's to set.
    ///
    /// # Errors
    /// `KEY_UNAVAILABLE` if the file cannot be read; `VALIDATION_ERROR` with path `key_file.mode` if others
    /// than its owner may read or change it, with path `key_file` if it does not hold such a line.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let unreadable = |_: io::Error| Error::new(ErrorCode::KeyUnavailable, "the key file cannot be read");
        let mut file = File::open(path).map_err(unreadable)?;
        check_mode(&file.metadata().map_err(unreadable)?)?;
        // One byte more than the longest, so that a longer file shows.
        let mut text = Zeroizing::new([0; LINE + 2]);
        let mut length = 0;
        while length < text.len() {
            match file.read(&mut text[length..]) {
                Ok(0) => break,
                Ok(n) => length += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(error)),
            }
        }
        parse(&text[..length]).map(Self).ok_or_else(|| Error::fault("key_file", Rule::Format))
    }
}

/// A root key read from an environment variable, which holds the same line as a key file.
///
/// The environment of a process outlives the call and is visible to its user and to administrators: prefer a
/// [`KeyFile`] where there is a file system.
#[derive(Clone, Debug)]
pub struct EnvKey(pub(super) Root);

impl EnvKey {
    /// Reads the variable `name` once.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` with path `key_variable`: `required` if it is not set, `format` if it does not hold
    /// such a line.
    pub fn from_var(name: &str) -> Result<Self> {
        let text = std::env::var_os(name).ok_or_else(|| Error::fault("key_variable", Rule::Required))?;
        let text = Zeroizing::new(text.into_encoded_bytes());
        parse(&text).map(Self).ok_or_else(|| Error::fault("key_variable", Rule::Format))
    }
}

/// Makes a key file with a fresh root key, mode 0600 on Unix, durable when the call returns.
///
/// **Losing this file loses the data:** nothing that was encrypted under it can be read again. Keep a copy
/// apart from the database and its backups. An existing file is never overwritten.
///
/// # Errors
/// `VALIDATION_ERROR` with path `key_file` and rule `duplicate` if there is a file already; `KEY_UNAVAILABLE`
/// if it cannot be written; `INTERNAL` if the system gives no randomness.
pub fn generate_key_file(path: impl AsRef<Path>) -> Result<()> {
    let path = path.as_ref();
    let root = Zeroizing::new(Env::system().random::<32>()?);
    let mut line = Zeroizing::new([0; LINE + 1]);
    line[..PREFIX.len()].copy_from_slice(PREFIX);
    let failed = |_| Error::new(ErrorCode::Internal, "the key line has another length");
    STANDARD.encode_slice(&root[..], &mut line[PREFIX.len()..LINE]).map_err(failed)?;
    line[LINE] = b'\n';

    let mut file = match create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(Error::fault("key_file", Rule::Duplicate));
        }
        created => created.map_err(unwritable)?,
    };
    let written = file.write_all(&line[..]).and_then(|()| file.sync_all()).and_then(|()| sync_folder(path));
    written.map_err(|error| {
        // Half a key must not stand in the way of the next try; that it cannot be removed changes nothing.
        let _ = std::fs::remove_file(path);
        unwritable(error)
    })
}

fn unwritable(_: io::Error) -> Error {
    Error::new(ErrorCode::KeyUnavailable, "the key file cannot be written")
}

fn parse(text: &[u8]) -> Option<Root> {
    let line = text.strip_suffix(b"\n").unwrap_or(text);
    if line.len() != LINE {
        return None;
    }
    let mut root = Zeroizing::new([0; 33]);
    let length = STANDARD.decode_slice(line.strip_prefix(PREFIX)?, &mut root[..]).ok()?;
    let mut bytes: [u8; 32] = root.get(..length)?.try_into().ok()?;
    let key = Key32::from_bytes(bytes);
    bytes.zeroize();
    Some(Root(key))
}

#[cfg(unix)]
fn create(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

/// The name of a new file is durable once its folder is.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Other systems have no such call; their file systems make the name durable with the file.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn check_mode(metadata: &std::fs::Metadata) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // 0400 is what secret stores mount, and stricter than 0600.
    match metadata.permissions().mode() & 0o7777 {
        0o600 | 0o400 => Ok(()),
        _ => Err(Error::fault("key_file.mode", Rule::NotAllowed)),
    }
}

#[cfg(not(unix))]
fn check_mode(_: &std::fs::Metadata) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::keys::KeyProvider;

    /// A folder that goes with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("medorder-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn write(path: &Path, text: &[u8]) {
        let _ = std::fs::remove_file(path);
        create(path).unwrap().write_all(text).unwrap();
    }

    #[test]
    fn a_generated_file_opens_and_is_never_overwritten() {
        let folder = Folder::new("generate");
        let path = folder.0.join("root.key");
        generate_key_file(&path).unwrap();
        let text = std::fs::read(&path).unwrap();
        let blob = KeyFile::open(&path).unwrap().wrap(&[1; 32], b"c").unwrap();
        let again = generate_key_file(&path).unwrap_err();
        assert_eq!(again.faults()[0].rule, Rule::Duplicate);
        assert_eq!(std::fs::read(&path).unwrap(), text);
        assert_eq!(*KeyFile::open(&path).unwrap().unwrap(&blob, b"c").unwrap(), [1; 32]);
        let other = folder.0.join("other.key");
        generate_key_file(&other).unwrap();
        assert!(KeyFile::open(&other).unwrap().unwrap(&blob, b"c").is_err());
    }

    #[test]
    fn only_the_one_line_is_a_key() {
        let folder = Folder::new("line");
        let path = folder.0.join("root.key");
        let key = STANDARD.encode([7; 32]);
        for good in [format!("medorder-root-v1 {key}"), format!("medorder-root-v1 {key}\n")] {
            write(&path, good.as_bytes());
            assert_eq!(KeyFile::open(&path).unwrap().0.0.expose(), &[7; 32]);
        }
        for bad in [
            String::new(),
            key.clone(),
            format!("medorder-root-v2 {key}"),
            format!("medorder-root-v1  {key}"),
            format!("medorder-root-v1 {key}\n\n"),
            format!("medorder-root-v1 {key}\r\n"),
            format!("medorder-root-v1 {key} "),
            format!("medorder-root-v1 {}", STANDARD.encode([7; 31])),
            format!("medorder-root-v1 {}", STANDARD.encode([7; 33])),
            format!("medorder-root-v1 {}", key.trim_end_matches('=')),
            // Unused bits of the last character are set.
            format!("medorder-root-v1 {}", key.replace("c=", "d=")),
        ] {
            write(&path, bad.as_bytes());
            let error = KeyFile::open(&path).unwrap_err();
            assert_eq!(
                (&*error.faults()[0].path, error.faults()[0].rule),
                ("key_file", Rule::Format),
                "{bad}"
            );
        }
        let missing = KeyFile::open(folder.0.join("none")).unwrap_err();
        assert_eq!(missing.code(), ErrorCode::KeyUnavailable);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new("mode");
        let path = folder.0.join("root.key");
        generate_key_file(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o700, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let opened = KeyFile::open(&path);
            assert_eq!(opened.is_ok(), good, "{mode:o}");
            if let Err(error) = opened {
                assert_eq!(error.faults()[0].path, "key_file.mode");
                assert_eq!(error.faults()[0].rule, Rule::NotAllowed);
            }
        }
    }

    #[test]
    fn a_variable_that_is_not_set_is_named_as_such() {
        let error = EnvKey::from_var("MEDORDER_NO_SUCH_VARIABLE").unwrap_err();
        assert_eq!((&*error.faults()[0].path, error.faults()[0].rule), ("key_variable", Rule::Required));
        // Every process has a path, and it is no key.
        assert_eq!(EnvKey::from_var("PATH").unwrap_err().faults()[0].rule, Rule::Format);
    }
}
