//! The project's commands. `cargo xtask help` lists them.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program talks to its terminal"
)]

mod bindings;
mod faces;
mod files;
mod gateway;
mod house;
mod install;
mod layers;
mod low_end;
mod project;
mod run;
mod setup;
mod source;
mod steps;
mod suites;
mod tally;
mod venv;

use std::process::ExitCode;

use crate::faces::Profile;
use crate::project::Project;

const HELP: &str = "\
The project's commands; each works from any folder of the repository.

cargo xtask check     what to run before each push: format, clippy, layers, documentation and the fast
                      tests, which are the unit, documentation and integration tests of the crate
                      `medorder`. Under five minutes once the dependencies are built.
cargo xtask test      everything: says what is missing on the machine and installs it, then format,
                      clippy, layers, documentation, the faces of other languages, every test of the
                      workspace (the fast tests are among them and run once), the suites of the faces, the
                      suites that are about neither engine once more on PostgreSQL, the quickstart example,
                      the engine without default features and on the oldest rusqlite it accepts. Stops at
                      the first step that fails; a step runs to its end. The last line counts the tests:
                      `N passed, N failed`, with `, N skipped` if some were. A step that fails by another
                      cause counts as one.
cargo xtask faces     builds the faces of other languages into target/faces, after installing what they
                      need; the conformance suite (`cargo test --test conformance`) plays them. With `test`
                      also runs the suites that are the faces' own. With `--release` optimised, for the
                      benches and to be given away: the wheel in target/faces/python/wheels, the tarball
                      in target/faces/node, the jar in target/faces/kotlin.
cargo xtask bindings  writes the sources for Kotlin, Swift and Ruby that are made from the library of bindings/uniffi.
cargo xtask install   --prefix DIR puts the C face there: the libraries, shared and static, the headers of C and
                      C++, and what pkg-config and CMake read. A release build, or with --debug the one of
                      `cargo build`; the variable DESTDIR stands before DIR, for packages.
cargo xtask demo      builds the reference gateway and its page and starts them on orders of synthetic patients,
                      in a temporary folder; prints a sign-in token for each role and the address to open. Ctrl-C ends
                      it and leaves nothing behind. `--folder DIR` keeps the data; `--postgres URL` uses a
                      PostgreSQL database (with `--owner URL --role NAME` the first time), also from several
                      gateways at once; more with `cargo xtask demo --help`.
cargo xtask gateway   runs the suites of gateway and page alone, those that `cargo test` does not run.
                      With `api` the fuzz of the API alone.
cargo xtask layers    which module of the engine may use which, and the other rules that are checked in
                      the source alone: file length, no unsafe code, no path of somebody's machine.
cargo xtask help      this text.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let project = match Project::find() {
        Ok(project) => project,
        Err(message) => return refuse(&message),
    };
    match arguments.as_slice() {
        ["check"] => run::all(&project, steps::CHECK),
        ["test"] => run::all(&project, steps::TEST),
        ["faces", "test"] => run::all(&project, steps::FACES_ALONE),
        ["faces"] => done(faces::build(&project, Profile::Dev)),
        ["faces", "--release"] => done(faces::build(&project, Profile::Release)),
        ["bindings"] => done(bindings::write(&project)),
        ["install", options @ ..] => {
            done(install::read(options).and_then(|target| install::install(&project, &target)))
        }
        ["demo", passed_on @ ..] => done(gateway::demo(&project, passed_on)),
        ["gateway", "api"] => run::all(&project, steps::API_ALONE),
        ["gateway"] => run::all(&project, steps::GATEWAY_ALONE),
        ["layers"] => done(steps::source_rules(&project)),
        [] | ["help" | "-h" | "--help"] => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        [other, ..] => refuse(&format!("`{}` is not a command; see cargo xtask help", other)),
    }
}

fn done(result: Result<(), String>) -> ExitCode {
    result.map_or_else(|message| refuse(&message), |()| ExitCode::SUCCESS)
}

fn refuse(message: &str) -> ExitCode {
    eprintln!("xtask: {message}");
    ExitCode::FAILURE
}
