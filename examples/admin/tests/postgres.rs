//! The story of a database that outgrows its file, as an administrator would type it.

mod place;

use medorder_tests::postgres::{OWNER, RUNTIME, Server};
use place::{Answer, ORDERS, Place};

#[test]
fn a_file_moves_to_a_server_and_goes_on_there() {
    let place = Place::furnished();
    let database = Server::shared().database();
    let (owner, runtime) = (database.url(OWNER), database.url(RUNTIME));
    place.on("orders.db", &["import", ORDERS]).is(0).says("600 created, 0 replayed, 0 failed\n");
    let notes = place.on("orders.db", &["checkpoint"]).is(0).out;
    std::fs::write(place.path("notes.txt"), notes).unwrap();

    let moving = ["move-to", "--owner", &owner, "--to", &runtime, "--role", RUNTIME];
    let moved = place.on("orders.db", &moving).is(0).says("emporia: intact").says("verdict: intact");
    assert!(
        !moved.out.contains("sslmode") && !moved.out.contains(RUNTIME),
        "a url is shown without its secrets"
    );
    place.on("orders.db", &moving).is(1).says("VALIDATION_ERROR: the target holds data already");
    place
        .on(&runtime, &["verify-audit", "--checkpoint", "notes.txt"])
        .is(0)
        .says("anchored: compared with checkpoints from outside the database");
    // Idempotency keys, directory and root key went along.
    place.on(&runtime, &["import", ORDERS]).is(0).says("0 created, 600 replayed, 0 failed\n");
    place.on(&runtime, &["rotate-keys", "--territory", "topeka"]).is(0).says("topeka: key 2, 110 orders");
    place.on(&runtime, &["backup", "--to", "copy.db"]).is(1).says("PostgreSQL is copied by its own tools");
    place.on(&runtime, &["restore", "--from", "orders.db"]).is(1).says("from not_allowed");
    place.plain(&["restore", "--to", &runtime, "--key-file", "root.key"]).is(0).says("restored to ");
    // A restore begins another time line.
    place.on(&runtime, &["verify-audit", "--checkpoint", "notes.txt"]).is(4).says("verdict: rolled_back");
}

#[test]
fn only_an_owner_makes_a_schema_and_only_the_runtime_role_uses_it() {
    let place = Place::empty();
    let database = Server::shared().database();
    let (owner, runtime) = (database.url(OWNER), database.url(RUNTIME));
    place.plain(&["keygen", "--key-file", "root.key"]).is(0);
    place.on(&runtime, &["verify-audit"]).is(1).says("SCHEMA_UNSUPPORTED: ").says("an owner makes it with");
    place.on(&owner, &["init"]).is(1).says("role required");
    place.on("orders.db", &["init", "--role", RUNTIME]).is(1).says("role not_allowed");
    place.on(&runtime, &["init", "--role", RUNTIME]).is(1).says("STORAGE_UNAVAILABLE: the runtime role");
    place.on(&owner, &["init", "--role", "nobody-here"]).is(1).says("STORAGE_UNAVAILABLE: the runtime role");
    place
        .on(&owner, &["init", "--role", RUNTIME, "--partitions", "4"])
        .is(0)
        .says("ready: postgres://127.0.0.1");
    place.on(&owner, &["init", "--role", RUNTIME]).is(0);
    place.on(&owner, &["verify-audit"]).is(1).says("row-level security does not hold this role");
    place.on(&runtime, &["register", "--from-ndjson", ORDERS]).is(0);
    let other = place.command(&["verify-audit", "--db", &runtime, "--key-env", "OTHER"]);
    Answer::new(wrong_key(other)).is(1).says("KEY_MISMATCH");
    place.on(&runtime, &["verify-audit"]).is(0).says("verdict: intact");
}

fn wrong_key(mut command: std::process::Command) -> std::process::Output {
    let line = "medorder-root-v1 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    command.env("OTHER", line).output().expect("the program starts")
}
