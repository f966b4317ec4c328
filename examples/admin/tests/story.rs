//! The whole story of a database, told through the program as an administrator would type it.

mod place;

use std::process::Stdio;
use std::time::Duration;

use place::{Answer, ORDERS, PATIENT, Place};

#[test]
fn a_database_is_made_filled_and_looked_after() {
    let place = Place::furnished();
    let db = "orders.db";
    place
        .plain(&["keygen", "--key-file", "root.key"])
        .is(1)
        .says("--key-file root.key exists: choose another");
    place.on(db, &["init"]).is(1).says("VALIDATION_ERROR").says("--db orders.db exists: choose another");
    place.on("none.db", &["verify-audit"]).is(1).says("STORAGE_UNAVAILABLE: none.db cannot be opened");
    place.on(db, &["import", ORDERS]).is(0).says("600 created, 0 replayed, 0 failed\n");
    place.on(db, &["import", ORDERS]).is(0).says("0 created, 600 replayed, 0 failed\n");
    let topeka = ["import", ORDERS, "--territory", "topeka"];
    place.on(db, &topeka).is(0).says("0 created, 110 replayed, 0 failed, 490 of other territories\n");
    // Another user's import is another request.
    place.on(db, &["import", ORDERS, "--user", "u-2"]).is(1).says("line 7: IDEMPOTENCY_MISMATCH");
    place
        .on(db, &["verify-audit"])
        .is(0)
        .says("emporia: intact")
        .says("not anchored")
        .says("verdict: intact");

    place.on(db, &["rotate-keys", "--territory", "topeka"]).is(0).says("topeka: key 2, 110 orders");
    let all = place.on(db, &["rotate-keys"]).is(0).says("topeka: key 3, 110 orders").says("emporia: key 2");
    assert_eq!(all.out.lines().count(), 6);
    place.plain(&["keygen", "--key-file", "new.key"]).is(0);
    place.on(db, &["change-root", "--new-key-file", "new.key"]).is(0).says("keys are wrapped under the new");
    place.on(db, &["verify-audit"]).is(1).says("KEY_MISMATCH: ");
    std::fs::rename(place.path("new.key"), place.path("root.key")).unwrap();
    place.on(db, &["verify-audit", "--territory", "topeka"]).is(0).says("110 orders");
    let line = std::fs::read_to_string(place.path("root.key")).unwrap();
    let mut by_variable = place.command(&["verify-audit", "--db", db, "--key-env", "STORY_KEY"]);
    Answer::new(by_variable.env("STORY_KEY", line).output().unwrap()).is(0);

    let ndjson = place.on(db, &["export-audit", "--territory", "topeka"]).is(0).out;
    let csv = ["export-audit", "--territory", "topeka", "--format", "csv", "--out", "topeka.csv"];
    place.on(db, &csv).is(0);
    let csv = std::fs::read_to_string(place.path("topeka.csv")).unwrap();
    assert_eq!(csv.lines().count(), ndjson.lines().count() + 1);
    assert!(csv.starts_with("territory_id,seq,prev_hash,at,user_id,role,"));
    assert!(ndjson.starts_with(r#"{"territory_id":"topeka","seq":1,"#) && ndjson.contains("admin-cli"));
    // Creating discloses nothing.
    place.on(db, &["disclosures", "--patient", PATIENT]).is(0).says("0 disclosures");
}

#[test]
fn a_line_that_is_no_order_is_named_without_its_values() {
    let place = Place::furnished();
    let good = std::fs::read_to_string(ORDERS).unwrap().lines().next().unwrap().to_owned();
    let lines = [
        good.clone(),
        good.replace("emporia", "nowhere").replace("b51efbe9", "1"),
        good.replace(PATIENT, "p-canary").replace("b51efbe9", "2"),
        String::new(),
        r#"{"service_type":"canary","territory_id":"emporia","colour":"canary"}"#.to_owned(),
        "canary".to_owned(),
        good.replace("source_id", "source_canary"),
        good.clone(),
    ];
    std::fs::write(place.path("lines.ndjson"), lines.join("\n")).unwrap();
    let answer =
        place.on("orders.db", &["import", "lines.ndjson"]).is(1).says("1 created, 1 replayed, 5 failed");
    let lines: Vec<&str> = answer.err.lines().collect();
    for expected in [
        "line 2: TERRITORY_NOT_FOUND: ",
        "line 3: PATIENT_PROVIDER_MISMATCH: ",
        "line 5: VALIDATION_ERROR: source_id required; colour unknown; patient_id required; ",
        "line 6: VALIDATION_ERROR: format",
        "line 7: VALIDATION_ERROR: source_id required; source_canary unknown",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(expected)), "{expected} is not in {lines:?}");
    }
    assert_eq!(lines.len(), 6);
    assert!(lines[..5].is_sorted());
    assert!(lines[5].ends_with("run register --from-ndjson lines.ndjson first"), "{lines:?}");
    assert!(!answer.err.replace("source_canary", "").contains("canary"));
    let bad = ["register", "--territory", "No Such", "--patient", "p", "--provider", "n"];
    place.on("orders.db", &bad).is(1).says("VALIDATION_ERROR").says("territory_id format");
    place
        .on("orders.db", &["register", "--from-ndjson", "lines.ndjson"])
        .is(1)
        .says("line 5 patient_id required");
}

#[test]
fn an_import_that_was_killed_goes_on_and_doubles_nothing() {
    let place = Place::furnished();
    let real = std::fs::read_to_string(ORDERS).unwrap();
    let copies = (0..20).map(|n| real.replace(r#""source_id":""#, &format!(r#""source_id":"{n}-"#)));
    std::fs::write(place.path("many.ndjson"), copies.collect::<String>()).unwrap();
    let arguments = ["import", "many.ndjson", "--db", "orders.db", "--key-file", "root.key"];
    let mut child = place.command(&arguments).stdout(Stdio::null()).spawn().unwrap();
    let log = place.path("orders.db-wal");
    // More than one commit writes, so that something is acknowledged by then.
    while std::fs::metadata(&log).map_or(0, |meta| meta.len()) < 2 * 1024 * 1024 {
        assert!(child.try_wait().unwrap().is_none(), "the import ended before it was killed");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "the import was not killed");

    let answer = place.plain(&arguments).is(0);
    let numbers: Vec<u64> = answer.out.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(numbers[0] > 0 && numbers[1] > 0, "{}", answer.out);
    assert_eq!(numbers[0] + numbers[1], 12_000, "{}", answer.out);
    let answer = place.on("orders.db", &["verify-audit"]).is(0);
    let orders = |line: &str| line.strip_suffix(" orders")?.rsplit(' ').next()?.parse::<u64>().ok();
    assert_eq!(answer.out.lines().filter_map(orders).sum::<u64>(), 12_000);
}

#[test]
fn verify_audit_tells_four_things_apart() {
    let place = Place::furnished();
    let db = "orders.db";
    let anchored = ["--anchor", "anchor.txt"];
    let with = |arguments: &[&str]| place.on(db, &[arguments, &anchored].concat());
    with(&["import", ORDERS, "--territory", "wichita"]).is(0).says("110 created");
    place.copy(db, "older.db");
    // With an anchor only the chains that moved since are signed again.
    let notes = place.on(db, &["checkpoint"]).is(0).says("signed 7 chains");
    std::fs::write(place.path("notes.txt"), &notes.out).unwrap();
    with(&["import", ORDERS, "--territory", "topeka"]).is(0).says("110 created");
    with(&["verify-audit"]).is(0).says("anchored: compared");
    place.on(db, &["verify-audit", "--checkpoint", "notes.txt"]).is(0).says("anchored: compared");
    assert_eq!(std::fs::read_to_string(place.path("notes.txt")).unwrap(), notes.out);
    place.copy(db, "good.db");

    place.copy("older.db", db);
    with(&["verify-audit"]).is(4).says("verdict: rolled_back").says("older than its checkpoint");
    place.copy("older.db", db);
    place.on(db, &["verify-audit", "--checkpoint", "notes.txt"]).is(4);
    place.copy("older.db", db);
    place.on(db, &["verify-audit"]).is(0).says("not anchored");

    place.copy("good.db", db);
    place.sql(db, "UPDATE orders SET status = 'verified' WHERE pk = (SELECT min(pk) FROM orders)");
    with(&["verify-audit"]).is(2).says("first bad record: ").says("verdict: tampered");
    with(&["verify-audit", "--territory", "emporia"]).is(0);

    place.copy("good.db", db);
    place.sql(db, "DELETE FROM audit_entries WHERE rowid = (SELECT max(rowid) FROM audit_entries)");
    place.on(db, &["verify-audit"]).is(3).says("verdict: truncated");
}

#[test]
fn a_backup_is_taken_into_use() {
    let place = Place::furnished();
    let db = "orders.db";
    place.on(db, &["import", ORDERS]).is(0);
    place.on(db, &["backup", "--to", "backup.db"]).is(0);
    place.on(db, &["backup", "--to", "backup.db"]).is(1).says("--to backup.db exists: choose another");
    let restore = |to: &str, key: &str| {
        place.plain(&[
            "restore",
            "--from",
            "backup.db",
            "--to",
            to,
            "--key-file",
            key,
            "--anchor",
            "anchor.txt",
        ])
    };
    restore(db, "root.key").is(1).says("--to orders.db exists: choose another");
    place.plain(&["keygen", "--key-file", "other.key"]).is(0);
    restore("new.db", "other.key").is(1).says("KEY_MISMATCH");
    assert!(!place.path("new.db").exists() && !place.path("new.db-wal").exists());
    restore("new.db", "root.key").is(0).says("7 chains have fresh checkpoints");
    place.on("new.db", &["verify-audit", "--anchor", "anchor.txt"]).is(0).says("anchored: compared");
    // The time line that was left is not the one that is anchored now.
    place.on(db, &["verify-audit", "--anchor", "anchor.txt"]).is(4);
    place.on("new.db", &["import", ORDERS]).is(0).says("0 created, 600 replayed");
}

#[test]
fn wrong_usage_is_no_verdict() {
    let place = Place::empty();
    place.plain(&[]).is(1);
    place.plain(&["verify-audit"]).is(1).says("--db");
    place.plain(&["verify-audit", "--db", "orders.db"]).is(1).says("--key-file");
    place.plain(&["nonsense"]).is(1);
    place.plain(&["--help"]).is(0).says("Exit status: 0 done");
    place.plain(&["--version"]).is(0);
}
