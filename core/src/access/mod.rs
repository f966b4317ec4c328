//! Who may do what, and see which fields: actors as the host has authenticated them, and the policy as data.
//! What no role grants is denied.

mod actor;
mod policy;
pub mod role;

pub use actor::{Actor, Purpose};
pub use policy::{AccessPolicy, RoleGrant};
