//! A superuser of the server can change the schema: triggers and rules run there, unlike on SQLite. Verification
//! says so, and what they swallow is not acknowledged.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use medorder::{DeleteOrder, ErrorCode, OrderService, OrderStatus, TerritoryId, TestKey, Verdict};
use medorder_tests::engine::database;
use medorder_tests::postgres::{Database, RUNTIME};
use medorder_tests::{change, id, request, root};

/// A trigger that does `body` for each row, with the rights of the superuser who planted it.
fn trigger(when: &str, body: &str) -> String {
    format!(
        "CREATE FUNCTION medorder.f() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN {body} END $$;
         CREATE TRIGGER t {when} FOR EACH ROW EXECUTE FUNCTION medorder.f()"
    )
}

fn planted() -> Vec<String> {
    let (swallow, pass) = ("RETURN NULL;", "RETURN NEW;");
    let late = "UPDATE medorder.orders SET status = 'rejected'; RETURN NULL;";
    let twice = "NEW.row_version = NEW.row_version + 1; RETURN NEW;";
    vec![
        trigger("BEFORE INSERT ON medorder.orders", swallow),
        trigger("BEFORE UPDATE ON medorder.orders", swallow),
        trigger("BEFORE INSERT ON medorder.audit_entries", swallow),
        trigger("BEFORE UPDATE ON medorder.territories", swallow),
        trigger("BEFORE INSERT ON medorder.audit_entries", pass),
        trigger("BEFORE INSERT ON medorder.audit_entries", twice),
        trigger("AFTER INSERT ON medorder.audit_entries", "DELETE FROM medorder.orders; RETURN NULL;"),
        trigger("AFTER INSERT ON medorder.audit_entries", late),
        "CREATE RULE r AS ON INSERT TO medorder.audit_entries DO INSTEAD NOTHING".to_owned(),
        "CREATE RULE r AS ON INSERT TO medorder.orders DO INSTEAD NOTHING".to_owned(),
        "CREATE RULE r AS ON UPDATE TO medorder.territories DO ALSO DELETE FROM medorder.orders".to_owned(),
        "ALTER TABLE medorder.audit_entries RENAME TO hidden; \
         CREATE VIEW medorder.audit_entries AS SELECT * FROM medorder.hidden; \
         GRANT SELECT, INSERT ON medorder.audit_entries TO medorder_app"
            .to_owned(),
    ]
}

async fn opened(database: &Database) -> OrderService {
    OrderService::open(database.url(RUNTIME), TestKey::new()).await.unwrap()
}

async fn furnished() -> (Database, OrderService) {
    let database = database().await;
    let service = opened(&database).await;
    let admin = service.admin(root());
    admin.register_territory(&id("north")).await.unwrap();
    admin.register_relationship(&id("north"), &id("p-1"), &id("npi-1")).await.unwrap();
    (database, service)
}

fn count(database: &Database, what: &str) -> u64 {
    database.cell(&format!("SELECT count(*) FROM medorder.{what}")).parse().unwrap()
}

#[tokio::test]
async fn a_planted_trigger_or_rule_is_tampering_and_swallows_nothing_acknowledged() {
    const CHANGES: &str = "audit_entries WHERE action IN ('create', 'update_status') AND outcome = 'success'";
    for sql in planted() {
        let (database, service) = furnished().await;
        let session = service.session(root(), id("north"));
        let order = session.create_order(request()).await.unwrap().id;
        let _ = database.rows(&sql);

        // The service that runs, and one that is opened now.
        let second = opened(&database).await;
        for service in [&service, &second] {
            let (orders, changes) = (count(&database, "orders"), count(&database, CHANGES));
            let session = service.session(root(), id("north"));
            let made = session.create_order(request()).await;
            let moved = session.update_status(order, change(OrderStatus::Verified)).await;
            let acknowledged = u64::from(made.is_ok()) + u64::from(moved.is_ok());
            assert_eq!(count(&database, CHANGES), changes + acknowledged, "{sql}: {made:?} {moved:?}");
            if !sql.contains("DELETE") {
                assert_eq!(count(&database, "orders"), orders + u64::from(made.is_ok()), "{sql}: {made:?}");
            }
            let report = service.admin(root()).verify_audit().await;
            // Where not even the entry of the verification can be written there is no report either.
            match report {
                Ok(report) => assert_eq!(report.verdict, Verdict::Tampered, "{sql}: {report:?}"),
                Err(error) => assert_eq!(error.code(), ErrorCode::IntegrityViolation, "{sql}"),
            }
        }
    }
}

/// What administrators do: a write that was swallowed is an error, and what the answer says is there.
#[tokio::test]
async fn no_act_is_acknowledged_that_a_trigger_has_swallowed() {
    for when in [
        "BEFORE UPDATE ON medorder.orders",
        "BEFORE INSERT ON medorder.keys",
        "BEFORE UPDATE ON medorder.keys",
        "BEFORE INSERT ON medorder.relationships",
        "BEFORE DELETE ON medorder.relationships",
        "BEFORE INSERT ON medorder.checkpoints",
        "BEFORE UPDATE ON medorder.territories",
        "BEFORE UPDATE ON medorder.meta",
        "BEFORE INSERT ON medorder.territories",
    ] {
        let (database, service) = furnished().await;
        let (north, admin) = (id::<TerritoryId>("north"), service.admin(root()));
        let session = service.session(root(), north.clone());
        let order = session.create_order(request()).await.unwrap().id;
        let _ = database.rows(&trigger(when, "RETURN NULL;"));

        let deleted = session.delete_order(order, DeleteOrder::new("entered in error")).await;
        let bare = database.cell("SELECT count(*) FILTER (WHERE wrapped IS NULL) FROM medorder.orders");
        assert_eq!(bare, u64::from(deleted.is_ok()).to_string(), "{when}: {deleted:?}");

        let related = admin.register_relationship(&north, &id("p-2"), &id("npi-2")).await;
        let parted = admin.unregister_relationship(&north, &id("p-1"), &id("npi-1")).await;
        let pairs = 1 + u64::from(related.is_ok()) - u64::from(parted.is_ok());
        assert_eq!(count(&database, "relationships"), pairs, "{when}: {related:?} {parted:?}");

        let registered = admin.register_territory(&id("south")).await;
        let there = count(&database, "territories WHERE territory_id = 'south' AND active");
        assert_eq!(there, u64::from(registered.is_ok()), "{when}: {registered:?}");

        let checked = admin.checkpoint().await;
        if checked.is_ok() {
            assert!(count(&database, "checkpoints") >= 2, "{when}: {checked:?}");
        }

        let rotated = admin.rotate_keys(&north, |_| {}).await;
        let newest = database
            .cell("SELECT max(version) FROM medorder.keys WHERE purpose = 'data' AND territory_id = 'north'");
        assert!(rotated.is_err() || newest == "2", "{when}: {rotated:?}");

        let before =
            database.cell("SELECT string_agg(encode(blob, 'hex'), ' ' ORDER BY blob) FROM medorder.keys");
        let changed = admin.change_root(TestKey::with_root([9; 32]), |_| {}).await;
        let after =
            database.cell("SELECT string_agg(encode(blob, 'hex'), ' ' ORDER BY blob) FROM medorder.keys");
        assert_eq!(before != after, changed.is_ok(), "{when}: {changed:?}");
    }
}

#[tokio::test]
async fn a_table_or_function_that_was_taken_away_is_damage_not_an_outage() {
    for (what, sql) in [
        ("orders", "DROP TABLE medorder.orders CASCADE"),
        ("audit_entries", "DROP TABLE medorder.audit_entries CASCADE"),
        ("seal", "ALTER TABLE medorder.orders DROP COLUMN seal"),
        ("version", "ALTER TABLE medorder.orders ALTER COLUMN version TYPE text"),
    ] {
        let (database, service) = furnished().await;
        let order = service.session(root(), id("north")).create_order(request()).await.unwrap().id;
        let _ = database.rows(&format!("SET client_min_messages = error; {sql}"));
        let second = opened(&database).await;
        for service in [&service, &second] {
            let error = service.session(root(), id("north")).order(order, None).await.unwrap_err();
            assert_eq!(error.code(), ErrorCode::IntegrityViolation, "{what}: {error:?}");
        }
    }
}

#[tokio::test]
async fn a_format_that_is_not_known_is_refused() {
    let (database, service) = furnished().await;
    service.close().await.unwrap();
    let _ = database.rows("UPDATE medorder.meta SET format = 99");
    let error = OrderService::open(database.url(RUNTIME), TestKey::new()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::SchemaUnsupported);
}
