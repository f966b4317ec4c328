//! The reference gateway and its page: the demo, and the suites that need both.

mod api;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::project::{Project, run, shown};
use crate::run::{Done, counted};
use crate::setup;
use crate::tally::Tally;

/// What the demo needs of the machine; the suites need more.
const FOR_THE_DEMO: &[&str] = &["build-essential", "nodejs", "npm"];

/// Builds gateway and page and starts them; the arguments are those of `medorder-gateway demo`.
pub(crate) fn demo(project: &Project, arguments: &[&str]) -> Result<(), String> {
    setup::bring(FOR_THE_DEMO)?;
    if !project.root.join(PAGE).join("node_modules").is_dir() {
        println!("installing what the page is made of, into {PAGE}/node_modules");
    }
    run(&mut project.cargo(&["build", "--package", "medorder-gateway"]))?;
    build_page(project)?;
    let mut demo = Command::new(program(project));
    demo.arg("demo").arg("--page").arg(page(project).join("dist")).args(arguments).current_dir(&project.root);
    // Two gateways on one database share key and secret, so their folder has to stay.
    if arguments.contains(&"--postgres") && !arguments.contains(&"--folder") {
        demo.arg("--folder").arg(project.target().join("demo"));
    }
    replace_by(&mut demo)
}

/// Fuzzes the API of the gateway.
pub(crate) fn test_api(project: &Project, tally: &mut Tally) -> Result<Done, String> {
    build_for_suites(project)?;
    api::test(project, tally).map(|()| Done::Ok)
}

/// Runs the suites of the page, and those that drive gateway and page from outside.
pub(crate) fn test(project: &Project, tally: &mut Tally) -> Result<Done, String> {
    build_for_suites(project)?;
    build_page(project)?;
    run(&mut npm(project, &["run", "--silent", "lint"]))?;
    api::test(project, tally)?;
    counted(&mut npm(project, &["run", "--silent", "test"]), tally)?;
    let mut windows = npm(project, &["run", "--silent", "e2e"]);
    counted(windows.env("MEDORDER_GATEWAY", program(project)), tally)
}

/// Builds the gateway as all tests do, with the features of the whole workspace, so that nothing is built twice: the
/// program comes with each of its suites.
fn build_for_suites(project: &Project) -> Result<(), String> {
    run(&mut project.cargo(&["test", "--workspace", "--all-features", "--no-run", "--test", "rest"]))
}

fn build_page(project: &Project) -> Result<(), String> {
    install(project)?;
    run(&mut npm(project, &["run", "--silent", "build"]))
}

const PAGE: &str = "examples/gateway/web";

fn page(project: &Project) -> PathBuf {
    project.root.join(PAGE)
}

/// The gateway as cargo builds it.
pub(crate) fn program(project: &Project) -> PathBuf {
    project.target().join("debug/medorder-gateway")
}

/// Installs what the lock file names, unless that is what is there.
fn install(project: &Project) -> Result<(), String> {
    let lock = page(project).join("package-lock.json");
    let installed = page(project).join("node_modules/.medorder-lock");
    let text = |path: &Path| fs::read(path).ok();
    if text(&lock).is_some() && text(&lock) == text(&installed) {
        return Ok(());
    }
    run(&mut npm(project, &["ci", "--no-audit", "--no-fund"]))?;
    fs::copy(&lock, &installed)
        .map(|_| ())
        .map_err(|e| format!("{} cannot be written: {e}", installed.display()))
}

fn npm(project: &Project, arguments: &[&str]) -> Command {
    let mut command = Command::new("npm");
    command.args(arguments).current_dir(page(project)).stdin(Stdio::null());
    command
}

/// Becomes the command, so that Ctrl-C reaches it alone and the terminal waits for its end.
#[cfg(unix)]
fn replace_by(command: &mut Command) -> Result<(), String> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(format!("{} does not start: {error}", shown(command)))
}

#[cfg(not(unix))]
fn replace_by(command: &mut Command) -> Result<(), String> {
    run(command).map_err(|error| format!("{}: {error}", shown(command)))
}
