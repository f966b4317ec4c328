//! The JVM: a jar of Kotlin with the native library, for Kotlin, Java and the other languages there.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Face, Profile, folder, leave_program};
use crate::bindings;
use crate::project::{Project, run};
use crate::run::{Done, counted};
use crate::tally::Tally;

pub(crate) const FACE: Face = Face { name: "Kotlin and Java", build, test };

/// The jar and the one of its sources, as pom.xml names them.
const JARS: [&str; 2] = [
    concat!("medorder-", env!("CARGO_PKG_VERSION"), ".jar"),
    concat!("medorder-", env!("CARGO_PKG_VERSION"), "-sources.jar"),
];

/// Builds the library, holds the committed sources against it, and packs the jar with what its suites need beside it.
fn build(project: &Project, profile: Profile) -> Result<(), String> {
    let mut library = project.cargo(&["build", "--package", "medorder-uniffi", "--profile", profile.name()]);
    if profile == Profile::Release {
        library.arg("--no-default-features");
    }
    run(&mut library)?;
    if profile == Profile::Dev {
        bindings::check(project)?;
    }
    let own = folder(project, "kotlin")?;
    let native = folder(project, &format!("kotlin/native/linux-{}", architecture()))?;
    // What is given away holds no names of local places, and a jar of a debug build stays small.
    run(Command::new("strip")
        .arg("--strip-debug")
        .arg("-o")
        .arg(native.join(bindings::LIBRARY))
        .arg(project.target().join(profile.folder()).join(bindings::LIBRARY))
        .stdin(Stdio::null()))?;
    // Classes of sources that are gone would stay.
    let _ = fs::remove_dir_all(own.join("maven"));
    run(maven(project, &own).args(["--quiet", "-DskipTests", "package"]))?;
    for name in JARS {
        let jar = own.join("maven").join(name);
        if !jar.is_file() {
            return Err(format!("no {}: pom.xml has another version than the workspace", jar.display()));
        }
        if profile == Profile::Release {
            // What is given away lies where no build for the suites comes.
            fs::copy(&jar, own.join(name)).map_err(|e| format!("{} cannot be copied: {e}", jar.display()))?;
        }
    }

    let built = own.join("maven");
    let path = ["test-classes", "classes", "libraries/*"].map(|part| built.join(part).display().to_string());
    // cargo says where its libraries lie, and JNA would look there before it looks into the jar.
    let java = format!("env -u LD_LIBRARY_PATH java -cp '{}'", path.join(":"));
    // The compiler that starts fast is the one for programs that end soon.
    leave_program(project, "kotlin", "run", &format!("{java} -XX:TieredStopAtLevel=1 conformance.RunKt"))?;
    leave_program(project, "kotlin", "bench", &format!("{java} bench.BenchKt"))
}

/// The suite of the jar, which also compiles and runs the examples and what the README shows.
fn test(project: &Project, tally: &mut Tally) -> Result<Done, String> {
    let own = folder(project, "kotlin")?;
    counted(maven(project, &own).arg("surefire:test"), tally)
}

/// Maven without questions, colours and a daemon that outlives it.
fn maven(project: &Project, own: &Path) -> Command {
    let mut command = Command::new("mvn");
    command.args(["--batch-mode", "--no-transfer-progress", "-Dstyle.color=never"]);
    command.arg(format!("-Dnative.folder={}", own.join("native").display()));
    command.arg(format!("-Dbuild.folder={}", own.join("maven").display()));
    command.current_dir(project.root.join("bindings/kotlin")).stdin(Stdio::null());
    // As above.
    command.env_remove("LD_LIBRARY_PATH");
    command
}

/// As JNA calls it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "x86-64",
        other => other,
    }
}
