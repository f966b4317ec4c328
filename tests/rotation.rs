//! Keys change while work goes on.

#![expect(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use medorder::service::Admin;
use medorder::{
    BatchItem, BatchMode, DeleteOrder, ErrorCode, OrderId, OrderService, OrderStatus, TestKey, Verdict,
};
use medorder_tests::ledger::Ledger;
use medorder_tests::raw::RawFile;
use medorder_tests::sql::Sql;
use medorder_tests::{World, change, id, request, root};
use tokio::sync::Notify;

fn admin_of(world: &World) -> Admin {
    world.service.admin(root())
}

async fn many(world: &World, count: usize) -> Vec<OrderId> {
    let made = world.all().create_orders(vec![request(); count], BatchMode::Atomic).await.unwrap();
    let ids = made.into_iter().map(|item| match item {
        BatchItem::Done(order) => order.id,
        other => panic!("{other:?}"),
    });
    ids.collect()
}

/// How many orders are wrapped under each of the first keys.
fn under(world: &World, key: u32) -> usize {
    RawFile::read(&world.path).orders.values().filter(|order| order.key == Some(key)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_and_writers_never_notice_a_rotation() {
    let world = World::new().await;
    let orders = Arc::new(many(&world, 700).await);
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut tasks = Vec::new();
    for n in 0..8_usize {
        let (session, orders, stop, done) =
            (world.all(), Arc::clone(&orders), Arc::clone(&stop), Arc::clone(&done));
        tasks.push(tokio::spawn(async move {
            let mut at = n;
            while !stop.load(Ordering::Relaxed) {
                let order = orders[at % orders.len()];
                match n % 4 {
                    0 => drop(session.create_order(request()).await.unwrap()),
                    // Each writer has orders of its own, so that every move is allowed.
                    1 if at < orders.len() => {
                        session.update_status(order, change(OrderStatus::Verified)).await.unwrap();
                    }
                    _ => assert!(session.order(order, None).await.unwrap().notes.is_some()),
                }
                at += 8;
                done.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    let admin = admin_of(&world);
    for version in 2..=5 {
        let before = done.load(Ordering::Relaxed);
        let report = admin.rotate_keys(&id("north"), |_| {}).await.unwrap();
        assert_eq!((report.version, report.resumed), (version, false));
        assert!(report.rewrapped >= 700);
        // The last pass was final: nobody wraps under a retired key afterwards.
        let raw = RawFile::read(&world.path);
        assert!(raw.orders.values().all(|order| order.key == Some(version)));
        while done.load(Ordering::Relaxed) < before + 50 {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.expect("no operation failed");
    }
    assert_eq!(RawFile::read(&world.path).faults(), [""; 0]);
    assert_eq!(admin.verify_audit().await.unwrap().verdict, Verdict::Intact);
}

#[tokio::test]
async fn a_rotation_that_was_dropped_is_finished_by_the_next() {
    let world = World::new().await;
    let orders = many(&world, 1_300).await;
    let admin = admin_of(&world);
    let (half, north) = (Notify::new(), id("north"));
    tokio::select! {
        biased;
        () = half.notified() => {}
        done = admin.rotate_keys(&north, |_| half.notify_one()) => panic!("not dropped: {done:?}"),
    }
    // Queued behind whatever the dropped future left under way.
    let late = world.all().create_order(request()).await.unwrap().id;
    let left = under(&world, 1);
    assert!(left > 0 && under(&world, 2) >= 501, "{left} left");
    for order in [orders[0], orders[1_299], late] {
        assert!(world.all().order(order, None).await.unwrap().service_type.is_some());
    }
    // An order that is still wrapped under the old key can change and can go.
    world.all().update_status(orders[1_299], change(OrderStatus::Verified)).await.unwrap();
    world.all().delete_order(orders[1_298], DeleteOrder::new("entered in error")).await.unwrap();

    world.service.close().await.unwrap();
    let service = OrderService::open(&world.path, TestKey::new()).await.unwrap();
    let mut steps = Vec::new();
    let left = under(&world, 1) as u64;
    let report = service.admin(root()).rotate_keys(&id("north"), |step| steps.push(step.done)).await.unwrap();
    assert_eq!((report.version, report.rewrapped, report.resumed), (2, left, true));
    assert!(steps.is_sorted() && steps.last() == Some(&left));
    assert_eq!(under(&world, 2), 1_300);
    let report = service.admin(root()).rotate_keys(&id("north"), |_| {}).await.unwrap();
    assert_eq!((report.version, report.rewrapped, report.resumed), (3, 1_300, false));
    assert_eq!(service.admin(root()).verify_audit().await.unwrap().verdict, Verdict::Intact);
}

#[tokio::test]
async fn the_root_changes_and_the_old_one_opens_nothing() {
    let world = World::new().await;
    let orders = [world.order(OrderStatus::Verified).await, world.order(OrderStatus::Completed).await];
    let admin = admin_of(&world);
    admin.rotate_keys(&id("north"), |_| {}).await.unwrap();
    let notes = admin.checkpoint().await.unwrap();
    let key = world.service.checkpoint_public_key().await.unwrap();
    let mut steps = Vec::new();
    admin.change_root(TestKey::with_root([9; 32]), |step| steps.push((step.done, step.total))).await.unwrap();
    let keys = steps.len() as u64;
    assert_eq!(steps, (1..=keys).map(|n| (n, keys)).collect::<Vec<_>>());
    for service in
        [&world.service, &OrderService::open(&world.path, TestKey::with_root([9; 32])).await.unwrap()]
    {
        for order in orders {
            let session = service.session(root(), id("north"));
            assert!(session.order(order, None).await.unwrap().service_type.is_some());
        }
        assert_eq!(
            service.checkpoint_public_key().await.unwrap(),
            key,
            "the keys are the same, only wrapped anew"
        );
    }
    world.service.close().await.unwrap();
    let error = OrderService::open(&world.path, TestKey::new()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::KeyMismatch);
    let service = OrderService::open(&world.path, TestKey::with_root([9; 32])).await.unwrap();
    service.session(root(), id("north")).create_order(request()).await.unwrap();
    let north = notes.iter().find(|note| note.contains("/north\n")).unwrap();
    let report = service.session(root(), id("north")).verify_audit(Some(north)).await.unwrap();
    assert_eq!((report.verdict, report.anchored), (Verdict::Intact, true), "{report:?}");
}

#[tokio::test]
async fn a_wrong_root_is_told_before_any_other_row_is_read() {
    let world = World::new().await;
    world.order(OrderStatus::Verified).await;
    world.service.close().await.unwrap();
    // Whatever else is read would not be there.
    let sql = world.sql();
    sql.run(
        "DELETE FROM territories; DELETE FROM orders; DELETE FROM audit_entries; \
         DELETE FROM keys WHERE purpose <> 'check'",
    );
    if let Sql::File(conn) = &sql {
        conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    }
    drop(sql);
    let bytes = || std::fs::read(&world.path).unwrap_or_default();
    let (ledger, before) = (Ledger::open(&world.path), bytes());
    let mark = ledger.mark();
    let error = OrderService::open(&world.path, TestKey::with_root([1; 32])).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::KeyMismatch);
    assert_eq!(ledger.entries_since(&mark), []);
    drop(ledger);
    assert_eq!(bytes(), before, "a refused database is left as it is");
}
