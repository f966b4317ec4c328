//! Python: a wheel in an environment of its own, judged by pytest, mypy and stubtest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Face, Profile, folder, leave_program};
use crate::project::{Project, run};
use crate::run::{Done, counted};
use crate::tally::Tally;

pub(crate) const FACE: Face = Face { name: "Python", build, test };

/// Where the face is, below the root.
const SOURCE: &str = "bindings/python";

fn build(project: &Project, profile: Profile) -> Result<(), String> {
    let place = folder(project, "python")?;
    let python = environment(project, &place)?;
    let wheels = place.join("wheels");
    // One wheel at a time, so that there is no doubt which one is installed.
    let _ = fs::remove_dir_all(&wheels);
    let bin = python.parent().ok_or("the environment has no folder of programs")?;
    run(Command::new(bin.join("maturin"))
        .args(["build", "--quiet", "--profile", profile.name(), "--manifest-path"])
        .arg(project.root.join(SOURCE).join("Cargo.toml"))
        .arg("--target-dir")
        .arg(project.root.join("target"))
        .arg("--interpreter")
        .arg(&python)
        .arg("--out")
        .arg(&wheels)
        .current_dir(&project.root)
        // maturin looks for what repairs wheels there.
        .env("PATH", with_path(bin)?)
        .stdin(Stdio::null()))?;
    let wheel = fs::read_dir(&wheels)
        .map_err(|e| format!("{} is not readable: {e}", wheels.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|end| end == "whl"))
        .ok_or("maturin left no wheel")?;
    run(pip(&python).args(["--force-reinstall", "--no-deps"]).arg(wheel))?;

    let runner = project.root.join("tests/conformance/runners/python.py");
    for (face, twin) in [("python", "sync"), ("python-async", "async")] {
        leave_program(
            project,
            face,
            "run",
            &format!("'{}' '{}' {twin}", python.display(), runner.display()),
        )?;
    }
    let bench = project.root.join(SOURCE).join("bench.py");
    leave_program(project, "python", "bench", &format!("'{}' '{}'", python.display(), bench.display()))
}

fn test(project: &Project, tally: &mut Tally) -> Result<Done, String> {
    let python = folder(project, "python")?.join("venv/bin/python");
    let in_source = |module: &str, arguments: &[&str]| {
        let mut command = Command::new(&python);
        command.arg("-m").arg(module).args(arguments).current_dir(project.root.join(SOURCE));
        command.stdin(Stdio::null());
        command
    };
    let typed = [
        "python",
        "tests",
        "twin.py",
        "bench.py",
        "../../examples/python/story.py",
        "../../tests/conformance/runners/python.py",
    ];
    run(&mut in_source("mypy", &typed))?;
    run(&mut in_source("mypy", &["../../examples/python/story_async.py"]))?;
    let compared = [
        "--mypy-config-file",
        "pyproject.toml",
        "--allowlist",
        "tests/stubtest.txt",
        "--concise",
        "medorder",
    ];
    run(&mut in_source("mypy.stubtest", &compared))?;
    counted(&mut in_source("pytest", &["--quiet"]), tally)
}

/// The environment with what the requirements say, made or brought up to date; answers its Python.
fn environment(project: &Project, place: &Path) -> Result<PathBuf, String> {
    let requirements = project.root.join(SOURCE).join("requirements-test.txt");
    let wanted = fs::read_to_string(&requirements)
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
    run(pip(&python).arg("--requirement").arg(&requirements))?;
    fs::write(&noted, wanted).map_err(|e| format!("{} cannot be written: {e}", noted.display()))?;
    Ok(python)
}

fn pip(python: &Path) -> Command {
    let mut command = Command::new(python);
    command.args(["-m", "pip", "--quiet", "--disable-pip-version-check", "install"]).stdin(Stdio::null());
    command
}

fn with_path(bin: &Path) -> Result<std::ffi::OsString, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(bin.to_owned()).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).map_err(|e| format!("the path cannot be told: {e}"))
}

fn shown(project: &Project, path: &Path) -> String {
    path.strip_prefix(&project.root).unwrap_or(path).display().to_string()
}
