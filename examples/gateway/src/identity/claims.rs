//! The claims of a token, and the actor they make.

use medorder::{Actor, Timestamp, wire};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::refusal::Refusal;

/// What a token for the demo or a test says.
#[derive(Clone, Debug, Serialize)]
pub struct Claims {
    /// The user id.
    pub sub: String,
    /// The names of the roles.
    pub roles: Vec<String>,
    /// A list of territories, or `"*"` for every one.
    pub territories: Value,
    /// What the access is for.
    pub purpose: String,
    /// When the token ends, in seconds since 1970.
    pub exp: u64,
    /// For whom the token is.
    pub aud: String,
}

impl Claims {
    /// Tells a wrong role where it was typed, and not when the token is used.
    pub(super) fn check(&self) -> medorder::Result<()> {
        let who = who(&json!(self.sub), &json!(self.roles), &self.territories, &json!(self.purpose));
        wire::actor(who.to_string().as_bytes()).map(|_| ())
    }
}

/// What the claims are held against.
pub(super) struct Expected {
    pub(super) audience: String,
    pub(super) issuer: Option<String>,
    /// In microseconds.
    pub(super) leeway: i64,
}

/// The claims of a token whose signature holds; one that is absent is null. If one of these stands twice the
/// token is refused, as it would be a guess which one counts.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Payload {
    sub: Value,
    roles: Value,
    territories: Value,
    purpose: Value,
    exp: Value,
    nbf: Value,
    aud: Value,
    iss: Value,
}

impl Payload {
    /// The actor that the claims name at `now`, in microseconds since 1970.
    pub(super) fn actor(&self, expected: &Expected, now: i64) -> Result<Actor, Refusal> {
        let end = time(&self.exp)?.ok_or(Refusal::Claims)?.saturating_add(expected.leeway);
        if now >= end {
            return Err(Refusal::Expired);
        }
        if time(&self.nbf)?.is_some_and(|start| start > now.saturating_add(expected.leeway)) {
            return Err(Refusal::Early);
        }
        if !names(&self.aud, &expected.audience) {
            return Err(Refusal::Audience);
        }
        if expected.issuer.as_deref().is_some_and(|issuer| self.iss != issuer) {
            return Err(Refusal::Issuer);
        }
        // The engine's own rules of ids, names and words hold.
        let who = who(&self.sub, &self.roles, &self.territories, &self.purpose);
        let actor = wire::actor(who.to_string().as_bytes()).map_err(|_| Refusal::Claims)?;
        Ok(actor.expires_at(Timestamp::from_micros(end)))
    }
}

/// In microseconds.
pub(super) const SECOND: i64 = 1_000_000;
/// The first moment of the year 10000.
const NEVER: i64 = 253_402_300_800 * SECOND;

/// The actor on the wire.
fn who(sub: &Value, roles: &Value, territories: &Value, purpose: &Value) -> Value {
    json!({"user_id": sub, "roles": roles, "territories": territories, "purpose": purpose})
}

/// A NumericDate (RFC 7519, section 2) in microseconds, if there is one. A year beyond 9999 is refused: it is
/// milliseconds in the place of seconds, and would make a token that never ends.
fn time(value: &Value) -> Result<Option<i64>, Refusal> {
    let Value::Number(number) = value else {
        return if value.is_null() { Ok(None) } else { Err(Refusal::Claims) };
    };
    let micros = match number.as_i64() {
        Some(seconds) => seconds.saturating_mul(SECOND),
        // A fraction of a second is allowed; the cast saturates.
        None => (number.as_f64().ok_or(Refusal::Claims)? * SECOND as f64) as i64,
    };
    if (0..NEVER).contains(&micros) { Ok(Some(micros)) } else { Err(Refusal::Claims) }
}

/// True if `aud`, which is a text or a list of them, names the audience.
fn names(aud: &Value, audience: &str) -> bool {
    match aud {
        Value::Array(list) => list.iter().any(|one| one == audience),
        one => one == audience,
    }
}
