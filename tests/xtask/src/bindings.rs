//! The sources that UniFFI writes: made from the built library, committed, and held against it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::files;
use crate::project::{Project, run};

/// The library they are made of.
pub(crate) const LIBRARY: &str = "libmedorder_uniffi.so";

/// A language, and where each of its files lies: what the generator calls it, and its place below the root.
const LANGUAGES: &[(&str, &[(&str, &str)])] = &[
    ("kotlin", &[("medorder/medorder.kt", "bindings/kotlin/src/generated/medorder/medorder.kt")]),
    (
        "swift",
        &[
            ("Medorder.swift", "bindings/swift/Sources/Medorder/Medorder.swift"),
            ("MedorderFFI.h", "bindings/swift/Sources/MedorderFFI/include/MedorderFFI.h"),
        ],
    ),
    ("ruby", &[("medorder.rb", "bindings/ruby/lib/medorder.rb")]),
];

/// Builds the library and writes the sources.
pub(crate) fn write(project: &Project) -> Result<(), String> {
    run(&mut project.cargo(&["build", "--package", "medorder-uniffi"]))?;
    for (place, text) in generated(project)? {
        let path = project.root.join(&place);
        if fs::read_to_string(&path).is_ok_and(|there| there == text) {
            continue;
        }
        let parent = path.parent().ok_or("a file without a folder")?;
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, text))
            .map_err(|e| format!("{} cannot be written: {e}", path.display()))?;
        println!("wrote {place}");
    }
    Ok(())
}

/// Fails unless the committed sources are those of the built library.
pub(crate) fn check(project: &Project) -> Result<(), String> {
    let differs = |(place, text): &(String, String)| {
        fs::read_to_string(project.root.join(place)).map_or(true, |there| there != *text)
    };
    let stale: Vec<String> =
        generated(project)?.into_iter().filter(differs).map(|(place, _)| place).collect();
    if stale.is_empty() {
        Ok(())
    } else {
        Err(format!("not what the library says: {}; `cargo xtask bindings` writes it", stale.join(", ")))
    }
}

/// The sources by their place below the root.
fn generated(project: &Project) -> Result<BTreeMap<String, String>, String> {
    let built = project.target().join("debug");
    let folder = project.target().join("bindings");
    let _ = fs::remove_dir_all(&folder);
    let mut sources = BTreeMap::new();
    for (language, files) in LANGUAGES {
        let into = folder.join(language);
        run(Command::new(built.join("uniffi-bindgen"))
            .args(["generate", "--language", language, "--no-format", "--library"])
            .arg(built.join(LIBRARY))
            .arg("--out-dir")
            .arg(&into)
            .current_dir(&project.root)
            .stdin(Stdio::null()))?;
        for (file, place) in *files {
            let text = read(&into.join(file))?;
            let text = if *language == "kotlin" { guarded(&text)? } else { text };
            sources.insert((*place).to_owned(), text);
        }
        // What is left behind would be missing where the sources are used.
        let made = files::below(&into, Path::new(""))?;
        if made.len() != files.len() {
            return Err(format!("the sources for {language} are {made:?}: bindings.rs knows others"));
        }
    }
    match unsigned(&sources) {
        Some(place) => Err(format!("{place} has unsigned integers, which the JVM has not: use signed ones")),
        None => Ok(sources),
    }
}

/// The sources for Kotlin, with a check that uniffi 0.32 leaves out: an object that was closed, or is closed meanwhile by
/// another thread, must not go into a call as an argument. The engine would read freed memory, another patient's draft at
/// worst. `callWithHandle`, which guards the object that a method is called on, does the same for an argument.
fn guarded(text: &str) -> Result<String, String> {
    const BARE: &str = "return value.uniffiCloneHandle()";
    // One for each class, in the converter through which all its objects go.
    let classes = text.matches("fun uniffiCloneHandle()").count();
    if classes == 0 || text.matches(BARE).count() != classes {
        return Err("uniffi lowers objects in another way now: see what keeps a closed one out".to_owned());
    }
    Ok(text.replace(BARE, "return value.callWithHandle { it }"))
}

/// The first of the sources whose surface has unsigned integers: only then is there a converter for them.
fn unsigned(sources: &BTreeMap<String, String>) -> Option<&String> {
    sources.iter().find(|(_, text)| text.contains("FfiConverterUInt")).map(|(place, _)| place)
}

/// The text without blanks at the ends of lines, which the generator leaves.
fn read(path: &Path) -> Result<String, String> {
    let text = fs::read_to_string(path).map_err(|e| format!("{} is not readable: {e}", path.display()))?;
    Ok(text.lines().map(|line| line.trim_end().to_owned() + "\n").collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_go_guarded_into_calls_or_not_at_all() {
        let class = "fun uniffiCloneHandle(): Long { }\n";
        let bare = "return value.uniffiCloneHandle()\n";
        let whole = guarded(&format!("{class}{bare}")).unwrap();
        assert_eq!(whole, format!("{class}return value.callWithHandle {{ it }}\n"));
        assert!(guarded(class).is_err() && guarded("").is_err());
    }

    #[test]
    fn unsigned_integers_are_found() {
        let file = |text: &str| BTreeMap::from([("a".to_owned(), text.to_owned())]);
        assert_eq!(unsigned(&file("FfiConverterInt64.lift(value) let handle: UInt64")), None);
        assert!(unsigned(&file("FfiConverterUInt64.lift(value)")).is_some());
    }
}
