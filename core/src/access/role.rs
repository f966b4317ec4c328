//! The names of the five standard roles, and what [`AccessPolicy::default`](super::AccessPolicy) grants them:
//!
//! | role | permissions | encrypted fields it sees |
//! |---|---|---|
//! | [`requester`] | `order.create`, `order.view` | all five |
//! | [`verifier`] | `order.view`, `order.verify` | `service_type`, `diagnosis_codes`, `insurance`, `insurance_verification` |
//! | [`fulfiller`] | `order.view`, `order.fulfil`, `order.cancel` | `service_type`, `diagnosis_codes`, `notes` |
//! | [`auditor`] | `audit.read` | none |
//! | [`administrator`] | `order.delete`, `directory.manage`, `keys.manage` | none |
//!
//! Roles add up: an actor with two of them may do and see what either grants. A field that none of them may see
//! is withheld from the order, and its name stands in `withheld`.

use crate::model::RoleName;

macro_rules! roles {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name() -> RoleName {
            RoleName::check(stringify!($name)).expect("INVARIANT: the standard names have the form of a role name")
        })*
    };
}

roles! {
    /// Creates orders and sees all of them.
    requester,
    /// Verifies coverage.
    verifier,
    /// Does the work.
    fulfiller,
    /// Reads the audit, and no order.
    auditor,
    /// Deletes orders, keeps directory and keys; sees no order.
    administrator,
}
