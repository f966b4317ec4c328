//! REST: what each route answers, and with which code it refuses.

mod support;

use serde_json::{Value, json};
use support::{Call, PATIENT, PROVIDER, Response, Running, SECRETS, claims, order, text};

const ORDERS: &str = "/api/v1/orders";

fn verified() -> Value {
    json!({
        "status": "verified",
        "verification_data": {"verified_by": "v-1", "verification_method": "portal", "insurance_status": "confirmed"},
    })
}

async fn create(gateway: &Running) -> String {
    let made = gateway.call(Call::new("POST", ORDERS).of(&["requester"]).json(&order())).await;
    assert_eq!(made.status, 201, "{}", made.json());
    text(&made.data()["id"]).to_owned()
}

async fn step(gateway: &Running, id: &str, role: &str, change: &Value) -> Response {
    let path = format!("{ORDERS}/{id}/status");
    gateway.call(Call::new("PUT", &path).of(&[role]).json(change)).await
}

#[tokio::test]
async fn an_order_takes_its_way_over_http() {
    let gateway = Running::start(Default::default()).await;
    let request =
        || Call::new("POST", ORDERS).of(&["requester"]).header("idempotency-key", "n-1").json(&order());
    let made = gateway.call(request()).await;
    assert_eq!(made.status, 201);
    let id = text(&made.data()["id"]).to_owned();
    assert_eq!(made.header("location"), format!("{ORDERS}/{id}"));
    assert_eq!(made.header("etag"), "\"1\"");
    assert_eq!(made.header("cache-control"), "no-store");
    assert_eq!(made.data()["status"], "pending_verification");
    assert!(made.data().get("notes").is_none(), "a change answers plain columns only");
    assert_eq!(text(&gateway.call(request()).await.data()["id"]), id, "the key makes no second order");
    let by_key = format!("{ORDERS}/by-key?idempotency_key=n-1");
    assert_eq!(text(&gateway.call(Call::new("GET", &by_key).of(&["verifier"])).await.data()["id"]), id);

    let done = step(&gateway, &id, "verifier", &verified()).await;
    assert_eq!((done.status, done.header("etag")), (200, "\"2\""));
    for (at, status) in ["in_progress", "completed"].iter().enumerate() {
        let path = format!("{ORDERS}/{id}/status");
        let call = Call::new("PUT", &path).of(&["fulfiller"]).header("if-match", format!("\"{}\"", at + 2));
        let done = gateway.call(call.json(&json!({ "status": status }))).await;
        assert_eq!(done.data()["status"], *status);
    }

    let one = format!("{ORDERS}/{id}");
    let seen = gateway.call(Call::new("GET", &one).of(&["requester"])).await;
    assert_eq!((seen.header("etag"), &seen.data()["notes"]), ("\"4\"", &json!(SECRETS[2])));
    let page = gateway
        .call(Call::new("GET", "/api/v1/orders?status=completed&fields=notes").of(&["requester"]))
        .await;
    assert_eq!(page.data()["orders"][0]["disclosed"], json!(["notes"]));
    assert_eq!(page.data()["next_cursor"], Value::Null);

    let reason = json!({"reason": "asked for by the patient", "expected_version": 4});
    let gone = gateway.call(Call::new("DELETE", &one).of(&["administrator"]).json(&reason)).await;
    assert_eq!(gone.status, 200, "{}", gone.json());
    assert_eq!(gateway.call(Call::new("GET", &one).of(&["requester"])).await.code(), "ORDER_NOT_FOUND");
    gateway.stop().await;
}

#[tokio::test]
async fn the_audit_is_read_verified_exported_and_signed() {
    let gateway = Running::start(Default::default()).await;
    let id = create(&gateway).await;
    let one = format!("{ORDERS}/{id}");
    let seen = Call::new("GET", &one).of(&["requester"]).header("x-request-id", "req-42");
    assert_eq!(gateway.call(seen).await.header("x-request-id"), "req-42");

    let path = format!("/api/v1/audit?order_id={id}&limit=10");
    let audit = gateway.call(Call::new("GET", &path).of(&["auditor"])).await.data();
    let records = audit["records"].as_array().unwrap();
    assert_eq!(records.iter().map(|r| text(&r["action"])).collect::<Vec<_>>(), ["create", "view"]);
    assert_eq!((text(&records[1]["request_id"]), text(&records[1]["source"])), ("req-42", "127.0.0.1"));

    let path = format!("/api/v1/disclosures?patient_id={PATIENT}");
    let seen = gateway.call(Call::new("GET", &path).of(&["auditor"])).await.data();
    assert_eq!(seen["records"].as_array().unwrap().last().unwrap()["user_id"], "u-requester");

    let verify = Call::new("POST", "/api/v1/audit/verify").of(&["auditor"]).json(&json!({}));
    let report = gateway.call(verify).await.data();
    assert_eq!((text(&report["verdict"]), &report["anchored"]), ("intact", &json!(false)));

    let export = gateway.call(Call::new("GET", "/api/v1/audit/export").of(&["auditor"])).await;
    assert_eq!(export.header("content-type"), "application/x-ndjson");
    let lines = String::from_utf8(export.body.to_vec()).unwrap();
    let seqs: Vec<_> =
        lines.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["seq"].clone()).collect();
    assert!(seqs.len() >= 4, "every entry is there");
    assert_eq!(seqs, (1..=seqs.len()).map(|seq| json!(seq)).collect::<Vec<_>>());

    let part = format!("/api/v1/audit/export?order_id={id}");
    let refused = gateway.call(Call::new("GET", &part).of(&["auditor"])).await;
    assert_eq!(refused.faults(), ["order_id unknown"], "all entries are no answer to a question for some");

    let all = support::sign(&claims(&["administrator"], json!("*"), 60));
    let signed = gateway.call(Call::new("POST", "/api/v1/checkpoints").bearer(&all)).await.data();
    let notes: Vec<_> = signed["checkpoints"].as_array().unwrap().iter().map(text).collect();
    let note = notes.iter().find(|note| note.contains("north")).expect("a note of the territory");
    let verify =
        Call::new("POST", "/api/v1/audit/verify").of(&["auditor"]).json(&json!({ "checkpoint": note }));
    assert_eq!(gateway.call(verify).await.data()["anchored"], true);
    gateway.stop().await;
}

#[tokio::test]
async fn every_refusal_has_its_code() {
    let gateway = Running::start(Default::default()).await;
    let id = create(&gateway).await;
    let post = |body: Value| Call::new("POST", ORDERS).of(&["requester"]).json(&body);
    let with = |name: &str, value: Value| {
        let mut order = order();
        order[name] = value;
        order
    };
    let one = format!("{ORDERS}/{id}");
    let missing = format!("{ORDERS}/0198f3c2-0000-7000-8000-000000000001");
    let status = format!("{one}/status");
    let get = |path| Call::new("GET", path).of(&["requester"]);
    let keyed =
        |body: &Value| Call::new("POST", ORDERS).of(&["requester"]).header("idempotency-key", "k").json(body);
    gateway.call(keyed(&order())).await;
    let nowhere =
        Call::new("GET", ORDERS).bearer(&support::token(&["requester"])).header("territory-id", "nowhere");
    let south =
        Call::new("GET", ORDERS).bearer(&support::token(&["requester"])).header("territory-id", "south");
    let stale = Call::new("PUT", &status).of(&["verifier"]).header("if-match", "\"9\"").json(&verified());
    let cases = [
        (post(json!({})), 400, "VALIDATION_ERROR"),
        (post(with("provider_id", json!("npi-other"))), 422, "PATIENT_PROVIDER_MISMATCH"),
        (keyed(&with("notes", json!("other"))), 422, "IDEMPOTENCY_MISMATCH"),
        (get("/api/v1/orders?cursor=AAAA"), 400, "INVALID_CURSOR"),
        (Call::new("GET", ORDERS), 401, "UNAUTHENTICATED"),
        (Call::new("POST", ORDERS).of(&["auditor"]).json(&order()), 403, "ACCESS_DENIED"),
        (south, 403, "TERRITORY_MISMATCH"),
        (nowhere, 404, "TERRITORY_NOT_FOUND"),
        (get(&missing), 404, "ORDER_NOT_FOUND"),
        (stale, 409, "VERSION_CONFLICT"),
        (
            Call::new("PUT", &status).of(&["fulfiller"]).json(&json!({"status": "completed"})),
            409,
            "INVALID_STATUS_TRANSITION",
        ),
        (get("/api/v1/order"), 404, "VALIDATION_ERROR"),
        (Call::new("PATCH", ORDERS).of(&["requester"]), 405, "VALIDATION_ERROR"),
        (Call::new("POST", ORDERS).of(&["requester"]), 415, "VALIDATION_ERROR"),
        (Call::new("POST", ORDERS).of(&["requester"]).raw(vec![b' '; 1_100_000]), 413, "VALIDATION_ERROR"),
        (Call::new("GET", "/demo"), 404, "VALIDATION_ERROR"),
    ];
    for (call, expected, code) in cases {
        let answer = gateway.call(call).await;
        assert_eq!((answer.status, answer.code().as_str()), (expected, code), "{}", answer.json());
    }
    let refused = gateway.call(Call::new("GET", ORDERS)).await;
    assert_eq!(refused.header("www-authenticate"), "Bearer");
    let conflict = step(&gateway, &id, "fulfiller", &json!({"status": "completed"})).await.json();
    let details = &conflict["error"]["details"];
    assert_eq!(
        (text(&details["current_status"]), text(&details["requested_status"])),
        ("pending_verification", "completed")
    );
    assert_eq!((&details["allowed"], text(&details["why"])), (&json!(["verified", "rejected"]), "state"));
    gateway.stop().await;
}

#[tokio::test]
async fn faults_of_path_headers_and_body_are_listed_together() {
    let gateway = Running::start(Default::default()).await;
    let call = Call::new("PUT", "/api/v1/orders/7/status").bearer(&support::token(&["verifier"]));
    let answer = gateway.call(call.json(&json!({"status": "done", "colour": 1}))).await;
    assert_eq!(
        answer.faults(),
        ["Territory-Id required", "order_id format", "colour unknown", "status one_of"]
    );

    let mut twice = order();
    twice["idempotency_key"] = json!("b");
    let call = Call::new("POST", ORDERS).of(&["requester"]).header("idempotency-key", "a");
    assert_eq!(gateway.call(call.json(&twice)).await.faults(), ["Idempotency-Key not_allowed"]);

    let id = create(&gateway).await;
    let path = format!("{ORDERS}/{id}/status");
    let mut change = verified();
    change["expected_version"] = json!(1);
    let call = Call::new("PUT", &path).of(&["verifier"]).header("if-match", "\"2\"").json(&change);
    assert_eq!(gateway.call(call).await.faults(), ["If-Match not_allowed"]);
    let call = Call::new("PUT", &path).of(&["verifier"]).header("if-match", "W/\"1\"").json(&change);
    assert_eq!(gateway.call(call).await.faults(), ["If-Match format"]);
    let call = Call::new("PUT", &path).of(&["verifier"]).header("if-match", "1");
    let faults = gateway.call(call.json(&json!({"status": "done"}))).await.faults();
    assert_eq!(faults, ["status one_of", "If-Match format"]);
    gateway.stop().await;
}

#[tokio::test]
async fn a_batch_answers_for_each_item() {
    let gateway = Running::start(Default::default()).await;
    let body = |mode: &str| json!({"mode": mode, "requests": [order(), {"patient_id": 7}]});
    let path = "/api/v1/orders/batch";
    let each = gateway.call(Call::new("POST", path).of(&["requester"]).json(&body("each"))).await;
    assert_eq!(each.status, 207);
    let statuses = |answer: &Response| -> Vec<String> {
        answer.data().as_array().unwrap().iter().map(|item| text(&item["status"]).to_owned()).collect()
    };
    assert_eq!(statuses(&each), ["success", "error"]);
    let atomic = gateway.call(Call::new("POST", path).of(&["requester"]).json(&body("atomic"))).await;
    assert_eq!(statuses(&atomic), ["not_applied", "error"]);

    // A key for the whole batch would promise what no item keeps.
    let keyed = Call::new("POST", path).of(&["requester"]).header("idempotency-key", "a");
    assert_eq!(gateway.call(keyed.json(&body("each"))).await.faults(), ["Idempotency-Key not_allowed"]);

    let id = each.data()[0]["data"]["id"].clone();
    let mut change = verified();
    change["order_id"] = id.clone();
    let body = json!({"mode": "each", "changes": [change, {"order_id": id, "status": "completed"}]});
    let moved =
        gateway.call(Call::new("POST", "/api/v1/orders/batch/status").of(&["verifier"]).json(&body)).await;
    assert_eq!(statuses(&moved), ["success", "error"]);
    assert_eq!(moved.data()[1]["error"]["code"], "ACCESS_DENIED");
    gateway.stop().await;
}

#[tokio::test]
async fn the_next_steps_of_a_page_come_in_one_answer() {
    let gateway = Running::start(Default::default()).await;
    let (first, second) = (create(&gateway).await, create(&gateway).await);
    step(&gateway, &second, "verifier", &verified()).await;
    let path =
        format!("/api/v1/orders/transitions?ids={first},0198f3c2-0000-7000-8000-000000000001,{second}");
    let all = gateway.call(Call::new("GET", &path).of(&["verifier"])).await.data();
    let ids: Vec<_> = all.as_array().unwrap().iter().map(|one| text(&one["order_id"])).collect();
    assert_eq!(ids, [first.as_str(), second.as_str()]);
    let alone = format!("{ORDERS}/{first}/transitions");
    let alone = gateway.call(Call::new("GET", &alone).of(&["verifier"])).await.data();
    assert_eq!(all[0]["transitions"], alone);
    let verify = alone.as_array().unwrap().iter().find(|option| option["status"] == "verified").unwrap();
    assert_eq!((&verify["allowed"], &verify["needs"]), (&json!(true), &json!(["verification_data"])));
    let bad = gateway.call(Call::new("GET", "/api/v1/orders/transitions?ids=7,8").of(&["verifier"])).await;
    assert_eq!(bad.faults(), ["ids[0] format", "ids[1] format"]);

    // An order of another territory that is asked for alone is refused, and not as if it were nowhere.
    let both = support::sign(&claims(&["verifier"], json!(["north", "south"]), 60));
    let path = format!("{ORDERS}/{first}");
    let answer = gateway.call(Call::new("GET", &path).bearer(&both).header("territory-id", "south")).await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "TERRITORY_MISMATCH"));
    gateway.stop().await;
}

#[tokio::test]
async fn a_field_that_is_withheld_never_leaves() {
    let gateway = Running::start(Default::default()).await;
    let id = create(&gateway).await;
    let paths = [format!("{ORDERS}/{id}?fields=notes,service_type"), ORDERS.to_owned()];
    for path in &paths {
        let answer = gateway.call(Call::new("GET", path).of(&["verifier"])).await;
        assert_eq!(answer.status, 200);
        let bytes = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(bytes.contains(SECRETS[0]) && !bytes.contains(SECRETS[2]), "notes are not for a verifier");
        assert!(bytes.contains(r#""withheld":["notes"]"#));
    }
    gateway.stop().await;
}

#[tokio::test]
async fn the_session_says_who_the_caller_is() {
    let gateway = Running::start(Default::default()).await;
    let session = gateway.call(Call::new("GET", "/api/v1/session").of(&["fulfiller"])).await.data();
    assert_eq!(session["permissions"], json!(["order.view", "order.fulfil", "order.cancel"]));
    assert_eq!(session["fields"], json!(["service_type", "diagnosis_codes", "notes"]));
    assert_eq!(session["territories"], json!(["north", "nowhere"]));
    let pairs = gateway.call(Call::new("GET", "/api/v1/relationships").of(&["requester"])).await.data();
    assert_eq!(
        pairs,
        json!({"relationships": [{"patient_id": PATIENT, "provider_id": PROVIDER}], "next": null})
    );
    gateway.stop().await;
}

#[tokio::test]
async fn whoever_asks_too_much_waits() {
    let one = std::num::NonZeroU32::MIN;
    let rates = medorder_gateway::Rates { user: one, refused: one };
    let gateway = Running::start(medorder_gateway::Settings { rates, ..Default::default() }).await;
    let mut last = gateway.call(Call::new("GET", "/api/v1/session").of(&["verifier"])).await;
    for _ in 0..5 {
        last = gateway.call(Call::new("GET", "/api/v1/session").of(&["verifier"])).await;
    }
    assert_eq!((last.status, last.code().as_str()), (429, "STORAGE_UNAVAILABLE"));
    assert!(last.header("retry-after").parse::<u64>().unwrap() >= 1);
    let other = gateway.call(Call::new("GET", "/api/v1/session").of(&["fulfiller"])).await;
    assert_eq!(other.status, 200, "another user is not slowed down");
    for _ in 0..5 {
        last = gateway.call(Call::new("GET", "/api/v1/session").bearer("guessed")).await;
    }
    assert_eq!(last.status, 429);
    gateway.stop().await;
}

#[tokio::test]
async fn health_readiness_figures_and_document_need_no_token() {
    let gateway = Running::start(Default::default()).await;
    for path in ["/healthz", "/readyz", "/metrics", "/api/openapi.json"] {
        assert_eq!(gateway.call(Call::new("GET", path)).await.status, 200, "{path}");
    }
    create(&gateway).await;
    let figures = gateway.call(Call::new("GET", "/metrics")).await;
    let figures = String::from_utf8(figures.body.to_vec()).unwrap();
    let line = r#"medorder_gateway_requests{method="POST",route="/api/v1/orders",status="201"}"#;
    assert!(figures.contains(line), "{figures}");
    assert!(!figures.contains(PATIENT));
    let document = gateway.call(Call::new("GET", "/api/openapi.json")).await.json();
    assert_eq!(document["openapi"], "3.1.0");
    gateway.stop().await;
}
