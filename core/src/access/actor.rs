//! Who is calling.

use std::collections::BTreeSet;

use crate::model::{RequestId, RoleName, Source, TerritoryId, Timestamp, UserId, words};

words!(
    /// What the access is for (45 CFR 164.501 and 164.506).
    Purpose, "purpose" {
        /// To treat the patient.
        Treatment = "treatment",
        /// To be paid.
        Payment = "payment",
        /// To run the place.
        Operations = "operations",
        /// The patient asked for it.
        PatientRequest = "patient_request",
        /// The law asks for it.
        Legal = "legal",
        /// To avert harm.
        Emergency = "emergency",
    }
);

/// A caller as the host has authenticated it. The library never invents an identity: an actor without roles
/// may do nothing, one without territories nothing anywhere.
///
/// ```
/// use medorder::{Actor, Purpose, access::role};
///
/// let actor = Actor::new("u-7".parse()?, Purpose::Treatment)
///     .role(role::verifier())
///     .role(role::fulfiller())
///     .territory("north-1".parse()?);
/// assert_eq!(actor.role_text(), "fulfiller,verifier");
/// assert!(actor.has_territory(&"north-1".parse()?));
/// assert!(!actor.has_territory(&"south-1".parse()?));
/// # Ok::<(), medorder::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Actor {
    user_id: UserId,
    purpose: Purpose,
    // Sorted by bytes and without doubles, as the audit wants them.
    roles: BTreeSet<RoleName>,
    territories: Territories,
    expires_at: Option<Timestamp>,
    request_id: Option<RequestId>,
    source: Option<Source>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Territories {
    All,
    These(BTreeSet<TerritoryId>),
}

impl Actor {
    /// An actor without roles and territories.
    pub fn new(user_id: UserId, purpose: Purpose) -> Self {
        Self {
            user_id,
            purpose,
            roles: BTreeSet::new(),
            territories: Territories::These(BTreeSet::new()),
            expires_at: None,
            request_id: None,
            source: None,
        }
    }

    /// Adds a role.
    pub fn role(mut self, role: RoleName) -> Self {
        self.roles.insert(role);
        self
    }

    /// Adds roles.
    pub fn roles(mut self, roles: impl IntoIterator<Item = RoleName>) -> Self {
        self.roles.extend(roles);
        self
    }

    /// Adds a territory; nothing new for an actor that has all.
    pub fn territory(self, territory: TerritoryId) -> Self {
        self.territories([territory])
    }

    /// Adds territories; nothing new for an actor that has all.
    pub fn territories(mut self, territories: impl IntoIterator<Item = TerritoryId>) -> Self {
        if let Territories::These(these) = &mut self.territories {
            these.extend(territories);
        }
        self
    }

    /// Gives every territory, also those registered later.
    pub fn all_territories(mut self) -> Self {
        self.territories = Territories::All;
        self
    }

    /// Ends the actor's sessions at this moment.
    pub fn expires_at(mut self, time: Timestamp) -> Self {
        self.expires_at = Some(time);
        self
    }

    /// Sets the host's id of the request, for the audit.
    pub fn request_id(mut self, id: RequestId) -> Self {
        self.request_id = Some(id);
        self
    }

    /// Sets where the call comes from, for the audit.
    pub fn source(mut self, source: Source) -> Self {
        self.source = Some(source);
        self
    }

    /// Who.
    #[must_use]
    pub fn user_id(&self) -> &UserId {
        &self.user_id
    }

    /// For what.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The roles, sorted by bytes.
    pub fn role_names(&self) -> impl Iterator<Item = &RoleName> {
        self.roles.iter()
    }

    /// The roles as the audit writes them: without doubles, sorted by bytes, joined by `,`.
    #[must_use]
    pub fn role_text(&self) -> String {
        let mut text = String::new();
        for role in &self.roles {
            text.push_str(if text.is_empty() { "" } else { "," });
            text.push_str(role.as_str());
        }
        text
    }

    /// True if the actor has this territory.
    #[must_use]
    pub fn has_territory(&self, territory: &TerritoryId) -> bool {
        match &self.territories {
            Territories::All => true,
            Territories::These(these) => these.contains(territory),
        }
    }

    /// True if the actor has every territory, which acts on the whole database need.
    #[must_use]
    pub fn has_all_territories(&self) -> bool {
        self.territories == Territories::All
    }

    /// The territories by name, sorted by bytes; `None` if the actor has all.
    #[must_use]
    pub fn territory_ids(&self) -> Option<Vec<&TerritoryId>> {
        match &self.territories {
            Territories::All => None,
            Territories::These(these) => Some(these.iter().collect()),
        }
    }

    /// When the actor's sessions end.
    #[must_use]
    pub fn expiry(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// True from `expires_at` on.
    #[must_use]
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| now >= end)
    }

    /// The host's id of the request; empty if none was given.
    #[must_use]
    pub fn request_text(&self) -> &str {
        self.request_id.as_ref().map_or("", RequestId::as_str)
    }

    /// Where the call comes from; empty if none was given.
    #[must_use]
    pub fn source_text(&self) -> &str {
        self.source.as_ref().map_or("", Source::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::super::role;
    use super::*;

    fn actor() -> Actor {
        Actor::new("u".parse().unwrap(), Purpose::Treatment)
    }

    #[test]
    fn roles_are_sorted_by_bytes_without_doubles() {
        assert_eq!(actor().role_text(), "");
        let names = ["b", "a-1", "a", "a.1", "a_1", "b", "0"].map(|name| name.parse().unwrap());
        let actor = actor().role(role::verifier()).roles(names).role(role::verifier());
        assert_eq!(actor.role_text(), "0,a,a-1,a.1,a_1,b,verifier");
    }

    #[test]
    fn an_actor_expires_at_its_moment() {
        let at = Timestamp::from_micros;
        assert!(!actor().is_expired(at(i64::MAX)));
        let actor = actor().expires_at(at(10));
        assert_eq!([9, 10, 11].map(|now| actor.is_expired(at(now))), [false, true, true]);
    }

    #[test]
    fn all_territories_stay_all() {
        let north: TerritoryId = "north".parse().unwrap();
        assert!(!actor().has_territory(&north) && !actor().has_all_territories());
        let all = actor().all_territories().territory(north.clone());
        assert!(all.has_territory(&north) && all.has_all_territories() && all.territory_ids().is_none());
        let one = actor().territory(north.clone());
        assert!(one.has_territory(&north) && !one.has_all_territories());
    }
}
