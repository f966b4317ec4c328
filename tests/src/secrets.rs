//! An order all of whose PHI can be told apart, wherever it turns up.

use medorder::{CreateOrder, Insurance, InsuranceStatus, OrderStatus, StatusChange, VerificationData};

use crate::canary::{self, Canary};

/// A patient whose id is metadata, and stands where PHI must not.
pub const PATIENT: &str = "patient-zqvisiblezq";
/// A provider like that.
pub const PROVIDER: &str = "provider-zqvisiblezq";

/// Every field that is PHI or sealed like it, each with a text of its own.
#[derive(Debug)]
pub struct Canaries(Vec<Canary>);

impl Canaries {
    /// A canary for every field.
    #[must_use]
    pub fn new() -> Self {
        let fields = [
            "service_type",
            "code_one",
            "code_two",
            "notes",
            "more_notes",
            "insurance.carrier",
            "insurance.policy_number",
            "insurance.group_number",
            "verified_by",
            "verification_method",
            "coverage_details",
            "authorization_number",
            "reason",
            "delete_reason",
            "idempotency_key",
            "change_key",
        ];
        Self(fields.into_iter().map(Canary::new).collect())
    }

    /// The text of a field.
    ///
    /// # Panics
    /// If there is no such field.
    #[must_use]
    pub fn of(&self, field: &str) -> &str {
        &self.0.iter().find(|canary| canary.field == field).expect("a canary").text
    }

    /// A request full of them.
    #[must_use]
    pub fn create(&self) -> CreateOrder {
        let insurance = Insurance::new(self.of("insurance.carrier"), self.of("insurance.policy_number"))
            .group_number(self.of("insurance.group_number"));
        CreateOrder::new(PATIENT, PROVIDER, self.of("service_type"))
            .diagnosis_codes([self.of("code_one"), self.of("code_two")])
            .notes(self.of("notes"))
            .insurance(insurance)
            .idempotency_key(self.of("idempotency_key"))
    }

    /// A verification full of them.
    #[must_use]
    pub fn verification(&self) -> VerificationData {
        let details = serde_json::json!({ self.of("coverage_details"): [self.of("coverage_details")] });
        VerificationData::new(self.of("verified_by"), self.of("verification_method"))
            .coverage_details(details)
            .authorization_number(self.of("authorization_number"))
            .insurance_status(InsuranceStatus::Confirmed)
    }

    /// A change full of them.
    #[must_use]
    pub fn verify(&self) -> StatusChange {
        StatusChange::to(OrderStatus::Verified)
            .notes(self.of("more_notes"))
            .reason(self.of("reason"))
            .verification(self.verification())
            .idempotency_key(self.of("change_key"))
    }

    /// Asserts that none of them is in `bytes`, in any form.
    ///
    /// # Panics
    /// If one is.
    pub fn assert_absent(&self, bytes: &[u8], place: &str) {
        if let Some(canary) = canary::first_in(&self.0, bytes) {
            panic!("{} stands in {place}", canary.field);
        }
    }
}

impl Default for Canaries {
    fn default() -> Self {
        Self::new()
    }
}
