//! Actors and access policies as JSON.

use super::faults::{Faults, item, member, stranger};
use super::json::Value;
use super::read::{Members, list, text, words};
use super::requests::one;
use crate::access::{AccessPolicy, Actor, Purpose, RoleGrant};
use crate::error::{Result, Rule};
use crate::model::{Permission, PhiField, RequestId, RoleName, Source, TerritoryId, Timestamp, UserId};

/// Reads `{user_id, roles: [..], territories: [..] or "*", purpose, expires_at?, request_id?, source?}`.
///
/// # Errors
/// `VALIDATION_ERROR` with every fault.
///
/// ```
/// let json = br#"{"user_id":"u-7","roles":["verifier"],"territories":"*","purpose":"treatment"}"#;
/// let actor = medorder::wire::actor(json)?;
/// assert!(actor.has_all_territories());
/// # Ok::<(), medorder::Error>(())
/// ```
pub fn actor(json: &[u8]) -> Result<Actor> {
    one(json, read_actor)
}

impl AccessPolicy {
    /// Reads `{separate_verifier?, roles: {NAME: {permissions: [..], fields: [..]}}}`. It replaces the standard
    /// policy: the standard roles are there only if they are listed.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` with every fault: unknown members, permissions and fields, and whatever stands
    /// twice, since it would be a guess which one counts.
    ///
    /// ```
    /// use medorder::{AccessPolicy, Permission};
    ///
    /// let json = r#"{"roles":{"nurse":{"permissions":["order.view"],"fields":["notes"]}}}"#;
    /// assert!(AccessPolicy::from_json(json).is_ok());
    /// assert!(AccessPolicy::from_json(r#"{"roles":{"nurse":{"permissions":["*"],"fields":[]}}}"#).is_err());
    /// ```
    pub fn from_json(json: &str) -> Result<Self> {
        one(json.as_bytes(), read_policy)
    }
}

fn read_actor(value: &Value<'_>, path: &str, faults: &mut Faults) -> Option<Actor> {
    const KNOWN: &[&str] =
        &["user_id", "roles", "territories", "purpose", "expires_at", "request_id", "source"];
    let members = Members::read(value, path, KNOWN, faults)?;
    let user_id = members.required_parsed("user_id", UserId::check, faults);
    let roles = members
        .required("roles", faults)
        .map(|value| names(value, &members.path("roles"), RoleName::check, faults));
    let territories = members.required("territories", faults).map(|value| match value {
        Value::String(word) if &**word == "*" => None,
        _ => Some(names(value, &members.path("territories"), TerritoryId::check, faults)),
    });
    let purpose = members.required_parsed("purpose", Purpose::check, faults);
    let expires_at = members.optional_parsed("expires_at", Timestamp::check, faults);
    let request_id = members.optional_parsed("request_id", RequestId::check, faults);
    let source = members.optional_parsed("source", Source::check, faults);

    let mut actor = Actor::new(user_id?, purpose?).roles(roles?);
    actor = match territories? {
        Some(territories) => actor.territories(territories),
        None => actor.all_territories(),
    };
    if let Some(time) = expires_at {
        actor = actor.expires_at(time);
    }
    if let Some(id) = request_id {
        actor = actor.request_id(id);
    }
    if let Some(source) = source {
        actor = actor.source(source);
    }
    Some(actor)
}

/// Names of a list; a name that stands twice is the same name.
fn names<T>(
    value: &Value<'_>,
    path: &str,
    check: impl Fn(&str) -> Result<T, Rule>,
    faults: &mut Faults,
) -> Vec<T> {
    let items = list(value, path, faults).unwrap_or_default();
    let name = |(at, value)| {
        let place = || item(path, at);
        text(value, place, faults).and_then(|text| faults.value(place, check(text)))
    };
    items.iter().enumerate().filter_map(name).collect()
}

pub(super) fn read_policy(value: &Value<'_>, path: &str, faults: &mut Faults) -> Option<AccessPolicy> {
    let members = Members::read(value, path, &["separate_verifier", "roles"], faults)?;
    let separate = match members.optional("separate_verifier") {
        None => false,
        Some(Value::Bool(on)) => *on,
        Some(_) => {
            faults.spoil(members.path("separate_verifier"), Rule::Type);
            false
        }
    };
    let mut policy = AccessPolicy::empty().separate_verifier(separate);
    let Value::Object(roles) = members.required("roles", faults)? else {
        faults.spoil(members.path("roles"), Rule::Type);
        return None;
    };
    let path = members.path("roles");
    let mut seen = std::collections::HashSet::new();
    for (name, value) in roles {
        let place = stranger(&path, name);
        if !seen.insert(&**name) {
            faults.add(place.clone(), Rule::Duplicate);
        }
        let role = faults.value(|| place.clone(), RoleName::check(name));
        if let Some((role, grant)) = role.zip(read_grant(value, &place, faults)) {
            policy = policy.role(role, grant);
        }
    }
    Some(policy)
}

fn read_grant(value: &Value<'_>, path: &str, faults: &mut Faults) -> Option<RoleGrant> {
    let members = Members::read(value, path, &["permissions", "fields"], faults)?;
    let permissions = members
        .required("permissions", faults)
        .map(|value| words(value, &member(path, "permissions"), Permission::check, faults));
    let fields = members
        .required("fields", faults)
        .map(|value| words(value, &member(path, "fields"), PhiField::check, faults));
    Some(RoleGrant::new(permissions?, fields?))
}
