//! Who pays, and what the payer said. Both are PHI.

use std::sync::Arc;
use std::time::SystemTime;

use medorder::Phi;

use crate::shared::Members;
use crate::time::system_time;
use crate::words::InsuranceStatus;

/// Who pays: of a draft, or of an order. PHI; its text shows nothing.
#[derive(uniffi::Object)]
#[uniffi::export(Display)]
pub struct Insurance(Members<Phi<medorder::Insurance>>);

#[uniffi::export]
impl Insurance {
    /// Insurance without a group. Members are at most 256 bytes; all are checked when the order is sent.
    #[uniffi::constructor]
    pub fn new(carrier: String, policy_number: String) -> Arc<Self> {
        Self::of(Phi::new(medorder::Insurance::new(carrier, policy_number)))
    }

    /// The insurer.
    pub fn carrier(&self) -> String {
        self.0.lock().expose().carrier.clone()
    }

    /// The number of the policy.
    pub fn policy_number(&self) -> String {
        self.0.lock().expose().policy_number.clone()
    }

    /// The number of the group, if there is one.
    pub fn group_number(&self) -> Option<String> {
        self.0.lock().expose().group_number.clone()
    }

    /// Sets the insurer.
    pub fn set_carrier(&self, carrier: String) {
        self.change(|insurance| insurance.carrier = carrier);
    }

    /// Sets the number of the policy.
    pub fn set_policy_number(&self, policy_number: String) {
        self.change(|insurance| insurance.policy_number = policy_number);
    }

    /// Sets the number of the group; an empty number is none.
    pub fn set_group_number(&self, group_number: Option<String>) {
        self.change(|insurance| insurance.group_number = group_number);
    }
}

impl Insurance {
    pub(crate) fn of(insurance: Phi<medorder::Insurance>) -> Arc<Self> {
        Arc::new(Self(Members::new(insurance)))
    }

    pub(crate) fn get(&self) -> Phi<medorder::Insurance> {
        self.0.lock().clone()
    }

    fn change(&self, change: impl FnOnce(&mut medorder::Insurance)) {
        let mut own = self.0.lock();
        let mut insurance = own.expose().clone();
        change(&mut insurance);
        *own = Phi::new(insurance);
    }
}

impl std::fmt::Display for Insurance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Insurance(..)")
    }
}

/// What the payer said about an order. PHI; its text shows nothing.
#[derive(uniffi::Object)]
#[uniffi::export(Display)]
pub struct InsuranceVerification(Phi<medorder::InsuranceVerification>);

#[uniffi::export]
impl InsuranceVerification {
    /// What the payer said, in one word.
    pub fn status(&self) -> InsuranceStatus {
        self.0.expose().status.into()
    }

    /// What the payer said, as compact JSON.
    pub fn coverage_details(&self) -> Option<String> {
        self.0.expose().coverage_details.clone()
    }

    /// The payer's number of the authorisation.
    pub fn authorization_number(&self) -> Option<String> {
        self.0.expose().authorization_number.clone()
    }

    /// Who verified.
    pub fn verified_by(&self) -> String {
        self.0.expose().verified_by.clone()
    }

    /// How.
    pub fn verification_method(&self) -> String {
        self.0.expose().verification_method.clone()
    }

    /// When; the engine's clock says so.
    pub fn verified_at(&self) -> Option<SystemTime> {
        self.0.expose().verified_at.map(system_time)
    }

    /// The last moment at which work may start.
    pub fn valid_until(&self) -> Option<SystemTime> {
        self.0.expose().valid_until.map(system_time)
    }
}

impl InsuranceVerification {
    pub(crate) fn of(verification: Phi<medorder::InsuranceVerification>) -> Arc<Self> {
        Arc::new(Self(verification))
    }
}

impl std::fmt::Display for InsuranceVerification {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InsuranceVerification(..)")
    }
}
