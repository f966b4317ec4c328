//! `include/medorder.h` is what cbindgen makes of this crate, and every function of it passes the one boundary.

#![allow(clippy::unwrap_used, reason = "what a test unwraps is what it asserts")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn committed() -> PathBuf {
    folder().join("../include/medorder.h")
}

fn header() -> String {
    let config = cbindgen::Config::from_file(folder().join("cbindgen.toml")).unwrap();
    let bindings = cbindgen::Builder::new().with_crate(folder()).with_config(config).generate().unwrap();
    let mut text = Vec::new();
    bindings.write(&mut text);
    // What cbindgen closes its brackets with is no comment in C89.
    String::from_utf8(text).unwrap().replace(" // extern \"C\"", "").replace(" // __cplusplus", "")
}

/// `MEDORDER_WRITE_HEADER=1 cargo test -p medorder-ffi --test header` writes it anew.
#[test]
fn the_header_is_that_of_the_source() {
    let header = header();
    if std::env::var_os("MEDORDER_WRITE_HEADER").is_some() {
        std::fs::write(committed(), &header).unwrap();
    }
    assert!(std::fs::read_to_string(committed()).unwrap() == header, "the header is not up to date");
}

/// The functions of the source with their text, from one `#[unsafe(no_mangle)]` to the next.
fn exported() -> Vec<(String, String)> {
    let mut functions = Vec::new();
    for entry in std::fs::read_dir(folder().join("src")).unwrap() {
        let source = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for piece in source.split("\n#[unsafe(no_mangle)]\n").skip(1) {
            let name = piece.split_once("extern \"C\" fn ").unwrap().1.split_once('(').unwrap().0;
            let end = piece.find("\n}\n").unwrap();
            functions.push((name.to_owned(), piece[..end].to_owned()));
        }
    }
    functions
}

fn names(functions: &[(String, String)]) -> BTreeSet<String> {
    functions.iter().map(|(name, _)| name.clone()).collect()
}

/// Names of functions that the header declares: a word of ours before a bracket, outside of comments.
fn declared(header: &str) -> BTreeSet<String> {
    let code = header.lines().filter(|line| !line.trim_start().starts_with(['*', '/', '#']));
    let code: String = code.collect::<Vec<_>>().join("\n");
    let words = code.match_indices("medorder_").filter_map(|(at, _)| {
        let name: String =
            code[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        code[at + name.len()..].starts_with('(').then_some(name)
    });
    words.collect()
}

#[test]
fn every_function_passes_the_boundary_and_is_declared() {
    let functions = exported();
    for (name, text) in &functions {
        let body = text.split_once(" {\n").unwrap().1;
        let wrapped = body.contains("boundary(")
            || body.contains("boundary_value(")
            || body.trim_start().starts_with("named(");
        assert!(wrapped, "{name} has no boundary");
    }
    assert!(functions.len() > 60, "{} functions", functions.len());
    assert_eq!(names(&functions), declared(&std::fs::read_to_string(committed()).unwrap()));
}

#[test]
fn every_function_says_what_it_does_whose_it_is_and_which_thread() {
    for entry in std::fs::read_dir(folder().join("src")).unwrap() {
        let source = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let pieces: Vec<&str> = source.split("\n#[unsafe(no_mangle)]\n").collect();
        for pair in pieces.windows(2) {
            let comment = pair[0].lines().rev().take_while(|line| line.starts_with("///"));
            let comment: String = comment.collect();
            let signature = pair[1].split_once(" {\n").unwrap().0;
            let name = signature.split_once("fn ").unwrap().1.split_once('(').unwrap().0;
            assert!(comment.contains("Threads:"), "{name} says nothing of threads");
            let gives = signature.contains("*mut *mut medorder_") && !name.ends_with("_free");
            assert!(
                !gives || comment.contains("Errors:") || comment.contains("Errors: "),
                "{name}: no errors"
            );
            for place in ["medorder_order,", "medorder_text,", "medorder_session,", "medorder_keys,"] {
                let gives = signature.contains(&format!("*mut *mut {place}"));
                assert!(!gives || comment.contains("Ownership:"), "{name} says nothing of ownership");
            }
        }
    }
}

/// The shared library exports the functions of the header and nothing else.
#[test]
#[cfg(target_os = "linux")]
fn the_library_exports_the_header_and_nothing_else() {
    let library = library();
    let output = Command::new("nm").args(["-D", "--defined-only"]).arg(&library).output().unwrap();
    assert!(output.status.success(), "nm {}", library.display());
    let text = String::from_utf8(output.stdout).unwrap();
    let symbols: BTreeSet<String> =
        text.lines().filter_map(|line| line.split_whitespace().nth(2)).map(str::to_owned).collect();
    assert_eq!(symbols, names(&exported()));
    let output = Command::new("readelf").arg("-d").arg(&library).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("[libmedorder.so.0]"));
}

/// Beside the test program, whichever profile it was built in.
#[cfg(target_os = "linux")]
fn library() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let folders = program.ancestors().skip(1).map(|folder| folder.join("libmedorder_ffi.so"));
    folders.into_iter().find(|file| file.is_file()).expect("the library was built with the tests")
}
