//! What the database itself forbids, whatever the engine asks: the second wall between territories on PostgreSQL,
//! and what the runtime role can never do.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use medorder::service::BlockingService;
use medorder::storage::postgres::PostgresInit;
use medorder::{ErrorCode, TestKey};
use medorder_tests::postgres::{Database, OWNER, RUNTIME, Server};
use medorder_tests::site::{Site, init};
use medorder_tests::{id, request, root};

/// Every table with rows of one territory only.
const WALLED: [&str; 4] = ["orders", "audit_entries", "idempotency", "relationships"];

/// A database with one order, made under a key, in each of two territories.
fn furnished() -> Site {
    let territories = ["north".to_owned(), "south".to_owned()];
    let site = Site::postgres(Server::shared(), &territories, |database| database.url(RUNTIME));
    fill(&site.open());
    site
}

fn fill(service: &BlockingService) {
    for territory in ["north", "south"] {
        service.session(root(), id(territory)).create_order(request().idempotency_key("k")).unwrap();
    }
    service.close().unwrap();
}

fn partitioned() -> Database {
    let database = Server::shared().database();
    init(&database, &PostgresInit::new(RUNTIME).partitions(4)).unwrap();
    let service = BlockingService::open(database.url(RUNTIME), TestKey::new()).unwrap();
    for territory in ["north", "south"] {
        service.admin(root()).register_territory(&id(territory)).unwrap();
        service.admin(root()).register_relationship(&id(territory), &id("p-1"), &id("npi-1")).unwrap();
    }
    fill(&service);
    database
}

#[track_caller]
fn refused(database: &Database, statement: &str) {
    match database.rows_as(RUNTIME, statement) {
        // 42501: insufficient_privilege.
        Err(fault) => assert!(fault.contains("42501"), "{statement}: {fault}"),
        Ok(rows) => panic!("{statement} was let pass: {rows:?}"),
    }
}

#[test]
fn the_wall_stands_and_holds_the_owner_too() {
    for database in [furnished().database().clone(), partitioned()] {
        let tables = database.rows(
            "SELECT relname, relrowsecurity, relforcerowsecurity, pg_get_userbyid(relowner) FROM pg_class \
             WHERE relnamespace = 'medorder'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition \
             ORDER BY relname",
        );
        for table in WALLED {
            let row = tables.iter().find(|row| row[0] == table).expect(table);
            assert_eq!(row[1..], ["t", "t", OWNER], "{table}");
        }
        // A table that is new must be put on one list or the other.
        let others: Vec<_> =
            tables.iter().map(|row| &*row[0]).filter(|table| !WALLED.contains(table)).collect();
        assert_eq!(others, ["checkpoints", "keys", "meta", "territories"]);
    }
}

#[test]
fn the_runtime_role_is_nobody_special() {
    let site = furnished();
    let flags = site.database().rows(&format!(
        "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, \
         pg_has_role('{RUNTIME}', '{OWNER}', 'MEMBER'), \
         (SELECT count(*) FROM pg_class WHERE relowner = r.oid), \
         has_schema_privilege('{RUNTIME}', 'medorder', 'CREATE') \
         FROM pg_roles r WHERE rolname = '{RUNTIME}'"
    ));
    assert_eq!(flags, [["f", "f", "f", "f", "f", "f", "0", "f"].map(str::to_owned)]);
}

#[test]
fn the_runtime_role_cannot_change_what_is_written() {
    for database in [furnished().database().clone(), partitioned()] {
        for statement in [
            "UPDATE medorder.audit_entries SET user_id = 'x'",
            "UPDATE medorder.audit_entries SET seq = seq + 1",
            "DELETE FROM medorder.audit_entries",
            "TRUNCATE medorder.audit_entries",
            "DELETE FROM medorder.orders",
            "TRUNCATE medorder.orders",
            "UPDATE medorder.orders SET territory_id = 'south'",
            "UPDATE medorder.orders SET order_id = '\\x00'",
            "UPDATE medorder.orders SET patient_id = 'p-2'",
            "UPDATE medorder.orders SET created_at = 0",
            "UPDATE medorder.idempotency SET at = 0",
            "DELETE FROM medorder.idempotency",
            "UPDATE medorder.relationships SET provider_id = 'x'",
            "DELETE FROM medorder.keys",
            "UPDATE medorder.keys SET version = 2",
            "DELETE FROM medorder.territories",
            "UPDATE medorder.territories SET territory_id = 'x'",
            "DELETE FROM medorder.meta",
            "UPDATE medorder.meta SET format = 2",
            "DELETE FROM medorder.checkpoints",
        ] {
            refused(&database, &format!("SET medorder.t = 'north,south'; {statement}"));
        }
    }
}

#[test]
fn the_runtime_role_cannot_change_the_schema() {
    let site = furnished();
    for statement in [
        "CREATE TABLE medorder.x (y int)",
        "CREATE INDEX x ON medorder.orders (status)",
        "ALTER TABLE medorder.orders DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE medorder.orders ADD COLUMN x int",
        "DROP TABLE medorder.orders",
        "DROP POLICY named ON medorder.orders",
        "CREATE POLICY x ON medorder.orders USING (true)",
        "CREATE TRIGGER x BEFORE INSERT ON medorder.orders EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "CREATE FUNCTION medorder.x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "ALTER FUNCTION medorder.order_exists(bytea) SECURITY INVOKER",
        "DROP SCHEMA medorder CASCADE",
        "GRANT ALL ON medorder.orders TO PUBLIC; SELECT 1/0",
        "SET ROLE medorder",
        "SET SESSION AUTHORIZATION medorder",
        "SET session_replication_role = replica",
    ] {
        match site.database().rows_as(RUNTIME, statement) {
            // A grant by somebody who may not grant is a warning, and grants nothing: the division then fails.
            Err(fault) => {
                let expected = if statement.starts_with("GRANT") { "22012" } else { "42501" };
                assert!(fault.contains(expected) || fault.contains("42501"), "{statement}: {fault}");
            }
            Ok(rows) => panic!("{statement} was let pass: {rows:?}"),
        }
    }
    let public = "SELECT count(*) FROM information_schema.role_table_grants \
                  WHERE table_schema = 'medorder' AND grantee = 'PUBLIC'";
    assert_eq!(site.database().cell(public), "0");
}

#[test]
fn a_statement_sees_only_territories_that_were_named() {
    for database in [furnished().database().clone(), partitioned()] {
        for table in WALLED {
            let seen = |set: &str| {
                let query = format!(
                    "{set} SELECT coalesce(string_agg(DISTINCT territory_id, ',' ORDER BY territory_id), '-') \
                     FROM medorder.{table} WHERE territory_id <> ''"
                );
                database.rows_as(RUNTIME, &query).unwrap().swap_remove(0).swap_remove(0)
            };
            assert_eq!(seen(""), "-", "{table}");
            assert_eq!(seen("SET medorder.t = '';"), "-", "{table}");
            assert_eq!(seen("SET medorder.t = 'north';"), "north", "{table}");
            assert_eq!(seen("SET medorder.t = 'south';"), "south", "{table}");
            assert_eq!(seen("SET medorder.t = 'north,south';"), "north,south", "{table}");
            // No pattern, no prefix, no white space.
            for other in ["nort", "north%", "%", "north ", " north", "NORTH", "north;south", "*", "{north}"] {
                assert_eq!(seen(&format!("SET medorder.t = '{other}';")), "-", "{table}, {other:?}");
            }
        }
    }
}

#[test]
fn a_statement_writes_only_territories_that_were_named() {
    let site = furnished();
    let database = site.database();
    let moved = database.rows_as(
        RUNTIME,
        "SET medorder.t = 'north'; WITH u AS (UPDATE medorder.orders SET version = version RETURNING territory_id) \
         SELECT coalesce(string_agg(territory_id, ','), '-') FROM u",
    );
    assert_eq!(moved.unwrap(), [["north".to_owned()]]);
    let insert = "INSERT INTO medorder.relationships VALUES ('south', 'p-9', 'npi-9')";
    refused(database, &format!("SET medorder.t = 'north'; {insert}"));
    refused(database, insert);
    database.rows_as(RUNTIME, &format!("SET medorder.t = 'south'; {insert}")).unwrap();
    let copied = "INSERT INTO medorder.idempotency SELECT 'south', '\\x01', request, order_id, row_version, at \
                  FROM medorder.idempotency";
    refused(database, &format!("SET medorder.t = 'north'; {copied}"));
    let gone = "WITH d AS (DELETE FROM medorder.relationships RETURNING territory_id) \
                SELECT count(*) FROM d WHERE territory_id = 'south'";
    let gone = database.rows_as(RUNTIME, &format!("SET medorder.t = 'north'; {gone}"));
    assert_eq!(gone.unwrap(), [["0".to_owned()]]);
}

#[test]
fn the_probe_of_an_order_says_yes_or_no_and_nothing_else() {
    let site = furnished();
    let database = site.database();
    let order = database.cell("SELECT order_id FROM medorder.orders WHERE territory_id = 'south'");
    let ask = |id: &str| {
        let asked = database.rows_as(RUNTIME, &format!("SELECT medorder.order_exists('{id}')"));
        asked.unwrap().swap_remove(0).swap_remove(0)
    };
    assert_eq!((ask(&order), ask("\\x00")), ("t".to_owned(), "f".to_owned()));
    let public = database.cell(
        "SELECT count(*) FROM pg_proc p, aclexplode(p.proacl) a \
         WHERE p.pronamespace = 'medorder'::regnamespace AND a.grantee = 0",
    );
    assert_eq!(public, "0", "nobody but the runtime role may ask");
    let unset = "SELECT count(*) FROM pg_proc WHERE pronamespace = 'medorder'::regnamespace AND prosecdef \
                 AND NOT coalesce(proconfig::text LIKE '%search_path=pg_catalog%', false)";
    assert_eq!(
        database.cell(unset),
        "0",
        "a function that runs as the owner finds no names of somebody else"
    );
}

#[test]
fn a_service_does_not_open_as_somebody_the_wall_does_not_hold() {
    let site = furnished();
    let open = |role: &str| BlockingService::open(site.database().url(role), TestKey::new());
    for role in [OWNER, "postgres"] {
        let code = open(role).err().map(|error| error.code());
        assert_eq!(code, Some(ErrorCode::StorageUnavailable), "{role}");
    }
    open(RUNTIME).unwrap().close().unwrap();
    // Nothing is made by opening.
    let empty = Server::shared().database();
    let code = BlockingService::open(empty.url(RUNTIME), TestKey::new()).err().map(|error| error.code());
    assert_eq!(code, Some(ErrorCode::SchemaUnsupported));
    assert_eq!(empty.cell("SELECT count(*) FROM pg_namespace WHERE nspname = 'medorder'"), "0");
}
