//! Who is calling: turns the bearer token of a request into the engine's [`Actor`].
//!
//! A token is a signed JWT. Its keys come from one of two families that never mix: a shared secret (HS256), or
//! a key set of an identity provider (RS256, ES256 and EdDSA), where the key alone decides which algorithm it
//! is good for. Headers that bring a key or an address along (`jwk`, `jku`, `x5c`, `x5u`) are not looked at.
//!
//! The claims: `sub` is the user id, `roles` a list, `territories` a list or `"*"`, `purpose` one of the
//! engine's words, `exp` and `aud` as usual, and all six are required. `nbf` is honoured, `iss` where an issuer
//! is expected, and everything else is ignored. `exp` and `nbf` are taken with a leeway; the actor expires
//! with the leeway too, so that the engine ends a session at the moment this module stops taking the token.

mod claims;
mod fetch;
mod jwks;
mod refusal;
mod set;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use medorder::Actor;
use medorder::env::{Clock, SystemClock};
use zeroize::Zeroizing;

pub use self::claims::Claims;
use self::claims::{Expected, Payload, SECOND};
use self::fetch::Source;
pub(crate) use self::fetch::is_loopback;
use self::jwks::Key;
use self::refusal::Refusal;
use self::set::KeySet;

/// Where the keys come from.
#[non_exhaustive]
pub enum Keys {
    /// A secret that the issuer shares, at least 32 bytes. For development: who can check a token can make one.
    Secret(Zeroizing<Vec<u8>>),
    /// A file with a JWK set, read anew as a URL is.
    SetFile(PathBuf),
    /// The address of a JWK set: `https`, or `http` on this machine.
    SetUrl(String),
}

/// What a token must say beside who it is for.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The issuer, compared byte by byte; `None` takes any the keys speak for.
    pub issuer: Option<String>,
    /// The audience. `None` is `medorder` with a secret, and refused with a key set: an identity provider signs
    /// tokens for others too.
    pub audience: Option<String>,
    /// How many seconds the issuer's clock may differ from this one; at most 300.
    pub leeway: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self { issuer: None, audience: None, leeway: 30 }
    }
}

/// The audience of a token under a shared secret, if no other is set.
pub const AUDIENCE: &str = "medorder";

/// Tells who the bearer of a token is.
pub struct Identity {
    trusted: Trusted,
    expected: Expected,
    clock: Arc<dyn Clock>,
}

impl Identity {
    /// Checks the configuration and reads the key set.
    ///
    /// # Errors
    /// What the operator must change, if the secret is short, the audience is missing, the set cannot be read,
    /// holds no key that is usable, or holds a secret that does not belong there.
    pub async fn open(keys: Keys, rules: Rules) -> Result<Self, String> {
        Self::with_clock(keys, rules, Arc::new(SystemClock)).await
    }

    /// Who the bearer of `token` is, with roles, territories, purpose and `expires_at`.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` for whatever is wrong with the token; the message names the class of the fault and
    /// quotes nothing. `KEY_UNAVAILABLE` if the key set has not been readable for a day.
    pub async fn actor(&self, token: &str) -> medorder::Result<Actor> {
        if token.len() > LONGEST {
            return Err(Refusal::Long.into());
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::Form)?;
        understood(&header)?;
        let key = match &self.trusted {
            Trusted::Secret(key) if header.alg == key.alg => Arc::clone(key),
            Trusted::Secret(_) => return Err(Refusal::Algorithm.into()),
            Trusted::Set(set) => set.key(header.kid.as_deref(), header.alg).await?,
        };
        let payload = payload(token, &key)?;
        Ok(payload.actor(&self.expected, self.clock.now_micros())?)
    }

    async fn with_clock(keys: Keys, rules: Rules, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let default = matches!(keys, Keys::Secret(_)).then(|| AUDIENCE.to_owned());
        let audience = rules.audience.or(default).ok_or("a key set needs the audience of its tokens")?;
        if audience.is_empty() || rules.issuer.as_deref() == Some("") {
            return Err("an audience or an issuer that is empty says nothing".to_owned());
        }
        if rules.leeway > MOST_LEEWAY {
            return Err(format!("a leeway of more than {MOST_LEEWAY} s would hide a wrong clock"));
        }
        let expected = Expected { audience, issuer: rules.issuer, leeway: SECOND * i64::from(rules.leeway) };
        let source = match keys {
            Keys::Secret(secret) => {
                long_enough(&secret)?;
                let key =
                    Key { kid: None, alg: Algorithm::HS256, decoding: DecodingKey::from_secret(&secret) };
                return Ok(Self { trusted: Trusted::Secret(Arc::new(key)), expected, clock });
            }
            Keys::SetFile(path) => Source::file(path),
            Keys::SetUrl(url) => Source::url(url)?,
        };
        let set = KeySet::open(source, Arc::clone(&clock)).await?;
        Ok(Self { trusted: Trusted::Set(Arc::new(set)), expected, clock })
    }
}

/// A token under a shared secret, for the demo and the tests.
///
/// # Errors
/// If the secret is short, or if the claims would be refused whatever the time and the audience.
pub fn sign(secret: &[u8], claims: &Claims) -> Result<String, String> {
    long_enough(secret)?;
    claims.check().map_err(|error| error.to_string())?;
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret))
        .map_err(|_| "the token cannot be signed".to_owned())
}

enum Trusted {
    Secret(Arc<Key>),
    Set(Arc<KeySet>),
}

/// The longest token. One with every claim is under 1 KiB; the rest is room for what an identity provider adds.
const LONGEST: usize = 8 << 10;
const MOST_LEEWAY: u32 = 300;
/// RFC 7518, section 3.2: a key of HS256 is at least as long as its hash.
const SHORTEST_SECRET: usize = 32;

fn long_enough(secret: &[u8]) -> Result<(), String> {
    if secret.len() < SHORTEST_SECRET {
        return Err(format!("the secret of the tokens must have at least {SHORTEST_SECRET} bytes"));
    }
    Ok(())
}

/// Refuses what changes the meaning of a token (RFC 7515, section 4.1.11), and tokens made for another use
/// (RFC 8725, section 3.11), such as the logout tokens of the same issuer.
fn understood(header: &Header) -> Result<(), Refusal> {
    if header.crit.is_some() {
        return Err(Refusal::Critical);
    }
    let Some(typ) = &header.typ else { return Ok(()) };
    let typ = typ.to_ascii_lowercase();
    match typ.strip_prefix("application/").unwrap_or(&typ) {
        "jwt" | "at+jwt" => Ok(()),
        _ => Err(Refusal::Type),
    }
}

/// The claims, once the signature holds.
fn payload(token: &str, key: &Key) -> Result<Payload, Refusal> {
    let mut validation = Validation::new(key.alg);
    // `Payload::actor` judges all claims: the library reads the system's clock and takes a list of issuers.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    match jsonwebtoken::decode(token, &key.decoding, &validation) {
        Ok(token) => Ok(token.claims),
        Err(error) => Err(match error.kind() {
            ErrorKind::InvalidSignature => Refusal::Signature,
            // The header was read before, so this is the text of the claims.
            ErrorKind::Json(_) => Refusal::Claims,
            _ => Refusal::Form,
        }),
    }
}
