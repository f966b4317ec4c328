//! stub
use medorder::{Actor, Error, ErrorCode, Result};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;
#[derive(Serialize, Deserialize, Clone)]
pub struct Claims {
    pub sub: String,
    pub roles: Vec<String>,
    pub territories: serde_json::Value,
    pub purpose: String,
    pub exp: u64,
    #[serde(default)]
    pub aud: String,
}
pub struct Identity {
    secret: Zeroizing<Vec<u8>>,
}
impl Identity {
    pub fn new(secret: Vec<u8>) -> Self {
        Self { secret: secret.into() }
    }
    pub async fn actor(&self, token: &str) -> Result<Actor> {
        let no = || Error::new(ErrorCode::Unauthenticated, "the token is not good");
        let mut v = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
        v.set_audience(&["medorder"]);
        let t =
            jsonwebtoken::decode::<Claims>(token, &jsonwebtoken::DecodingKey::from_secret(&self.secret), &v)
                .map_err(|_| no())?;
        let c = t.claims;
        let e = medorder::Timestamp::from_micros(c.exp as i64 * 1_000_000);
        let json = serde_json::json!({"user_id": c.sub, "roles": c.roles, "territories": c.territories, "purpose": c.purpose, "expires_at": e});
        medorder::wire::actor(json.to_string().as_bytes()).map_err(|_| no())
    }
}
pub fn sign(secret: &[u8], claims: &Claims) -> String {
    jsonwebtoken::encode(
        &jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256),
        claims,
        &jsonwebtoken::EncodingKey::from_secret(secret),
    )
    .unwrap()
}
