//! Somebody who can write the file can also change its schema: that must neither run nor go unnoticed.

use medorder::{ErrorCode, OrderService, OrderStatus, TestKey, Verdict};
use medorder_tests::{World, request, root};

const PLANTED: &[&str] = &[
    "CREATE TRIGGER t AFTER INSERT ON audit_entries BEGIN DELETE FROM orders; END",
    "CREATE TRIGGER t BEFORE INSERT ON orders BEGIN SELECT raise(ignore); END",
    "DROP TABLE relationships",
    "DROP INDEX audit_change",
    "CREATE VIEW v AS SELECT * FROM orders",
    "ALTER TABLE orders ADD COLUMN note TEXT",
];

#[tokio::test]
async fn a_changed_schema_is_tampering_and_a_planted_trigger_does_not_run() {
    for sql in PLANTED {
        let world = World::new().await;
        let order = world.order(OrderStatus::Verified).await;
        world.service.close().await.unwrap();
        rusqlite::Connection::open(&world.path).unwrap().execute_batch(sql).unwrap();

        let service = OrderService::open(&world.path, TestKey::new()).await.unwrap();
        let admin = service.admin(root());
        for _ in 0..2 {
            let report = admin.verify_audit().await.unwrap();
            assert_eq!(report.verdict, Verdict::Tampered, "{sql}: {report:?}");
        }
        let session = service.session(root(), medorder_tests::id("north"));
        if sql.contains("TRIGGER") {
            let made = session.create_order(request()).await.unwrap().id;
            for id in [order, made] {
                assert!(session.order(id, None).await.is_ok(), "{sql}: acknowledged and there");
            }
        }
        service.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_table_that_was_taken_away_is_damage_not_an_outage() {
    for table in ["orders", "audit_entries"] {
        let world = World::new().await;
        let order = world.order(OrderStatus::Verified).await;
        world.service.close().await.unwrap();
        rusqlite::Connection::open(&world.path)
            .unwrap()
            .execute_batch(&format!("DROP TABLE {table}"))
            .unwrap();
        let service = OrderService::open(&world.path, TestKey::new()).await.unwrap();
        let session = service.session(root(), medorder_tests::id("north"));
        assert_eq!(session.order(order, None).await.unwrap_err().code(), ErrorCode::IntegrityViolation);
    }
}

#[tokio::test]
async fn a_format_that_the_header_does_not_name_is_refused() {
    let world = World::new().await;
    world.service.close().await.unwrap();
    rusqlite::Connection::open(&world.path).unwrap().execute("UPDATE meta SET format = 99", []).unwrap();
    let error = OrderService::open(&world.path, TestKey::new()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::SchemaUnsupported);
}
