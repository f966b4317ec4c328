//! Who is calling.

use std::sync::Arc;
use std::time::SystemTime;

use medorder::{Error, wire};
use serde_json::{Value, json};

use crate::shared::{Members, arguments, json};
use crate::time;
use crate::words::Purpose;

/// A caller as the host has authenticated it. Without roles it may do nothing, without territories nothing anywhere.
/// Members are checked when a session or an administrator is made of it, all of them at once; changes after that do not
/// reach the session.
#[derive(uniffi::Object)]
#[uniffi::export(Display)]
pub struct Actor(Members<Caller>);

struct Caller {
    user_id: String,
    purpose: Purpose,
    roles: Vec<String>,
    /// None means all.
    territories: Option<Vec<String>>,
    expires_at: Option<SystemTime>,
    request_id: Option<String>,
    source: Option<String>,
}

#[uniffi::export]
impl Actor {
    /// An actor without roles and territories.
    #[uniffi::constructor]
    pub fn new(user_id: String, purpose: Purpose) -> Arc<Self> {
        let (expires_at, request_id, source) = (None, None, None);
        let (roles, territories) = (Vec::new(), Some(Vec::new()));
        let caller = Caller { user_id, purpose, roles, territories, expires_at, request_id, source };
        Arc::new(Self(Members::new(caller)))
    }

    /// Who.
    pub fn user_id(&self) -> String {
        self.0.lock().user_id.clone()
    }

    /// For what.
    pub fn purpose(&self) -> Purpose {
        self.0.lock().purpose
    }

    /// The roles, as they were given.
    pub fn roles(&self) -> Vec<String> {
        self.0.lock().roles.clone()
    }

    /// The territories, as they were given; null if the actor has all.
    pub fn territories(&self) -> Option<Vec<String>> {
        self.0.lock().territories.clone()
    }

    /// When the actor's sessions end.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.0.lock().expires_at
    }

    /// The host's id of the request.
    pub fn request_id(&self) -> Option<String> {
        self.0.lock().request_id.clone()
    }

    /// Where the call comes from.
    pub fn source(&self) -> Option<String> {
        self.0.lock().source.clone()
    }

    /// Adds a role: `requester`, `verifier`, `fulfiller`, `auditor`, `administrator`, or one of the policy in force.
    pub fn add_role(&self, role: String) {
        self.0.lock().roles.push(role);
    }

    /// Adds a territory; nothing new for an actor that has all.
    pub fn add_territory(&self, territory_id: String) {
        if let Some(territories) = &mut self.0.lock().territories {
            territories.push(territory_id);
        }
    }

    /// Gives every territory, also those registered later.
    pub fn allow_all_territories(&self) {
        self.0.lock().territories = None;
    }

    /// Ends the actor's sessions at this moment.
    pub fn set_expires_at(&self, expires_at: Option<SystemTime>) {
        self.0.lock().expires_at = expires_at;
    }

    /// Sets the host's id of the request, for the audit.
    pub fn set_request_id(&self, request_id: Option<String>) {
        self.0.lock().request_id = request_id;
    }

    /// Sets where the call comes from, for the audit.
    pub fn set_source(&self, source: Option<String>) {
        self.0.lock().source = source;
    }
}

impl Actor {
    pub(crate) fn get(&self) -> Result<medorder::Actor, Error> {
        let own = self.0.lock();
        wire::actor(&json(&arguments([
            ("user_id", Some(json!(own.user_id))),
            ("purpose", Some(json!(own.purpose.name()))),
            ("roles", Some(json!(own.roles))),
            ("territories", Some(own.territories.as_ref().map_or_else(|| json!("*"), |names| json!(names)))),
            ("expires_at", own.expires_at.map(|moment| Value::String(time::text(moment)))),
            ("request_id", own.request_id.as_ref().map(|id| json!(id))),
            ("source", own.source.as_ref().map(|source| json!(source))),
        ])))
    }
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let own = self.0.lock();
        write!(f, "Actor({}, {})", own.user_id, own.roles.join(","))
    }
}
