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

const NEEDS: &[Need] = &[
    Need {
        what: "a C compiler, for the bundled SQLite",
        package: "build-essential",
        there: || on_path("cc"),
    },
    Need { what: "PostgreSQL, for the suites of that engine", package: "postgresql", there: has_postgres },
    Need {
        what: "pgbouncer, for the suites of that engine",
        package: "pgbouncer",
        there: || on_path("pgbouncer") || Path::new("/usr/sbin/pgbouncer").is_file(),
    },
    Need {
        what: "Python 3.11 or newer with environments, for the face of that language",
        package: "python3-venv",
        there: has_python,
    },
    Need { what: "a C++ compiler, for the C++ header", package: "g++", there: || on_path("c++") },
    Need {
        what: "pkg-config, for programs that link the C face",
        package: "pkg-config",
        there: || on_path("pkg-config"),
    },
    Need { what: "CMake, for programs that link the C face", package: "cmake", there: || on_path("cmake") },
    Need {
        what: "valgrind, which watches the memory of the C face",
        package: "valgrind",
        there: || on_path("valgrind"),
    },
    Need {
        what: "abidiff, which compares the C face with the one before",
        package: "abigail-tools",
        there: || on_path("abidiff"),
    },
    Need {
        what: "jansson, with which the C runner reads scenarios",
        package: "libjansson-dev",
        there: || Path::new("/usr/include/jansson.h").is_file(),
    },
    Need { what: "openssl, for certificates", package: "openssl", there: || on_path("openssl") },
    Need { what: "Node 20 or newer, for the face of that language", package: "nodejs", there: has_node },
    Need { what: "npm, for the face of Node and the page", package: "npm", there: || on_path("npm") },
    Need {
        what: "a Java development kit, 17 or newer, for the face of the JVM",
        package: "default-jdk-headless",
        there: has_jdk,
    },
    Need { what: "Maven, for the face of the JVM", package: "maven", there: || on_path("mvn") },
    Need { what: "Ruby, for the smoke test of that language", package: "ruby", there: || on_path("ruby") },
    Need { what: "Ruby's ffi, for the same", package: "ruby-ffi", there: has_ruby_ffi },
    Need { what: "Chromium, for the suites of the page", package: "chromium", there: || on_path("chromium") },
];

/// Where Debian keeps one folder of programs a major version of PostgreSQL.
const POSTGRES: &str = "/usr/lib/postgresql";

/// What Debian's package asks before it makes and starts a cluster of its own. The suites start theirs, and a
/// machine that ran the tests is to be left without a server that nobody asked for.
const NO_CLUSTER: (&str, &str) =
    ("/etc/postgresql-common/createcluster.conf", "create_main_cluster = false\n");

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
    let all: Vec<_> = NEEDS.iter().map(|need| need.package).collect();
    bring(&all)?;
    println!("nothing is missing");
    Ok(())
}

/// Says which of these packages are missing and installs them.
pub(crate) fn bring(packages: &[&str]) -> Result<(), String> {
    let wanted = NEEDS.iter().filter(|need| packages.contains(&need.package));
    let missing: Vec<&Need> = wanted.filter(|need| !(need.there)()).collect();
    if missing.is_empty() {
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
    if packages.contains(&"postgresql") {
        keep_from_making_a_cluster()?;
    }
    let mut arguments = vec!["install", "--yes", "--no-install-recommends"];
    arguments.extend(packages);
    run(&mut apt(&arguments))
}

/// Says so where the package looks, unless somebody has said something there before.
fn keep_from_making_a_cluster() -> Result<(), String> {
    let (file, text) = NO_CLUSTER;
    // As root, and through a shell, since this program itself may be run by somebody else.
    let script = r#"[ -e "$1" ] || { mkdir -p "${1%/*}" && printf %s "$2" >"$1"; }"#;
    run(as_root("sh").args(["-c", script, "setup", file, text]).stdin(Stdio::null()))
}

/// `apt-get` without questions.
fn apt(arguments: &[&str]) -> Command {
    let mut command = as_root("env");
    // A configuration file that is there before its package, as the one above, stays as it is.
    command.args(["DEBIAN_FRONTEND=noninteractive", "UCF_FORCE_CONFFOLD=1", "apt-get", "-qq"]);
    command.args(arguments).stdin(Stdio::null());
    command
}

fn as_root(program: &str) -> Command {
    let is_root =
        Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0");
    if is_root {
        return Command::new(program);
    }
    let mut sudo = Command::new("sudo");
    sudo.args(["--non-interactive", program]);
    sudo
}

/// True if any version is there.
fn has_postgres() -> bool {
    let versions = std::fs::read_dir(POSTGRES).into_iter().flatten().flatten();
    versions
        .map(|version| version.path().join("bin"))
        .any(|folder| ["initdb", "pg_ctl", "psql"].iter().all(|program| folder.join(program).is_file()))
}

/// True if a Node that is new enough is there; Debian's may be older.
fn has_node() -> bool {
    succeeds("node", &["-e", "process.exit(Number(process.versions.node.split('.')[0]) < 20 ? 1 : 0)"])
}

/// True if a Java compiler is there that is new enough.
fn has_jdk() -> bool {
    let mut javac = Command::new("javac");
    javac.arg("-version").stdin(Stdio::null()).stderr(Stdio::null());
    // `javac 17.0.15`; before 9 it stood on stderr.
    let version =
        javac.output().map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default();
    let major = version.trim().strip_prefix("javac ").and_then(|number| number.split(['.', '-']).next());
    major.and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major >= 17)
}

/// True if Ruby can call libraries.
fn has_ruby_ffi() -> bool {
    succeeds("ruby", &["-e", "require 'ffi'"])
}

/// True if a Python that is new enough can make an environment with pip in it.
fn has_python() -> bool {
    succeeds("python3", &["-c", "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"])
}

/// True if the program is there and says so by its exit code.
fn succeeds(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file())
}
