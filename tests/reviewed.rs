//! What a review found, each shown by the shortest way to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use medorder::AuditFilter;
use medorder::{
    AnchorFile, BatchMode, CareDirectory, DeleteOrder, ErrorCode, OrderService, OrderStatus, PatientId,
    ProviderId, Result, TerritoryId, TestKey, Verdict,
};
use medorder_tests::{World, id, request, root};

/// Changes a closed database and opens it again.
async fn reopened(world: &World, sql: &str) -> OrderService {
    world.service.close().await.unwrap();
    world.sql().run(sql);
    let anchor = AnchorFile::open(world.folder().join("anchor")).unwrap();
    OrderService::builder(&world.path, TestKey::new()).anchor(anchor).open().await.unwrap()
}

async fn anchored() -> World {
    let world = World::new().await;
    let anchor = AnchorFile::open(world.folder().join("anchor")).unwrap();
    let service = OrderService::builder(&world.path, TestKey::new()).anchor(anchor).open().await.unwrap();
    world.order(OrderStatus::Verified).await;
    service.close().await.unwrap();
    world
}

#[tokio::test]
async fn a_damaged_territory_is_verified_for_auditors_only() {
    let world = anchored().await;
    let bad = world.sql().blob(&[0]);
    let service =
        reopened(&world, &format!("UPDATE keys SET blob = {bad} WHERE territory_id = 'north'")).await;
    let desk = service.session(medorder_tests::actor("requester"), id("north"));
    assert_eq!(desk.verify_audit(None).await.unwrap_err().code(), ErrorCode::AccessDenied);
    let told = service.admin(root()).audit(&AuditFilter::default(), 0, 500).await.unwrap();
    assert!(told.records.iter().any(|record| record.outcome == "denied" && record.action == "verify"));
    let auditor = service.session(medorder_tests::actor("auditor"), id("north"));
    assert_eq!(auditor.verify_audit(None).await.unwrap().verdict, Verdict::Tampered);
}

#[tokio::test]
async fn an_erased_chain_is_missed() {
    for chain in ["", "north"] {
        let world = anchored().await;
        let named = format!("FROM territories WHERE territory_id = '{chain}'");
        let erased = world.sql().either(
            format!(
                "DELETE FROM audit_entries WHERE pk >> 40 = (SELECT pk {named});
                 DELETE FROM orders WHERE territory_pk = (SELECT pk {named});
                 DELETE {named}"
            ),
            format!(
                "DELETE FROM audit_entries WHERE territory_id = '{chain}';
                 DELETE FROM orders WHERE territory_id = '{chain}'; DELETE {named}"
            ),
        );
        let service = reopened(&world, &erased).await;
        let report = service.admin(root()).verify_audit().await.unwrap();
        assert_eq!(report.verdict, Verdict::Tampered, "{chain:?}: {report:?}");
    }
}

#[tokio::test]
async fn damage_is_a_verdict_with_an_anchor_too() {
    let world = anchored().await;
    let bad = world.sql().blob(&[0]);
    let service =
        reopened(&world, &format!("UPDATE keys SET blob = {bad} WHERE purpose = 'checkpoint'")).await;
    let report = service.admin(root()).verify_audit().await.unwrap();
    assert_eq!(report.verdict, Verdict::Tampered, "{report:?}");
}

#[tokio::test]
async fn an_open_reader_does_not_keep_writers_out() {
    let world = World::new().await;
    let order = world.order(OrderStatus::PendingVerification).await;
    let reader = world.sql();
    reader.begin_snapshot();
    assert_eq!(reader.number("SELECT count(*) FROM orders"), 1);
    world.all().delete_order(order, DeleteOrder::new("entered in error")).await.unwrap();
    // Long enough for the truncation after the delete to be tried, in vain.
    for _ in 0..8 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        world.all().create_order(request()).await.unwrap();
    }
    assert_eq!(reader.number("SELECT version FROM orders"), 1, "it read the same moment all along");
}

#[tokio::test]
async fn a_damaged_head_row_is_its_own_territorys_trouble() {
    let world = anchored().await;
    let bad = world.sql().blob(&[0]);
    let service =
        reopened(&world, &format!("UPDATE territories SET hash = {bad} WHERE territory_id = 'south'")).await;
    let calls: Vec<_> = (0..64)
        .map(|n| {
            let session = service.session(root(), id(if n % 8 == 0 { "south" } else { "north" }));
            (n, tokio::spawn(async move { session.create_order(request()).await }))
        })
        .collect();
    for (n, call) in calls {
        let answer = call.await.unwrap();
        assert_eq!(answer.is_ok(), n % 8 != 0, "{n}: {answer:?}");
    }
}

#[tokio::test]
async fn an_export_ends_when_the_territory_is_taken_out_of_service() {
    let world = World::new().await;
    world.order(OrderStatus::PendingVerification).await;
    let other = OrderService::open(&world.path, TestKey::new()).await.unwrap();
    let session = other.session(root(), id("north"));
    let mut begun = session.export_audit().await.unwrap();
    world.service.admin(root()).unregister_territory(&id("north")).await.unwrap();
    assert_eq!(begun.next_page().await.unwrap_err().code(), ErrorCode::TerritoryNotFound);
    assert_eq!(session.export_audit().await.unwrap_err().code(), ErrorCode::TerritoryNotFound);
    assert_eq!(session.verify_audit(None).await.unwrap_err().code(), ErrorCode::TerritoryNotFound);
}

#[tokio::test]
async fn a_backup_path_is_taken_literally() {
    let world = World::new().await;
    let precious = world.folder().join("precious.db");
    std::fs::write(&precious, "precious").unwrap();
    let path = format!("file:{}", precious.display());
    // The literal name has folders that do not exist, so there is nowhere to write to.
    assert!(world.service.admin(root()).backup(&path).await.is_err());
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "precious");
}

#[tokio::test]
async fn a_batch_is_activity_for_the_anchor() {
    let world = World::at_start().await;
    let path = world.folder().join("anchor");
    let clock = Arc::clone(&world.clock);
    let env = medorder::env::Env { clock, entropy: Arc::new(medorder::env::SystemEntropy) };
    let builder = OrderService::builder(&world.path, TestKey::new()).env(env);
    let service = builder.anchor(AnchorFile::open(&path).unwrap()).open().await.unwrap();
    world.clock.advance(20 * 60 * 1_000_000);
    let session = service.session(root(), id("north"));
    session.create_orders(vec![request(); 3], BatchMode::Each).await.unwrap();
    for _ in 0..500 {
        if std::fs::metadata(&path).unwrap().len() > 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("no checkpoint came");
}

struct Forgetful(Arc<AtomicBool>);

impl CareDirectory for Forgetful {
    fn territory_exists(&self, _: &TerritoryId) -> Result<bool> {
        Ok(!self.0.load(Ordering::SeqCst))
    }
    fn relationship_exists(&self, _: &PatientId, _: &ProviderId, _: &TerritoryId) -> Result<bool> {
        Ok(true)
    }
}

#[tokio::test]
async fn a_territory_that_the_directory_forgot_can_still_be_managed() {
    let forgot = Arc::new(AtomicBool::new(true));
    let world = World::new().await;
    let builder = OrderService::builder(&world.path, TestKey::new()).directory(Forgetful(forgot));
    let service = builder.open().await.unwrap();
    let session = service.session(root(), id("north"));
    assert_eq!(session.create_order(request()).await.unwrap_err().code(), ErrorCode::TerritoryNotFound);
    assert!(session.audit(&AuditFilter::default(), 0, 10).await.is_ok());
    let admin = service.admin(root());
    admin.rotate_keys(&id("north"), |_| {}).await.unwrap();
    admin.unregister_territory(&id("north")).await.unwrap();
}
