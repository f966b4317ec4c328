//! Which module of the engine may use which.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::source::{Reference, references, tokens, without_tests};

/// What a module may use of the engine beside itself.
#[derive(Clone, Copy)]
pub(crate) enum May {
    Use(&'static [&'static str]),
    UseAll,
}

/// Data flows one way: service -> (access, workflow, phi, audit) -> storage. The rule modules are pure and do
/// not know each other; only `service` composes. An entry is a module or one item of it.
pub(crate) const TABLE: &[(&str, May)] = &[
    ("error", May::Use(&[])),
    ("env", May::Use(&["error"])),
    ("crypto", May::Use(&["error"])),
    ("model", May::Use(&["error", "phi::Phi"])),
    ("workflow", May::Use(&["model", "error"])),
    ("access", May::Use(&["model", "error"])),
    ("phi", May::Use(&["error", "crypto", "env"])),
    ("audit", May::Use(&["error", "crypto", "model"])),
    ("keys", May::Use(&["error", "crypto", "env", "phi"])),
    ("wire", May::Use(&["model", "workflow", "access", "error", "phi", "audit"])),
    ("storage", May::Use(&["model", "audit", "error"])),
    ("anchor", May::Use(&["error", "audit"])),
    ("directory", May::Use(&["error", "model"])),
    ("service", May::UseAll),
    ("manual", May::Use(&[])),
];

/// Code for tests that stands in the engine for hosts to run; it may use everything.
const TEST_CODE: &[&str] = &["storage/contract"];

/// Faults of the files, which are paths below `core/src` with their text.
pub(crate) fn faults(files: &[(PathBuf, String)], table: &[(&str, May)]) -> Vec<String> {
    let mut faults = Vec::new();
    let exports = files.iter().find(|(file, _)| file == Path::new("lib.rs")).map(|(_, text)| exports(text));
    let exports = exports.unwrap_or_default();
    let mut unknown = Vec::new();
    for (file, text) in files {
        let module = module_of(file);
        let Some(own) = module.first() else { continue };
        let Some((_, may)) = table.iter().find(|(name, _)| name == own) else {
            if !unknown.contains(own) {
                faults
                    .push(format!("{}:1: the module `{own}` is not in the table of layers", file.display()));
                unknown.push(own.clone());
            }
            continue;
        };
        if is_test_file(file) {
            continue;
        }
        for found in references(&without_tests(&tokens(text))) {
            let Some(path) = resolve(&module, &found) else { continue };
            let path = match exports.get(&path[0]) {
                Some(home) => [home.as_slice(), &path[1..]].concat(),
                None => path,
            };
            if path[0] == *own {
                continue;
            }
            let place = format!("{}:{}", file.display(), found.line);
            if !table.iter().any(|(name, _)| *name == path[0]) {
                faults.push(format!(
                    "{place}: {own} -> {}: no module or re-export has this name",
                    path.join("::")
                ));
            } else if !allowed(*may, &path) {
                faults.push(format!("{place}: {own} -> {} is not an allowed edge", path.join("::")));
            }
        }
    }
    faults
}

fn allowed(may: May, path: &[String]) -> bool {
    match may {
        May::UseAll => true,
        May::Use(list) => list.iter().any(|entry| {
            let mut wanted = entry.split("::");
            let mut given = path.iter();
            wanted.all(|segment| given.next().is_some_and(|name| name == segment))
        }),
    }
}

/// Names at the crate root and where they come from: `Error` is `error::Error`.
fn exports(lib: &str) -> BTreeMap<String, Vec<String>> {
    references(&tokens(lib))
        .into_iter()
        .filter_map(|found| {
            let path: Vec<String> = found
                .path
                .iter()
                .filter(|name| !["crate", "self"].contains(name))
                .map(|n| (*n).to_owned())
                .collect();
            let name = found.alias.map_or_else(|| path.last().cloned(), |alias| Some(alias.to_owned()))?;
            (path.len() > 1 && name != "*").then_some((name, path))
        })
        .collect()
}

/// The path from the crate root, if the reference leaves the module it stands in.
fn resolve(module: &[String], found: &Reference<'_>) -> Option<Vec<String>> {
    let mut base: Vec<String> = module.to_vec();
    base.extend(found.inside.iter().map(|name| (*name).to_owned()));
    let mut segments = found.path.iter();
    match *segments.next()? {
        "crate" => base.clear(),
        "self" => {}
        "super" => {
            base.pop();
        }
        // A dependency, or a child of this module.
        _ => return None,
    }
    for segment in segments {
        match *segment {
            "self" => {}
            "super" => {
                base.pop();
            }
            name => base.push(name.to_owned()),
        }
    }
    (!base.is_empty()).then_some(base)
}

/// `model/ids.rs` is `model::ids`, `model/mod.rs` is `model`, `lib.rs` is the root.
fn module_of(file: &Path) -> Vec<String> {
    let mut names: Vec<String> = file
        .with_extension("")
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        })
        .collect();
    if names.last().is_some_and(|last| last == "mod" || (last == "lib" && names.len() == 1)) {
        names.pop();
    }
    names
}

/// Tests that are longer than their code stand in `tests.rs`, or in `record_tests.rs` beside `record.rs`.
fn is_test_file(file: &Path) -> bool {
    let path = file.with_extension("");
    path.components().any(|part| part.as_os_str() == "tests")
        || path.to_string_lossy().ends_with("_tests")
        || TEST_CODE.iter().any(|code| path.starts_with(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIB: &str = "pub mod error; pub use error::{Error, Rule as Law}; pub use phi::Phi; use std::fmt;";

    fn found(file: &str, text: &str) -> Vec<String> {
        let files =
            [("lib.rs", LIB), (file, text)].map(|(file, text)| (PathBuf::from(file), text.to_owned()));
        faults(&files, TABLE)
    }

    #[test]
    fn allowed_edges_pass() {
        for (file, text) in [
            ("error.rs", "use std::fmt; use crate::error::Inner;"),
            (
                "model/ids.rs",
                "use crate::error::{Error, Result}; use super::Name; use super::super::error::Rule;",
            ),
            ("model/order.rs", "use crate::phi::Phi; use crate::{Error, Law, Phi as P};"),
            ("storage/sqlite.rs", "use crate::{audit::Entry, model::OrderId}; use super::rows::Row;"),
            ("service/mod.rs", "use crate::{keys::*, storage};"),
            ("env.rs", "mod fixed { use super::Clock; use crate::error::Result; }"),
            ("error.rs", "#[cfg(test)] mod tests { use crate::service::OrderService; }"),
            ("storage/contract/crash.rs", "use crate::service::OrderService;"),
            ("workflow/tests.rs", "use crate::service::OrderService;"),
            ("phi/record_tests.rs", "use crate::service::OrderService;"),
        ] {
            assert_eq!(found(file, text), [""; 0], "{file}: {text}");
        }
    }

    #[test]
    fn other_edges_fail_with_their_place() {
        for (file, text, fault) in [
            ("error.rs", "\n\nuse crate::env::Env;", "error.rs:3: error -> env::Env is not an allowed edge"),
            (
                "model/ids.rs",
                "use crate::{\n error::Error,\n phi::{Phi, Seal},\n};",
                "model/ids.rs:3: model -> phi::Seal is not an allowed edge",
            ),
            ("model/ids.rs", "use crate::phi;", "model/ids.rs:1: model -> phi is not an allowed edge"),
            (
                "access.rs",
                "fn f() { super::workflow::next() }",
                "access.rs:1: access -> workflow::next is not an allowed edge",
            ),
            (
                "env.rs",
                "mod m { use super::super::phi::Phi; }",
                "env.rs:1: env -> phi::Phi is not an allowed edge",
            ),
            ("workflow.rs", "use crate::Phi;", "workflow.rs:1: workflow -> phi::Phi is not an allowed edge"),
            (
                "audit/mod.rs",
                "use crate::*;",
                "audit/mod.rs:1: audit -> *: no module or re-export has this name",
            ),
            ("extra/mod.rs", "", "extra/mod.rs:1: the module `extra` is not in the table of layers"),
        ] {
            assert_eq!(found(file, text), [fault]);
        }
    }

    #[test]
    fn the_table_names_modules_it_has() {
        for (module, may) in TABLE {
            let May::Use(list) = may else { continue };
            for entry in *list {
                let target = entry.split("::").next();
                assert!(TABLE.iter().any(|(name, _)| Some(*name) == target), "{module} -> {entry}");
            }
        }
    }
}
