//! Node: the npm package `medorder`.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{Face, Profile, folder, leave_program};
use crate::project::{Project, run};
use crate::run::{Done, counted};
use crate::tally::Tally;

pub(crate) const FACE: Face = Face { name: "node", build, test };

/// Installs the tools that the lock file names, builds the addon and the package, and packs it.
fn build(project: &Project, profile: Profile) -> Result<(), String> {
    run(&mut npm(project, &["ci", "--no-audit", "--no-fund"]))?;
    run(&mut project.cargo(&["build", "--package", "medorder-node", "--profile", profile.name()]))?;
    let library = project.target().join(profile.folder()).join("libmedorder_node.so");
    let packed = folder(project, "node")?;
    let mut build = Command::new("node");
    build.arg("build.mjs").arg("--library").arg(library).arg("--pack").arg(packed);
    run(build.current_dir(package(project)).stdin(Stdio::null()))?;
    let runner = project.root.join("tests/conformance/runners/node.mjs");
    leave_program(project, "node", "run", &format!("node '{}'", runner.display()))?;
    let bench = package(project).join("bench.mjs");
    leave_program(project, "node", "bench", &format!("node '{}'", bench.display()))
}

/// The suite of the package, which also runs the examples and what the README shows.
fn test(project: &Project, tally: &mut Tally) -> Result<Done, String> {
    counted(&mut npm(project, &["test", "--silent"]), tally)
}

fn npm(project: &Project, arguments: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(package(project)).stdin(Stdio::null());
    command
}

fn package(project: &Project) -> PathBuf {
    project.root.join("bindings/node")
}
