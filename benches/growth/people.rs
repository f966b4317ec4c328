//! Any number of orders out of the 600 real ones: their content in turn, for patients and providers of our own.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use medorder::{CreateOrder, Insurance};
use serde::{Deserialize, Serialize};

/// One territory for all orders: every index begins with the territory, and a chain is a territory's, so one large
/// territory is the worst case. Several share nothing and would each be smaller.
pub(crate) const TERRITORY: &str = "north";

/// Orders of one patient.
const EACH: usize = 20;
/// Patients whose orders come mixed with one another.
const TOGETHER: usize = 1_000;
const PROVIDERS: usize = 2_000;

/// A real order's content; its members in the order of the file.
#[derive(Clone, Deserialize, Serialize)]
struct Template {
    service_type: String,
    diagnosis_codes: Vec<String>,
    #[serde(default)]
    notes: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    insurance: Option<Cover>,
}

#[derive(Clone, Deserialize, Serialize)]
struct Cover {
    carrier: String,
    policy_number: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group_number: Option<String>,
}

/// A line of a file that the admin program imports.
#[derive(Serialize)]
struct Line<'a> {
    territory_id: &'a str,
    patient_id: String,
    provider_id: String,
    #[serde(flatten)]
    order: &'a Template,
    source_id: String,
}

/// The real orders' content.
pub(crate) struct Orders(Vec<Template>);

impl Orders {
    pub(crate) fn read() -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/data/orders.ndjson");
        let text = std::fs::read_to_string(file).expect("the example orders");
        Self(text.lines().map(|line| serde_json::from_str(line).expect("an order")).collect())
    }

    /// The request for order number `n`.
    pub(crate) fn request(&self, n: usize) -> CreateOrder {
        let order = &self.0[n % self.0.len()];
        let patient = patient_of(n);
        let mut request =
            CreateOrder::new(patient_id(patient), provider_id(patient), order.service_type.as_str())
                .diagnosis_codes(order.diagnosis_codes.iter().map(String::as_str))
                .notes(order.notes.as_str());
        if let Some(cover) = &order.insurance {
            let mut insurance = Insurance::new(cover.carrier.as_str(), cover.policy_number.as_str());
            if let Some(group) = &cover.group_number {
                insurance = insurance.group_number(group.as_str());
            }
            request = request.insurance(insurance);
        }
        request
    }

    /// Writes `count` orders, one a line.
    pub(crate) fn write(&self, count: usize, path: &Path) {
        let mut out = BufWriter::new(File::create(path).expect("a file"));
        for n in 0..count {
            let patient = patient_of(n);
            let line = Line {
                territory_id: TERRITORY,
                patient_id: patient_id(patient),
                provider_id: provider_id(patient),
                order: &self.0[n % self.0.len()],
                source_id: format!("source-{n:012}"),
            };
            serde_json::to_writer(&mut out, &line).expect("room");
            out.write_all(b"\n").expect("room");
        }
        out.flush().expect("room");
    }
}

/// Bits without a pattern, the same in every run (the finaliser of MurmurHash3).
pub(crate) fn mix(n: usize) -> usize {
    let mut bits = n as u64 + 0x9E37_79B9_7F4A_7C15;
    bits = (bits ^ bits >> 33).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    bits = (bits ^ bits >> 33).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    (bits ^ bits >> 33) as usize
}

/// The patient of an order: about [`EACH`] orders a patient at every size, so that a list of one is as long.
fn patient_of(n: usize) -> usize {
    n / (TOGETHER * EACH) * TOGETHER + mix(n) % TOGETHER
}

/// How many patients the first `orders` orders have.
pub(crate) const fn patients(orders: usize) -> usize {
    orders.div_ceil(TOGETHER * EACH) * TOGETHER
}

pub(crate) fn patient_id(patient: usize) -> String {
    format!("p-{:08x}-{patient:06}", mix(patient) as u32)
}

/// The one provider who orders for a patient.
pub(crate) fn provider_id(patient: usize) -> String {
    format!("npi-{:010}", 1_000_000_000 + mix(patient) % PROVIDERS)
}
