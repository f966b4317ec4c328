//! The shape of a vector file; an unknown member is an error, so that nothing in one goes unchecked.

use std::collections::BTreeMap;
use std::path::PathBuf;

use medorder::audit::EntryDraft;
use medorder::phi::record::{RowView, SEAL_LEN};
use serde::Deserialize;

/// Every case of every file in `tests/vectors/v1`.
pub(crate) fn cases() -> Vec<Case> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/v1");
    let mut cases = Vec::new();
    for file in std::fs::read_dir(&folder).expect("the vectors are in the repository") {
        let path = file.expect("the folder can be read").path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let file: File = serde_json::from_slice(&std::fs::read(&path).expect("the file can be read"))
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(file.format, 1, "{}", path.display());
            assert!(!file.cases.is_empty(), "{} has no case", path.display());
            cases.extend(file.cases);
        }
    }
    assert!(cases.len() >= 32, "vectors are missing from {}", folder.display());
    cases
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) format: u32,
    #[expect(dead_code, reason = "for people")]
    pub(crate) about: String,
    pub(crate) cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) territory_id: String,
    pub(crate) order_id: String,
    pub(crate) provider: Provider,
    pub(crate) order_key: WrappedKey,
    pub(crate) record: Record,
    pub(crate) audit: Audit,
    pub(crate) checkpoint: Note,
    pub(crate) cursor: Token,
    pub(crate) idempotency: Idempotency,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Provider {
    pub(crate) root: Hex<32>,
    pub(crate) key: Hex<32>,
    pub(crate) purpose: String,
    pub(crate) territory: String,
    pub(crate) version: u32,
    pub(crate) salt: Hex<16>,
    pub(crate) nonce: Hex<12>,
    pub(crate) blob: Bytes,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrappedKey {
    pub(crate) territory_key: Hex<32>,
    pub(crate) tk_version: u32,
    pub(crate) key: Hex<32>,
    pub(crate) random: Hex<32>,
    pub(crate) wrapped: Hex<70>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub(crate) territory_id: String,
    pub(crate) version: u64,
    pub(crate) sealed_version: u64,
    pub(crate) patient_id: String,
    pub(crate) provider_id: String,
    pub(crate) status: String,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) random: Hex<32>,
    pub(crate) plaintext: BTreeMap<usize, String>,
    pub(crate) seal: Hex<SEAL_LEN>,
    pub(crate) fields: BTreeMap<usize, Bytes>,
    pub(crate) skeleton: Hex<32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Audit {
    pub(crate) audit_key: Hex<32>,
    pub(crate) details_json: String,
    pub(crate) details_random: Hex<32>,
    pub(crate) order_id: Hex<16>,
    pub(crate) territory_id: String,
    pub(crate) seq: u64,
    pub(crate) prev: Hex<32>,
    pub(crate) at: i64,
    pub(crate) user_id: String,
    pub(crate) role: String,
    pub(crate) purpose: String,
    pub(crate) action: String,
    pub(crate) outcome: String,
    pub(crate) old_status: String,
    pub(crate) new_status: String,
    pub(crate) row_version: u64,
    pub(crate) row_mac: Hex<32>,
    pub(crate) fields: u32,
    pub(crate) request_id: String,
    pub(crate) source: String,
    pub(crate) details: Bytes,
    pub(crate) entry: Bytes,
    pub(crate) hash: Hex<32>,
    pub(crate) mac: Hex<32>,
    pub(crate) genesis: Hex<32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Note {
    pub(crate) seed: Hex<32>,
    pub(crate) public_key: Hex<32>,
    pub(crate) generation: Hex<16>,
    pub(crate) seq: u64,
    pub(crate) head: Hex<32>,
    pub(crate) note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Token {
    pub(crate) generation: Hex<16>,
    pub(crate) seq: u64,
    pub(crate) hash: Hex<32>,
    pub(crate) token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Idempotency {
    pub(crate) user_id: String,
    pub(crate) idempotency_key: String,
    pub(crate) action: String,
    pub(crate) order_id: Hex<16>,
    pub(crate) request_json: String,
    pub(crate) key: Hex<32>,
    pub(crate) request: Hex<32>,
}

impl Record {
    pub(crate) fn row<'a>(&'a self, order_id: &'a [u8; 16]) -> RowView<'a> {
        RowView {
            territory: &self.territory_id,
            order_id,
            version: self.version,
            patient_id: &self.patient_id,
            provider_id: &self.provider_id,
            status: &self.status,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

impl Audit {
    pub(crate) fn body(&self) -> EntryDraft {
        EntryDraft {
            at: self.at,
            user_id: self.user_id.clone(),
            role: self.role.clone(),
            purpose: self.purpose.clone(),
            order_id: self.order_id.0,
            action: self.action.clone().into(),
            outcome: self.outcome.clone().into(),
            old_status: self.old_status.clone().into(),
            new_status: self.new_status.clone().into(),
            row_version: self.row_version,
            row_mac: self.row_mac.0,
            fields: self.fields,
            request_id: self.request_id.clone(),
            source: self.source.clone(),
            details: self.details.0.clone(),
        }
    }
}

pub(crate) fn order_id(text: &str) -> [u8; 16] {
    // Any UUID: the vectors' ids are random.
    *uuid::Uuid::parse_str(text).expect("a UUID").as_bytes()
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Hex<const N: usize>(pub(crate) [u8; N]);

impl TryFrom<String> for Bytes {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if !text.is_ascii() || text.len() % 2 == 1 {
            return Err("not hex");
        }
        let bytes = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16));
        bytes.collect::<Result<_, _>>().map(Self).map_err(|_| "not hex")
    }
}

impl<const N: usize> TryFrom<String> for Hex<N> {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Bytes::try_from(text)?.0.try_into().map(Self).map_err(|_| "hex of another length")
    }
}
