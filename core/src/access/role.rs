//! The names of the five standard roles.

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
