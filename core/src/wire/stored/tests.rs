//! Every value reads back, and nothing else is read.

use proptest::prelude::*;

use super::*;

fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

#[test]
fn doubtful_stored_bytes_are_refused() {
    let broken = |result: Result<()>| {
        let error = result.unwrap_err();
        assert_eq!(error.code(), ErrorCode::IntegrityViolation);
        assert_eq!(error.to_string(), "stored data is not what was written");
    };
    broken(decode_text(b"\xff").map(|_| ()));
    for bad in ["", "{}", "null", "[1]", "[null]", "[\"a\",]", "[\"a\"]x"] {
        broken(decode_diagnosis_codes(bad.as_bytes()).map(|_| ()));
    }
    for bad in [
        "",
        "[]",
        "null",
        r#"{"carrier":"a"}"#,
        r#"{"carrier":"a","policy_number":"b","x":1}"#,
        r#"{"carrier":"a","policy_number":"b","carrier":"a"}"#,
        r#"{"carrier":"a","policy_number":"b","group_number":null}"#,
        r#"{"carrier":"a","policy_number":1}"#,
    ] {
        broken(decode_insurance(bad.as_bytes()).map(|_| ()));
    }
    for bad in [
        r#"{"status":"maybe","verified_by":"a","verification_method":"b"}"#,
        r#"{"verified_by":"a","verification_method":"b"}"#,
        r#"{"status":"denied","verified_by":"a","verification_method":"b","verified_at":"now"}"#,
        r#"{"status":"denied","verified_by":"a","verification_method":"b","coverage_details":{"a":1,"a":1}}"#,
        r#"{"status":"denied","verified_by":"a","verification_method":"b","coverage_details":null}"#,
    ] {
        broken(decode_insurance_verification(bad.as_bytes()).map(|_| ()));
    }
    for bad in ["{", "[]", r#"{"reason":1}"#, r#"{"why":"x"}"#, r#"{"reason":"a","reason":"b"}"#] {
        broken(parse_details(bad.as_bytes()).map(|_| ()));
    }
}

#[test]
fn notes_are_appended_under_a_line_that_says_who_and_when() {
    let first = append_notes("", time(0), "u-1", "first");
    assert_eq!(first.expose(), "--- 1970-01-01T00:00:00.000000Z u-1\nfirst");
    let second = append_notes("as created", time(1), "u-2", "more");
    assert_eq!(second.expose(), "as created\n--- 1970-01-01T00:00:00.000001Z u-2\nmore");
}

fn id() -> impl Strategy<Value = Option<String>> {
    prop::option::of(any::<String>())
}

proptest! {
    #[test]
    fn stored_insurance_reads_back(carrier in any::<String>(), number in any::<String>(), group in id()) {
        let mut insurance = Insurance::new(carrier, number);
        insurance.group_number = group.filter(|group| !group.is_empty());
        let bytes = super::insurance(&insurance);
        let read = decode_insurance(&bytes).unwrap();
        prop_assert_eq!(read.expose(), &insurance);
        prop_assert_eq!(super::insurance(read.expose()), bytes);
    }

    #[test]
    fn stored_verifications_read_back(
        status in 0..5_usize,
        details in prop::option::of(prop::collection::btree_map(any::<String>(), any::<i64>(), 0..5)),
        texts in (id(), any::<String>(), any::<String>()),
        times in (prop::option::of(0..253_402_300_799_999_999_i64), prop::option::of(any::<i32>())),
    ) {
        let mut verification = InsuranceVerification::default();
        verification.status = InsuranceStatus::ALL[status];
        // A sorted map writes itself in the order of bytes.
        verification.coverage_details = details.map(|details| serde_json::to_string(&details).unwrap());
        verification.authorization_number = texts.0;
        verification.verified_by = texts.1;
        verification.verification_method = texts.2;
        verification.verified_at = times.0.map(time);
        verification.valid_until = times.1.map(|micros| time(micros.into()));
        let bytes = insurance_verification(&verification);
        let read = decode_insurance_verification(&bytes).unwrap();
        prop_assert_eq!(read.expose(), &verification);
        prop_assert_eq!(insurance_verification(read.expose()), bytes);
    }

    #[test]
    fn stored_codes_and_details_read_back(
        codes in prop::collection::vec(any::<String>(), 0..50),
        reason in id(),
        subject in id(),
    ) {
        let bytes = diagnosis_codes(codes.iter().map(String::as_str));
        let read = decode_diagnosis_codes(&bytes).unwrap();
        prop_assert_eq!(read.expose(), &codes);
        let details = details_json(reason.as_deref(), subject.as_deref());
        prop_assert_eq!(parse_details(details.as_bytes()).unwrap(), (reason, subject));
    }

    #[test]
    fn no_stored_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_text(&bytes);
        let _ = decode_diagnosis_codes(&bytes);
        let _ = decode_insurance(&bytes);
        let _ = decode_insurance_verification(&bytes);
        let _ = parse_details(&bytes);
    }
}
