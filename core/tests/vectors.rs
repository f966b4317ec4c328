//! The format's own test vectors, made by an independent implementation: decoders agree with all of them,
//! encoders reproduce them from the same randomness, and every case with one byte changed is refused.

#[path = "vectors/cases.rs"]
mod cases;

use cases::{Case, Idempotency, Note, Provider, Token, WrappedKey, cases, order_id};
use medorder::ErrorCode;
use medorder::audit::chain::{entry_bytes, entry_hash, genesis, link, verify_link};
use medorder::audit::{AuditKeys, Checkpoint, Cursor, Entry, Head, Signer, checkpoint};
use medorder::phi::key::{
    Key32, OrderKey, TerritoryKey, context, provider_unwrap, provider_wrap, wrapped_version,
};
use medorder::phi::record::{self, FIELDS, RowView, SEAL_LEN};
use sha2::{Digest, Sha256};

#[test]
fn provider_blobs() {
    for case in cases() {
        let Provider { root, key, purpose, territory, version, salt, nonce, blob } = case.provider;
        let root = Key32::from_bytes(root.0);
        let bound = context(&purpose, &territory, version);
        let made = provider_wrap(&root, &bound, salt.0, nonce.0, &Key32::from_bytes(key.0)).unwrap();
        assert_eq!(made, blob.0, "{}", case.name);
        assert_eq!(provider_unwrap(&root, &bound, &blob.0).unwrap().expose(), &key.0, "{}", case.name);
        for bad in changed(&blob.0) {
            assert!(provider_unwrap(&root, &bound, &bad).is_none(), "{}", case.name);
        }
        for bad in changed(&bound) {
            assert!(provider_unwrap(&root, &bad, &blob.0).is_none(), "{}", case.name);
        }
    }
}

#[test]
fn order_keys() {
    for case in cases() {
        let WrappedKey { territory_key, tk_version, key, random, wrapped } = case.order_key;
        let order_id = order_id(&case.order_id);
        let territory = TerritoryKey::new(&case.territory_id, tk_version, Key32::from_bytes(territory_key.0));
        let made = territory.wrap(&order_id, &OrderKey::from_bytes(key.0), &random.0).unwrap();
        assert_eq!(made, wrapped.0, "{}", case.name);
        assert_eq!(wrapped_version(&wrapped.0).unwrap(), tk_version, "{}", case.name);
        assert_eq!(territory.unwrap(&order_id, &wrapped.0).unwrap().expose(), &key.0, "{}", case.name);
        for bad in changed(&wrapped.0) {
            integrity(territory.unwrap(&order_id, &bad), &case.name);
        }
    }
}

#[test]
fn records() {
    for case in cases() {
        let Case { name, record: stored, order_key, .. } = &case;
        let ok = OrderKey::from_bytes(order_key.key.0);
        let order_id = order_id(&case.order_id);
        let row = stored.row(&order_id);
        let sealed_row = RowView { version: stored.sealed_version, ..row };
        let plaintext: [Option<&[u8]>; FIELDS] =
            std::array::from_fn(|n| stored.plaintext.get(&(n + 1)).map(|text| text.as_bytes()));
        let fields: [Option<Vec<u8>>; FIELDS] =
            std::array::from_fn(|n| stored.fields.get(&(n + 1)).map(|bytes| bytes.0.clone()));
        assert!(
            stored.plaintext.keys().chain(stored.fields.keys()).all(|field| (1..=FIELDS).contains(field))
        );

        // Encode: sealed at its sealed_version, then stamped for the changes of status since.
        let made = record::seal(&ok, &sealed_row, &plaintext, &stored.random.0).unwrap();
        assert_eq!(made.fields, fields, "{name}");
        let stamped = record::open(&ok, &sealed_row, &made.seal, &made.fields).unwrap().restamp(&row);
        assert_eq!(stamped, stored.seal.0, "{name}");
        assert_eq!(record::skeleton(&row), stored.skeleton.0, "{name}");

        let opened = record::open(&ok, &row, &stored.seal.0, &fields).unwrap();
        assert_eq!(opened.sealed_version(), stored.sealed_version, "{name}");
        assert_eq!(opened.row_mac(), stored.seal.0[SEAL_LEN - 32..], "{name}");
        for (field, text) in (1..).zip(plaintext) {
            let found = opened.decrypt(field).unwrap();
            assert_eq!(found.as_ref().map(|found| found.as_slice()), text, "{name} field {field}");
        }

        for bad in changed(&stored.seal.0) {
            integrity(record::open(&ok, &row, &bad, &fields), name);
        }
        for field in 0..FIELDS {
            let Some(good) = &fields[field] else { continue };
            for bad in changed(good) {
                let mut fields = fields.clone();
                fields[field] = Some(bad);
                integrity(record::open(&ok, &row, &stored.seal.0, &fields), name);
            }
        }
    }
}

#[test]
fn audit_entries() {
    for case in cases() {
        let Case { name, audit: stored, .. } = &case;
        let territory = &*stored.territory_id;
        let keys = AuditKeys::new(territory, &stored.audit_key.0);
        let body = stored.body();

        let details = keys
            .seal_details(
                &stored.order_id.0,
                stored.row_version,
                &stored.action,
                &stored.details_json,
                &stored.details_random.0,
            )
            .unwrap();
        assert_eq!(details, stored.details.0, "{name}");
        let open = |details: &[u8]| {
            keys.open_details(&stored.order_id.0, stored.row_version, &stored.action, details)
        };
        let json = open(&stored.details.0).unwrap();
        assert_eq!(json.as_ref().map_or(&b""[..], |json| json), stored.details_json.as_bytes(), "{name}");
        if !stored.details.0.is_empty() {
            changed(&stored.details.0).for_each(|bad| integrity(open(&bad), name));
        }

        assert_eq!(genesis(territory), stored.genesis.0, "{name}");
        assert_eq!(entry_bytes(territory, &stored.prev.0, stored.seq, &body), stored.entry.0, "{name}");
        assert_eq!(stored.hash.0, <[u8; 32]>::from(Sha256::digest(&stored.entry.0)), "{name}");
        assert_eq!(entry_hash(territory, &stored.prev.0, stored.seq, &body), stored.hash.0, "{name}");
        assert_eq!(keys.mac(&stored.hash.0), stored.mac.0, "{name}");

        let head = Head { seq: stored.seq - 1, hash: stored.prev.0, at: stored.at };
        let entry = Entry { seq: stored.seq, body, hash: stored.hash.0, mac: stored.mac.0 };
        let linked = link(territory, &keys, &head, std::slice::from_ref(&entry.body));
        assert!(matches!(&linked[..], [only] if *only == entry), "{name}");
        assert!(verify_link(territory, &keys, &head, &entry), "{name}");
        let (mut refused, other) = (0, AuditKeys::new(territory, &[0; 32]));
        for Link { head, entry } in tampered(&head, &entry) {
            assert!(!verify_link(territory, &keys, &head, &entry), "{name}: {entry:?} after {head:?}");
            refused += 1;
        }
        assert!(refused > 250, "{name}: {refused}");
        assert!(!verify_link(territory, &other, &head, &entry), "{name}");
    }
}

#[test]
fn checkpoints() {
    for case in cases() {
        let Note { seed, public_key, generation, seq, head, note } = case.checkpoint;
        let signer = Signer::new(&seed.0);
        assert_eq!(signer.public_key(), public_key.0, "{}", case.name);
        let named = Checkpoint { generation: generation.0, chain: case.territory_id, seq, hash: head.0 };
        assert_eq!(signer.sign(&named), note, "{}", case.name);
        assert_eq!(checkpoint::verify(&note, &public_key.0).unwrap(), named, "{}", case.name);
        for bad in changed_text(&note) {
            let error = checkpoint::verify(&bad, &public_key.0).unwrap_err();
            assert_eq!(error.code(), ErrorCode::AuditBroken, "{}", case.name);
        }
        for bad in arrays(&public_key.0) {
            assert!(checkpoint::verify(&note, &bad).is_err(), "{}", case.name);
        }
    }
}

#[test]
fn cursors() {
    for case in cases() {
        let Token { generation, seq, hash, token } = case.cursor;
        let cursor = Cursor::at(generation.0, &case.territory_id, seq, &hash.0);
        assert_eq!(cursor.encode(), token, "{}", case.name);
        let decoded = Cursor::decode(&token).unwrap();
        assert_eq!(decoded, cursor, "{}", case.name);
        assert!(decoded.names(&generation.0, &case.territory_id, seq, &hash.0), "{}", case.name);
        // A token carries no MAC: a changed one that still has the form stands at no entry of the chain.
        for bad in changed_text(&token) {
            match Cursor::decode(&bad) {
                Ok(bad) => {
                    assert!(!bad.names(&generation.0, &case.territory_id, seq, &hash.0), "{}", case.name)
                }
                Err(error) => assert_eq!(error.code(), ErrorCode::InvalidCursor, "{}", case.name),
            }
        }
    }
}

#[test]
fn idempotency_records() {
    for case in cases() {
        let keys = AuditKeys::new(&case.territory_id, &case.audit.audit_key.0);
        let Idempotency { user_id, idempotency_key, action, order_id, request_json, key, request } =
            case.idempotency;
        assert_eq!(keys.idempotency_key(&idempotency_key), key.0, "{}", case.name);
        let made = |json: &[u8], user_id: &str| keys.idempotency_request(user_id, &action, &order_id.0, json);
        assert_eq!(made(request_json.as_bytes(), &user_id), request.0, "{}", case.name);
        assert!(changed(request_json.as_bytes()).all(|bad| made(&bad, &user_id) != request.0));
        assert_ne!(made(request_json.as_bytes(), "another"), request.0, "{}", case.name);
        assert!(changed_text(&idempotency_key).all(|bad| keys.idempotency_key(&bad) != key.0));
    }
}

/// An entry and the head it follows.
struct Link {
    head: Head,
    entry: Entry,
}

/// The entry, or the head before it, with one byte of one member changed.
fn tampered(head: &Head, entry: &Entry) -> Vec<Link> {
    let mut all = Vec::new();
    macro_rules! change {
        ($($member:ident).+, $bad:expr) => {
            for bad in $bad {
                let mut link = Link { head: *head, entry: entry.clone() };
                link.$($member).+ = bad.into();
                all.push(link);
            }
        };
    }
    let bits = || (0..8).map(|byte| 1_u64 << (8 * byte));
    change!(head.seq, bits().map(|bit| head.seq ^ bit));
    change!(head.hash, arrays(&head.hash));
    change!(head.at, [head.at + 1]);
    change!(entry.seq, bits().map(|bit| entry.seq ^ bit));
    change!(entry.hash, arrays(&entry.hash));
    change!(entry.mac, arrays(&entry.mac));
    change!(entry.body.at, bits().map(|bit| entry.body.at ^ bit as i64));
    change!(entry.body.user_id, changed_text(&entry.body.user_id));
    change!(entry.body.role, changed_text(&entry.body.role));
    change!(entry.body.purpose, changed_text(&entry.body.purpose));
    change!(entry.body.order_id, arrays(&entry.body.order_id));
    change!(entry.body.action, changed_text(&entry.body.action));
    change!(entry.body.outcome, changed_text(&entry.body.outcome));
    change!(entry.body.old_status, changed_text(&entry.body.old_status));
    change!(entry.body.new_status, changed_text(&entry.body.new_status));
    change!(entry.body.row_version, bits().map(|bit| entry.body.row_version ^ bit));
    change!(entry.body.row_mac, arrays(&entry.body.row_mac));
    change!(entry.body.fields, (0..4).map(|byte| entry.body.fields ^ (1_u32 << (8 * byte))));
    change!(entry.body.request_id, changed_text(&entry.body.request_id));
    change!(entry.body.source, changed_text(&entry.body.source));
    change!(entry.body.details, changed(&entry.body.details));
    // A character moved over the boundary of two columns.
    let (mut moved, user_id) = (entry.clone(), entry.body.user_id.clone());
    moved.body.user_id = user_id[..user_id.len() - 1].to_owned();
    moved.body.role = format!("{}{}", &user_id[user_id.len() - 1..], entry.body.role);
    all.push(Link { head: *head, entry: moved });
    all
}

/// `good` with one byte changed (every byte, or every 7th and both ends of a long one), cut by one, and
/// longer by one at either end.
fn changed(good: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let step = if good.len() > 300 { 7 } else { 1 };
    let ends = good.len().saturating_sub(48);
    let flips = (0..good.len()).filter(move |n| n % step == 0 || *n < 48 || *n >= ends).map(|n| {
        let mut bad = good.to_vec();
        bad[n] ^= 1 << (n % 8);
        bad
    });
    let cut = good.split_last().map(|(_, rest)| rest.to_vec());
    let cut_front = good.split_first().map(|(_, rest)| rest.to_vec());
    let longer = [[good, &[0]].concat(), [good, &[0x80]].concat(), [&[0], good].concat()];
    flips.chain(cut).chain(cut_front).chain(longer)
}

/// The same for a member of a fixed size, which is neither cut nor longer.
fn arrays<const N: usize>(good: &[u8; N]) -> impl Iterator<Item = [u8; N]> + '_ {
    changed(good).filter_map(|bad| bad.try_into().ok())
}

/// The same for text, as long as it stays text.
fn changed_text(good: &str) -> impl Iterator<Item = String> + '_ {
    let letters = good.char_indices().map(|(at, letter)| {
        let other = if letter == 'x' { 'y' } else { 'x' };
        format!("{}{other}{}", &good[..at], &good[at + letter.len_utf8()..])
    });
    let bytes = changed(good.as_bytes()).filter_map(|bad| String::from_utf8(bad).ok());
    bytes.chain(letters).chain([format!("{good}\n"), format!("{good}x"), format!(" {good}")])
}

fn integrity<T>(result: medorder::Result<T>, name: &str) {
    let code = result.map_or_else(|error| Some(error.code()), |_| None);
    assert_eq!(code, Some(ErrorCode::IntegrityViolation), "{name}");
}
