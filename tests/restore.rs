//! Backups under load, restores that start a new time line, and verification beside writers.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use medorder::{
    AnchorFile, DeleteOrder, ErrorCode, OrderFilter, OrderService, OrderStatus, Session, TestKey, Verdict,
};
use medorder_tests::{World, change, id, request, root};
use rusqlite::Connection;

/// Creates, moves and deletes orders until told to stop; answers how many changes were acknowledged.
async fn write(session: Session, stop: Arc<AtomicBool>, done: Arc<AtomicU64>) {
    while !stop.load(Ordering::Relaxed) {
        let order = session.create_order(request()).await.unwrap().id;
        session.update_status(order, change(OrderStatus::Verified)).await.unwrap();
        session.order(order, None).await.unwrap();
        session.delete_order(order, DeleteOrder::new("load")).await.unwrap();
        session.create_order(request()).await.unwrap();
        done.fetch_add(4, Ordering::Relaxed);
    }
}

/// Four writers in two territories.
fn writers(world: &World) -> (Vec<tokio::task::JoinHandle<()>>, Arc<AtomicBool>, Arc<AtomicU64>) {
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let tasks = ["north", "north", "north", "south"].map(|territory| {
        let session = world.service.session(root(), id(territory));
        tokio::spawn(write(session, stop.clone(), done.clone()))
    });
    (tasks.into(), stop, done)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verification_beside_writers_finds_nothing_wrong() {
    let world = World::with(|builder| builder.synchronous(medorder::Synchronous::Normal)).await;
    let (tasks, stop, done) = writers(&world);
    let admin = world.service.admin(root());
    let mut rounds = 0;
    while rounds < 12 || done.load(Ordering::Relaxed) < 200 {
        if rounds % 4 == 1 {
            admin.rotate_keys(&id("north"), |_| {}).await.unwrap();
        }
        let report = admin.verify_audit().await.unwrap();
        assert_eq!(report.verdict, Verdict::Intact, "{report:?}");
        let report = world.session("auditor").verify_audit(None).await.unwrap();
        assert_eq!(report.verdict, Verdict::Intact, "{report:?}");
        rounds += 1;
    }
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    let report = admin.verify_audit().await.unwrap();
    assert_eq!(report.verdict, Verdict::Intact, "{report:?}");
    assert!(report.chains.iter().any(|chain| chain.orders > 50), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_opens_elsewhere_and_is_intact() {
    let world = World::with(|builder| builder.synchronous(medorder::Synchronous::Normal)).await;
    let kept = world.order(OrderStatus::Verified).await;
    let desk = world.session("requester");
    let early = desk.orders(&OrderFilter::default(), None, 1, None).await.unwrap().feed_cursor;
    let (tasks, stop, done) = writers(&world);
    while done.load(Ordering::Relaxed) < 40 {
        tokio::task::yield_now().await;
    }
    let copy = world.folder().join("copy.db");
    world.service.admin(root()).backup(&copy).await.unwrap();
    let so_far = done.load(Ordering::Relaxed);
    while done.load(Ordering::Relaxed) < so_far + 40 {
        tokio::task::yield_now().await;
    }
    let late = desk.orders(&OrderFilter::default(), None, 1, None).await.unwrap().feed_cursor;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    world.service.close().await.unwrap();

    let service = OrderService::open(&copy, TestKey::new()).await.unwrap();
    let session = service.session(root(), id("north"));
    let report = service.admin(root()).verify_audit().await.unwrap();
    assert_eq!(report.verdict, Verdict::Intact, "{report:?}");
    assert!(session.order(kept, None).await.unwrap().notes.is_some());
    // Same generation: what was seen before the backup still counts, what came after is not here.
    let mut feed = session.subscribe(None, Some(&early)).await.unwrap();
    let mut seen = 0;
    while feed.ready().await.unwrap().is_some() {
        seen += 1;
    }
    assert!(seen > 0);
    let error = session.subscribe(None, Some(&late)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidCursor);

    service.admin(root()).restore().await.unwrap();
    for stale in [&early, &late, &feed.cursor()] {
        let error = session.subscribe(None, Some(stale)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidCursor);
    }
    let fresh = session.orders(&OrderFilter::default(), None, 1, None).await.unwrap().feed_cursor;
    let mut feed = session.subscribe(None, Some(&fresh)).await.unwrap();
    let new = session.create_order(request()).await.unwrap();
    assert_eq!(feed.next().await.unwrap().order_id, new.id);
}

#[tokio::test]
async fn a_restore_starts_a_new_time_line() {
    let folder = tempfile::tempdir().unwrap();
    let (file, copy) = (folder.path().join("anchor"), folder.path().join("copy.db"));
    let world = World::with(|builder| builder.anchor(AnchorFile::open(&file).unwrap())).await;
    let admin = world.service.admin(root());
    for _ in 0..3 {
        world.order(OrderStatus::Verified).await;
    }
    admin.backup(&copy).await.unwrap();
    world.order(OrderStatus::Verified).await;
    let old_notes = admin.checkpoint().await.unwrap();
    let page = world.all().orders(&OrderFilter::default(), None, 1, None).await.unwrap();
    let generation = world.service.generation().await.unwrap();
    world.service.close().await.unwrap();

    let open =
        || OrderService::builder(&copy, TestKey::new()).anchor(AnchorFile::open(&file).unwrap()).open();
    let service = open().await.unwrap();
    let (admin, session) = (service.admin(root()), service.session(root(), id("north")));
    assert_eq!(admin.verify_audit().await.unwrap().verdict, Verdict::RolledBack);
    let notes = admin.restore().await.unwrap();
    assert_eq!(notes.len(), 3, "a note a chain");
    let renewed = service.generation().await.unwrap();
    assert_ne!(renewed, generation);
    assert!(notes.iter().all(|note| note.starts_with(&format!("medorder/{renewed}/"))), "{notes:?}");
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(notes.iter().all(|note| kept.contains(note.as_str())));

    let report = admin.verify_audit().await.unwrap();
    assert_eq!((report.verdict, report.anchored), (Verdict::Intact, true), "{report:?}");
    let of_north = |note: &&String| note.contains("/north\n");
    let old = old_notes.iter().find(of_north).unwrap();
    assert_eq!(session.verify_audit(Some(old)).await.unwrap().verdict, Verdict::RolledBack);
    let new = notes.iter().find(of_north).unwrap();
    assert_eq!(session.verify_audit(Some(new)).await.unwrap().verdict, Verdict::Intact);

    let error = session.subscribe(None, Some(&page.feed_cursor)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidCursor);
    let next = page.next_cursor.as_deref();
    assert!(next.is_some());
    let error = session.orders(&OrderFilter::default(), next, 1, None).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidCursor);
    let fresh = session.orders(&OrderFilter::default(), None, 1, None).await.unwrap().feed_cursor;
    let order = session.create_order(request()).await.unwrap().id;
    let mut feed = session.subscribe(None, Some(&fresh)).await.unwrap();
    assert_eq!(feed.next().await.unwrap().order_id, order);
    admin.checkpoint().await.unwrap();
    service.close().await.unwrap();

    let told = "SELECT count(*) FROM audit_entries WHERE action = 'restore' AND outcome = 'success' AND pk >> 40 = \
         (SELECT pk FROM territories WHERE territory_id = '')";
    let count: i64 = Connection::open(&copy).unwrap().query_row(told, [], |row| row.get(0)).unwrap();
    assert_eq!(count, 1);
    let service = open().await.unwrap();
    let report = service.admin(root()).verify_audit().await.unwrap();
    assert_eq!((report.verdict, report.anchored), (Verdict::Intact, true), "{report:?}");
}
