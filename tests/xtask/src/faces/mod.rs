//! The faces of other languages: how each is built, judged, and made ready for the conformance suite.

mod c;
mod kotlin;
mod node;
mod python;
mod ruby;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::project::Project;
use crate::run::Done;
use crate::tally::Tally;

/// Which of cargo's builds a face is made from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// For the suites.
    Dev,
    /// For the benches, and to be given away.
    Release,
}

impl Profile {
    /// What cargo and its folders call it.
    pub(crate) const fn folder(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }

    /// What cargo is told.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Release => "release",
        }
    }
}

/// One language.
pub(crate) struct Face {
    pub(crate) name: &'static str,
    /// Installs what the language needs, builds the face, and leaves a runner for each way to call it, and a bench.
    pub(crate) build: fn(&Project, Profile) -> Result<(), String>,
    /// Runs the suites and examples that are the language's own.
    pub(crate) test: fn(&Project, &mut Tally) -> Result<Done, String>,
}

/// Every face, in the order they are built.
pub(crate) const ALL: &[Face] = &[c::FACE, node::FACE, python::FACE, kotlin::FACE, ruby::FACE];

/// Builds every face.
pub(crate) fn build(project: &Project, profile: Profile) -> Result<(), String> {
    for face in ALL {
        println!("building the face for {}", face.name);
        (face.build)(project, profile)?;
    }
    Ok(())
}

/// Runs the suites of every face.
pub(crate) fn test(project: &Project, tally: &mut Tally) -> Result<Done, String> {
    for face in ALL {
        println!("judging the face for {}", face.name);
        (face.test)(project, tally)?;
    }
    Ok(Done::Ok)
}

/// Where what is built of a face lies: `target/faces/NAME`, made if it is missing.
pub(crate) fn folder(project: &Project, face: &str) -> Result<PathBuf, String> {
    let folder = project.root.join("target/faces").join(face);
    fs::create_dir_all(&folder).map_err(|e| format!("{} cannot be made: {e}", folder.display()))?;
    Ok(folder)
}

/// Leaves the program that the conformance suite starts for a face, `target/faces/NAME/run`: a shell script of one
/// command, which gets the script's arguments.
pub(crate) fn leave_runner(project: &Project, face: &str, command: &str) -> Result<(), String> {
    leave_program(project, face, "run", command)
}

/// Leaves a program of a face: `run` for the conformance suite, `bench` for the throughput bench.
pub(crate) fn leave_program(project: &Project, face: &str, name: &str, command: &str) -> Result<(), String> {
    let path = folder(project, face)?.join(name);
    let text = format!("#!/bin/sh\nexec {command} \"$@\"\n");
    fs::write(&path, text)
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o755)))
        .map_err(|e| format!("{} cannot be written: {e}", path.display()))
}
