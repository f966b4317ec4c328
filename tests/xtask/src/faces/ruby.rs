//! Ruby: a smoke test of the sources that UniFFI makes for it.

use std::fs;
use std::process::{Command, Stdio};

use super::{Face, Profile};
use crate::project::Project;
use crate::run::Done;
use crate::tally::Tally;

pub(crate) const FACE: Face = Face { name: "Ruby", build, test };

/// The library is that of the JVM.
fn build(_: &Project, _: Profile) -> Result<(), String> {
    Ok(())
}

/// One order through its life, with the output that the README shows.
fn test(project: &Project, tally: &mut Tally) -> Result<Done, String> {
    let own = project.root.join("bindings/ruby");
    let readme = fs::read_to_string(own.join("README.md")).map_err(|e| format!("no README of Ruby: {e}"))?;
    let wanted = readme.split("```text\n").nth(1).and_then(|rest| rest.split("```").next());
    let output = Command::new("ruby")
        .arg(own.join("smoke.rb"))
        .env("LD_LIBRARY_PATH", project.target().join("debug"))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|e| format!("ruby does not start: {e}"))?;
    let shown = String::from_utf8_lossy(&output.stdout);
    print!("{shown}");
    if output.status.success() && wanted == Some(&shown) {
        tally.passed += 1;
        Ok(Done::Ok)
    } else {
        Err(format!("the smoke test of Ruby ({}) did not print what its README shows", output.status))
    }
}
