//! The identity against keys, tokens and a key server of the tests' own.

mod keys;
mod noise;
mod rotation;
mod tokens;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use medorder::ErrorCode;
use medorder::env::Clock;
use serde_json::{Value, json};

use super::claims::SECOND;
use super::refusal::Refusal;
use super::{Identity, Keys, Rules, Zeroizing};

/// The time of the tests, in seconds.
const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://idp.example";
const SECRET: &[u8] = b"a secret of the tests, 33 bytes..";

/// A clock that a test moves by hand.
struct Hand(AtomicI64);

impl Hand {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(NOW * SECOND)))
    }

    fn pass(&self, seconds: i64) {
        self.0.fetch_add(seconds * SECOND, Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now_micros(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A pair of keys with its algorithm and name.
struct Pair {
    alg: Algorithm,
    kid: &'static str,
    private: EncodingKey,
}

impl Pair {
    fn rsa() -> Self {
        let private = EncodingKey::from_rsa_der(include_bytes!("../../../tests/data/keys/rsa-2048.der"));
        Self { alg: Algorithm::RS256, kid: "rsa", private }
    }

    fn short_rsa() -> Self {
        let private = EncodingKey::from_rsa_der(include_bytes!("../../../tests/data/keys/rsa-1024.der"));
        Self { alg: Algorithm::RS256, kid: "short", private }
    }

    fn ed_a() -> Self {
        let private = EncodingKey::from_ed_der(include_bytes!("../../../tests/data/keys/ed25519-a.der"));
        Self { alg: Algorithm::EdDSA, kid: "ed-a", private }
    }

    fn ed_b() -> Self {
        let private = EncodingKey::from_ed_der(include_bytes!("../../../tests/data/keys/ed25519-b.der"));
        Self { alg: Algorithm::EdDSA, kid: "ed-b", private }
    }

    fn p256() -> Self {
        let private = EncodingKey::from_ec_der(include_bytes!("../../../tests/data/keys/p256.der"));
        Self { alg: Algorithm::ES256, kid: "ec", private }
    }

    fn secret() -> Self {
        Self { alg: Algorithm::HS256, kid: "", private: EncodingKey::from_secret(SECRET) }
    }

    /// The public half, as a set holds it.
    fn jwk(&self) -> Value {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&self.private, self.alg).unwrap()).unwrap();
        jwk["kid"] = json!(self.kid);
        jwk
    }

    /// The public half with some members set, or taken out where the value is null.
    fn jwk_with(&self, members: Value) -> Value {
        with(self.jwk(), members)
    }

    fn header(&self) -> Header {
        let mut header = Header::new(self.alg);
        header.kid = Some(self.kid.to_owned());
        header
    }

    fn token(&self, claims: &Value) -> String {
        jsonwebtoken::encode(&self.header(), claims, &self.private).unwrap()
    }

    /// A token of this header, and signed with this key whatever the header says.
    fn raw(&self, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", base64(header.as_bytes()), base64(payload.as_bytes()));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.private, self.alg).unwrap();
        format!("{message}.{signature}")
    }
}

/// Claims that are good for ten minutes.
fn claims() -> Value {
    json!({
        "sub": "u-7", "roles": ["verifier", "requester"], "territories": ["north-1"], "purpose": "treatment",
        "exp": NOW + 600, "aud": "medorder", "iss": ISSUER,
    })
}

fn claims_with(members: Value) -> Value {
    with(claims(), members)
}

fn with(mut object: Value, members: Value) -> Value {
    let (Value::Object(object), Value::Object(members)) = (&mut object, members) else {
        panic!("no objects")
    };
    for (name, value) in members {
        if value.is_null() {
            object.remove(&name);
        } else {
            object.insert(name, value);
        }
    }
    Value::Object(std::mem::take(object))
}

fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

fn rules() -> Rules {
    Rules { issuer: Some(ISSUER.to_owned()), audience: Some("medorder".to_owned()), ..Rules::default() }
}

async fn with_secret() -> Identity {
    let keys = Keys::Secret(Zeroizing::new(SECRET.to_vec()));
    Identity::with_clock(keys, rules(), Hand::new()).await.unwrap()
}

async fn with_set(keys: &[Value]) -> Identity {
    open_set(&set(keys)).await.unwrap()
}

async fn open_set(json: &str) -> Result<Identity, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jwks.json");
    std::fs::write(&path, json).unwrap();
    Identity::with_clock(Keys::SetFile(path), rules(), Hand::new()).await
}

async fn accepted(identity: &Identity, token: &str) {
    let actor = identity.actor(token).await.unwrap();
    assert_eq!(actor.user_id().as_str(), "u-7");
}

async fn refused(identity: &Identity, token: &str, why: Refusal) {
    let error = identity.actor(token).await.expect_err("the token is taken");
    assert_eq!(error.code(), ErrorCode::Unauthenticated);
    assert_eq!(error.to_string(), why.message());
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for at in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * at)) as usize & 63]));
        }
    }
    text
}
