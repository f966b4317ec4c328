//! What each role grants, as data.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use super::actor::Actor;
use super::role;
use crate::model::{FieldSet, Permission, PhiField, RoleName};

/// What one role grants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RoleGrant {
    /// What the role may do.
    pub permissions: BTreeSet<Permission>,
    /// The encrypted fields it may see.
    pub fields: FieldSet,
}

impl RoleGrant {
    /// A role with these permissions and fields.
    pub fn new(
        permissions: impl IntoIterator<Item = Permission>,
        fields: impl IntoIterator<Item = PhiField>,
    ) -> Self {
        Self { permissions: permissions.into_iter().collect(), fields: fields.into_iter().collect() }
    }
}

/// Who may do what and see which fields. Roles add up; a role that the policy does not know grants nothing.
///
/// The default knows `requester`, `verifier`, `fulfiller`, `auditor` and `administrator`.
///
/// ```
/// use medorder::{AccessPolicy, Actor, FieldSet, Permission, PhiField, Purpose, access::role};
///
/// let policy = AccessPolicy::default();
/// let nurse = Actor::new("u-7".parse()?, Purpose::Treatment).role(role::fulfiller());
/// assert!(policy.allows(&nurse, Permission::OrderFulfil));
/// assert!(!policy.allows(&nurse, Permission::OrderVerify));
/// assert!(!policy.disclosure(&nurse).contains(PhiField::Insurance));
/// # Ok::<(), medorder::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessPolicy {
    #[serde(default)]
    separate_verifier: bool,
    #[serde(serialize_with = "write_roles", deserialize_with = "read_roles")]
    roles: BTreeMap<RoleName, RoleGrant>,
}

impl AccessPolicy {
    /// A policy without roles, which denies everything.
    #[must_use]
    pub fn empty() -> Self {
        Self { separate_verifier: false, roles: BTreeMap::new() }
    }

    /// Defines a role, in place of what it granted before.
    #[must_use]
    pub fn role(mut self, name: RoleName, grant: RoleGrant) -> Self {
        self.roles.insert(name, grant);
        self
    }

    /// Stops the creator of an order from verifying or rejecting it.
    #[must_use]
    pub fn separate_verifier(mut self, on: bool) -> Self {
        self.separate_verifier = on;
        self
    }

    /// True if the creator of an order may not verify or reject it.
    #[must_use]
    pub fn separates_verifier(&self) -> bool {
        self.separate_verifier
    }

    /// True if one of the actor's roles grants `permission`.
    #[must_use]
    pub fn allows(&self, actor: &Actor, permission: Permission) -> bool {
        self.grants(actor).any(|grant| grant.permissions.contains(&permission))
    }

    /// The encrypted fields that the actor's roles may see, together. Seeing an order at all is
    /// [`Permission::OrderView`].
    #[must_use]
    pub fn disclosure(&self, actor: &Actor) -> FieldSet {
        self.grants(actor).fold(FieldSet::EMPTY, |all, grant| all.union(grant.fields))
    }

    fn grants(&self, actor: &Actor) -> impl Iterator<Item = &RoleGrant> {
        actor.role_names().filter_map(|role| self.roles.get(role))
    }
}

impl Default for AccessPolicy {
    fn default() -> Self {
        use Permission as P;
        use PhiField as F;

        Self::empty()
            .role(role::requester(), RoleGrant::new([P::OrderCreate, P::OrderView], FieldSet::ALL.iter()))
            .role(
                role::verifier(),
                RoleGrant::new(
                    [P::OrderView, P::OrderVerify],
                    [F::ServiceType, F::DiagnosisCodes, F::Insurance, F::InsuranceVerification],
                ),
            )
            .role(
                role::fulfiller(),
                RoleGrant::new(
                    [P::OrderView, P::OrderFulfil, P::OrderCancel],
                    [F::ServiceType, F::DiagnosisCodes, F::Notes],
                ),
            )
            .role(role::auditor(), RoleGrant::new([P::AuditRead], []))
            .role(
                role::administrator(),
                RoleGrant::new([P::OrderDelete, P::DirectoryManage, P::KeysManage], []),
            )
    }
}

fn write_roles<S: Serializer>(
    roles: &BTreeMap<RoleName, RoleGrant>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(roles.len()))?;
    for (name, grant) in roles {
        map.serialize_entry(name.as_str(), grant)?;
    }
    map.end()
}

/// A role that stands twice is refused: it would be a guess which one counts.
fn read_roles<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<RoleName, RoleGrant>, D::Error> {
    struct Roles;

    impl<'de> Visitor<'de> for Roles {
        type Value = BTreeMap<RoleName, RoleGrant>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("roles by name")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut roles = BTreeMap::new();
            while let Some((name, grant)) = map.next_entry::<String, RoleGrant>()? {
                let name = RoleName::check(&name).map_err(|_| A::Error::custom("not a role name"))?;
                if roles.insert(name, grant).is_some() {
                    return Err(A::Error::custom("a role stands twice"));
                }
            }
            Ok(roles)
        }
    }

    deserializer.deserialize_map(Roles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_reads_back() {
        let policy = AccessPolicy::default().separate_verifier(true);
        let json = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<AccessPolicy>(&json).unwrap(), policy);
        assert_eq!(AccessPolicy::from_json(&json).unwrap(), policy);
    }

    #[test]
    fn doubtful_policies_are_refused() {
        for bad in [
            r#"{"roles":{"a":{"permissions":[],"fields":[]},"a":{"permissions":["order.view"],"fields":[]}}}"#,
            r#"{"roles":{"A":{"permissions":[],"fields":[]}}}"#,
            r#"{"roles":{"a":{"permissions":["*"],"fields":[]}}}"#,
            r#"{"roles":{"a":{"permissions":[],"fields":["ssn"]}}}"#,
            r#"{"roles":{"a":{"permissions":[],"fields":[],"more":1}}}"#,
            r#"{"roles":{},"default":"allow"}"#,
            r#"{"separate_verifier":true}"#,
            r#"{"roles":[]}"#,
        ] {
            assert!(serde_json::from_str::<AccessPolicy>(bad).is_err(), "{bad}");
            assert!(AccessPolicy::from_json(bad).is_err(), "{bad}");
        }
    }
}
