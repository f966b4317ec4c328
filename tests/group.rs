//! A group of which one unit spoils the rest: what was stored is never told to be absent.

use medorder::audit::{Entry, EntryDraft, Head};
use medorder::storage::Initial;
use medorder::storage::sqlite::{SqliteOptions, SqliteStorage};
use medorder::storage::{Linker, OrderRow, Outcome, Relationship, RelationshipQuery, Storage, Unit, Write};
use medorder::{Chain, Error, ErrorCode, OrderId, Result, TerritoryId};
use medorder_tests::id;

/// Refuses every draft, as a linker without the chain's key does.
struct Keyless;

impl Linker for Keyless {
    fn link(&self, _: &Chain, _: &Head, _: &[EntryDraft]) -> Result<Vec<Entry>> {
        Err(Error::new(ErrorCode::Internal, "no key"))
    }
}

fn unit(write: Write) -> Unit {
    let mut unit = Unit::new(id::<TerritoryId>("north").into(), 1);
    unit.writes.push(write);
    unit
}

fn relationship(patient: &str) -> Write {
    Write::Relationship(Relationship { patient_id: patient.to_owned(), provider_id: "npi-1".to_owned() })
}

fn row() -> Write {
    Write::Insert(Box::new(OrderRow {
        order_id: OrderId::from_bytes([5; 16]),
        patient_id: "p-1".to_owned(),
        provider_id: "npi-1".to_owned(),
        status: "pending_verification".to_owned(),
        version: 1,
        created_at: 0,
        updated_at: 0,
        wrapped: Some(vec![1; 70]),
        seal: Some(vec![2; 70]),
        fields: Default::default(),
    }))
}

/// A unit whose entry the linker refuses.
fn unlinked() -> Unit {
    let mut unit = unit(relationship("p-9"));
    unit.drafts.push(EntryDraft {
        at: 0,
        user_id: "u".to_owned(),
        role: String::new(),
        purpose: String::new(),
        order_id: [0; 16],
        action: "register".into(),
        outcome: "success".into(),
        old_status: "".into(),
        new_status: "".into(),
        row_version: 0,
        row_mac: [0; 32],
        fields: 0,
        request_id: String::new(),
        source: String::new(),
        details: Vec::new(),
    });
    unit
}

#[tokio::test]
async fn a_group_that_was_stored_in_part_does_not_claim_to_be_absent() {
    let folder = tempfile::tempdir().unwrap();
    let initial = Initial { generation: [1; 16], keys: Vec::new() };
    let path = folder.path().join("orders.db");
    let storage = SqliteStorage::open(&path, SqliteOptions::default(), Some(initial)).unwrap().unwrap();
    let made = storage.commit(vec![unit(Write::Territory), unit(row())], &Keyless).await.unwrap();
    assert!(made.iter().all(|outcome| matches!(outcome, Outcome::Done { .. })));

    // The second insert of one row is refused, by itself; its neighbours are stored.
    let group = vec![unit(relationship("p-1")), unit(row()), unit(relationship("p-2"))];
    let outcomes = storage.commit(group, &Keyless).await.unwrap();
    assert!(matches!(outcomes[..], [Outcome::Done { .. }, Outcome::Refused, Outcome::Done { .. }]));

    // One that cannot be linked behind it fails the rest, after the first is stored.
    let group = vec![unit(relationship("p-3")), unit(row()), unlinked()];
    let error = storage.commit(group, &Keyless).await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), (ErrorCode::OutcomeUnknown, false));
    // Without a stored one before it, the error is what it was.
    let error = storage.commit(vec![unit(row()), unlinked()], &Keyless).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Internal);

    let all = storage.relationships(&id("north"), &RelationshipQuery::default(), 10).await.unwrap();
    let patients: Vec<_> = all.iter().map(|one| one.patient_id.as_str()).collect();
    assert_eq!(patients, ["p-1", "p-2", "p-3"]);
    storage.close().await.unwrap();
}
