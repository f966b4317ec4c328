//! One key, one change: a request that is sent again is answered again and done once.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

use medorder::AuditFilter;
use medorder::{
    AuditRecord, BatchItem, BatchMode, CreateOrder, DeleteOrder, Error, ErrorCode, FieldSet, OrderFilter,
    OrderStatus, Session, StatusChange, VerificationData, wire,
};
use medorder_tests::{World, actor, change, id, request};

async fn worlds() -> [World; 2] {
    [World::new().await, World::in_memory().await]
}

/// The territory's entries, without those of reading them.
async fn log(world: &World) -> Vec<AuditRecord> {
    let page = world.all().audit(&AuditFilter::default(), 0, 500).await.unwrap();
    page.records.into_iter().filter(|record| record.action != "audit").collect()
}

async fn orders(world: &World) -> usize {
    let none = Some(FieldSet::EMPTY);
    world.all().orders(&OrderFilter::default(), None, 500, none).await.unwrap().orders.len()
}

fn code<T: std::fmt::Debug>(answer: Result<T, Error>) -> ErrorCode {
    answer.unwrap_err().code()
}

#[tokio::test]
async fn the_same_request_again_answers_the_order_as_it_is_now() {
    for world in worlds().await {
        let desk = world.session("requester");
        let first = desk.create_order(request().idempotency_key("ORD-1")).await.unwrap();
        world.session("verifier").update_status(first.id, change(OrderStatus::Verified)).await.unwrap();
        let before = log(&world).await;
        let again = desk.create_order(request().idempotency_key("ORD-1")).await.unwrap();
        assert_eq!((again.id, again.version, again.status), (first.id, 2, OrderStatus::Verified));

        let after = log(&world).await;
        assert_eq!(after.len(), before.len() + 1, "one entry more, and it is no change");
        let view = after.last().unwrap();
        assert_eq!((view.action.as_str(), view.outcome.as_str()), ("view", "success"));
        assert_eq!((view.order_id, view.fields, view.row_version), (Some(first.id), FieldSet::EMPTY, 2));
        assert_eq!(view.user_id, "u-requester");
        assert_eq!(orders(&world).await, 1);
        // Without a key the same request is another order.
        desk.create_order(request()).await.unwrap();
        assert_eq!(orders(&world).await, 2);
    }
}

#[tokio::test]
async fn a_change_of_status_under_a_key_happens_once() {
    for world in worlds().await {
        let order = world.order(OrderStatus::PendingVerification).await;
        let verifier = world.session("verifier");
        let verify = || change(OrderStatus::Verified).notes("called").idempotency_key("V-1");
        let done = verifier.update_status(order, verify()).await.unwrap();
        assert_eq!((done.version, done.status), (2, OrderStatus::Verified));
        // Without the key the current status is refused.
        let refused = verifier.update_status(order, change(OrderStatus::Verified)).await.unwrap_err();
        assert_eq!(refused.details().why, Some("state"));
        assert_eq!(verifier.update_status(order, verify()).await.unwrap(), done);

        let ward = world.session("fulfiller");
        ward.update_status(order, change(OrderStatus::InProgress)).await.unwrap();
        let later = verifier.update_status(order, verify()).await.unwrap();
        assert_eq!((later.version, later.status), (3, OrderStatus::InProgress));
        // A version that fitted then is no conflict now: the key answers first.
        let expecting = || change(OrderStatus::Completed).expected_version(3).idempotency_key("C-1");
        let completed = ward.update_status(order, expecting()).await.unwrap();
        assert_eq!(ward.update_status(order, expecting()).await.unwrap(), completed);

        let seen = world.all().order(order, None).await.unwrap();
        assert_eq!(seen.notes.as_ref().unwrap().expose().matches("called").count(), 1);
        let entries = log(&world).await;
        assert_eq!(entries.iter().filter(|one| one.action == "update_status").count(), 3);
        assert_eq!(verifier.order_by_key(&id("V-1")).await.unwrap(), completed);
    }
}

#[tokio::test]
async fn another_request_or_user_under_the_key_is_a_mismatch() {
    for world in worlds().await {
        let desk = world.session("requester");
        let order = desk.create_order(request().idempotency_key("k")).await.unwrap().id;
        let other = world.order(OrderStatus::PendingVerification).await;
        let before = log(&world).await.len();
        let keyed = |request: CreateOrder| request.idempotency_key("k");
        for another in [
            keyed(request().notes("something else")),
            keyed(request().diagnosis_code("Z00")),
            keyed(CreateOrder::new("p-2", "npi-1", "MRI brain without contrast")),
        ] {
            assert_eq!(code(desk.create_order(another).await), ErrorCode::IdempotencyMismatch);
        }
        let colleague = actor("requester");
        let colleague = medorder::Actor::new(id("u-colleague"), colleague.purpose())
            .role(id("requester"))
            .territory(id("north"));
        let colleague = world.service.session(colleague, id("north"));
        assert_eq!(code(colleague.create_order(keyed(request())).await), ErrorCode::IdempotencyMismatch);

        // One key space for creates and changes, and one order a key.
        let verify = || change(OrderStatus::Verified).idempotency_key("k");
        let verifier = world.session("verifier");
        assert_eq!(code(verifier.update_status(order, verify()).await), ErrorCode::IdempotencyMismatch);
        verifier.update_status(order, change(OrderStatus::Verified).idempotency_key("v")).await.unwrap();
        let same = change(OrderStatus::Verified).idempotency_key("v");
        assert_eq!(code(verifier.update_status(other, same).await), ErrorCode::IdempotencyMismatch);
        let log = log(&world).await;
        assert_eq!(log.len(), before + 1, "a mismatch is no entry: {log:?}");
    }
}

#[tokio::test]
async fn a_failed_request_leaves_the_key_free() {
    for world in worlds().await {
        let desk = world.session("requester");
        let wrong = CreateOrder::new("p-9", "npi-9", "MRI").idempotency_key("k");
        assert_eq!(code(desk.create_order(wrong).await), ErrorCode::PatientProviderMismatch);
        assert_eq!(code(desk.order_by_key(&id("k")).await), ErrorCode::OrderNotFound);
        let right = desk.create_order(request().idempotency_key("k")).await.unwrap();
        assert_eq!(desk.order_by_key(&id("k")).await.unwrap(), right);

        let verifier = world.session("verifier");
        let missing = StatusChange::to(OrderStatus::Verified).idempotency_key("v");
        assert_eq!(code(verifier.update_status(right.id, missing).await), ErrorCode::InvalidStatusTransition);
        let stale = change(OrderStatus::Verified).expected_version(7).idempotency_key("v");
        assert_eq!(code(verifier.update_status(right.id, stale).await), ErrorCode::VersionConflict);
        let corrected = change(OrderStatus::Verified).idempotency_key("v");
        assert_eq!(verifier.update_status(right.id, corrected).await.unwrap().version, 2);
    }
}

#[tokio::test]
async fn a_replay_is_authorised_anew() {
    for world in worlds().await {
        let desk = world.session("requester");
        let keyed = || request().idempotency_key("k");
        desk.create_order(keyed()).await.unwrap();
        let before = log(&world).await.len();
        // The same person, who may no longer create.
        let moved = medorder::Actor::new(id("u-requester"), medorder::Purpose::Treatment)
            .role(id("fulfiller"))
            .territory(id("north"));
        let moved = world.service.session(moved, id("north"));
        assert_eq!(code(moved.create_order(keyed()).await), ErrorCode::AccessDenied);
        desk.revoke();
        assert_eq!(code(desk.create_order(keyed()).await), ErrorCode::AccessDenied);
        let log = log(&world).await;
        let denials: Vec<_> = log[before..].iter().map(|one| (&*one.action, &*one.outcome)).collect();
        assert_eq!(denials, [("create", "denied"), ("create", "denied")]);
    }
}

#[tokio::test]
async fn after_a_delete_the_key_answers_that_the_order_is_gone() {
    for world in worlds().await {
        let desk = world.session("requester");
        let keyed = || request().idempotency_key("k");
        let order = desk.create_order(keyed()).await.unwrap().id;
        let verifier = world.session("verifier");
        let verify = || change(OrderStatus::Verified).idempotency_key("v");
        verifier.update_status(order, verify()).await.unwrap();
        world.all().delete_order(order, DeleteOrder::new("entered in error")).await.unwrap();
        let before = log(&world).await.len();
        for error in [
            desk.create_order(keyed()).await.unwrap_err(),
            verifier.update_status(order, verify()).await.unwrap_err(),
            desk.order_by_key(&id("k")).await.unwrap_err(),
        ] {
            assert_eq!(error.code(), ErrorCode::OrderNotFound);
            assert_eq!(error.details().order_id, Some(order.to_string()));
        }
        assert_eq!(code(desk.create_order(keyed().notes("new")).await), ErrorCode::IdempotencyMismatch);
        assert_eq!((log(&world).await.len(), orders(&world).await), (before, 0));
    }
}

#[tokio::test]
async fn a_key_means_something_in_its_territory_alone() {
    for world in worlds().await {
        let both = || actor("requester").territory(id("south"));
        let north = world.service.session(both(), id("north"));
        let south = world.service.session(both(), id("south"));
        let keyed = || request().idempotency_key("k");
        let one = north.create_order(keyed()).await.unwrap();
        assert_eq!(code(south.order_by_key(&id("k")).await), ErrorCode::OrderNotFound);
        let other = south.create_order(keyed().notes("another order")).await.unwrap();
        assert_ne!(one.id, other.id);
        assert_eq!(north.order_by_key(&id("k")).await.unwrap(), one);
        assert_eq!(south.order_by_key(&id("k")).await.unwrap(), other);
    }
}

#[tokio::test]
async fn an_order_is_found_by_its_key_with_a_view_entry_without_fields() {
    for world in worlds().await {
        let made =
            world.session("requester").create_order(request().idempotency_key("ORD 1/ä")).await.unwrap();
        let before = log(&world).await.len();
        let ward = world.session("fulfiller");
        assert_eq!(ward.order_by_key(&id("ORD 1/ä")).await.unwrap(), made);
        // Compared byte by byte: no folding, no trimming.
        for near in ["ord 1/ä", "ORD 1/ä ", "ORD 1/a\u{308}"] {
            assert_eq!(code(ward.order_by_key(&id(near)).await), ErrorCode::OrderNotFound);
        }
        let log = log(&world).await;
        assert_eq!(log.len(), before + 1);
        let view = log.last().unwrap();
        assert_eq!((&*view.action, view.order_id, view.fields), ("view", Some(made.id), FieldSet::EMPTY));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_at_once_make_one_order() {
    for world in worlds().await {
        for round in 0..30 {
            let create = |session: Session| async move {
                session.create_order(request().idempotency_key(format!("k-{round}"))).await
            };
            let tasks: Vec<_> = (0..16).map(|_| tokio::spawn(create(world.session("requester")))).collect();
            let mut made = Vec::new();
            for task in tasks {
                made.push(task.await.unwrap().unwrap());
            }
            assert!(made.iter().all(|one| *one == made[0]), "{made:?}");
            assert_eq!(orders(&world).await, round + 1);

            // With a version and without: the key answers before either the version or the status does.
            let verify = |session: Session, order| async move {
                let mut change = change(OrderStatus::Verified);
                if round % 2 == 0 {
                    change = change.expected_version(1);
                }
                session.update_status(order, change.idempotency_key(format!("v-{round}"))).await
            };
            let order = made[0].id;
            let tasks: Vec<_> =
                (0..16).map(|_| tokio::spawn(verify(world.session("verifier"), order))).collect();
            for task in tasks {
                assert_eq!(task.await.unwrap().unwrap().version, 2);
            }
        }
    }
}

#[tokio::test]
async fn what_means_the_same_is_the_same_request() {
    let world = World::new().await;
    let desk = world.session("requester");
    let bare = || CreateOrder::new("p-1", "npi-1", "MRI").idempotency_key("k");
    let order = desk.create_order(bare()).await.unwrap();
    assert_eq!(desk.create_order(bare().notes("")).await.unwrap(), order);
    for json in [
        r#"{"patient_id":"p-1","provider_id":"npi-1","service_type":"MRI","diagnosis_codes":[],"idempotency_key":"k"}"#,
        r#"{ "idempotency_key": "k", "diagnosis_codes": [], "notes": "", "insurance": null,
             "service_type": "\u004dRI", "provider_id": "npi-1", "patient_id": "p-1" }"#,
        r#"{"notes":null,"patient_id":"p-1","provider_id":"npi-1","service_type":"MRI","diagnosis_codes":[],"idempotency_key":"k"}"#,
    ] {
        let request = wire::create_order(json.as_bytes()).unwrap();
        assert_eq!(desk.create_order(request).await.unwrap(), order, "{json}");
    }
    // The order of codes is the caller's, and means something.
    let codes = |codes: [&str; 2]| bare().diagnosis_codes(codes).idempotency_key("codes");
    desk.create_order(codes(["A00", "B00"])).await.unwrap();
    assert_eq!(code(desk.create_order(codes(["B00", "A00"])).await), ErrorCode::IdempotencyMismatch);

    let verifier = world.session("verifier");
    let details = serde_json::json!({"copay": 20, "plan": {"a": 1, "b": [1, 2]}});
    let data = VerificationData::new("u-verifier", "portal").coverage_details(details);
    let verify = StatusChange::to(OrderStatus::Verified).verification(data).idempotency_key("v");
    let verified = verifier.update_status(order.id, verify).await.unwrap();
    let json = r#"{"reason":"","idempotency_key":"v","verification_data":{"verification_method":"portal",
        "coverage_details":{"plan":{"b":[1,2],"a":1},"copay":20},"verified_by":"u-verifier","authorization_number":""},
        "notes":"","status":"verified"}"#;
    let again = wire::status_change(json.as_bytes()).unwrap();
    assert_eq!(verifier.update_status(order.id, again).await.unwrap(), verified);
}

#[tokio::test]
async fn an_atomic_batch_is_replayed_whole_or_not_at_all() {
    for world in worlds().await {
        let desk = world.session("requester");
        let item = |n: usize| request().notes(format!("{n}")).idempotency_key(format!("b-{n}"));
        let batch = |n: usize| (0..n).map(item).collect::<Vec<_>>();
        let first = desk.create_orders(batch(3), BatchMode::Atomic).await.unwrap();
        let again = desk.create_orders(batch(3), BatchMode::Atomic).await.unwrap();
        let ids = |items: &[BatchItem]| -> Vec<_> {
            let id = |item: &BatchItem| match item {
                BatchItem::Done(summary) => summary.id,
                other => panic!("{other:?}"),
            };
            items.iter().map(id).collect()
        };
        assert_eq!(ids(&first), ids(&again));
        let some = desk.create_orders(batch(4), BatchMode::Atomic).await;
        assert_eq!(code(some), ErrorCode::IdempotencyMismatch);
        assert_eq!(orders(&world).await, 3);
        // Each for itself: what was made is replayed, the rest is made.
        let each = desk.create_orders(batch(5), BatchMode::Each).await.unwrap();
        assert_eq!(ids(&each)[..3], ids(&first));
        assert_eq!(orders(&world).await, 5);
        // One key twice in one batch is one order.
        let twice = desk.create_orders(vec![item(9), item(9)], BatchMode::Each).await.unwrap();
        assert_eq!(ids(&twice)[0], ids(&twice)[1]);
        assert_eq!(orders(&world).await, 6);
    }
}
