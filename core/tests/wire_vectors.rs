//! Every case of `tests/vectors/wire/*.json`: a request, and the exact faults it has, in order.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use medorder::{AccessPolicy, CreateOrder, Error, Rule, wire};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "about")]
    _about: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    kind: String,
    input: Option<String>,
    input_hex: Option<String>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Expect {
    Ok(String),
    Faults(Vec<Fault>),
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    path: String,
    rule: String,
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/wire")
}

/// `{{TEXT*N}}` is TEXT, N times.
fn expand(text: &str) -> String {
    let Some((before, rest)) = text.split_once("{{") else { return text.to_owned() };
    let (inside, after) = rest.split_once("}}").expect("a repeat ends");
    let (repeated, times) = inside.rsplit_once('*').expect("a repeat has a count");
    format!("{before}{}{}", repeated.repeat(times.parse().unwrap()), expand(after))
}

fn bytes(case: &Case) -> Vec<u8> {
    match (&case.input, &case.input_hex) {
        (Some(text), None) => expand(text).into_bytes(),
        (None, Some(hex)) => {
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
        }
        _ => panic!("{}: one input a case", case.name),
    }
}

/// What the reader of `kind` says; a request that reads must also pass its own check.
fn run(kind: &str, json: &[u8]) -> Result<(), Error> {
    match kind {
        "create" => wire::create_order(json)?.check().map(|_| ()),
        "creates" => wire::create_orders(json)?.iter().try_for_each(|order| order.check().map(|_| ())),
        "status" => wire::status_change(json)?.check().map(|_| ()),
        "changes" => {
            wire::status_changes(json)?.iter().try_for_each(|(_, change)| change.check().map(|_| ()))
        }
        "delete" => wire::delete_order(json)?.check().map(|_| ()),
        "filter" => wire::order_filter(json).map(|_| ()),
        "fields" => wire::field_list(json).map(|_| ()),
        "actor" => wire::actor(json).map(|_| ()),
        "policy" => AccessPolicy::from_json(std::str::from_utf8(json).unwrap()).map(|_| ()),
        other => panic!("unknown kind {other}"),
    }
}

fn faults(error: &Error) -> Vec<Fault> {
    assert_eq!(error.code().name(), "VALIDATION_ERROR");
    error
        .faults()
        .iter()
        .map(|fault| Fault { path: fault.path.clone(), rule: fault.rule.name().to_owned() })
        .collect()
}

#[test]
fn every_case() {
    let (mut count, mut rules) = (0, BTreeSet::new());
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let file: File = serde_json::from_slice(&std::fs::read(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for case in file.cases {
            let found = run(&case.kind, &bytes(&case)).map_err(|error| faults(&error));
            let place = format!("{} / {}", path.file_name().unwrap().display(), case.name);
            match (found, case.expect) {
                (Ok(()), Expect::Ok(word)) => assert_eq!(word, "ok", "{place}"),
                (Err(found), Expect::Faults(wanted)) => {
                    assert_eq!(found, wanted, "{place}");
                    rules.extend(wanted.into_iter().map(|fault| fault.rule));
                }
                (Ok(()), Expect::Faults(wanted)) => panic!("{place}: no fault, wanted {wanted:?}"),
                (Err(found), Expect::Ok(_)) => panic!("{place}: {found:?}"),
            }
            count += 1;
        }
    }
    assert!(count >= 150, "only {count} cases: is the folder complete?");
    let all: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.name().to_owned()).collect();
    assert_eq!(rules, all, "every rule is provoked");
}

/// The same rules for who builds a request in Rust: what the wire refuses by content, `check` refuses too.
#[test]
fn a_request_built_in_rust_obeys_the_same_rules() {
    let order = CreateOrder::new("", "p\n", "")
        .diagnosis_codes(["G43", ""])
        .notes("\u{0}")
        .insurance(medorder::Insurance::new("", "x".repeat(257)))
        .idempotency_key("");
    let found: Vec<_> = faults(&order.check().unwrap_err()).into_iter().map(|f| (f.path, f.rule)).collect();
    let wanted = [
        ("patient_id", "empty"),
        ("provider_id", "control"),
        ("service_type", "empty"),
        ("diagnosis_codes[1]", "empty"),
        ("notes", "control"),
        ("insurance.carrier", "empty"),
        ("insurance.policy_number", "too_long"),
        ("idempotency_key", "empty"),
    ]
    .map(|(path, rule)| (path.to_owned(), rule.to_owned()));
    assert_eq!(found, wanted);
}

#[test]
fn items_of_a_batch_fail_each_for_itself() {
    let json = br#"[{"patient_id":"p","provider_id":"n","service_type":"s","diagnosis_codes":[]},{},7]"#;
    let items = wire::create_items(json).unwrap();
    let faults: Vec<_> = items.iter().map(|item| item.as_ref().map_or_else(faults, |_| Vec::new())).collect();
    assert_eq!(faults.iter().map(Vec::len).collect::<Vec<_>>(), [0, 4, 1]);
    assert_eq!((faults[1][0].path.as_str(), faults[2][0].path.as_str()), ("patient_id", ""));
    assert!(wire::create_items(b"{}").is_err());
    let json = br#"[{"order_id":"0198f3c2-0000-7000-8000-000000000001","status":"verified"},{"status":"x"}]"#;
    let items = wire::status_items(json).unwrap();
    assert!(items[0].is_ok() && items[1].is_err());
}

/// Orders made from real records pass, and come out of the check as they went in.
#[test]
fn real_orders_pass() {
    let text = std::fs::read_to_string(folder().join("synthea-sample.ndjson")).unwrap();
    let mut count = 0;
    for line in text.lines() {
        let mut order: serde_json::Value = serde_json::from_str(line).unwrap();
        let members = order.as_object_mut().unwrap();
        for name in ["territory_id", "authored_on", "source_status"] {
            members.remove(name);
        }
        let key = members.remove("source_id").unwrap();
        members.retain(|_, value| !value.is_null());
        let unkeyed = order.clone();
        order["idempotency_key"] = key.clone();
        let checked = wire::create_order(order.to_string().as_bytes()).unwrap().check().unwrap();
        assert_eq!(checked.idempotency_key.unwrap().as_str(), key);
        let request: serde_json::Value = serde_json::from_slice(&checked.request).unwrap();
        assert_eq!(request, unkeyed);
        assert_eq!(
            &**checked.plaintext[0].as_ref().unwrap(),
            order["service_type"].as_str().unwrap().as_bytes()
        );
        let codes: serde_json::Value =
            serde_json::from_slice(checked.plaintext[1].as_ref().unwrap()).unwrap();
        assert_eq!(codes, order["diagnosis_codes"]);
        assert_eq!(checked.plaintext[3].is_some(), order.get("insurance").is_some());
        count += 1;
    }
    assert_eq!(count, 20);
}
