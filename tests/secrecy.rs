//! PHI is nowhere but in the answers to those who may see it: not in the files, the logs, the errors, a `Debug`
//! or a panic.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::sync::OnceLock;
use std::time::Duration;

use medorder::AuditFilter;
use medorder::{
    BatchItem, BatchMode, CallbackKeys, DeleteOrder, Error, ErrorCode, IdempotencyKey, Insurance, KeyError,
    KeyProvider, OrderFilter, OrderService, Phi, TestKey, wire,
};
use medorder_tests::canary::{Ear, contains, read_elsewhere};
use medorder_tests::secrets::{Canaries, PATIENT, PROVIDER};
use medorder_tests::{World, id, root};

/// Everything that this process logs, at every level.
fn ear() -> &'static Ear {
    static EAR: OnceLock<Ear> = OnceLock::new();
    EAR.get_or_init(|| {
        let ear = Ear::default();
        tracing::subscriber::set_global_default(ear.clone()).expect("the first subscriber");
        ear
    })
}

fn assert_logs_are_clean(canaries: &Canaries) {
    let heard = ear().heard();
    assert!(
        heard.contains("WARN medorder") && heard.contains("ACCESS_DENIED"),
        "the denial is logged: {heard}"
    );
    canaries.assert_absent(heard.as_bytes(), "the log");
    assert!(!heard.contains(PATIENT) && !heard.contains(PROVIDER), "{heard}");
}

async fn world() -> World {
    let world = World::new().await;
    let admin = world.service.admin(root());
    admin.register_relationship(&id("north"), &id(PATIENT), &id(PROVIDER)).await.unwrap();
    world
}

/// Database, WAL and shared memory, as another process sees them.
fn files(world: &World) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for ending in ["", "-wal", "-shm"] {
        let path = format!("{}{ending}", world.path.display());
        if std::fs::exists(&path).unwrap() {
            all.push((format!("orders.db{ending}"), read_elsewhere(path.as_ref())));
        }
    }
    all
}

#[tokio::test]
async fn the_files_hold_no_phi() {
    ear();
    let (canaries, world) = (Canaries::new(), world().await);
    let session = world.all();
    let order = session.create_order(canaries.create()).await.unwrap().id;
    session.update_status(order, canaries.verify()).await.unwrap();
    assert_eq!(session.create_order(canaries.create()).await.unwrap().id, order);
    assert_eq!(session.order_by_key(&id(canaries.of("change_key"))).await.unwrap().id, order);
    let seen = session.order(order, None).await.unwrap();
    assert!(contains(seen.notes.as_ref().unwrap().expose().as_bytes(), canaries.of("more_notes").as_bytes()));
    session.orders(&OrderFilter::default(), None, 10, None).await.unwrap();
    assert!(world.session("auditor").create_order(canaries.create()).await.is_err());

    let open = files(&world);
    let names: Vec<_> = open.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["orders.db", "orders.db-wal", "orders.db-shm"]);
    // The scan works: the patient's id is metadata, and visible by design.
    assert!(open.iter().any(|(_, bytes)| contains(bytes, PATIENT.as_bytes())));
    open.iter().for_each(|(name, bytes)| canaries.assert_absent(bytes, name));

    let conn = rusqlite::Connection::open(&world.path).unwrap();
    let rows: i64 = conn.query_row("SELECT count(*) FROM idempotency", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 2);
    let sealed: Vec<Vec<u8>> = ["wrapped", "seal", "f1", "f2", "f3", "f4", "f5"]
        .map(|column| conn.query_row(&format!("SELECT {column} FROM orders"), [], |row| row.get(0)).unwrap())
        .into();
    session.delete_order(order, DeleteOrder::new(canaries.of("delete_reason"))).await.unwrap();
    files(&world).iter().for_each(|(name, bytes)| canaries.assert_absent(bytes, name));
    drop(conn);
    world.service.close().await.unwrap();
    let closed = files(&world);
    for (name, bytes) in &closed {
        canaries.assert_absent(bytes, name);
        // Shredded is shredded: neither the wrapped key nor a ciphertext is left in a free page.
        assert!(!sealed.iter().any(|one| contains(bytes, one)), "{name}");
    }
    assert!(contains(&closed[0].1, PATIENT.as_bytes()));
    assert_logs_are_clean(&canaries);
}

#[tokio::test]
async fn no_debug_shows_phi() {
    let (canaries, world) = (Canaries::new(), world().await);
    let session = world.all();
    let (create, change) = (canaries.create(), canaries.verify());
    let mut shown = vec![
        format!("{create:?} {create:#?} {:?}", create.check().unwrap()),
        format!("{change:?} {change:#?} {:?}", change.check().unwrap()),
        format!("{:?} {:?}", canaries.verification(), Phi::new(canaries.of("notes").to_owned())),
        format!(
            "{:?}",
            Insurance::new(canaries.of("insurance.carrier"), canaries.of("insurance.policy_number"))
        ),
        format!("{:?}", id::<IdempotencyKey>(canaries.of("idempotency_key")).to_string().len()),
    ];
    let feed = session.subscribe(None, None).await.unwrap();
    let created = session.create_order(create).await.unwrap();
    let changed = session.update_status(created.id, change).await.unwrap();
    let order = session.order(created.id, None).await.unwrap();
    let page = session.orders(&OrderFilter::default(), None, 10, None).await.unwrap();
    assert!(order.disclosed.contains(medorder::PhiField::InsuranceVerification) && page.orders.len() == 1);
    shown.push(format!(
        "{created:?} {changed:?} {order:?} {order:#?} {page:?} {page:#?} {session:?} {feed:?}"
    ));
    let verification = order.insurance_verification.as_ref().unwrap();
    shown.push(format!("{verification:?} {:?} {:?}", verification.expose(), order.insurance));
    shown.push(format!("{:?} {:?}", world.service, world.service.admin(root())));
    let blocking = world.service.blocking();
    shown.push(format!("{blocking:?} {:?}", blocking.session(root(), id("north"))));
    let batch = vec![canaries.create().notes("\u{1}").idempotency_key("other")];
    let answers = session.create_orders(batch, BatchMode::Each).await.unwrap();
    assert!(matches!(answers[0], BatchItem::Failed(_)));
    shown.push(format!("{answers:?}"));
    let filter = AuditFilter { order_id: Some(order.id), ..AuditFilter::default() };
    let mut audit = session.audit(&filter, 0, 100).await.unwrap();
    // The reason is no PHI and is shown to auditors; the rest of a record must not need it.
    let reasons: Vec<_> =
        audit.records.iter_mut().filter_map(|record| record.details.reason.take()).collect();
    assert_eq!(reasons, [canaries.of("reason")]);
    shown.push(format!("{audit:?} {:?}", session.verify_audit(None).await.unwrap()));
    for text in &shown {
        canaries.assert_absent(text.as_bytes(), "a Debug");
    }
}

#[tokio::test]
async fn a_panic_in_a_callback_tells_nothing() {
    let canaries = Canaries::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.db");
    let text = canaries.of("notes").to_owned();
    let keys = CallbackKeys::new(move |_, _| panic!("{text}"), |_, _| Err(KeyError::Unavailable));
    let error = OrderService::open(&path, keys).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::KeyUnavailable);
    canaries.assert_absent(told(&error).as_bytes(), "an error");

    // The first key opens the database; then the provider breaks, and comes back.
    let broken = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (flag, text) = (broken.clone(), canaries.of("service_type").to_owned());
    let keys = CallbackKeys::new(
        |key, context| TestKey::new().wrap(key, context),
        move |blob, context| match flag.load(std::sync::atomic::Ordering::SeqCst) {
            true => panic!("{text}"),
            false => TestKey::new().unwrap(blob, context),
        },
    );
    let service = OrderService::builder(&path, keys).key_cache_ttl(Duration::ZERO).open().await.unwrap();
    let admin = service.admin(root());
    admin.register_territory(&id("north")).await.unwrap();
    admin.register_relationship(&id("north"), &id(PATIENT), &id(PROVIDER)).await.unwrap();
    let session = service.session(root(), id("north"));
    broken.store(true, std::sync::atomic::Ordering::SeqCst);
    let error = session.create_order(canaries.create()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::KeyUnavailable);
    canaries.assert_absent(told(&error).as_bytes(), "an error");
    broken.store(false, std::sync::atomic::Ordering::SeqCst);
    session.create_order(canaries.create()).await.unwrap();
    canaries.assert_absent(ear().heard().as_bytes(), "the log");
}

/// All that an error says, in every way it can.
fn told(error: &Error) -> String {
    let json = wire::error_json(error);
    format!("{error} {error:?} {error:#?} {:?} {}", error.details(), String::from_utf8_lossy(&json))
}
