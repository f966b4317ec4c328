//! The steps of the commands.

use std::fs;
use std::path::Path;

use crate::project::{Project, run};
use crate::run::{Done, Step, counted};
use crate::suites::ON_BOTH_ENGINES;
use crate::{faces, files, gateway, house, layers, low_end, setup};

/// Before each push.
pub(crate) const CHECK: &[Step] = &[FORMAT, CLIPPY, LAYERS, DOCS, FAST_TESTS];

/// Everything.
pub(crate) const TEST: &[Step] = &[
    SETUP,
    FORMAT,
    CLIPPY,
    LAYERS,
    DOCS,
    FACES,
    ALL_TESTS,
    FACE_SUITES,
    GATEWAY,
    ON_POSTGRES,
    QUICKSTART,
    NO_DEFAULT_FEATURES,
    LOW_END,
];

/// The faces alone.
pub(crate) const FACES_ALONE: &[Step] = &[FACES, FACE_SUITES];

/// The gateway and its page alone.
pub(crate) const GATEWAY_ALONE: &[Step] = &[GATEWAY];

/// The fuzz of the gateway's API alone.
pub(crate) const API_ALONE: &[Step] = &[Step { name: "fuzz of the API", work: gateway::test_api }];

const SETUP: Step = Step { name: "machine", work: |project, _| setup::complete(project).map(ok) };
const FORMAT: Step = Step { name: "format", work: |project, _| cargo(project, &["fmt", "--all", "--check"]) };
const CLIPPY: Step = Step {
    name: "clippy",
    work: |project, _| {
        cargo(project, &["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"])
    },
};
const LAYERS: Step = Step { name: "layers", work: |project, _| source_rules(project).map(ok) };
const DOCS: Step = Step {
    name: "documentation",
    work: |project, _| {
        run(project
            .cargo(&["doc", "--workspace", "--no-deps", "--all-features"])
            .env("RUSTDOCFLAGS", "-D warnings"))
        .map(ok)
    },
};
const FACES: Step =
    Step { name: "faces", work: |project, _| faces::build(project, faces::Profile::Dev).map(ok) };
const FACE_SUITES: Step = Step { name: "suites of the faces", work: faces::test };
const GATEWAY: Step = Step { name: "gateway and page", work: gateway::test };
const FAST_TESTS: Step = Step {
    name: "fast tests",
    work: |project, tally| {
        counted(
            &mut project.cargo(&["test", "--package", "medorder", "--all-features", "--no-fail-fast"]),
            tally,
        )
    },
};
const ALL_TESTS: Step = Step {
    name: "all tests",
    work: |project, tally| {
        counted(&mut project.cargo(&["test", "--workspace", "--all-features", "--no-fail-fast"]), tally)
    },
};
const ON_POSTGRES: Step = Step {
    name: "suites on PostgreSQL",
    work: |project, tally| {
        // The same packages and features as above: nothing is built anew.
        let mut arguments = vec!["test", "--workspace", "--all-features", "--no-fail-fast"];
        arguments.extend(ON_BOTH_ENGINES.iter().flat_map(|suite| ["--test", suite]));
        counted(project.cargo(&arguments).env("MEDORDER_TEST_ENGINE", "postgres"), tally)
    },
};
const QUICKSTART: Step = Step {
    name: "quickstart",
    work: |project, _| {
        if has_quickstart(project)? {
            cargo(project, &["run", "--example", "quickstart"])
        } else {
            Ok(Done::Nothing("there is no example `quickstart` yet"))
        }
    },
};
const NO_DEFAULT_FEATURES: Step = Step {
    name: "no default features",
    work: |project, _| cargo(project, &["check", "--package", "medorder", "--no-default-features"]),
};
const LOW_END: Step = Step { name: "oldest rusqlite", work: |project, _| low_end::compile(project).map(ok) };

/// The rules that are checked in the source alone; names every fault.
pub(crate) fn source_rules(project: &Project) -> Result<(), String> {
    let mut faults = Vec::new();

    let core: Vec<_> = files::rust_below(&project.root, "core/src")?
        .into_iter()
        .map(|(file, text)| (file.strip_prefix("core/src").unwrap_or(&file).to_owned(), text))
        .collect();
    faults.extend(layers::faults(&core, layers::TABLE).into_iter().map(|fault| format!("core/src/{fault}")));
    for (file, text) in &core {
        faults.extend(house::too_long(text).map(|fault| format!("core/src/{}: {fault}", file.display())));
    }

    for folder in ["core", "tests", "examples"] {
        for (file, text) in files::rust_below(&project.root, folder)? {
            for line in house::unsafe_lines(&text) {
                faults.push(format!("{}:{line}: unsafe code", file.display()));
            }
        }
    }

    let tracked = files::tracked(&project.root)?;
    for file in &tracked {
        for line in house::machine_path_lines(&text_of(&project.root, file)?) {
            faults.push(format!("{}:{line}: an absolute path of somebody's machine", file.display()));
        }
    }

    for fault in &faults {
        eprintln!("{fault}");
    }
    if faults.is_empty() {
        println!(
            "{} source files of the engine and {} tracked files keep the rules",
            core.len(),
            tracked.len()
        );
        Ok(())
    } else {
        Err(format!("faults in the source: {}", faults.len()))
    }
}

fn text_of(root: &Path, file: &Path) -> Result<String, String> {
    let bytes = fs::read(root.join(file)).map_err(|e| format!("{} is not readable: {e}", file.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn cargo(project: &Project, arguments: &[&str]) -> Result<Done, String> {
    run(&mut project.cargo(arguments)).map(ok)
}

fn has_quickstart(project: &Project) -> Result<bool, String> {
    let output = project
        .cargo(&["metadata", "--no-deps", "--format-version", "1"])
        .output()
        .map_err(|e| format!("cargo metadata does not start: {e}"))?;
    if !output.status.success() {
        return Err(format!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let metadata = String::from_utf8_lossy(&output.stdout);
    Ok(metadata.contains(r#""kind":["example"],"crate_types":["bin"],"name":"quickstart""#))
}

fn ok((): ()) -> Done {
    Done::Ok
}
