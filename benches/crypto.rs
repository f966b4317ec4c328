//! Nanoseconds of the pure parts: sealing and opening a record, wrapping its key, linking and checking entries.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use medorder::audit::chain::{link, verify_link};
use medorder::audit::{AuditKeys, EntryDraft, Head};
use medorder::phi::key::{Key32, OrderKey, TerritoryKey};
use medorder::phi::record::{RowView, open, seal};

const ID: [u8; 16] = [7; 16];

fn row() -> RowView<'static> {
    RowView {
        territory: "north",
        order_id: &ID,
        version: 1,
        patient_id: "p-00001234",
        provider_id: "npi-1000000001",
        status: "pending_verification",
        created_at: 1_767_225_600_000_000,
        updated_at: 1_767_225_600_000_000,
    }
}

fn record(c: &mut Criterion) {
    let key = OrderKey::from_bytes([1; 32]);
    let (notes, cover) = ([b'n'; 200], [b'i'; 150]);
    let plaintext = [
        Some(&b"MRI brain series 001"[..]),
        Some(br#"["G43.00","G43.10"]"#),
        Some(&notes),
        Some(&cover),
        None,
    ];
    c.bench_function("seal", |b| b.iter(|| seal(black_box(&key), &row(), &plaintext, &[2; 32])));
    let sealed = seal(&key, &row(), &plaintext, &[2; 32]).expect("it seals");
    c.bench_function("open and decrypt four fields", |b| {
        b.iter(|| {
            let opened = open(black_box(&key), &row(), &sealed.seal, &sealed.fields).expect("it opens");
            for field in 1..=4 {
                black_box(opened.decrypt(field).expect("it decrypts"));
            }
        });
    });
    c.bench_function("open", |b| {
        b.iter(|| open(black_box(&key), &row(), &sealed.seal, &sealed.fields).is_ok())
    });
    let territory = TerritoryKey::new("north", 1, Key32::from_bytes([3; 32]));
    c.bench_function("wrap", |b| b.iter(|| territory.wrap(&ID, black_box(&key), &[4; 32])));
    let wrapped = territory.wrap(&ID, &key, &[4; 32]).expect("it wraps");
    c.bench_function("unwrap", |b| b.iter(|| territory.unwrap(&ID, black_box(&wrapped))));
}

fn chain(c: &mut Criterion) {
    let keys = AuditKeys::new("north", &[5; 32]);
    let draft = EntryDraft {
        at: 1,
        user_id: "u-requester".into(),
        role: "requester".into(),
        purpose: "treatment".into(),
        order_id: ID,
        action: "create".into(),
        outcome: "success".into(),
        old_status: "".into(),
        new_status: "pending_verification".into(),
        row_version: 1,
        row_mac: [6; 32],
        fields: 15,
        request_id: String::new(),
        source: String::new(),
        details: Vec::new(),
    };
    let genesis = Head::genesis("north");
    c.bench_function("link", |b| {
        b.iter_batched(
            || [draft.clone()],
            |drafts| link("north", &keys, black_box(&genesis), &drafts),
            BatchSize::SmallInput,
        );
    });
    let entry = link("north", &keys, &genesis, std::slice::from_ref(&draft)).remove(0);
    c.bench_function("verify_link", |b| b.iter(|| verify_link("north", &keys, black_box(&genesis), &entry)));
}

criterion_group!(benches, record, chain);
criterion_main!(benches);
