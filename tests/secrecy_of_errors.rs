//! More than fifty kinds of errors, each provoked by a request that holds PHI, tell none of it; nor do the logs.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use medorder::access::Actor;
use medorder::{
    AnchorCallback, BatchItem, BatchMode, CallbackKeys, CareDirectory, CreateOrder, DeleteOrder, Error,
    ErrorCode, Insurance, KeyError, OrderFilter, OrderId, OrderService, OrderStatus, PatientId, ProviderId,
    Purpose, Result, StatusChange, TerritoryId, TestKey, Timestamp, UserId, VerificationData, wire,
};
use medorder::{AuditFilter, RelationshipFilter};
use medorder_tests::canary::{Canary, Ear};
use medorder_tests::{World, actor, change, id, path_to, root};

const PATIENT: &str = "patient-zqvisiblezq";
const PROVIDER: &str = "provider-zqvisiblezq";

/// The errors so far, each with the name of what provoked it.
#[derive(Default)]
struct Errors(Vec<(&'static str, Error)>);

impl Errors {
    fn add<T>(&mut self, kind: &'static str, code: ErrorCode, answer: Result<T>) {
        let error = answer.err().unwrap_or_else(|| panic!("{kind} is no error"));
        assert_eq!(error.code(), code, "{kind}: {error:?}");
        self.0.push((kind, error));
    }

    fn invalid<T>(&mut self, kind: &'static str, answer: Result<T>) {
        self.add(kind, ErrorCode::ValidationError, answer);
    }
}

fn create(phi: &str) -> CreateOrder {
    CreateOrder::new(PATIENT, PROVIDER, phi)
        .diagnosis_code(phi)
        .notes(phi)
        .insurance(Insurance::new(phi, phi))
}

fn verified(phi: &str) -> StatusChange {
    StatusChange::to(OrderStatus::Verified).notes(phi).verification(VerificationData::new(phi, phi))
}

/// Requests that break a rule of content.
fn contents(phi: &str, errors: &mut Errors) {
    let (long, control) = (phi.repeat(10_000), format!("{phi}\u{1}"));
    let new = |service: &str| CreateOrder::new(PATIENT, PROVIDER, service).notes(phi);
    errors.invalid("service_type empty", new("").check());
    errors.invalid("service_type long", new(&long).check());
    errors.invalid("service_type control", new(&control).check());
    errors.invalid("patient_id empty", CreateOrder::new("", PROVIDER, phi).check());
    errors.invalid("patient_id long", CreateOrder::new(&*long, PROVIDER, phi).check());
    errors.invalid("provider_id control", CreateOrder::new(PATIENT, &*control, phi).check());
    errors.invalid("codes many", create(phi).diagnosis_codes(vec![phi; 60]).check());
    errors.invalid("code long", create(phi).diagnosis_code(&*long).check());
    errors.invalid("code control", create(phi).diagnosis_code(&*control).check());
    errors.invalid("code empty", create(phi).diagnosis_code("").check());
    errors.invalid("notes long", create(phi).notes(&*long).check());
    errors.invalid("notes control", create(phi).notes(&*control).check());
    let insured = |insurance| create(phi).insurance(insurance).check();
    errors.invalid("carrier long", insured(Insurance::new(&*long, phi)));
    errors.invalid("carrier empty", insured(Insurance::new("", phi)));
    errors.invalid("policy control", insured(Insurance::new(phi, &*control)));
    errors.invalid("group long", insured(Insurance::new(phi, phi).group_number(&*long)));
    errors.invalid("key empty", create(phi).idempotency_key("").check());
    errors.invalid("key long", create(phi).idempotency_key(&*long).check());
    let data = |by: &str, how: &str| VerificationData::new(by, how);
    let with = |data| StatusChange::to(OrderStatus::Verified).verification(data).check();
    errors.invalid("verified_by empty", with(data("", phi)));
    errors.invalid("verified_by long", with(data(&long, phi)));
    errors.invalid("method control", with(data(phi, &control)));
    errors.invalid("authorization long", with(data(phi, phi).authorization_number(&*long)));
    errors.invalid("coverage long", with(data(phi, phi).coverage_details(serde_json::json!({ phi: long }))));
    let started = StatusChange::to(OrderStatus::InProgress);
    errors.invalid("verification out of place", started.clone().verification(data(phi, phi)).check());
    errors.invalid("reason long", started.clone().reason(&*long).check());
    errors.invalid("reason control", started.reason(&*control).check());
    errors.invalid("delete without a reason", DeleteOrder::new("").check());
    errors.invalid("delete reason long", DeleteOrder::new(&*long).check());
    errors.invalid("order id", phi.parse::<OrderId>());
    errors.invalid("territory id", phi.parse::<TerritoryId>());
    errors.invalid("user id", control.parse::<UserId>());
    errors.invalid("patient id", control.parse::<PatientId>());
    errors.invalid("timestamp", phi.parse::<Timestamp>());
}

/// JSON of another shape than promised.
fn shapes(phi: &str, errors: &mut Errors) {
    let text = serde_json::Value::from(phi).to_string();
    let json = |body: &str| body.replace('$', &text).into_bytes();
    for (kind, body) in [
        ("no JSON", "$ $"),
        ("JSON cut off", r#"{"service_type":$"#),
        ("no object", "$"),
        ("unknown member", r#"{$:$}"#),
        ("member twice", r#"{"service_type":$,"service_type":$}"#),
        ("number for text", r#"{"service_type":7,"notes":$}"#),
        ("text for list", r#"{"diagnosis_codes":$}"#),
        ("object in list", r#"{"diagnosis_codes":[{$:$}]}"#),
        ("text for object", r#"{"insurance":$}"#),
        ("unknown in object", r#"{"insurance":{$:$}}"#),
    ] {
        errors.invalid(kind, wire::create_order(&json(body)));
    }
    for (kind, body) in [
        ("status word", r#"{"status":$}"#),
        ("version as text", r#"{"status":"verified","expected_version":$}"#),
        ("verification as text", r#"{"status":"verified","verification_data":$}"#),
        ("insurance status", r#"{"status":"verified","verification_data":{"insurance_status":$}}"#),
        ("valid_until", r#"{"status":"verified","verification_data":{"valid_until":$}}"#),
    ] {
        errors.invalid(kind, wire::status_change(&json(body)));
    }
    errors.invalid("batch item", wire::create_orders(&json("[{$:$}]")));
    errors.invalid("batch of changes", wire::status_changes(&json(r#"[{"order_id":$}]"#)));
    errors.invalid("delete body", wire::delete_order(&json(r#"{"because":$,$:1}"#)));
    errors.invalid("filter", wire::order_filter(&json(r#"{"status":[$]}"#)));
    errors.invalid("field list", wire::field_list(&json("[$]")));
    errors.invalid("actor", wire::actor(&json(r#"{"user_id":7,"roles":[$]}"#)));
}

/// Calls that a running service refuses.
async fn calls(phi: &str, errors: &mut Errors) {
    use ErrorCode::{
        AccessDenied, AuditBroken, Closed, IdempotencyMismatch, IntegrityViolation, InvalidCursor,
        InvalidStatusTransition, OrderNotFound, PatientProviderMismatch, StorageUnavailable,
        TerritoryMismatch, TerritoryNotFound, VersionConflict,
    };
    let world = World::new().await;
    let admin = world.service.admin(root());
    for territory in ["north", "south"] {
        admin.register_relationship(&id(territory), &id(PATIENT), &id(PROVIDER)).await.unwrap();
    }
    let session = world.all();
    let order = session.create_order(create(phi).idempotency_key(phi)).await.unwrap().id;
    let auditor = world.session("auditor");
    errors.add("denied create", AccessDenied, auditor.create_order(create(phi)).await);
    errors.add("denied read", AccessDenied, auditor.order(order, None).await);
    errors.add("denied change", AccessDenied, auditor.update_status(order, verified(phi)).await);
    errors.add(
        "denied audit",
        AccessDenied,
        world.session("fulfiller").audit(&AuditFilter::default(), 0, 1).await,
    );
    errors.add(
        "denied admin",
        TerritoryMismatch,
        world.service.admin(actor("administrator")).checkpoint().await,
    );
    let south = world.service.session(actor("requester"), id("south"));
    errors.add("other territory", TerritoryMismatch, south.create_order(create(phi)).await);
    let south = world.service.session(root(), id("south"));
    errors.add("order elsewhere", TerritoryMismatch, south.order(order, None).await);
    let nowhere = world.service.session(root(), id("nowhere"));
    errors.add("no territory", TerritoryNotFound, nowhere.create_order(create(phi)).await);
    let nobody = OrderId::from_bytes([7; 16]);
    errors.add("no order", OrderNotFound, session.update_status(nobody, verified(phi)).await);
    let unrelated = CreateOrder::new(PATIENT, "npi-other", phi);
    errors.add("no relationship", PatientProviderMismatch, session.create_order(unrelated).await);
    let other = create(phi).notes("others").idempotency_key(phi);
    errors.add("key used", IdempotencyMismatch, session.create_order(other).await);
    errors.add("no such key", OrderNotFound, session.order_by_key(&id("unused")).await);
    errors.add(
        "version",
        VersionConflict,
        session.update_status(order, verified(phi).expected_version(9)).await,
    );
    let done = StatusChange::to(OrderStatus::Completed).notes(phi);
    errors.add("transition", InvalidStatusTransition, session.update_status(order, done).await);
    let bare = StatusChange::to(OrderStatus::Rejected);
    errors.add("no reason", InvalidStatusTransition, session.update_status(order, bare).await);
    errors.add("feed cursor", InvalidCursor, session.subscribe(None, Some(phi)).await.map(|_| ()));
    errors.add("list cursor", InvalidCursor, session.orders(&OrderFilter::new(), Some(phi), 5, None).await);
    errors.invalid("limit", session.orders(&OrderFilter::new(), None, 0, None).await);
    errors.invalid("audit limit", session.audit(&AuditFilter::default(), 0, 501).await);
    errors.invalid("pairs limit", session.relationships(&RelationshipFilter::default(), None, 0).await);
    errors.invalid("long batch", session.create_orders(vec![create(phi); 10_001], BatchMode::Each).await);
    let twice = vec![create(phi).idempotency_key("twice"); 2];
    errors.invalid("key twice", session.create_orders(twice, BatchMode::Atomic).await);
    let mixed = vec![create(phi), create(phi).notes(format!("{phi}\u{1}"))];
    for item in session.create_orders(mixed, BatchMode::Each).await.unwrap() {
        if let BatchItem::Failed(error) = item {
            errors.invalid("item", Err::<(), _>(error));
        }
    }
    errors.invalid("notes in all", {
        let long = "x".repeat(40_000);
        session.update_status(order, verified(phi).notes(&*long)).await.unwrap();
        session.update_status(order, change(path_to(OrderStatus::InProgress)[1]).notes(long)).await
    });
    errors.add("note of another key", AuditBroken, session.verify_audit(Some(phi)).await);
    errors.add("backup over a file", StorageUnavailable, admin.backup(&world.path).await);
    let expired = Actor::new(id("u-old"), Purpose::Treatment).expires_at(Timestamp::from_micros(0));
    let expired = world.service.session(expired.all_territories(), id("north"));
    errors.add("expired", AccessDenied, expired.create_order(create(phi)).await);
    let revoked = world.all();
    revoked.revoke();
    errors.add("revoked", AccessDenied, revoked.create_order(create(phi)).await);
    let sql = world.sql();
    sql.run(&format!("UPDATE orders SET f1 = {}, patient_id = '{phi}'", sql.blob(&[0])));
    errors.add("damaged row", IntegrityViolation, session.order(order, None).await);
    errors.add("damaged list", IntegrityViolation, session.orders(&OrderFilter::new(), None, 5, None).await);
    let id = sql.blob(phi.as_bytes());
    // Refused where the order of the test before has the same one.
    let _ = sql.attempt(&format!("UPDATE orders SET status = '{phi}', order_id = {id}"));
    sql.run("ALTER TABLE orders RENAME TO zqgonezq");
    errors.add("no table", IntegrityViolation, session.order(order, None).await);
    drop(sql);
    world.service.close().await.unwrap();
    errors.add("closed", Closed, session.create_order(create(phi)).await);
    let open = OrderService::open(&world.path, TestKey::with_root([1; 32])).await;
    errors.add("another root key", ErrorCode::KeyMismatch, open);
}

struct Failing(String);

impl CareDirectory for Failing {
    fn territory_exists(&self, _: &TerritoryId) -> Result<bool> {
        Ok(true)
    }

    fn relationship_exists(&self, _: &PatientId, _: &ProviderId, _: &TerritoryId) -> Result<bool> {
        Err(Error::new(ErrorCode::Internal, self.0.clone()))
    }
}

/// Hosts and files that fail, with PHI in what they say.
async fn hosts(phi: &str, errors: &mut Errors) {
    let unavailable = ErrorCode::StorageUnavailable;
    let world = World::with(|builder| builder.directory(Failing(phi.to_owned()))).await;
    errors.add("directory", unavailable, world.all().create_order(create(phi)).await);
    let say = {
        let phi = phi.to_owned();
        move || Error::new(ErrorCode::Internal, phi.clone())
    };
    let also = say.clone();
    let sink = AnchorCallback::new(move |_: &str| Err(say()), move |_: &str| Err(also()));
    let world = World::with(|builder| builder.anchor(sink)).await;
    errors.add("anchor", unavailable, world.service.admin(root()).checkpoint().await);
    errors.add("close", unavailable, world.service.close().await);

    let folder = tempfile::tempdir().unwrap();
    let refusing = || CallbackKeys::new(|_, _| Err(KeyError::Unavailable), |_, _| Err(KeyError::Unavailable));
    let open = OrderService::open(folder.path().join("new.db"), refusing()).await;
    errors.add("keys", ErrorCode::KeyUnavailable, open);
    let foreign = folder.path().join("foreign.db");
    std::fs::write(&foreign, phi.repeat(500)).unwrap();
    let open = OrderService::open(&foreign, TestKey::new()).await;
    errors.add("foreign file", ErrorCode::SchemaUnsupported, open);
    let scheme = OrderService::open(format!("zqnotesQzq://{phi}"), TestKey::new()).await;
    errors.add("scheme", ErrorCode::SchemaUnsupported, scheme);
    let missing = OrderService::open(folder.path().join("no folder").join(phi), TestKey::new()).await;
    errors.add("path", unavailable, missing);
}

#[tokio::test]
async fn no_error_and_no_log_line_tells_phi() {
    let ear = Ear::default();
    tracing::subscriber::set_global_default(ear.clone()).unwrap();
    let canary = Canary::new("notes");
    let phi = canary.text.as_str();
    let mut errors = Errors::default();
    contents(phi, &mut errors);
    shapes(phi, &mut errors);
    calls(phi, &mut errors).await;
    hosts(phi, &mut errors).await;
    let kinds: std::collections::BTreeSet<_> = errors.0.iter().map(|(kind, _)| *kind).collect();
    assert!(kinds.len() >= 80, "{}", kinds.len());
    for (kind, error) in &errors.0 {
        let json = wire::error_json(error);
        let text =
            format!("{error} {error:?} {error:#?} {:?} {}", error.details(), String::from_utf8_lossy(&json));
        assert!(!canary.is_in(text.as_bytes()), "{kind}: {text}");
        assert!(!text.contains(PATIENT) && !text.contains(PROVIDER), "{kind}: {text}");
        assert!(text.len() < 4_000, "{kind}: {text}");
    }
    let heard = ear.heard();
    assert!(heard.contains("WARN medorder") && heard.contains("TERRITORY_MISMATCH"), "{heard}");
    assert!(!canary.is_in(heard.as_bytes()), "{heard}");
    assert!(!heard.contains(PATIENT) && !heard.contains(PROVIDER), "{heard}");
}
