//! The orders that both sides write: the shape of PERFORMANCE.md, or real ones.

use std::path::Path;

use medorder::{CreateOrder, Insurance};
use serde::{Deserialize, Serialize};

/// An order's content before either side has touched it.
#[derive(Clone, Deserialize)]
pub(crate) struct Shape {
    pub(crate) patient_id: String,
    pub(crate) provider_id: String,
    pub(crate) service_type: String,
    pub(crate) diagnosis_codes: Vec<String>,
    #[serde(default)]
    pub(crate) notes: String,
    pub(crate) insurance: Cover,
}

/// The insurance of an order, with its members in the order they are stored.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Cover {
    pub(crate) carrier: String,
    pub(crate) policy_number: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group_number: Option<String>,
}

/// What a verified order of the seed says of its verification.
#[derive(Deserialize)]
#[expect(dead_code, reason = "made for the caller, who is not there")]
pub(crate) struct Verification {
    status: String,
    verified_by: String,
    verification_method: String,
    verified_at: Option<String>,
}

impl Shape {
    /// The request a caller of the library would make.
    pub(crate) fn request(&self) -> CreateOrder {
        let mut insurance =
            Insurance::new(self.insurance.carrier.as_str(), self.insurance.policy_number.as_str());
        if let Some(group) = &self.insurance.group_number {
            insurance = insurance.group_number(group.as_str());
        }
        CreateOrder::new(&self.patient_id, &self.provider_id, self.service_type.as_str())
            .diagnosis_codes(self.diagnosis_codes.iter().map(String::as_str))
            .notes(self.notes.as_str())
            .insurance(insurance)
    }
}

/// 256 orders: service_type 20 bytes, 1 to 4 codes, notes 200 bytes, insurance about 150 bytes.
pub(crate) fn synthetic() -> Vec<Shape> {
    (0..256)
        .map(|n| Shape {
            patient_id: format!("p-{:08}", n * 7_919 % 100_000),
            provider_id: format!("npi-{:010}", 1_000_000_000 + n % 40),
            service_type: format!("MRI brain series {:03}", n % 1_000),
            diagnosis_codes: (0..=n % 4).map(|code| format!("G43.{code}{}", n % 10)).collect(),
            notes: format!("{:04} {}", n, "claustrophobic, prefers mornings; ".repeat(6))[..200].to_owned(),
            insurance: Cover {
                carrier: format!("Prairie Mutual Health Insurance Company of {:02}", n % 20),
                policy_number: format!("POL-{:08X}-2026-PREFERRED-PLUS", n * 65_537),
                group_number: Some(format!("G{:03}-EMPLOYER", n % 300)),
            },
        })
        .collect()
}

/// The first `count` orders of an NDJSON file, or none if there is no such file.
pub(crate) fn real(path: &Path, count: usize) -> Option<Vec<Shape>> {
    let text = std::fs::read_to_string(path).ok()?;
    let shapes: Vec<Shape> =
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).take(count).collect();
    (!shapes.is_empty()).then_some(shapes)
}
