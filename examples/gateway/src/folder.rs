//! The demo's folder: a temporary one that goes away, or one that stays.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use medorder::env::Env;
use tempfile::TempDir;

const PREFIX: &str = "medorder-demo-";
/// Who uses a temporary folder, so that the next demo can clear up after one that was killed.
const OWNER: &str = "pid";
const SECRET: &str = "hs256.secret";

pub(crate) struct Folder {
    path: PathBuf,
    temporary: Option<TempDir>,
    on_server: bool,
}

impl Folder {
    pub(crate) fn open(kept: Option<&Path>, on_server: bool) -> Result<Self, String> {
        if let Some(path) = kept {
            fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))?;
            return Ok(Self { path: path.to_owned(), temporary: None, on_server });
        }
        clear_up();
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir();
        let folder = folder.map_err(|error| format!("no temporary folder: {error}"))?;
        fs::write(folder.path().join(OWNER), std::process::id().to_string())
            .map_err(|error| format!("no temporary folder: {error}"))?;
        Ok(Self { path: folder.path().to_owned(), temporary: Some(folder), on_server })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What becomes of the data.
    pub(crate) fn told(&self) -> String {
        match (&self.temporary, self.on_server) {
            (Some(_), _) => "in a temporary folder, gone at the end; keep it with --folder DIR".to_owned(),
            (None, true) => format!("in the database; root key and secret in {}", self.path.display()),
            (None, false) => format!("kept in {}", self.path.display()),
        }
    }

    /// The secret of the tokens, made if there is none.
    pub(crate) fn secret(&self) -> Result<Vec<u8>, String> {
        let path = self.path.join(SECRET);
        let trouble = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        // Elsewhere the permissions of the folder count.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&path) {
            Ok(mut file) => {
                let secret: [u8; 32] = Env::system().random().map_err(|error| error.to_string())?;
                file.write_all(&secret).map_err(trouble)?;
                Ok(secret.to_vec())
            }
            Err(_) => fs::read(&path).map_err(trouble),
        }
    }
}

/// Removes what demos left that were killed.
fn clear_up() {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_demo = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let owner = fs::read_to_string(path.join(OWNER)).ok().filter(|_| is_demo);
        let alive =
            |pid: &String| pid.parse::<u32>().is_ok_and(|pid| Path::new(&format!("/proc/{pid}")).exists());
        if owner.is_some_and(|pid| Path::new("/proc/self").exists() && !alive(&pid)) {
            let _ = fs::remove_dir_all(path);
        }
    }
}
