//! No request panics a reader, and no value of a request comes back in an error.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

use medorder::{AccessPolicy, Error, wire};
use proptest::prelude::*;
use serde_json::{Value, json};

const CANARY: &str = "Qx7Canary";

/// What every reader says about `bytes`.
fn errors(bytes: &[u8]) -> Vec<Error> {
    let text = String::from_utf8_lossy(bytes);
    let mut errors: Vec<Error> = [
        wire::create_order(bytes).and_then(|order| order.check().map(|_| ())),
        wire::create_orders(bytes).map(|_| ()),
        wire::status_change(bytes).and_then(|change| change.check().map(|_| ())),
        wire::status_changes(bytes).map(|_| ()),
        wire::delete_order(bytes).and_then(|delete| delete.check().map(|_| ())),
        wire::order_filter(bytes).map(|_| ()),
        wire::field_list(bytes).map(|_| ()),
        wire::actor(bytes).map(|_| ()),
        AccessPolicy::from_json(&text).map(|_| ()),
    ]
    .into_iter()
    .filter_map(Result::err)
    .collect();
    errors.extend(wire::create_items(bytes).into_iter().flatten().filter_map(Result::err));
    errors.extend(wire::status_items(bytes).into_iter().flatten().filter_map(Result::err));
    errors
}

fn assert_silent(bytes: &[u8]) {
    for error in errors(bytes) {
        let body = wire::error_json(&error);
        for text in [error.to_string(), format!("{error:?}"), String::from_utf8(body.to_vec()).unwrap()] {
            assert!(!text.contains(CANARY), "{text}");
        }
    }
}

/// A value of any kind that carries the canary.
fn loud() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        8 => Just(String::new()),
        8 => "[ -~]{0,10}",
        8 => Just("\u{1}".to_owned()),
        8 => Just("\n".to_owned()),
        1 => Just("x".repeat(70_000)),
    ]
    .prop_map(|tail| json!(format!("{CANARY}{tail}")));
    prop_oneof![
        4 => text.clone(),
        1 => text.clone().prop_map(|text| json!([text])),
        1 => text.clone().prop_map(|text| json!({"carrier": text, "policy_number": text})),
        1 => text.prop_map(|text| json!({"verified_by": text, "valid_until": text, "insurance_status": text})),
    ]
}

/// An object of known members, each with a value of the wrong or the right kind.
fn request() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "patient_id",
        "provider_id",
        "service_type",
        "diagnosis_codes",
        "notes",
        "insurance",
        "idempotency_key",
        "order_id",
        "status",
        "reason",
        "verification_data",
        "expected_version",
        "created_from",
        "user_id",
        "roles",
        "territories",
        "purpose",
        "expires_at",
        "colour",
    ]);
    prop::collection::btree_map(names, loud(), 0..12)
        .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        errors(&bytes);
    }

    #[test]
    fn no_value_comes_back(request in request(), cut in 0.0..1.2_f64, flip in any::<u8>()) {
        let mut bytes = request.to_string().into_bytes();
        assert_silent(&bytes);
        assert_silent(Value::Array(vec![request.clone(), request]).to_string().as_bytes());
        // Damaged on the way: cut off, or a byte replaced.
        let at = (bytes.len() as f64 * cut) as usize;
        assert_silent(&bytes[..at.min(bytes.len())]);
        if let Some(byte) = bytes.get_mut(at) {
            *byte = flip;
            if flip != b'"' {
                assert_silent(&bytes);
            }
        }
    }
}

#[test]
fn requests_show_nothing_of_themselves() {
    let create = wire::create_order(
        json!({"patient_id": CANARY, "provider_id": CANARY, "service_type": CANARY, "diagnosis_codes": [CANARY],
            "notes": CANARY, "insurance": {"carrier": CANARY, "policy_number": CANARY}, "idempotency_key": CANARY})
        .to_string()
        .as_bytes(),
    )
    .unwrap();
    let change = wire::status_change(
        json!({"status": "verified", "notes": CANARY, "verification_data": {"verified_by": CANARY,
            "verification_method": CANARY, "coverage_details": {"a": CANARY}, "authorization_number": CANARY}})
        .to_string()
        .as_bytes(),
    )
    .unwrap();
    for text in [
        format!("{create:?}"),
        format!("{:?}", create.check().unwrap()),
        format!("{change:?}"),
        format!("{:?}", change.check().unwrap()),
    ] {
        assert!(!text.contains(CANARY), "{text}");
    }
}
