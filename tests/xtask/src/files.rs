//! The files of the project.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders that are made by tools and hold nothing of ours.
const NOT_OURS: &[&str] = &[".git", "target", "node_modules", "__pycache__", ".venv"];

/// What git tracks, relative to `root`; every file if this is a copy without git.
pub(crate) fn tracked(root: &Path) -> Result<Vec<PathBuf>, String> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output();
    let mut files: Vec<PathBuf> = match listed {
        Ok(output) if output.status.success() && !output.stdout.is_empty() => {
            String::from_utf8_lossy(&output.stdout)
                .split('\0')
                .filter(|name| !name.is_empty())
                .map(PathBuf::from)
                // A link leads elsewhere, and a file that is deleted but not committed is not there.
                .filter(|file| fs::symlink_metadata(root.join(file)).is_ok_and(|found| found.is_file()))
                .collect()
        }
        _ => below(root, Path::new(""))?,
    };
    files.sort();
    Ok(files)
}

/// Every file of ours below `folder`, relative to `root`; none if the folder is not there.
pub(crate) fn below(root: &Path, folder: &Path) -> Result<Vec<PathBuf>, String> {
    let full = root.join(folder);
    if !full.is_dir() {
        return Ok(Vec::new());
    }
    let unreadable = |e| format!("{} is not readable: {e}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(&full).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let kind = entry.file_type().map_err(unreadable)?;
        let path = folder.join(entry.file_name());
        if kind.is_file() {
            files.push(path);
        } else if kind.is_dir() && !NOT_OURS.iter().any(|name| entry.file_name() == *name) {
            files.append(&mut below(root, &path)?);
        }
    }
    files.sort();
    Ok(files)
}

/// The Rust files below `folder`, with their text.
pub(crate) fn rust_below(root: &Path, folder: &str) -> Result<Vec<(PathBuf, String)>, String> {
    below(root, Path::new(folder))?
        .into_iter()
        .filter(|file| file.extension().is_some_and(|end| end == "rs"))
        .map(|file| match fs::read_to_string(root.join(&file)) {
            Ok(text) => Ok((file, text)),
            Err(e) => Err(format!("{} is not readable: {e}", file.display())),
        })
        .collect()
}
