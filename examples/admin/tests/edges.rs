//! Terminals that are gone, files that are not what they should be.

#![cfg(unix)]

mod place;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use place::{Answer, ORDERS, PATIENT, Place};

const KEY: [&str; 4] = ["--db", "orders.db", "--key-file", "root.key"];

impl Place {
    /// The command, with nobody who reads what it prints.
    fn unheard(&self, arguments: &[&str]) -> Answer {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = self.command(arguments);
        Answer::new(
            command.stdout(Stdio::from(writer)).stderr(Stdio::piped()).output().expect("the program starts"),
        )
    }
}

#[test]
fn work_is_done_also_if_nobody_reads_of_it() {
    let place = Place::furnished();
    let unheard = |arguments: &[&str]| {
        place.unheard(&[arguments, &KEY].concat()).is(1).says("standard output is closed")
    };
    unheard(&["import", ORDERS]);
    place.on("orders.db", &["import", ORDERS]).is(0).says("0 created, 600 replayed");
    unheard(&["rotate-keys"]);
    let rotated = place.on("orders.db", &["rotate-keys"]).is(0).out;
    assert_eq!(rotated.matches(": key 3, ").count(), 6, "{rotated}");
    unheard(&["checkpoint", "--anchor", "anchor.txt"]);
    place.on("orders.db", &["verify-audit", "--anchor", "anchor.txt"]).is(0).says("anchored: compared");
    unheard(&["verify-audit"]);
    unheard(&["export-audit"]);
    unheard(&["export-audit", "--format", "csv"]);
    unheard(&["register", "--from-ndjson", ORDERS]);
    unheard(&["backup", "--to", "backup.db"]);
    let restore = ["restore", "--from", "backup.db", "--to", "new.db", "--key-file", "root.key"];
    place.unheard(&restore).is(1).says("standard output is closed");
    place.on("new.db", &["verify-audit"]).is(0);
    place.unheard(&["keygen", "--key-file", "new.key"]).is(1);
    place.unheard(&[&["change-root", "--new-key-file", "new.key"][..], &KEY].concat()).is(1);
    place.plain(&["verify-audit", "--db", "orders.db", "--key-file", "new.key"]).is(0);
    place.unheard(&["--help"]).is(1);
    // Nobody reads the errors either.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    fs::write(place.path("bad.ndjson"), "bad\n").unwrap();
    let mut deaf = place.command(&["import", "bad.ndjson", "--db", "orders.db", "--key-file", "new.key"]);
    Answer::new(deaf.stderr(Stdio::from(writer)).stdout(Stdio::piped()).output().unwrap())
        .is(1)
        .says("0 created, 0 replayed, 1 failed");
    let disclosures = ["disclosures", "--patient", PATIENT, "--db", "orders.db", "--key-file", "new.key"];
    place.plain(&disclosures).is(0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let place = Place::furnished();
    for arguments in [&["verify-audit"][..], &["checkpoint"], &["import", ORDERS], &["export-audit"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = place.command(&[arguments, &KEY].concat());
        Answer::new(command.stdout(Stdio::from(full)).stderr(Stdio::piped()).output().unwrap())
            .is(1)
            .says("standard output is closed");
    }
}

#[test]
fn verifying_makes_and_writes_no_anchor() {
    let place = Place::furnished();
    let verify = |arguments: &[&str]| place.on("orders.db", &[&["verify-audit"], arguments].concat());
    verify(&["--anchor", "none.txt"]).is(1).says("none.txt cannot be read");
    for reader in [&["export-audit"][..], &["disclosures", "--patient", PATIENT]] {
        let arguments = [reader, &["--anchor", "none.txt"]].concat();
        place.on("orders.db", &arguments).is(1).says("none.txt cannot be read");
    }
    assert!(!place.path("none.txt").exists());

    fs::write(place.path("anchor.txt"), "").unwrap();
    verify(&["--anchor", "anchor.txt"])
        .is(1)
        .says("verdict: intact")
        .says("not compared: anchor.txt holds no");
    assert!(fs::read(place.path("anchor.txt")).unwrap().is_empty());
    let notes = place.on("orders.db", &["checkpoint", "--anchor", "anchor.txt"]).is(0).out;
    let before = fs::read(place.path("anchor.txt")).unwrap();
    fs::set_permissions(place.path("anchor.txt"), Permissions::from_mode(0o400)).unwrap();
    verify(&["--anchor", "anchor.txt"]).is(0).says("anchored: compared");
    assert_eq!(fs::read(place.path("anchor.txt")).unwrap(), before);

    // A note more or less: what stands for every chain is compared, the rest is named.
    let first = notes.lines().take(5).map(|line| format!("{line}\n")).collect::<String>();
    fs::write(place.path("first.txt"), &first).unwrap();
    verify(&["--checkpoint", "first.txt"]).is(1).says("verdict: intact").says("not anchored");
    for bad in [&b""[..], b"\n", b"canary", b"\xff\xfe", &first.as_bytes()[..first.len() - 9]] {
        fs::write(place.path("bad.txt"), bad).unwrap();
        verify(&["--checkpoint", "bad.txt"])
            .is(1)
            .says("VALIDATION_ERROR: --checkpoint bad.txt holds no whole");
    }
    verify(&["--checkpoint", "none.txt"]).is(1).says("none.txt cannot be read");
}

#[test]
fn a_backup_that_is_not_intact_is_not_taken_into_use() {
    let place = Place::furnished();
    place.on("orders.db", &["import", ORDERS]).is(0);
    place.on("orders.db", &["backup", "--to", "backup.db"]).is(0);
    place.copy("backup.db", "changed.db");
    place.sql("changed.db", "UPDATE orders SET status = 'verified' WHERE pk = (SELECT min(pk) FROM orders)");
    place.copy("backup.db", "short.db");
    place.sql("short.db", "DELETE FROM audit_entries WHERE rowid = (SELECT max(rowid) FROM audit_entries)");
    let restore = |from: &str, more: &[&str]| {
        let arguments = ["restore", "--from", from, "--to", "new.db", "--key-file", "root.key"];
        place.plain(&[&arguments, more].concat())
    };
    for (from, code) in [("changed.db", 2), ("short.db", 3)] {
        let answer = restore(from, &["--anchor", "anchor.txt"]).is(code).says("not restored").says("--force");
        assert!(
            answer.out.contains("first bad record: ") && !answer.out.contains("record::"),
            "{}",
            answer.out
        );
        assert!(!place.path("new.db").exists() && !place.path("new.db-wal").exists());
        assert!(!place.path("anchor.txt").exists());
    }
    restore("changed.db", &["--force"]).is(0).says("verdict: tampered").says("restored to new.db");
    place.on("new.db", &["verify-audit"]).is(2);
}

#[test]
fn errors_say_what_to_do() {
    let place = Place::furnished();
    let key = place.path("root.key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    place.on("orders.db", &["verify-audit"]).is(1).says("chmod 600 root.key");
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    let with_key = |key: &[&str]| place.plain(&[&["verify-audit", "--db", "orders.db"], key].concat());
    with_key(&["--key-file", "no.key"]).is(1).says("KEY_UNAVAILABLE: the key file no.key cannot be opened");
    with_key(&["--key-env", "STORY_NONE"]).is(1).says("--key-env STORY_NONE: the variable is not set");
    place.on("orders.db", &["import", "no.ndjson"]).is(1).says("no.ndjson cannot be read");
    fs::write(place.path("out.csv"), "mine").unwrap();
    place.on("orders.db", &["export-audit", "--out", "out.csv"]).is(1).says("out.csv exists: choose another");
}

#[test]
fn an_import_says_what_is_missing() {
    let place = Place::empty();
    place.plain(&["keygen", "--key-file", "root.key"]).is(0);
    place.on("orders.db", &["init"]).is(0);
    let answer = place.on("orders.db", &["import", ORDERS]).is(1).says("0 created, 0 replayed, 600 failed");
    let number = |line: &str| line.strip_prefix("line ")?.split(':').next()?.parse::<u32>().ok();
    let numbers: Vec<_> = answer.err.lines().filter_map(number).collect();
    assert!(numbers.len() == 600 && numbers.is_sorted(), "{numbers:?}");
    assert_eq!(answer.err.matches("run register --from-ndjson").count(), 1);
    place
        .on("orders.db", &["import", ORDERS, "--territory", "topeka"])
        .is(1)
        .says("TERRITORY_NOT_FOUND: topeka is not registered");

    fs::write(place.path("empty.ndjson"), "\n").unwrap();
    place
        .on("orders.db", &["register", "--from-ndjson", "empty.ndjson"])
        .is(1)
        .says("empty.ndjson holds no order");
    let orders = fs::read_to_string(ORDERS).unwrap();
    fs::write(place.path("bom.ndjson"), format!("\u{feff}{orders}")).unwrap();
    place.on("orders.db", &["register", "--from-ndjson", "bom.ndjson"]).is(0);
    place.on("orders.db", &["import", "bom.ndjson"]).is(0).says("600 created");
    place
        .on("orders.db", &["import", ORDERS, "--territory", "nowhere"])
        .is(1)
        .says("nowhere is not registered");
    place.plain(&["import", "--help"]).is(0).says("are required");
    place.plain(&["export-audit", "--help"]).is(0).says("not the system chain");
}
