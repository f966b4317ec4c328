//! Plays scenarios through the Rust API. `conformance damage URL SQL` is the stranger who writes into a database
//! behind the engine's back.

#![expect(clippy::print_stdout, reason = "a runner talks to whoever started it")]

mod calls;
mod host;
mod matching;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use medorder_tests::postgres::Database;
use serde_json::{Map, Value, json};

use crate::calls::Player;
use crate::matching::{matches, resolved};

const SCENARIO: &[&str] = &["name", "why", "skip", "directory", "options", "world", "actors", "steps"];
const STEP: &[&str] = &["do", "as", "in", "with", "save", "expect", "error"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["damage", url, statements] => damage(url, statements),
        [jobs] => play_all(&read(jobs)),
        _ => panic!("JOBS.json, or damage URL SQL"),
    }
}

fn damage(url: &str, statements: &str) -> ExitCode {
    match Database::of(url) {
        Some(database) => database.run(statements),
        None => {
            let file = rusqlite::Connection::open(url).expect("the file opens");
            file.execute_batch(statements).expect("the statements run");
        }
    }
    ExitCode::SUCCESS
}

fn play_all(jobs: &Value) -> ExitCode {
    let (mut failed, mut skipped) = (0, 0);
    let jobs = jobs["jobs"].as_array().expect("jobs");
    for job in jobs {
        let scenario = read(job["scenario"].as_str().expect("a scenario"));
        let name = scenario["name"].as_str().expect("a name");
        let engine = job["engine"].as_str().expect("an engine");
        if let Some(reason) = scenario["skip"][engine].as_str() {
            skipped += 1;
            println!("skipped {name}: {reason}");
            continue;
        }
        match play(&scenario, job) {
            Ok(()) => println!("ok {name}"),
            Err(why) => {
                failed += 1;
                println!("failed {name}: {why}");
            }
        }
    }
    println!("ran {}, failed {failed}, skipped {skipped}", jobs.len() - skipped);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn play(scenario: &Value, job: &Value) -> Result<(), String> {
    known(scenario, SCENARIO)?;
    let mut player = Player::open(scenario, job)?;
    let mut saved = BTreeMap::from([("paths".to_owned(), job["paths"].clone())]);
    for (at, step) in scenario["steps"].as_array().ok_or("no steps")?.iter().enumerate() {
        take(step, &mut player, &mut saved).map_err(|why| format!("step {}: {why}", at + 1))?;
    }
    Ok(())
}

fn take(step: &Value, player: &mut Player, saved: &mut BTreeMap<String, Value>) -> Result<(), String> {
    known(step, STEP)?;
    let with = match step.get("with") {
        Some(with) => resolved(with, saved)?,
        None => Value::Object(Map::new()),
    };
    let text = |name: &str| step.get(name).and_then(Value::as_str);
    let call = text("do").ok_or("no call")?;
    let name = text("save").unwrap_or_default();
    let answer =
        player.call(call, text("as").unwrap_or_default(), text("in").unwrap_or("north"), with, name)?;
    match (answer, step.get("error")) {
        (Ok(answer), None) => {
            if let Some(expected) = step.get("expect") {
                matches(&resolved(expected, saved)?, &answer, "")?;
            }
            if !name.is_empty() {
                saved.insert(name.to_owned(), answer);
            }
            Ok(())
        }
        (Err(error), Some(expected)) => {
            let code = error.code();
            let shown = json!({
                "code": code.name(), "number": code.number(), "kind": code.kind().name(),
                "retryable": error.retryable(), "details": error.details(),
            });
            matches(&resolved(expected, saved)?, &shown, "error")
        }
        (Ok(_), Some(expected)) => Err(format!("succeeded, and {} was expected", expected["code"])),
        (Err(error), None) => Err(format!("{error:?}")),
    }
}

/// # Errors
/// Names a member that is not one of `names`.
pub(crate) fn known(value: &Value, names: &[&str]) -> Result<(), String> {
    let members = value.as_object().ok_or("not an object")?;
    match members.keys().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(format!("unknown member `{name}`")),
        None => Ok(()),
    }
}

fn read(path: impl AsRef<Path>) -> Value {
    let text = std::fs::read(path.as_ref()).expect("the file is readable");
    serde_json::from_slice(&text).expect("the file is JSON")
}
