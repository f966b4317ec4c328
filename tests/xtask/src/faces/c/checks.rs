//! Runs checks that are no test programs and counts them as such.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::project::shown;
use crate::tally::Tally;

/// Checks of one suite.
pub(super) struct Checks {
    passed: u64,
    failed: u64,
}

impl Checks {
    pub(super) fn new(suite: &str) -> Self {
        println!("\nchecks: {suite}");
        Self { passed: 0, failed: 0 }
    }

    /// Runs one and prints how it went.
    pub(super) fn check(&mut self, name: &str, work: impl FnOnce() -> Result<(), String>) {
        match work() {
            Ok(()) => {
                println!("test {name} ... ok");
                self.passed += 1;
            }
            Err(why) => {
                println!("test {name} ... FAILED\n{why}");
                self.failed += 1;
            }
        }
    }

    /// The line that test programs end with; an error if a check failed or there was none.
    pub(super) fn finish(self, tally: &mut Tally) -> Result<(), String> {
        let word = if self.failed == 0 { "ok" } else { "FAILED" };
        let line = format!("test result: {word}. {} passed; {} failed; 0 ignored", self.passed, self.failed);
        println!("{line}");
        tally.read(&line);
        match (self.passed, self.failed) {
            (0, 0) => Err("no check ran".to_owned()),
            (_, 0) => Ok(()),
            (_, failed) => Err(format!("{failed} checks failed")),
        }
    }
}

/// Runs to the end; answers what was printed, and an error with all of it if the program failed.
pub(super) fn output(command: &mut Command) -> Result<String, String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{} does not start: {e}", shown(command)))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} failed ({})\n{text}{errors}", shown(command), output.status))
}

/// An error that shows both texts if they differ.
pub(super) fn same(is: &str, wanted: &str) -> Result<(), String> {
    if is == wanted {
        return Ok(());
    }
    let _ = std::io::stdout().flush();
    Err(format!("--- wanted\n{wanted}--- is\n{is}---"))
}
