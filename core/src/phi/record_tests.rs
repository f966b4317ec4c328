use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::error::ErrorCode;

const ORDER: [u8; 16] = [9; 16];

fn row(version: u64) -> RowView<'static> {
    RowView {
        territory: "north",
        order_id: &ORDER,
        version,
        patient_id: "p-1",
        provider_id: "npi-1",
        status: "verified",
        created_at: 1,
        updated_at: -2,
    }
}

fn key() -> OrderKey {
    OrderKey::from_bytes([1; 32])
}

fn texts(notes: &[u8]) -> [Option<&[u8]>; FIELDS] {
    [Some(b"MRI brain"), Some(b"[\"E11.9\"]"), Some(notes), None, Some(b"{}")]
}

fn refused(row: &RowView<'_>, sealed: &Sealed) -> bool {
    open(&key(), row, &sealed.seal, &sealed.fields)
        .is_err_and(|error| error.code() == ErrorCode::IntegrityViolation)
}

#[test]
fn a_row_opens_field_by_field() {
    let sealed = seal(&key(), &row(1), &texts(b"n"), &[2; 32]).unwrap();
    let key = key();
    let opened = open(&key, &row(1), &sealed.seal, &sealed.fields).unwrap();
    assert_eq!(opened.decrypt(3).unwrap().unwrap().as_slice(), b"n");
    assert_eq!(opened.decrypt(1).unwrap().unwrap().as_slice(), b"MRI brain");
    assert!(opened.decrypt(4).unwrap().is_none());
    assert!(opened.decrypt(0).is_err() && opened.decrypt(6).is_err());
    assert_eq!((opened.sealed_version(), opened.row_mac()), (1, sealed.row_mac()));
    assert_eq!(format!("{opened:?} {sealed:?}"), "Opened(..) Sealed(..)");
}

#[test]
fn a_change_of_status_keeps_the_ciphertext_and_binds_the_new_row() {
    let sealed = seal(&key(), &row(1), &texts(b"n"), &[2; 32]).unwrap();
    let key = key();
    let opened = open(&key, &row(1), &sealed.seal, &sealed.fields).unwrap();
    let next = RowView { status: "in_progress", updated_at: 7, ..row(2) };
    let stamped = Sealed { seal: opened.restamp(&next), fields: sealed.fields.clone() };
    assert_eq!(stamped.seal[..BOUND], sealed.seal[..BOUND]);
    let reopened = open(&key, &next, &stamped.seal, &stamped.fields).unwrap();
    assert_eq!(reopened.decrypt(3).unwrap().unwrap().as_slice(), b"n");
    assert_eq!(reopened.sealed_version(), 1);
    assert!(refused(&next, &sealed), "the old seal under the new row");
    assert!(refused(&row(1), &stamped), "the new seal under the old row");
}

#[test]
fn every_plain_column_is_bound() {
    let sealed = seal(&key(), &row(3), &texts(b"n"), &[2; 32]).unwrap();
    let good = row(3);
    assert!(!refused(&good, &sealed));
    let wrong = [
        RowView { territory: "south", ..good },
        RowView { order_id: &[8; 16], ..good },
        RowView { version: 4, ..good },
        RowView { version: 2, ..good },
        RowView { version: u64::MAX, ..good },
        RowView { patient_id: "p-2", ..good },
        RowView { provider_id: "npi-2", ..good },
        // The boundary between two ids is bound too.
        RowView { patient_id: "p-1n", provider_id: "pi-1", ..good },
        RowView { status: "cancelled", ..good },
        RowView { created_at: 2, ..good },
        RowView { updated_at: 2, ..good },
    ];
    assert!(wrong.iter().all(|row| refused(row, &sealed)));
    let other = open(&OrderKey::from_bytes([2; 32]), &good, &sealed.seal, &sealed.fields);
    assert!(other.is_err(), "another order key");
}

#[test]
fn fields_cannot_change_places_come_or_go() {
    let all = [Some(&b"a"[..]), Some(b"b"), Some(b"c"), Some(b"d"), Some(b"e")];
    let sealed = seal(&key(), &row(1), &all, &[2; 32]).unwrap();
    let older = seal(&key(), &row(1), &all, &[3; 32]).unwrap();
    for a in 0..FIELDS {
        for b in 0..a {
            let mut swapped = sealed.clone();
            swapped.fields.swap(a, b);
            assert!(refused(&row(1), &swapped));
        }
        let mut gone = sealed.clone();
        gone.fields[a] = None;
        assert!(refused(&row(1), &gone));
        let mut mixed = sealed.clone();
        mixed.fields[a].clone_from(&older.fields[a]);
        assert!(refused(&row(1), &mixed));
        let mut clear = sealed.clone();
        clear.fields[a] = Some(b"knee pain".to_vec());
        assert!(refused(&row(1), &clear));
    }
    let mut mixed = sealed.clone();
    mixed.seal = older.seal;
    assert!(refused(&row(1), &mixed));
}

#[test]
fn what_the_format_forbids_is_not_sealed() {
    for absent in [0, 1] {
        let mut plaintext = texts(b"n");
        plaintext[absent] = None;
        assert!(seal(&key(), &row(1), &plaintext, &[2; 32]).is_err());
    }
    assert!(seal(&key(), &row(MAX + 1), &texts(b"n"), &[2; 32]).is_err());
    assert!(seal(&key(), &row(MAX), &texts(b"n"), &[2; 32]).is_ok());
}

#[test]
fn a_generator_that_repeats_itself_never_puts_two_plaintexts_under_one_key() {
    let mut seen: HashMap<[u8; 32], (u64, u32)> = HashMap::new();
    for version in [1, 2] {
        for n in 0..5_000_u32 {
            let sealed = seal(&key(), &row(version), &texts(&n.to_be_bytes()), &[7; 32]).unwrap();
            let salt = sealed.seal[SALT].try_into().unwrap();
            assert_eq!(seen.insert(salt, (version, n)), None);
        }
    }
    assert_eq!(seen.len(), 10_000);
    // Moving bytes from one field to the next is another plaintext.
    let a = seal(&key(), &row(1), &[Some(b"ab"), Some(b"c"), None, None, None], &[7; 32]).unwrap();
    let b = seal(&key(), &row(1), &[Some(b"a"), Some(b"bc"), None, None, None], &[7; 32]).unwrap();
    let c = seal(&key(), &row(1), &[Some(b"ab"), Some(b"c"), Some(b""), None, None], &[7; 32]).unwrap();
    assert!(a.seal[SALT] != b.seal[SALT] && a.seal[SALT] != c.seal[SALT]);
}

fn some_fields() -> impl Strategy<Value = [Option<Vec<u8>>; FIELDS]> {
    let text = || proptest::collection::vec(any::<u8>(), 0..1500);
    (
        text(),
        text(),
        [proptest::option::of(text()), proptest::option::of(text()), proptest::option::of(text())],
    )
        .prop_map(|(first, second, [a, b, c])| [Some(first), Some(second), a, b, c])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn whatever_is_sealed_opens(
        plaintext in some_fields(),
        ok in any::<[u8; 32]>(),
        random in any::<[u8; 32]>(),
        order_id in any::<[u8; 16]>(),
        version in 1..=MAX,
        status in "[a-z_]{0,20}",
        patient_id in "\\PC{1,40}",
    ) {
        let key = OrderKey::from_bytes(ok);
        let row = RowView { order_id: &order_id, status: &status, patient_id: &patient_id, ..row(version) };
        let sealed = seal(&key, &row, &plaintext.each_ref().map(Option::as_deref), &random).unwrap();
        let opened = open(&key, &row, &sealed.seal, &sealed.fields).unwrap();
        for (field, text) in (1..).zip(&plaintext) {
            let found = opened.decrypt(field).unwrap();
            prop_assert_eq!(found.as_ref().map(|found| found.as_slice()), text.as_deref());
        }
    }

    #[test]
    fn parts_of_two_rows_do_not_mix(
        one in some_fields(),
        two in some_fields(),
        versions in (1..1000_u64, 1..1000_u64),
        territories in ("[a-c]", "[a-c]"),
        order_ids in (any::<bool>(), any::<bool>()),
    ) {
        let ids = [[0; 16], [1; 16]];
        let view = |version, territory, other: bool| RowView {
            territory,
            order_id: &ids[usize::from(other)],
            ..row(version)
        };
        let first = view(versions.0, &territories.0, order_ids.0);
        let second = view(versions.1, &territories.1, order_ids.1);
        let a = seal(&key(), &first, &one.each_ref().map(Option::as_deref), &[1; 32]).unwrap();
        let b = seal(&key(), &second, &two.each_ref().map(Option::as_deref), &[2; 32]).unwrap();
        let mixed = Sealed { seal: a.seal, fields: b.fields.clone() };
        prop_assert!(refused(&first, &mixed));
        let mixed = Sealed { seal: b.seal, fields: a.fields.clone() };
        prop_assert!(refused(&first, &mixed));
        if (versions.0, &territories.0, order_ids.0) != (versions.1, &territories.1, order_ids.1) {
            prop_assert!(refused(&second, &a));
            prop_assert!(refused(&first, &b));
        }
    }
}
