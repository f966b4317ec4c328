//! PHI is nowhere on a PostgreSQL server: not in its log, however much it is told to log, and not in its files.
//! It is sealed before the driver sees it, so bind values may show. What they do show, and a log therefore keeps
//! as long as its operator does, is metadata, ciphertext and wrapped keys: an order that is shredded in the
//! database is not shredded in a log that holds bind values, nor in the write-ahead log of before.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use medorder::AuditFilter;
use medorder::{DeleteOrder, ErrorCode, OrderFilter, OrderService, OrderStatus, TestKey};
use medorder_tests::canary::{contains, hex};
use medorder_tests::engine::made;
use medorder_tests::postgres::{Database, RUNTIME, Server, Setup};
use medorder_tests::secrets::{Canaries, PATIENT, PROVIDER};
use medorder_tests::sql::Sql;
use medorder_tests::{actor, change, id, request, root};

async fn service(database: &Database) -> OrderService {
    let service = OrderService::open(database.url(RUNTIME), TestKey::new()).await.unwrap();
    let admin = service.admin(root());
    admin.register_territory(&id("north")).await.unwrap();
    for (patient, provider) in [(PATIENT, PROVIDER), ("p-1", "npi-1")] {
        admin.register_relationship(&id("north"), &id(patient), &id(provider)).await.unwrap();
    }
    service
}

/// Every kind of call, each with PHI in it or in its answer.
async fn work(service: &OrderService, canaries: &Canaries) -> medorder::OrderId {
    let session = service.session(root(), id("north"));
    let order = session.create_order(canaries.create()).await.unwrap().id;
    session.update_status(order, canaries.verify()).await.unwrap();
    assert_eq!(session.create_order(canaries.create()).await.unwrap().id, order);
    let gone = session.create_order(canaries.create().idempotency_key("another")).await.unwrap().id;
    session.delete_order(gone, DeleteOrder::new(canaries.of("delete_reason"))).await.unwrap();
    assert_eq!(session.order_by_key(&id(canaries.of("change_key"))).await.unwrap().id, order);
    let seen = session.order(order, None).await.unwrap();
    assert!(contains(seen.notes.as_ref().unwrap().expose().as_bytes(), canaries.of("more_notes").as_bytes()));
    session.orders(&OrderFilter::default(), None, 10, None).await.unwrap();
    session.audit(&AuditFilter::default(), 0, 100).await.unwrap();
    session.export_audit().await.unwrap().next_page().await.unwrap();
    let stranger = service.session(actor("auditor"), id("north"));
    let error = stranger.create_order(canaries.create()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::AccessDenied);
    service.admin(root()).rotate_keys(&id("north"), |_| {}).await.unwrap();
    order
}

#[tokio::test]
async fn the_log_of_a_server_that_logs_everything_holds_no_phi() {
    let setup = [
        "log_statement = 'all'",
        "log_min_duration_statement = 0",
        "log_parameter_max_length = -1",
        "log_parameter_max_length_on_error = -1",
        "log_error_verbosity = verbose",
        "log_min_messages = debug1",
        "debug_print_plan = on",
    ];
    let server = Server::start(&setup.into_iter().fold(Setup::new(), Setup::setting));
    let database = server.database();
    made(&database).await;
    let service = service(&database).await;
    let canaries = Canaries::new();
    let order = work(&service, &canaries).await;

    // Statements that fail show their bind values too: a second process moves the head that the first one knows.
    let other = OrderService::open(database.url(RUNTIME), TestKey::new()).await.unwrap();
    let before = server.log().matches("ERROR:").count();
    for n in 0..6 {
        let session = [&service, &other][n % 2].session(root(), id("north"));
        session.create_order(canaries.create().idempotency_key(format!("key {n}"))).await.unwrap();
    }
    assert!(server.log().matches("ERROR:").count() > before, "a statement failed");

    // Of a row that breaks a constraint PostgreSQL prints every value, if no row-level security is on the table.
    let sql = Sql::open(database.url(RUNTIME).as_ref());
    sql.run("ALTER TABLE orders ADD CONSTRAINT refuse CHECK (status <> 'in_progress')");
    let session = service.session(root(), id("north"));
    let error =
        session.update_status(order, change(OrderStatus::InProgress).notes(canaries.of("notes"))).await;
    let error = error.unwrap_err();
    canaries.assert_absent(format!("{error} {error:?} {:?}", error.details()).as_bytes(), "an error");
    let sealed = sql.bytes(&format!("SELECT f3 FROM orders WHERE order_id = {}", sql.blob(order.as_bytes())));
    for service in [service, other] {
        service.close().await.unwrap();
    }

    let log = server.log();
    canaries.assert_absent(log.as_bytes(), "the server's log");
    // The scan would have found it: metadata and ciphertext are there, and what failed.
    assert!(log.contains(PATIENT) && log.contains("ERROR:  23514"), "the constraint was broken");
    assert!(log.contains(&hex(&sealed)), "bind values are logged");
}

#[tokio::test]
async fn the_files_of_a_server_hold_no_phi() {
    let server = Server::start(&Setup::new());
    let database = server.database();
    made(&database).await;
    let service = service(&database).await;
    let canaries = Canaries::new();
    let order = work(&service, &canaries).await;
    let plain = service.session(root(), id("north")).create_order(request()).await.unwrap().id;
    let sql = Sql::open(database.url(RUNTIME).as_ref());
    let sealed = sql.bytes(&format!("SELECT f3 FROM orders WHERE order_id = {}", sql.blob(order.as_bytes())));
    drop(sql);
    service.close().await.unwrap();
    server.stop();

    let files = server.files();
    let holding = |needle: &[u8]| {
        files.iter().filter(|(_, bytes)| contains(bytes, needle)).map(|(name, _)| name).collect::<Vec<_>>()
    };
    // The scan works: what is stored is found, in a table and in the write-ahead log.
    for needle in [PATIENT.as_bytes(), plain.as_bytes(), &sealed] {
        let places = holding(needle);
        assert!(places.iter().any(|name| name.starts_with("base/")), "{places:?}");
        assert!(places.iter().any(|name| name.starts_with("pg_wal/")), "{places:?}");
    }
    for (name, bytes) in &files {
        canaries.assert_absent(bytes, name);
    }
}
