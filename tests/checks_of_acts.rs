//! Administrative acts and the items of a batch meet the same checks in the same order.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

use medorder::{
    Actor, BatchItem, BatchMode, CreateOrder, DeleteOrder, Error, ErrorCode, OrderId, OrderStatus, Purpose,
    Session, StatusChange, TestKey, Timestamp,
};
use medorder_tests::engine::Engine;
use medorder_tests::ledger::{Ledger, Line};
use medorder_tests::{START, World, actor, change, id, request, root};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Expired,
    ActorsTerritory,
    Permission,
    Territory,
}

const CLASSES: [Class; 4] = [Class::Expired, Class::ActorsTerritory, Class::Permission, Class::Territory];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    RegisterTerritory,
    UnregisterTerritory,
    RegisterRelationship,
    UnregisterRelationship,
    RotateKeys,
    ChangeRoot,
    Checkpoint,
    Verify,
    Backup,
    Restore,
}

use Act::*;

const ACTS: [Act; 10] = [
    RegisterTerritory,
    UnregisterTerritory,
    RegisterRelationship,
    UnregisterRelationship,
    RotateKeys,
    ChangeRoot,
    Checkpoint,
    Verify,
    Backup,
    Restore,
];

impl Act {
    /// PostgreSQL is copied by its own tools.
    fn exists(self) -> bool {
        Engine::asked() == Engine::Sqlite || self != Backup
    }

    fn on_one_territory(self) -> bool {
        !matches!(self, ChangeRoot | Checkpoint | Verify | Backup | Restore)
    }

    fn action(self) -> &'static str {
        match self {
            RegisterTerritory | RegisterRelationship => "register",
            UnregisterTerritory | UnregisterRelationship => "unregister",
            RotateKeys => "rotate_keys",
            ChangeRoot => "change_root",
            Checkpoint => "checkpoint",
            Verify => "verify",
            Backup => "backup",
            Restore => "restore",
        }
    }

    fn can_be(self, class: Class) -> bool {
        class != Class::Territory || (self.on_one_territory() && self != RegisterTerritory)
    }

    async fn run(self, world: &World, actor: Actor, territory: &str) -> Result<(), Error> {
        let admin = world.service.admin(actor);
        let (place, patient, provider) = (id(territory), id("p-1"), id("npi-1"));
        match self {
            RegisterTerritory => admin.register_territory(&place).await,
            UnregisterTerritory => admin.unregister_territory(&place).await,
            RegisterRelationship => admin.register_relationship(&place, &patient, &provider).await,
            UnregisterRelationship => admin.unregister_relationship(&place, &patient, &provider).await,
            RotateKeys => admin.rotate_keys(&place, |_| {}).await.map(drop),
            ChangeRoot => admin.change_root(TestKey::with_root([7; 32]), |_| {}).await,
            Checkpoint => admin.checkpoint().await.map(drop),
            Verify => admin.verify_audit().await.map(drop),
            Backup => admin.backup(world.folder().join("copy.db")).await,
            Restore => admin.restore().await.map(drop),
        }
    }
}

#[tokio::test]
async fn of_all_that_is_wrong_with_an_act_the_first_class_answers() {
    let world = World::new().await;
    let ledger = Ledger::open(&world.path);
    let kinds = |act: Act| CLASSES.into_iter().filter(move |class| act.can_be(*class));
    for act in ACTS {
        // Each alone and each pair, and all together.
        let mut cases: Vec<Vec<Class>> = vec![kinds(act).collect()];
        for one in kinds(act) {
            cases.extend(kinds(act).map(|other| vec![one, other]));
        }
        for broken in cases {
            let what = format!("{act:?} with {broken:?}");
            let has = |class| broken.contains(&class);
            let place = if has(Class::Territory) { "west" } else { "north" };
            let mut who = Actor::new(id("u-1"), Purpose::Operations);
            // Who may do the one thing may not do the other.
            let role = if (act == Verify) == has(Class::Permission) { "administrator" } else { "auditor" };
            who = who.role(id(role));
            if has(Class::Expired) {
                who = who.expires_at(Timestamp::from_micros(START));
            }
            who = match (has(Class::ActorsTerritory), act.on_one_territory()) {
                (false, _) => who.all_territories(),
                (true, true) => who.territory(id("south")),
                (true, false) => who.territories(["north", "south"].map(id)),
            };
            let mark = ledger.mark();
            let error = act.run(&world, who, place).await.expect_err(&what);
            let code = match broken.iter().min().expect("a fault") {
                Class::Expired | Class::Permission => ErrorCode::AccessDenied,
                Class::ActorsTerritory => ErrorCode::TerritoryMismatch,
                Class::Territory => ErrorCode::TerritoryNotFound,
            };
            assert_eq!(error.code(), code, "{what}");
            let entries = ledger.entries_since(&mark);
            if code == ErrorCode::TerritoryNotFound {
                assert_eq!(entries, [], "{what}");
                continue;
            }
            let own = act.on_one_territory() && place == "north" && !has(Class::ActorsTerritory);
            let subject = if act.on_one_territory() { place } else { "*" };
            let expected = Line {
                chain: if own { "north".to_owned() } else { String::new() },
                user_id: "u-1".to_owned(),
                role: role.to_owned(),
                purpose: "operations".to_owned(),
                action: act.action().to_owned(),
                outcome: "denied".to_owned(),
                details: if own { String::new() } else { format!(r#"{{"subject":"{subject}"}}"#) },
                ..Line::default()
            };
            assert_eq!(entries, [expected], "{what}");
        }
    }
    assert!(!world.folder().join("copy.db").exists(), "no backup was made");
}

#[tokio::test]
async fn without_a_fault_every_act_succeeds() {
    let world = World::new().await;
    for act in ACTS {
        let place = if act == RegisterTerritory { "west" } else { "south" };
        // The first of the acts take it out of service, and the rest need it.
        world.service.admin(root()).register_territory(&id(place)).await.unwrap();
        let done = act.run(&world, root(), place).await;
        assert_eq!(done.is_ok(), act.exists(), "{act:?}: {done:?}");
    }
}

fn codes(items: &[BatchItem]) -> Vec<&'static str> {
    let code = |item: &BatchItem| match item {
        BatchItem::Done(_) => "done",
        BatchItem::Failed(error) => error.code().name(),
        BatchItem::NotApplied => "not_applied",
        other => panic!("{other:?}"),
    };
    items.iter().map(code).collect()
}

#[tokio::test]
async fn each_item_of_a_batch_has_its_own_answer_and_its_own_denial() {
    let world = World::new().await;
    let pending = world.order(OrderStatus::PendingVerification).await;
    let working = world.order(OrderStatus::InProgress).await;
    let done = world.order(OrderStatus::Completed).await;
    let deleted = world.order(OrderStatus::Verified).await;
    world.all().delete_order(deleted, DeleteOrder::new("entered in error")).await.unwrap();
    let south = world.service.session(root(), id("south")).create_order(request()).await.unwrap().id;
    let nowhere: OrderId = id("01890000-0000-7000-8000-000000000000");
    let complete = || change(OrderStatus::Completed);
    let items = vec![
        (working, complete().expected_version(0)),
        (nowhere, complete()),
        (deleted, complete()),
        (south, complete()),
        (working, complete().expected_version(9)),
        (done, complete()),
        (working, StatusChange::to(OrderStatus::Cancelled)),
        (pending, change(OrderStatus::Verified)),
        (working, complete()),
        (working, change(OrderStatus::Cancelled)),
    ];
    let expected = [
        "VALIDATION_ERROR",
        "ORDER_NOT_FOUND",
        "ORDER_NOT_FOUND",
        "TERRITORY_MISMATCH",
        "VERSION_CONFLICT",
        "INVALID_STATUS_TRANSITION",
        "INVALID_STATUS_TRANSITION",
        "ACCESS_DENIED",
        "done",
        "INVALID_STATUS_TRANSITION",
    ];
    let ward = world.session("fulfiller");
    let before = log(&world).await;
    let answers = ward.update_statuses(items, BatchMode::Each).await.unwrap();
    assert_eq!(codes(&answers), expected);
    let mut entries = log(&world).await.split_off(before.len());
    entries.sort();
    let expected = [
        ("denied".to_owned(), Some(pending)),
        ("denied".to_owned(), Some(south)),
        ("success".to_owned(), Some(working)),
    ];
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(entries, expected);
}

/// Outcome and order of every change and denial of changes.
async fn log(world: &World) -> Vec<(String, Option<OrderId>)> {
    let page = world.all().audit(&medorder::AuditFilter::default(), 0, 500).await.unwrap();
    let changes = page.records.into_iter().filter(|record| record.action == "update_status");
    changes.map(|record| (record.outcome, record.order_id)).collect()
}

#[tokio::test]
async fn an_atomic_batch_with_one_fault_stores_nothing() {
    let world = World::new().await;
    let ledger = Ledger::open(&world.path);
    let desk = world.session("requester");
    let good = request;
    for (bad, code) in [
        (CreateOrder::new("", "npi-1", "MRI"), "VALIDATION_ERROR"),
        (CreateOrder::new("p-9", "npi-9", "MRI"), "PATIENT_PROVIDER_MISMATCH"),
    ] {
        let mark = ledger.mark();
        let answers = desk.create_orders(vec![good(), bad, good()], BatchMode::Atomic).await.unwrap();
        assert_eq!(codes(&answers), ["not_applied", code, "not_applied"]);
        assert_eq!(ledger.entries_since(&mark), []);
    }
    let (one, two) = (world.order(OrderStatus::Verified).await, world.order(OrderStatus::Rejected).await);
    let start = || change(OrderStatus::InProgress);
    let mark = ledger.mark();
    let both = vec![(one, start()), (two, start())];
    let answers = world.session("fulfiller").update_statuses(both, BatchMode::Atomic).await.unwrap();
    assert_eq!(codes(&answers), ["not_applied", "INVALID_STATUS_TRANSITION"]);
    assert_eq!(ledger.entries_since(&mark), []);
}

#[tokio::test]
async fn a_batch_is_bounded_and_names_nothing_twice() {
    let world = World::new().await;
    let desk = world.session("requester");
    for mode in [BatchMode::Atomic, BatchMode::Each] {
        let many: Vec<_> = (0..10_001).map(|_| CreateOrder::new("p-1", "npi-1", "MRI")).collect();
        let error = desk.create_orders(many, mode).await.unwrap_err();
        assert_eq!((error.code(), error.faults()[0].rule.name()), (ErrorCode::ValidationError, "too_many"));
    }
    let order = world.order(OrderStatus::Verified).await;
    let one = || change(OrderStatus::InProgress).idempotency_key("k");
    let ward = world.session("fulfiller");
    let twice = vec![(order, one()), (order, one())];
    let error = ward.update_statuses(twice, BatchMode::Atomic).await.unwrap_err();
    let faults: Vec<_> = error.faults().iter().map(|fault| (&*fault.path, fault.rule.name())).collect();
    assert_eq!(faults, [("[1].order_id", "duplicate"), ("[1].idempotency_key", "duplicate")]);
}

#[tokio::test]
async fn the_faults_of_a_batch_are_told_to_whoever_may_change_any_status() {
    let world = World::new().await;
    let order = world.order(OrderStatus::InProgress).await;
    let faulty = |session: Session| async move {
        let bad = change(OrderStatus::Completed).expected_version(0);
        session.update_statuses(vec![(order, bad)], BatchMode::Each).await
    };
    for role in ["verifier", "fulfiller"] {
        assert_eq!(codes(&faulty(world.session(role)).await.unwrap()), ["VALIDATION_ERROR"], "{role}");
        let none = world.session(role).update_statuses(Vec::new(), BatchMode::Each).await.unwrap();
        assert!(none.is_empty());
    }
    let error = faulty(world.service.session(actor("requester"), id("north"))).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::AccessDenied);
}
