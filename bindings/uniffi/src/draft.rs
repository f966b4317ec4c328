//! An order that is not yet sent.

use std::sync::Arc;

use medorder::{CreateOrder, Phi};

use crate::insurance::Insurance;
use crate::shared::{Members, Text, expose};

/// An order that is not yet sent. Content is checked when it is sent, all of it at once; after a failure it can be
/// mended and sent again. Its text shows nothing of it. Limits: ids 1 to 128 bytes, the service 1 to 256 bytes, 50 codes
/// of 1 to 128 bytes, notes 64 KiB.
#[derive(uniffi::Object)]
#[uniffi::export(Display)]
pub struct OrderDraft(Members<Draft>);

struct Draft {
    patient_id: String,
    provider_id: String,
    service_type: Phi<String>,
    diagnosis_codes: Vec<Phi<String>>,
    notes: Text,
    insurance: Option<Arc<Insurance>>,
    idempotency_key: Option<String>,
}

#[uniffi::export]
impl OrderDraft {
    /// An order of `service_type` without codes, notes and insurance.
    #[uniffi::constructor]
    pub fn new(patient_id: String, provider_id: String, service_type: String) -> Arc<Self> {
        Arc::new(Self(Members::new(Draft {
            patient_id,
            provider_id,
            service_type: Phi::new(service_type),
            diagnosis_codes: Vec::new(),
            notes: None,
            insurance: None,
            idempotency_key: None,
        })))
    }

    /// For whom.
    pub fn patient_id(&self) -> String {
        self.0.lock().patient_id.clone()
    }

    /// By whom.
    pub fn provider_id(&self) -> String {
        self.0.lock().provider_id.clone()
    }

    /// PHI: what is ordered.
    pub fn service_type(&self) -> String {
        self.0.lock().service_type.expose().clone()
    }

    /// PHI: why, as ICD-10-CM codes or FHIR tokens `system|code`.
    pub fn diagnosis_codes(&self) -> Vec<String> {
        self.0.lock().diagnosis_codes.iter().map(|code| code.expose().clone()).collect()
    }

    /// PHI: the first notes.
    pub fn notes(&self) -> Option<String> {
        expose(&self.0.lock().notes)
    }

    /// PHI: who pays. What is set on it still counts.
    pub fn insurance(&self) -> Option<Arc<Insurance>> {
        self.0.lock().insurance.clone()
    }

    /// The caller's own number of the order.
    pub fn idempotency_key(&self) -> Option<String> {
        self.0.lock().idempotency_key.clone()
    }

    /// Sets for whom.
    pub fn set_patient_id(&self, patient_id: String) {
        self.0.lock().patient_id = patient_id;
    }

    /// Sets by whom.
    pub fn set_provider_id(&self, provider_id: String) {
        self.0.lock().provider_id = provider_id;
    }

    /// Sets what is ordered.
    pub fn set_service_type(&self, service_type: String) {
        self.0.lock().service_type = Phi::new(service_type);
    }

    /// Sets the codes, in place of those there are.
    pub fn set_diagnosis_codes(&self, diagnosis_codes: Vec<String>) {
        self.0.lock().diagnosis_codes = diagnosis_codes.into_iter().map(Phi::new).collect();
    }

    /// Adds a code.
    pub fn add_diagnosis_code(&self, diagnosis_code: String) {
        self.0.lock().diagnosis_codes.push(Phi::new(diagnosis_code));
    }

    /// Sets the first notes; empty notes are none.
    pub fn set_notes(&self, notes: Option<String>) {
        self.0.lock().notes = notes.map(Phi::new);
    }

    /// Says who pays.
    pub fn set_insurance(&self, insurance: Option<Arc<Insurance>>) {
        self.0.lock().insurance = insurance;
    }

    /// Sets the caller's own number of the order: a second request with it makes no second order.
    pub fn set_idempotency_key(&self, idempotency_key: Option<String>) {
        self.0.lock().idempotency_key = idempotency_key;
    }
}

impl OrderDraft {
    pub(crate) fn get(&self) -> CreateOrder {
        let own = self.0.lock();
        let mut order =
            CreateOrder::new(own.patient_id.clone(), own.provider_id.clone(), own.service_type.clone())
                .diagnosis_codes(own.diagnosis_codes.iter().cloned());
        if let Some(notes) = &own.notes {
            order = order.notes(notes.clone());
        }
        if let Some(insurance) = &own.insurance {
            order = order.insurance(insurance.get());
        }
        if let Some(key) = &own.idempotency_key {
            order = order.idempotency_key(key.clone());
        }
        order
    }
}

impl std::fmt::Display for OrderDraft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OrderDraft(..)")
    }
}
