//! Compiles the engine with the oldest versions it accepts, in a copy, so that the committed `Cargo.lock`
//! stays as it is.

use std::fs;
use std::path::Path;

use crate::files;
use crate::project::{Project, run};

/// The lower end of the range in `core/Cargo.toml`, and the version that sqlx with its SQLite picks.
const RUSQLITE: &[&str] = &["0.38.0", "0.39.0"];

/// Checks the engine against each of [`RUSQLITE`].
pub(crate) fn compile(project: &Project) -> Result<(), String> {
    let place = project.root.join("target/low-end");
    let copy = Project { root: place.join("source") };
    copy_project(project, &copy).map_err(|e| format!("the copy in target/low-end failed: {e}"))?;
    for version in RUSQLITE {
        println!("rusqlite {version}");
        run(&mut copy.cargo(&["update", "--quiet", "--package", "rusqlite", "--precise", version]))?;
        // Nothing runs here, so SQLite need not be fast.
        let quick = "profile.dev.package.libsqlite3-sys.opt-level=0";
        run(copy
            .cargo(&["check", "--locked", "--package", "medorder", "--config", quick])
            .env("CARGO_TARGET_DIR", place.join("target")))?;
    }
    Ok(())
}

/// A fresh copy whose workspace holds the engine alone, so that no other member can hold rusqlite higher.
fn copy_project(from: &Project, to: &Project) -> Result<(), String> {
    if to.root.exists() {
        fs::remove_dir_all(&to.root).map_err(|e| e.to_string())?;
    }
    for file in files::tracked(&from.root)? {
        let target = to.root.join(&file);
        fs::create_dir_all(target.parent().unwrap_or(Path::new(""))).map_err(|e| e.to_string())?;
        fs::copy(from.root.join(&file), &target).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    let manifest = to.root.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(|e| e.to_string())?;
    let text = core_alone(&text).ok_or("Cargo.toml has no list of members")?;
    fs::write(&manifest, text).map_err(|e| e.to_string())
}

/// The workspace manifest with `core` as its only member.
fn core_alone(manifest: &str) -> Option<String> {
    let start = if manifest.starts_with("members = [") { 0 } else { manifest.find("\nmembers = [")? + 1 };
    let end = start + manifest[start..].find("\n]")? + 2;
    // The list of default members, on a line of its own, may name none that is cut.
    let rest: Vec<&str> = manifest[end..]
        .split('\n')
        .map(
            |line| {
                if line.starts_with("default-members = [") { "default-members = [\"core\"]" } else { line }
            },
        )
        .collect();
    Some(format!("{}members = [\"core\"]{}", &manifest[..start], rest.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_members_is_cut() {
        let manifest = "[workspace]\nmembers = [\n    \"core\", # [a]\n    \"ffi\",\n]\ndefault-members = [\"core\", \"ffi\"]\n";
        assert_eq!(
            core_alone(manifest).as_deref(),
            Some("[workspace]\nmembers = [\"core\"]\ndefault-members = [\"core\"]\n")
        );
        assert_eq!(core_alone("[workspace]\ndefault-members = [\n]\n"), None);
    }
}
