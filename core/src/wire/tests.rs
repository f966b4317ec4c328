//! Stored bytes, canonical requests and views against literal texts and the format vectors.

use super::*;
use crate::error::Rule;
use crate::model::{
    AuditDetails, AuditRecord, BatchItem, EventKind, FieldSet, Insurance, InsuranceStatus,
    InsuranceVerification, Order, OrderEvent, OrderId, OrderPage, OrderStatus, OrderSummary, PhiField,
    StatusChange, Timestamp, VerificationData,
};
use crate::phi::Phi;

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

fn summary() -> OrderSummary {
    OrderSummary {
        id: "0198f3c2-0000-7000-8000-000000000001".parse().unwrap(),
        territory_id: "north-1".parse().unwrap(),
        patient_id: "p \"1\"".parse().unwrap(),
        provider_id: "npi-1".parse().unwrap(),
        status: OrderStatus::Verified,
        version: 2,
        created_at: time(0),
        updated_at: time(1_772_000_000_123_456),
    }
}

const SUMMARY: &str = concat!(
    r#""id":"0198f3c2-0000-7000-8000-000000000001","territory_id":"north-1","patient_id":"p \"1\"","#,
    r#""provider_id":"npi-1","status":"verified","version":2,"created_at":"1970-01-01T00:00:00.000000Z","#,
    r#""updated_at":"2026-02-25T06:13:20.123456Z""#
);

/// The plaintexts and requests of the format vectors are what this module writes and reads.
#[test]
fn the_format_vectors() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/v1/format-v1.json");
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut seen = [0; 7];
    for case in file["cases"].as_array().unwrap() {
        for (field, plaintext) in case["record"]["plaintext"].as_object().unwrap() {
            let id: usize = field.parse().unwrap();
            let bytes = plaintext.as_str().unwrap().as_bytes();
            let again = match id {
                1 | 3 => stored::text(stored::decode_text(bytes).unwrap().expose()),
                2 => stored::diagnosis_codes(
                    stored::decode_diagnosis_codes(bytes).unwrap().expose().iter().map(String::as_str),
                ),
                4 => stored::insurance(stored::decode_insurance(bytes).unwrap().expose()),
                5 => stored::insurance_verification(
                    stored::decode_insurance_verification(bytes).unwrap().expose(),
                ),
                _ => panic!("field {id}"),
            };
            assert_eq!(text(&again), text(bytes));
            seen[id] += 1;
        }
        let details = case["audit"]["details_json"].as_str().unwrap_or_default();
        let (reason, subject) = stored::parse_details(details.as_bytes()).unwrap();
        assert_eq!(stored::details_json(reason.as_deref(), subject.as_deref()), details);
        seen[6] += usize::from(!details.is_empty());

        let request = case["idempotency"]["request_json"].as_str().unwrap();
        let checked = status_change(request.as_bytes()).unwrap().check().unwrap();
        assert_eq!(text(&checked.request), request);
    }
    assert!(seen[1..].iter().all(|count| *count > 0), "{seen:?}");
}

#[test]
fn a_create_request_is_canonical() {
    let json = r#" {"insurance":{"group_number":"","policy_number":"P/1","carrier":"Präirie"},"notes":"",
        "diagnosis_codes":["http:\/\/snomed.info\/sct|1"],"idempotency_key":"k","service_type":"\u00e9","provider_id":"n",
        "patient_id":"p"}"#;
    let checked = create_order(json.as_bytes()).unwrap().check().unwrap();
    assert_eq!(
        text(&checked.request),
        concat!(
            r#"{"patient_id":"p","provider_id":"n","service_type":"é","diagnosis_codes":["#,
            r#""http://snomed.info/sct|1"],"insurance":{"carrier":"Präirie","policy_number":"P/1"}}"#
        )
    );
    let plaintext: Vec<_> = checked.plaintext.iter().map(|field| field.as_ref().map(|f| text(f))).collect();
    assert_eq!(
        plaintext,
        [
            Some("é"),
            Some(r#"["http://snomed.info/sct|1"]"#),
            None,
            Some(r#"{"carrier":"Präirie","policy_number":"P/1"}"#),
            None
        ]
    );
    assert_eq!(checked.fields.names(), ["service_type", "diagnosis_codes", "insurance"]);
    assert_eq!(checked.idempotency_key.unwrap().as_str(), "k");
}

#[test]
fn a_status_request_is_canonical_however_it_was_made() {
    let json = r#"{"idempotency_key":"k","expected_version":3,"verification_data":{"valid_until":"2026-12-31T01:00:00+01:00",
        "insurance_status":"confirmed","authorization_number":"A","coverage_details":{"b":[1,{"d":1,"c":2}],"a":"é"},
        "verification_method":"phone","verified_by":"u"},"reason":"r","notes":"n","status":"verified"}"#;
    let wanted = concat!(
        r#"{"status":"verified","notes":"n","reason":"r","verification_data":{"verified_by":"u","#,
        r#""verification_method":"phone","coverage_details":{"a":"é","b":[1,{"c":2,"d":1}]},"authorization_number":"A","#,
        r#""insurance_status":"confirmed","valid_until":"2026-12-31T00:00:00.000000Z"},"expected_version":3}"#
    );
    let read = status_change(json.as_bytes()).unwrap().check().unwrap();
    let built = StatusChange::to(OrderStatus::Verified)
        .notes("n")
        .reason("r")
        .verification(
            VerificationData::new("u", "phone")
                .coverage_details(serde_json::json!({"b": [1, {"d": 1, "c": 2}], "a": "é"}))
                .authorization_number("A")
                .insurance_status(InsuranceStatus::Confirmed)
                .valid_until("2026-12-31T00:00:00Z".parse().unwrap()),
        )
        .expected_version(3)
        .idempotency_key("k")
        .check()
        .unwrap();
    assert_eq!(text(&read.request), wanted);
    assert_eq!(text(&built.request), wanted);
    assert_eq!(read.verification, built.verification);
    let stored = stored::insurance_verification(&read.verification.unwrap());
    assert_eq!(
        text(&stored),
        concat!(
            r#"{"status":"confirmed","coverage_details":{"a":"é","b":[1,{"c":2,"d":1}]},"authorization_number":"A","#,
            r#""verified_by":"u","verification_method":"phone","valid_until":"2026-12-31T00:00:00.000000Z"}"#
        )
    );
}

#[test]
fn json_too_deep_for_a_reader_is_refused_from_rust_too() {
    let deep = |levels| (0..levels).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
    let check = |levels| {
        let data = VerificationData::new("u", "phone").coverage_details(deep(levels));
        StatusChange::to(OrderStatus::Verified).verification(data).check()
    };
    assert!(check(64).is_ok());
    for levels in [65, 200] {
        let error = check(levels).unwrap_err();
        assert_eq!(error.faults()[0].path, "verification_data.coverage_details");
        assert_eq!(error.faults()[0].rule, Rule::Format);
    }
}

#[test]
fn an_order_shows_what_is_disclosed_and_nothing_else() {
    let plain = Order::plain(summary());
    assert_eq!(text(&order_json(&plain)), format!(r#"{{{SUMMARY},"disclosed":[],"withheld":[]}}"#));

    let mut empty = Order::plain(summary());
    for field in PhiField::ALL {
        stored::disclose(&mut empty, *field, None).unwrap();
    }
    assert_eq!(
        text(&order_json(&empty)),
        format!(
            r#"{{{SUMMARY},"service_type":null,"diagnosis_codes":null,"notes":"","insurance":null,"insurance_verification":null,"disclosed":["service_type","diagnosis_codes","notes","insurance","insurance_verification"],"withheld":[]}}"#
        )
    );

    let mut some = Order::plain(summary());
    stored::disclose(&mut some, PhiField::DiagnosisCodes, Some(br#"["a","b"]"#)).unwrap();
    stored::disclose(&mut some, PhiField::Notes, Some(b"line\n\"2\"")).unwrap();
    stored::disclose(&mut some, PhiField::Insurance, Some(br#"{"carrier":"c","policy_number":"p"}"#))
        .unwrap();
    some.withheld = FieldSet::EMPTY.with(PhiField::ServiceType);
    // A value that is there but not disclosed stays inside.
    some.service_type = Some("secret".into());
    assert_eq!(
        text(&order_json(&some)),
        format!(
            r#"{{{SUMMARY},"diagnosis_codes":["a","b"],"notes":"line\n\"2\"","insurance":{{"carrier":"c","policy_number":"p"}},"disclosed":["diagnosis_codes","notes","insurance"],"withheld":["service_type"]}}"#
        )
    );
    assert!(stored::disclose(&mut some, PhiField::Insurance, Some(b"{}")).is_err());
    let shown = format!("{some:?}");
    assert!(!shown.contains("secret") && !shown.contains("line") && !shown.contains("p \""), "{shown}");

    let page = OrderPage::new(vec![plain.clone(), plain], None, "f".to_owned());
    let page = order_page_json(&page);
    assert!(text(&page).ends_with(r#"],"next_cursor":null,"feed_cursor":"f"}"#));
    serde_json::from_slice::<serde_json::Value>(&page).unwrap();
    let page = order_page_json(&OrderPage::new(Vec::new(), Some("n".to_owned()), "f".to_owned()));
    assert_eq!(text(&page), r#"{"orders":[],"next_cursor":"n","feed_cursor":"f"}"#);
}

#[test]
fn a_summary_has_one_form() {
    assert_eq!(text(&summary_json(&summary())), format!("{{{SUMMARY}}}"));
    assert_eq!(serde_json::to_string(&summary()).unwrap(), format!("{{{SUMMARY}}}"));
}

#[test]
fn a_batch_tells_of_each_item() {
    let items = [
        BatchItem::Done(summary()),
        BatchItem::Failed(crate::Error::fault("[1].notes", Rule::TooLong)),
        BatchItem::NotApplied,
    ];
    assert_eq!(
        text(&batch_json(&items)),
        format!(
            r#"[{{"status":"success","data":{{{SUMMARY}}}}},{{"status":"error","error":{{"code":"VALIDATION_ERROR","message":"the request is invalid: [1].notes too_long","details":{{"errors":[{{"path":"[1].notes","rule":"too_long"}}]}}}}}},{{"status":"not_applied"}}]"#
        )
    );
    assert_eq!(text(&success_json(b"[1]")), r#"{"status":"success","data":[1]}"#);
}

#[test]
fn events_are_as_specified() {
    let mut event = OrderEvent {
        kind: EventKind::StatusChanged,
        order_id: summary().id,
        territory_id: summary().territory_id,
        old_status: None,
        new_status: OrderStatus::PendingVerification,
        timestamp: time(0),
        user_id: "u-1".to_owned(),
        reason: None,
        version: 1,
        cursor: "c1".to_owned(),
    };
    assert_eq!(
        text(&event_json(&event)),
        concat!(
            r#"{"type":"ORDER_STATUS_CHANGED","order_id":"0198f3c2-0000-7000-8000-000000000001","territory_id":"north-1","#,
            r#""old_status":null,"new_status":"pending_verification","timestamp":"1970-01-01T00:00:00.000000Z","#,
            r#""context":{"user_id":"u-1"},"version":1,"cursor":"c1"}"#
        )
    );
    event.kind = EventKind::Deleted;
    event.old_status = Some(OrderStatus::Completed);
    event.new_status = OrderStatus::Completed;
    event.reason = Some("made twice".to_owned());
    let json = event_json(&event);
    assert!(text(&json).starts_with(r#"{"type":"ORDER_DELETED","#));
    assert!(text(&json).contains(r#""old_status":"completed","new_status":"completed","#));
    assert!(text(&json).contains(r#""context":{"user_id":"u-1","reason":"made twice"}"#));
}

#[test]
fn audit_records_are_as_specified() {
    let mut record = AuditRecord {
        timestamp: time(0),
        user_id: "u-1".to_owned(),
        territory_id: "north-1".to_owned(),
        order_id: Some(summary().id),
        action: "update_status".to_owned(),
        details: AuditDetails {
            old_status: Some(OrderStatus::InProgress),
            new_status: Some(OrderStatus::Cancelled),
            reason: Some("r".to_owned()),
            subject: None,
        },
        seq: 7,
        role: "fulfiller".to_owned(),
        purpose: "treatment".to_owned(),
        outcome: "success".to_owned(),
        fields: FieldSet::EMPTY.with(PhiField::Notes),
        request_id: String::new(),
        source: "gateway".to_owned(),
        row_version: 4,
        hash: [0xab; 32],
    };
    assert_eq!(
        text(&audit_record_json(&record)),
        format!(
            r#"{{"timestamp":"1970-01-01T00:00:00.000000Z","user_id":"u-1","territory_id":"north-1","order_id":"0198f3c2-0000-7000-8000-000000000001","action":"update_status","details":{{"old_status":"in_progress","new_status":"cancelled","reason":"r"}},"seq":7,"role":"fulfiller","purpose":"treatment","outcome":"success","fields":["notes"],"request_id":"","source":"gateway","row_version":4,"hash":"{}"}}"#,
            "ab".repeat(32)
        )
    );
    record.order_id = None;
    record.details = AuditDetails { subject: Some("data 2".to_owned()), ..AuditDetails::default() };
    let json = audit_record_json(&record);
    assert!(
        text(&json).contains(r#""order_id":null,"action":"update_status","details":{"subject":"data 2"}"#)
    );
}

/// Values that the compiler must keep wiping and hiding.
#[test]
fn phi_is_wiped_and_hidden() {
    fn wiped<T: zeroize::ZeroizeOnDrop>() {}
    wiped::<Insurance>();
    wiped::<InsuranceVerification>();
    wiped::<Phi<Insurance>>();
    let insurance = Insurance::new("secret", "secret").group_number("secret");
    let mut verification = InsuranceVerification::default();
    verification.verified_by = "secret".to_owned();
    assert_eq!(format!("{insurance:?} {verification:?}"), "Insurance(..) InsuranceVerification(..)");
    let id: OrderId = summary().id;
    assert!(format!("{:?}", summary()).contains(&id.to_string()));
    assert!(!format!("{:?}", summary()).contains("npi-1"));
}
