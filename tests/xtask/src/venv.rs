//! Python's packages of a suite, in an environment of the project's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::project::{Project, run};

/// The environment `venv` in the folder `place` with what the requirements say, made or brought up to date; answers its
/// Python.
pub(crate) fn ready(project: &Project, requirements: &Path, place: &Path) -> Result<PathBuf, String> {
    let wanted = fs::read_to_string(requirements)
        .map_err(|e| format!("{} is not readable: {e}", requirements.display()))?;
    let (venv, noted) = (place.join("venv"), place.join("installed.txt"));
    let python = venv.join("bin/python");
    if python.is_file() && fs::read_to_string(&noted).is_ok_and(|there| there == wanted) {
        return Ok(python);
    }
    println!("installing into {}:", shown(project, &venv));
    for line in wanted.lines().filter(|line| !line.starts_with('#')) {
        println!("  {line}");
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv).stdin(Stdio::null()))?;
    run(pip(&python).arg("--requirement").arg(requirements))?;
    fs::write(&noted, wanted).map_err(|e| format!("{} cannot be written: {e}", noted.display()))?;
    Ok(python)
}

/// `pip install` of an environment.
pub(crate) fn pip(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "--quiet", "--disable-pip-version-check", "install"]).stdin(Stdio::null());
    command
}

fn shown(project: &Project, path: &Path) -> String {
    path.strip_prefix(&project.root).unwrap_or(path).display().to_string()
}
