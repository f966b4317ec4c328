//! Who may do and see what, on a running service: every answer shows what the roles allow and no more, and the
//! audit says so before the answer does.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

use medorder::AuditFilter;
use medorder::service::Builder;
use medorder::{
    AccessPolicy, Actor, AuditRecord, ErrorCode, FieldSet, OrderFilter, OrderId, OrderService, OrderStatus,
    Permission, PhiField, Purpose, RoleGrant, Session, StatusChange, TestKey, Timestamp, VerificationData,
    Why, Workflow, WorkflowPolicy, wire,
};
use medorder_tests::ledger::{Ledger, Line};
use medorder_tests::{START, World, actor, change, id, request, root};

async fn worlds() -> [World; 2] {
    [World::new().await, World::in_memory().await]
}

async fn with(settings: impl FnOnce(Builder) -> Builder) -> World {
    World::with(settings).await
}

async fn log(world: &World, order: OrderId) -> Vec<AuditRecord> {
    let filter = AuditFilter { order_id: Some(order), ..AuditFilter::default() };
    world.session("auditor").audit(&filter, 0, 500).await.unwrap().records
}

fn names(fields: &[&str]) -> FieldSet {
    let field = |name: &&str| *PhiField::ALL.iter().find(|field| field.name() == *name).unwrap();
    fields.iter().map(field).collect()
}

/// What the table of DESIGN section 5 lets each role see.
fn table() -> [(&'static str, FieldSet); 3] {
    let verifier = names(&["service_type", "diagnosis_codes", "insurance", "insurance_verification"]);
    let fulfiller = names(&["service_type", "diagnosis_codes", "notes"]);
    [("requester", FieldSet::ALL), ("verifier", verifier), ("fulfiller", fulfiller)]
}

fn every_set() -> impl Iterator<Item = FieldSet> {
    (0..32).map(|bits| FieldSet::from_bits(bits).unwrap())
}

#[tokio::test]
async fn each_role_sees_its_fields_and_of_those_what_it_asks_for() {
    for world in worlds().await {
        let order = world.order(OrderStatus::Verified).await;
        for (role, allowed) in table() {
            let session = world.session(role);
            for asked in every_set().map(Some).chain([None]) {
                let set = asked.unwrap_or(FieldSet::ALL);
                let one = session.order(order, asked).await.unwrap();
                let page = session.orders(&OrderFilter::default(), None, 10, asked).await.unwrap();
                assert_eq!(
                    page.orders,
                    std::slice::from_ref(&one),
                    "{role} {asked:?}: a list shows what one order shows"
                );
                assert_eq!(one.disclosed, set.intersection(allowed), "{role} {asked:?}");
                assert_eq!(one.withheld, set.difference(allowed), "{role} {asked:?}");
                let json = wire::order_json(&one);
                let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
                for field in PhiField::ALL {
                    let shown = one.disclosed.contains(*field);
                    assert_eq!(json.get(field.name()).is_some_and(|value| !value.is_null()), shown, "{json}");
                }
            }
        }
        for role in ["auditor", "administrator", "nobody"] {
            let error = world.session(role).order(order, None).await.unwrap_err();
            assert_eq!(error.code(), ErrorCode::AccessDenied, "{role}");
        }
    }
}

#[tokio::test]
async fn of_a_damaged_order_nothing_is_shown_whoever_asks_for_what() {
    let world = World::new().await;
    let order = world.order(OrderStatus::Verified).await;
    let other = world.sql();
    let mut notes = other.bytes("SELECT f3 FROM orders");
    notes[0] ^= 1;
    other.run(&format!("UPDATE orders SET f3 = {}", other.blob(&notes)));
    let ledger = Ledger::open(&world.path);
    let mark = ledger.mark();
    for (role, _) in table() {
        for asked in [None, Some(FieldSet::EMPTY), Some(names(&["insurance"]))] {
            let error = world.session(role).order(order, asked).await.unwrap_err();
            assert_eq!(error.code(), ErrorCode::IntegrityViolation, "{role} {asked:?}");
            let error =
                world.session(role).orders(&OrderFilter::default(), None, 9, asked).await.unwrap_err();
            assert_eq!(error.code(), ErrorCode::IntegrityViolation, "{role} {asked:?}");
        }
    }
    assert_eq!(ledger.entries_since(&mark), [], "nothing was seen");
}

#[tokio::test]
async fn roles_add_up_and_hosts_define_their_own() {
    let policy = AccessPolicy::default()
        .role(id("billing"), RoleGrant::new([Permission::OrderView], [PhiField::Insurance]))
        .role(id("porter"), RoleGrant::new([Permission::OrderFulfil], []))
        .role(id("blind"), RoleGrant::new([], [PhiField::Notes]));
    let world = with(|builder| builder.access(policy)).await;
    let order = world.order(OrderStatus::Verified).await;
    let session = |roles: &[&str]| {
        let actor = Actor::new(id("u-1"), Purpose::Payment).territory(id("north"));
        world.service.session(actor.roles(roles.iter().map(|role| id(role))), id("north"))
    };
    for (roles, sees) in [
        (&["billing"][..], &["insurance"][..]),
        (&["billing", "blind"], &["notes", "insurance"]),
        (&["billing", "unheard-of"], &["insurance"]),
    ] {
        assert_eq!(session(roles).order(order, None).await.unwrap().disclosed, names(sees), "{roles:?}");
    }
    for roles in [&["blind"][..], &["porter"], &["unheard-of"], &[]] {
        let error = session(roles).order(order, None).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::AccessDenied, "{roles:?}");
    }
    session(&["porter"]).update_status(order, change(OrderStatus::InProgress)).await.unwrap();
}

#[tokio::test]
async fn whoever_created_an_order_does_not_verify_it_where_the_policy_says_so() {
    let world = with(|builder| builder.access(AccessPolicy::default().separate_verifier(true))).await;
    let both = |user: &str| {
        let actor = Actor::new(id(user), Purpose::Treatment).territory(id("north"));
        let actor = actor.roles(["requester", "verifier", "fulfiller"].map(id));
        world.service.session(actor, id("north"))
    };
    let (maker, colleague) = (both("u-maker"), both("u-colleague"));
    let order = maker.create_order(request()).await.unwrap().id;
    for to in [OrderStatus::Verified, OrderStatus::Rejected] {
        let ledger = Ledger::open(&world.path);
        let mark = ledger.mark();
        let error = maker.update_status(order, change(to)).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::AccessDenied);
        let entries = ledger.entries_since(&mark);
        let expected = Line {
            chain: "north".to_owned(),
            user_id: "u-maker".to_owned(),
            role: "fulfiller,requester,verifier".to_owned(),
            purpose: "treatment".to_owned(),
            order_id: Some(order),
            action: "update_status".to_owned(),
            outcome: "denied".to_owned(),
            ..Line::default()
        };
        assert_eq!(entries, [expected]);
        assert_eq!(why(&maker, order, to).await, Some(Why::OwnOrder));
        assert_eq!(why(&colleague, order, to).await, None);
    }
    // The rule is about verifying alone, and about this order.
    colleague.update_status(order, change(OrderStatus::Verified)).await.unwrap();
    maker.update_status(order, change(OrderStatus::InProgress)).await.unwrap();

    let world = World::new().await;
    let order = world.all().create_order(request()).await.unwrap().id;
    world.all().update_status(order, change(OrderStatus::Verified)).await.unwrap();
}

async fn why(session: &Session, order: OrderId, to: OrderStatus) -> Option<Why> {
    let options = session.allowed_transitions(order).await.unwrap();
    assert_eq!(options.len(), OrderStatus::ALL.len());
    let option = options.into_iter().find(|option| option.status == to).unwrap();
    assert_eq!(option.allowed, option.why.is_none());
    option.why
}

#[tokio::test]
async fn orders_are_cancelled_before_work_starts_where_the_policy_says_so() {
    let early = [OrderStatus::PendingVerification, OrderStatus::Verified];
    let on = Workflow::new(WorkflowPolicy::default().cancel_before_start(true));
    for (workflow, expected) in [(on, None), (Workflow::standard(), Some(Why::State))] {
        let world = with(|builder| builder.workflow(workflow)).await;
        for from in early {
            let order = world.order(from).await;
            let ward = world.session("fulfiller");
            assert_eq!(why(&ward, order, OrderStatus::Cancelled).await, expected);
            let done = ward.update_status(order, change(OrderStatus::Cancelled)).await;
            assert_eq!(done.is_ok(), expected.is_none());
            let bare = StatusChange::to(OrderStatus::Cancelled);
            let bare = world.session("fulfiller").update_status(world.order(from).await, bare).await;
            let why = bare.unwrap_err().details().why;
            assert_eq!(why, Some(if expected.is_none() { "missing_reason" } else { "state" }));
        }
    }
}

#[tokio::test]
async fn what_a_caller_may_do_next_is_what_then_works() {
    for world in worlds().await {
        for from in OrderStatus::ALL {
            for role in ["requester", "verifier", "fulfiller"] {
                let order = world.order(*from).await;
                let before = log(&world, order).await.len();
                let options = world.session(role).allowed_transitions(order).await.unwrap();
                assert_eq!(log(&world, order).await.len(), before, "asking leaves no entry");
                for option in options {
                    let order = world.order(*from).await;
                    let done = world.session(role).update_status(order, change(option.status)).await;
                    assert_eq!(done.is_ok(), option.allowed, "{role} {from} {option:?}");
                    let needs = option.needs.iter().map(|need| need.name()).collect::<Vec<_>>();
                    let expected: &[&str] = match option.status {
                        _ if option.why == Some(Why::State) => &[],
                        OrderStatus::Verified => &["verification_data"],
                        OrderStatus::Rejected | OrderStatus::Cancelled => &["reason_or_notes"],
                        _ => &[],
                    };
                    assert_eq!(needs, expected, "{from} {option:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_session_ends_in_the_middle() {
    let world = World::at_start().await;
    let order = world.order(OrderStatus::PendingVerification).await;
    let until = Timestamp::from_micros(START + 1_000);
    let session = world.service.session(actor("requester").expires_at(until), id("north"));
    world.clock.advance(999);
    assert!(session.order(order, None).await.is_ok());
    world.clock.advance(1);
    assert_eq!(session.order(order, None).await.unwrap_err().code(), ErrorCode::AccessDenied);

    let session = world.session("auditor");
    let clone = session.clone();
    let mut export = session.export_audit().await.unwrap();
    assert!(!export.next_page().await.unwrap().is_empty());
    clone.revoke();
    let ledger = Ledger::open(&world.path);
    let mark = ledger.mark();
    assert_eq!(export.next_page().await.unwrap_err().code(), ErrorCode::AccessDenied);
    let error = session.audit(&AuditFilter::default(), 0, 10).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::AccessDenied);
    let denied: Vec<_> =
        ledger.entries_since(&mark).into_iter().map(|line| (line.action, line.outcome)).collect();
    let expected = [("export", "denied"), ("audit", "denied")].map(|(a, o)| (a.to_owned(), o.to_owned()));
    assert_eq!(denied, expected);
    assert!(world.session("auditor").audit(&AuditFilter::default(), 0, 10).await.is_ok(), "another lives");
}

#[tokio::test]
async fn the_audit_knows_who_why_and_whence() {
    for world in worlds().await {
        let order = world.order(OrderStatus::PendingVerification).await;
        for purpose in Purpose::ALL {
            let actor = Actor::new(id("u 7/ä"), *purpose).territory(id("north"));
            let actor = actor.roles(["verifier", "requester", "no-such"].map(id));
            let actor = actor.request_id(id("req-1")).source(id("10.0.0.7 ward"));
            let session = world.service.session(actor, id("north"));
            session.order(order, Some(names(&["notes", "insurance"]))).await.unwrap();
            let entry = log(&world, order).await.pop().unwrap();
            assert_eq!((&*entry.user_id, &*entry.role), ("u 7/ä", "no-such,requester,verifier"));
            assert_eq!((&*entry.purpose, &*entry.request_id), (purpose.name(), "req-1"));
            assert_eq!((&*entry.source, &*entry.territory_id), ("10.0.0.7 ward", "north"));
            assert_eq!((entry.fields, entry.row_version), (names(&["notes", "insurance"]), 1));
        }
    }
}

#[tokio::test]
async fn work_starts_while_the_verification_holds_and_not_after() {
    let world = World::at_start().await;
    let order = world.order(OrderStatus::PendingVerification).await;
    let until = Timestamp::from_micros(START + 1_000_000);
    let data = VerificationData::new("u-verifier", "phone").valid_until(until);
    let verify = StatusChange::to(OrderStatus::Verified).verification(data);
    world.session("verifier").update_status(order, verify).await.unwrap();
    let ward = world.session("fulfiller");
    world.clock.advance(1_000_000);
    assert_eq!(why(&ward, order, OrderStatus::InProgress).await, None, "the last moment counts");
    world.clock.advance(1);
    assert_eq!(why(&ward, order, OrderStatus::InProgress).await, Some(Why::VerificationExpired));
    let error = ward.update_status(order, change(OrderStatus::InProgress)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidStatusTransition);
    assert_eq!(error.details().why, Some("verification_expired"));
    assert_eq!(error.details().allowed.as_deref(), Some(&["in_progress"][..]));
    world.clock.advance(-1);
    ward.update_status(order, change(OrderStatus::InProgress)).await.unwrap();
    world.clock.advance(10_000_000);
    ward.update_status(order, change(OrderStatus::Completed)).await.unwrap();
}

#[tokio::test]
async fn notes_are_appended_up_to_64_kib_in_all() {
    let world = World::at_start().await;
    let read = async |order| {
        let seen = world.all().order(order, Some(names(&["notes"]))).await.unwrap();
        seen.notes.as_ref().map_or(String::new(), |notes| notes.expose().clone())
    };
    let bare = medorder::CreateOrder::new("p-1", "npi-1", "MRI");
    let order = world.all().create_order(bare).await.unwrap().id;
    assert_eq!(read(order).await, "");
    let verify = change(OrderStatus::Verified).notes("first\nline");
    world.session("verifier").update_status(order, verify).await.unwrap();
    let mut notes = "--- 2026-01-01T00:00:00.000000Z u-verifier\nfirst\nline".to_owned();
    assert_eq!(read(order).await, notes);
    world.clock.advance(1_500_000);
    let ward = world.session("fulfiller");
    ward.update_status(order, change(OrderStatus::InProgress).notes("second")).await.unwrap();
    notes += "\n--- 2026-01-01T00:00:01.500000Z u-fulfiller\nsecond";
    assert_eq!(read(order).await, notes);

    let head = "\n--- 2026-01-01T00:00:01.500000Z u-fulfiller\n";
    let room = 65_536 - notes.len() - head.len();
    let complete = |length| change(OrderStatus::Completed).notes("n".repeat(length));
    let ledger = Ledger::open(&world.path);
    let mark = ledger.mark();
    let error = ward.update_status(order, complete(room + 1)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ValidationError);
    assert_eq!((&*error.faults()[0].path, error.faults()[0].rule.name()), ("notes", "too_long"));
    assert_eq!(ledger.entries_since(&mark), [], "the status does not move");
    ward.update_status(order, complete(room)).await.unwrap();
    assert_eq!(read(order).await.len(), 65_536);
}

#[tokio::test]
async fn a_territory_out_of_service_is_so_for_every_process_at_once() {
    let world = World::new().await;
    let order = world.order(OrderStatus::PendingVerification).await;
    let elsewhere = OrderService::open(&world.path, TestKey::new()).await.unwrap();
    let session = elsewhere.session(root(), id("north"));
    let nobody = OrderFilter::new().patient_id(id("p-9"));
    // What the other process needs is in its caches now.
    assert!(session.allowed_transitions(order).await.is_ok());
    assert!(session.orders(&nobody, None, 10, None).await.is_ok());
    world.service.admin(root()).unregister_territory(&id("north")).await.unwrap();
    let code = session.allowed_transitions(order).await.unwrap_err().code();
    assert_eq!(code, ErrorCode::TerritoryNotFound);

    let fresh = OrderService::open(&world.path, TestKey::new()).await.unwrap();
    let admin = world.service.admin(root());
    admin.register_territory(&id("north")).await.unwrap();
    let session = fresh.session(root(), id("north"));
    assert!(session.orders(&nobody, None, 10, None).await.is_ok());
    admin.unregister_territory(&id("north")).await.unwrap();
    let code = session.orders(&nobody, None, 10, None).await.unwrap_err().code();
    assert_eq!(code, ErrorCode::TerritoryNotFound);
}
