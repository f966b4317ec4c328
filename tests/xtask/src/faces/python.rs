//! Python: a wheel in an environment of its own, judged by pytest, mypy and stubtest.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Face, Profile, folder, leave_program};
use crate::project::{Project, run};
use crate::run::{Done, counted};
use crate::tally::Tally;
use crate::venv;

pub(crate) const FACE: Face = Face { name: "Python", build, test };

/// Where the face is, below the root.
const SOURCE: &str = "bindings/python";

fn build(project: &Project, profile: Profile) -> Result<(), String> {
    let place = folder(project, "python")?;
    let requirements = project.root.join(SOURCE).join("requirements-test.txt");
    let python = venv::ready(project, &requirements, &place)?;
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
    run(venv::pip(&python).args(["--force-reinstall", "--no-deps"]).arg(wheel))?;

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

fn with_path(bin: &Path) -> Result<std::ffi::OsString, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(bin.to_owned()).chain(std::env::split_paths(&path));
    std::env::join_paths(folders).map_err(|e| format!("the path cannot be told: {e}"))
}
