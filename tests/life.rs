//! An order lives its whole life, and every step of it can be told afterwards.

use medorder::AuditFilter;
use medorder::{DeleteOrder, ErrorCode, FieldSet, OrderFilter, OrderStatus, Verdict};
use medorder_tests::{World, actor, change, id, request, root};

#[tokio::test]
async fn an_order_is_created_verified_fulfilled_and_told() {
    let world = World::new().await;
    let desk = world.session("requester");
    let mut feed = desk.subscribe(None, None).await.unwrap();
    let order = desk.create_order(request()).await.unwrap();
    assert_eq!((order.status, order.version), (OrderStatus::PendingVerification, 1));

    world.session("verifier").update_status(order.id, change(OrderStatus::Verified)).await.unwrap();
    let ward = world.session("fulfiller");
    ward.update_status(order.id, change(OrderStatus::InProgress).notes("started")).await.unwrap();
    let done = ward.update_status(order.id, change(OrderStatus::Completed)).await.unwrap();
    assert_eq!((done.status, done.version), (OrderStatus::Completed, 4));

    let seen = desk.order(order.id, None).await.unwrap();
    assert_eq!(seen.service_type.as_ref().unwrap().expose(), "MRI brain without contrast");
    assert!(seen.notes.as_ref().unwrap().expose().starts_with("claustrophobic\n--- 20"));
    assert!(seen.notes.as_ref().unwrap().expose().ends_with(" u-fulfiller\nstarted"));
    assert_eq!(seen.insurance_verification.as_ref().unwrap().expose().verified_by, "u-verifier");
    let masked = ward.order(order.id, None).await.unwrap();
    assert_eq!(masked.withheld.names(), ["insurance", "insurance_verification"]);
    assert!(masked.insurance.is_none() && masked.service_type.is_some());

    let statuses = ["pending_verification", "verified", "in_progress", "completed"];
    for (n, status) in statuses.iter().enumerate() {
        let event = feed.next().await.unwrap();
        assert_eq!(
            (event.order_id, event.version, event.new_status.name()),
            (order.id, n as u64 + 1, *status)
        );
    }
    assert!(feed.ready().await.unwrap().is_none());

    let auditor = world.session("auditor");
    let told = auditor
        .audit(&AuditFilter { order_id: Some(order.id), ..AuditFilter::default() }, 0, 100)
        .await
        .unwrap();
    let actions: Vec<_> = told.records.iter().map(|record| record.action.as_str()).collect();
    assert_eq!(actions, ["create", "update_status", "update_status", "update_status", "view", "view"]);
    let disclosed = auditor.disclosures(&id("p-1"), 0, 100).await.unwrap();
    let by: Vec<_> =
        disclosed.records.iter().map(|record| (record.user_id.as_str(), record.fields)).collect();
    assert_eq!(by, [("u-requester", FieldSet::ALL), ("u-fulfiller", masked.disclosed)]);

    let verdict = auditor.verify_audit(None).await.unwrap();
    assert_eq!((verdict.verdict, verdict.anchored), (Verdict::Intact, false), "{verdict:?}");
    world.service.close().await.unwrap();
    assert_eq!(desk.order(order.id, None).await.unwrap_err().code(), ErrorCode::Closed);
}

#[tokio::test]
async fn a_deleted_order_leaves_its_skeleton_and_its_audit() {
    let world = World::new().await;
    let order = world.order(OrderStatus::Verified).await;
    let admin = world.session("administrator");
    let error = admin.delete_order(order, DeleteOrder::new("")).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::ValidationError);
    let gone = admin.delete_order(order, DeleteOrder::new("entered in error")).await.unwrap();
    assert_eq!((gone.version, gone.status), (3, OrderStatus::Verified));

    let desk = world.session("requester");
    assert_eq!(desk.order(order, None).await.unwrap_err().code(), ErrorCode::OrderNotFound);
    assert_eq!(desk.orders(&OrderFilter::default(), None, 10, None).await.unwrap().orders.len(), 0);
    let error =
        world.session("fulfiller").update_status(order, change(OrderStatus::InProgress)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::OrderNotFound);
    let auditor = world.session("auditor");
    let filter = AuditFilter { order_id: Some(order), ..AuditFilter::default() };
    let records = auditor.audit(&filter, 0, 100).await.unwrap().records;
    assert_eq!(records.last().unwrap().details.reason.as_deref(), Some("entered in error"));
    let report = world.service.admin(medorder_tests::root()).verify_audit().await.unwrap();
    assert_eq!(report.verdict, Verdict::Intact, "{report:?}");
}

#[tokio::test]
async fn territories_are_walls() {
    let world = World::new().await;
    let order = world.order(OrderStatus::PendingVerification).await;
    let south = world.service.session(actor("requester").territory(id("south")), id("south"));
    assert_eq!(south.order(order, None).await.unwrap_err().code(), ErrorCode::TerritoryMismatch);
    let outsider = world.service.session(actor("requester"), id("south"));
    assert_eq!(outsider.order(order, None).await.unwrap_err().code(), ErrorCode::TerritoryMismatch);
    let told =
        world.service.admin(medorder_tests::root()).audit(&AuditFilter::default(), 0, 100).await.unwrap();
    let denial = told.records.iter().find(|record| record.outcome == "denied").unwrap();
    assert_eq!(
        denial.details.subject.as_deref(),
        Some("south"),
        "the outsider's try stands in the system chain"
    );
    assert_eq!((denial.order_id, denial.action.as_str()), (Some(order), "view"));
    let nowhere = world.service.session(actor("requester").territory(id("west")), id("west"));
    assert_eq!(nowhere.order(order, None).await.unwrap_err().code(), ErrorCode::TerritoryNotFound);
}

#[tokio::test]
async fn keys_are_rotated_while_orders_live() {
    let world = World::new().await;
    let orders = [world.order(OrderStatus::Verified).await, world.order(OrderStatus::InProgress).await];
    let admin = world.service.admin(medorder_tests::root());
    let report = admin.rotate_keys(&id("north"), |_| {}).await.unwrap();
    assert_eq!((report.version, report.rewrapped, report.resumed), (2, 2, false));
    for order in orders {
        assert!(world.all().order(order, None).await.unwrap().service_type.is_some());
    }
    let report = admin.verify_audit().await.unwrap();
    assert_eq!(report.verdict, Verdict::Intact, "{report:?}");
}

/// A tokio task has a budget of 128 operations, and a call that blocks gives none of it back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocking_caller_may_live_inside_a_tokio_task() {
    let world = World::new().await;
    let order = world.order(OrderStatus::PendingVerification).await;
    let session = world.service.blocking().session(root(), id("north"));
    for _ in 0..300 {
        assert_eq!(session.order(order, None).expect("the order is disclosed").summary.id, order);
    }
}
