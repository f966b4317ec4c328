//! Installs what the tests need and the machine does not have.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::project::{Project, run};

/// Something that Debian packages bring.
struct Need {
    what: &'static str,
    package: &'static str,
    there: fn() -> bool,
}

const NEEDS: &[Need] = &[Need {
    what: "a C compiler, for the bundled SQLite",
    package: "build-essential",
    there: || on_path("cc"),
}];

/// Parts of the Rust toolchain; how it was installed decides how to add them, so that is left to the reader.
const COMPONENTS: &[(&str, &str)] = &[("rustfmt", "fmt"), ("clippy", "clippy")];

/// Says what is missing and installs it.
pub(crate) fn complete(project: &Project) -> Result<(), String> {
    for (component, subcommand) in COMPONENTS {
        let mut command = project.cargo(&[subcommand, "--version"]);
        let found = command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success());
        if !found {
            return Err(format!("{component} is missing; `rustup component add {component}` brings it"));
        }
    }
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !(need.there)()).collect();
    if missing.is_empty() {
        println!("nothing is missing");
        return Ok(());
    }
    for need in &missing {
        println!("missing: {}; installing the package {}", need.what, need.package);
    }
    install(&missing.iter().map(|need| need.package).collect::<Vec<_>>())?;
    match missing.iter().find(|need| !(need.there)()) {
        Some(need) => Err(format!("{} is still missing after {} was installed", need.what, need.package)),
        None => Ok(()),
    }
}

fn install(packages: &[&str]) -> Result<(), String> {
    if !on_path("apt-get") {
        return Err(format!("this machine has no apt-get; install what Debian calls {}", packages.join(" ")));
    }
    run(&mut apt(&["update"]))?;
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    run(&mut apt(&arguments))
}

/// `apt-get` as root, without questions.
fn apt(arguments: &[&str]) -> Command {
    let is_root =
        Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    let mut command = if is_root {
        Command::new("env")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.args(["--non-interactive", "env"]);
        sudo
    };
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]).args(arguments).stdin(Stdio::null());
    command
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file())
}
