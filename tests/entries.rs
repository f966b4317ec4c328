//! What each call leaves in the audit: one entry an order, the fields it showed or changed, and all of it before
//! the answer.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

use medorder::AuditFilter;
use medorder::{
    AuditRecord, DeleteOrder, ErrorCode, FieldSet, OrderFilter, OrderId, OrderStatus, PhiField, StatusChange,
    VerificationData, wire,
};
use medorder_tests::ledger::Ledger;
use medorder_tests::{World, change, id, request};

async fn worlds() -> [World; 2] {
    [World::new().await, World::in_memory().await]
}

async fn log(world: &World, order: OrderId) -> Vec<AuditRecord> {
    let filter = AuditFilter { order_id: Some(order), ..AuditFilter::default() };
    world.session("auditor").audit(&filter, 0, 500).await.unwrap().records
}

#[tokio::test]
async fn a_change_names_the_fields_it_wrote() {
    use OrderStatus::{Cancelled, Completed, InProgress, Rejected, Verified};
    let (notes, verification) = (PhiField::Notes.bit(), PhiField::InsuranceVerification.bit());
    let data = || VerificationData::new("u", "phone");
    let to = StatusChange::to;
    for world in worlds().await {
        for (steps, fields) in [
            (vec![change(Verified)], verification),
            (vec![change(Verified).notes("n")], verification | notes),
            (vec![change(Rejected)], 0),
            (vec![change(Rejected).notes("n")], notes),
            (vec![to(Rejected).notes("n")], notes),
            (vec![change(Rejected).verification(data())], verification),
            (vec![change(Verified), change(InProgress)], 0),
            (vec![change(Verified), change(InProgress).notes("n")], notes),
            (vec![change(Verified), change(InProgress), change(Completed)], 0),
            (vec![change(Verified), change(InProgress), change(Completed).notes("n")], notes),
            (vec![change(Verified), change(InProgress), change(Cancelled)], 0),
            (vec![change(Verified), change(InProgress), to(Cancelled).notes("n")], notes),
        ] {
            let order = world.order(OrderStatus::PendingVerification).await;
            let mut done = Vec::new();
            for step in steps {
                done.push(world.all().update_status(order, step).await.unwrap());
            }
            let entries = log(&world, order).await;
            assert_eq!(entries.len(), done.len() + 1, "{entries:?}");
            let (last, before) = (entries.last().unwrap(), &entries[entries.len() - 2]);
            assert_eq!((&*last.action, last.fields.bits()), ("update_status", fields), "{last:?}");
            assert_eq!(last.details.old_status, before.details.new_status);
            let answer = done.last().unwrap();
            assert_eq!((last.details.new_status, last.row_version), (Some(answer.status), answer.version));
            assert_eq!(last.timestamp, answer.updated_at);
        }
        // A create names the fields that it filled.
        let bare = medorder::CreateOrder::new("p-1", "npi-1", "MRI");
        let bare = world.all().create_order(bare).await.unwrap().id;
        let full = world.all().create_order(request()).await.unwrap().id;
        for (order, fields) in [(bare, 0b00011), (full, 0b01111)] {
            let entry = log(&world, order).await.pop().unwrap();
            assert_eq!((&*entry.action, entry.fields.bits(), entry.row_version), ("create", fields, 1));
            assert_eq!(entry.details.old_status, None);
            assert_eq!(entry.details.new_status, Some(OrderStatus::PendingVerification));
        }
    }
}

#[tokio::test]
async fn a_reason_shows_in_event_and_audit_and_nobody_viewed_the_order() {
    for world in worlds().await {
        let order = world.order(OrderStatus::PendingVerification).await;
        let mut feed = world.session("requester").subscribe(Some(order), None).await.unwrap();
        let reason = "nicht gedeckt \u{2014} \"siehe Vertrag\"";
        let reject = StatusChange::to(OrderStatus::Rejected).reason(reason);
        world.session("verifier").update_status(order, reject).await.unwrap();
        let gone = DeleteOrder::new("entered in error");
        world.session("administrator").delete_order(order, gone).await.unwrap();
        for expected in [reason, "entered in error"] {
            assert_eq!(feed.next().await.unwrap().reason.as_deref(), Some(expected));
        }
        let entries = log(&world, order).await;
        let told: Vec<_> =
            entries.iter().map(|entry| (&*entry.action, entry.details.reason.as_deref())).collect();
        let expected =
            [("create", None), ("update_status", Some(reason)), ("delete", Some("entered in error"))];
        assert_eq!(told, expected);
    }
}

#[tokio::test]
async fn an_audit_record_is_exactly_what_the_specification_says() {
    let world = World::at_start().await;
    let order = world.order(OrderStatus::PendingVerification).await;
    world.session("verifier").update_status(order, change(OrderStatus::Rejected)).await.unwrap();
    let record = log(&world, order).await.pop().unwrap();
    let json: serde_json::Value = serde_json::from_slice(&wire::audit_record_json(&record)).unwrap();
    let hash: String = record.hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = serde_json::json!({
        "timestamp": "2026-01-01T00:00:00.000000Z",
        "user_id": "u-verifier",
        "territory_id": "north",
        "order_id": order.to_string(),
        "action": "update_status",
        "details": {"old_status": "pending_verification", "new_status": "rejected", "reason": "not covered"},
        "seq": record.seq,
        "role": "verifier",
        "purpose": "treatment",
        "outcome": "success",
        "fields": [],
        "request_id": "",
        "source": "",
        "row_version": 2,
        "hash": hash,
    });
    assert_eq!(json, expected);
}

#[tokio::test]
async fn a_page_leaves_one_entry_an_order_and_an_empty_one_none() {
    let world = World::new().await;
    let mut orders = Vec::new();
    for _ in 0..7 {
        orders.push(world.order(OrderStatus::PendingVerification).await);
    }
    let ledger = Ledger::open(&world.path);
    let desk = world.session("requester");
    let none = Some(FieldSet::EMPTY);
    for (limit, fields, bits) in [(50, None, 31), (50, none, 0), (3, None, 31), (1, none, 0)] {
        let mark = ledger.mark();
        let page = desk.orders(&OrderFilter::default(), None, limit, fields).await.unwrap();
        let entries = ledger.entries_since(&mark);
        let seen: Vec<_> = entries.iter().map(|entry| entry.order_id).collect();
        assert_eq!(seen, page.orders.iter().map(|order| Some(order.id)).collect::<Vec<_>>());
        assert_eq!(page.orders.len(), limit.min(7));
        for entry in &entries {
            assert_eq!((&*entry.action, &*entry.outcome, entry.fields), ("view", "success", bits));
            assert!(entry.row_version == 1 && entry.row_mac);
        }
    }
    let mark = ledger.mark();
    let nobody = OrderFilter::new().patient_id(id("p-9"));
    assert!(desk.orders(&nobody, None, 50, None).await.unwrap().orders.is_empty());
    assert_eq!(ledger.entries_since(&mark), []);
}

#[tokio::test]
async fn what_cannot_be_audited_is_not_shown() {
    let world = World::new().await;
    let order = world.all().create_order(request().idempotency_key("k")).await.unwrap().id;
    let other = world.sql();
    // An index whose expression fails for every entry from now on: triggers do not run on SQLite.
    let last = other.number("SELECT max(at) FROM audit_entries");
    let overflow = "abs(-9223372036854775807 - length(outcome) / length(outcome))";
    let nothing = "(seq / (length(outcome) - length(outcome)))";
    let failing = other.either(overflow, nothing);
    other.run(&format!("CREATE INDEX refuse ON audit_entries ({failing}) WHERE at > {last}"));
    let ledger = Ledger::open(&world.path);
    let mark = ledger.mark();
    let (desk, auditor) = (world.session("requester"), world.session("auditor"));
    let filter = AuditFilter::default();
    let answers = [
        desk.order(order, None).await.map(drop),
        desk.order(order, Some(FieldSet::EMPTY)).await.map(drop),
        desk.orders(&OrderFilter::default(), None, 10, None).await.map(drop),
        desk.order_by_key(&id("k")).await.map(drop),
        desk.create_order(request().idempotency_key("k")).await.map(drop),
        world.all().create_order(request().idempotency_key("k")).await.map(drop),
        desk.subscribe(None, None).await.map(drop),
        desk.create_order(request()).await.map(drop),
        world.session("verifier").update_status(order, change(OrderStatus::Verified)).await.map(drop),
        world.all().delete_order(order, DeleteOrder::new("entered in error")).await.map(drop),
        auditor.audit(&filter, 0, 10).await.map(drop),
        auditor.disclosures(&id("p-1"), 0, 10).await.map(drop),
        auditor.export_audit().await.map(drop),
        auditor.order(order, None).await.map(drop),
    ];
    for (at, answer) in answers.into_iter().enumerate() {
        // Another user's request under the key is refused before anything is read. A denial is an entry
        // before it is an answer, so the last is none.
        let expected = if at == 4 { ErrorCode::IdempotencyMismatch } else { ErrorCode::IntegrityViolation };
        assert_eq!(answer.expect_err("it is refused").code(), expected, "{at}");
    }
    assert_eq!(ledger.entries_since(&mark), []);
    other.run("DROP INDEX refuse");
    assert!(desk.order(order, None).await.is_ok(), "and once it can be, it is");
}
