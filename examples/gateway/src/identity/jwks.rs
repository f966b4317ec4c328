//! The keys of a JWK set (RFC 7517) that are fit to check a token.

use std::sync::Arc;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use serde::Deserialize;
use serde_json::Value;

use super::refusal::Refusal;

/// One key and the one algorithm it is good for.
pub(super) struct Key {
    pub(super) kid: Option<String>,
    pub(super) alg: Algorithm,
    pub(super) decoding: DecodingKey,
}

/// What a set holds.
#[derive(Default)]
pub(super) struct Set {
    /// The keys that are trusted.
    pub(super) keys: Vec<Arc<Key>>,
    /// Why each of the others is not; no key material.
    pub(super) left_out: Vec<String>,
    /// True if the set holds a private key or a shared secret: who can read the set could sign with it.
    pub(super) leaks: bool,
}

impl Set {
    /// Reads a set. As the RFC asks, a key that is not understood does not spoil the others.
    ///
    /// # Errors
    /// If it is no JWK set.
    pub(super) fn read(json: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let document: Document = serde_json::from_slice(json).map_err(|_| "it is not a JWK set")?;
        let mut set = Self::default();
        let mut found: Vec<(Key, AlgorithmParameters)> = Vec::new();
        for value in &document.keys {
            let leaks = PRIVATE.iter().any(|name| value.get(name).is_some());
            set.leaks |= leaks;
            match usable(value) {
                _ if leaks => set.leave_out(value, "holds a private part"),
                // The same key once more changes nothing.
                Ok((key, material))
                    if found.iter().any(|(other, its)| same(&key, other) && material == *its) => {}
                Ok(pair) => found.push(pair),
                Err(why) => set.leave_out(value, why),
            }
        }
        // Of two keys under one name it would be a guess which is meant, and one could stand in for the other.
        let clashes: Vec<bool> = (found.iter().enumerate())
            .map(|(at, (key, _))| {
                let others = found.iter().enumerate().filter(|(other, _)| *other != at);
                key.kid.is_some() && others.into_iter().any(|(_, (other, _))| same(key, other))
            })
            .collect();
        for ((key, _), clashes) in found.into_iter().zip(clashes) {
            if clashes {
                set.left_out.push(format!("{:?} names more than one key", key.kid.unwrap_or_default()));
            } else {
                set.keys.push(Arc::new(key));
            }
        }
        Ok(set)
    }

    /// The key of this name, for this algorithm. A token may leave the name out if there is one key only.
    pub(super) fn find(&self, kid: Option<&str>, alg: Algorithm) -> Result<Arc<Key>, Refusal> {
        let fits = |key: &&Arc<Key>| key.alg == alg;
        let named: Vec<&Arc<Key>> = match kid {
            Some(kid) => self.keys.iter().filter(|key| key.kid.as_deref() == Some(kid)).collect(),
            None if self.keys.len() == 1 => self.keys.iter().collect(),
            None => return Err(Refusal::KeyNotNamed),
        };
        if named.is_empty() {
            return Err(Refusal::KeyUnknown);
        }
        named.into_iter().find(fits).cloned().ok_or(Refusal::Algorithm)
    }

    fn leave_out(&mut self, key: &Value, why: &str) {
        let kid = key.get("kid").and_then(Value::as_str).unwrap_or_default();
        self.left_out.push(format!("{kid:?} {why}"));
    }
}

/// The members that are secret: of RSA, EC and OKP keys, of `oct` keys, and of the keys of RFC 9964. The other
/// private parts of RSA never stand without `d`.
const PRIVATE: [&str; 3] = ["d", "k", "priv"];

/// NIST SP 800-131A allows no fewer; the library checks no more.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

fn same(a: &Key, b: &Key) -> bool {
    a.kid == b.kid && a.alg == b.alg
}

/// The key, or why it is not taken.
fn usable(value: &Value) -> Result<(Key, AlgorithmParameters), &'static str> {
    let jwk = Jwk::deserialize(value).map_err(|_| "has not the form of a key")?;
    let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature))
        && (jwk.common.key_operations.as_ref()).is_none_or(|all| all.contains(&KeyOperations::Verify));
    if !signs {
        return Err("is not for signatures");
    }
    let alg = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(ec) if ec.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        _ => return Err("is of a type that is not accepted"),
    };
    if jwk.common.key_algorithm.is_some_and(|stated| stated != alg.into()) {
        return Err("is for an algorithm that is not accepted");
    }
    let decoding = DecodingKey::from_jwk(&jwk).map_err(|_| "is not well encoded")?;
    match decoding.kind() {
        DecodingKeyKind::RsaModulusExponent { n, e } => strong(n, e)?,
        // The library takes the first 32 bytes and panics if there are fewer.
        DecodingKeyKind::SecretOrDer(x) if alg == Algorithm::EdDSA && x.len() != 32 => {
            return Err("is not 32 bytes long");
        }
        DecodingKeyKind::SecretOrDer(_) => {}
    }
    // Builds the verifier, which fails for a point that is not on the curve; the signature matters not.
    jsonwebtoken::crypto::verify("", b"", &decoding, alg).map_err(|_| "is not a point of its curve")?;
    Ok((Key { kid: jwk.common.key_id, alg, decoding }, jwk.algorithm))
}

fn strong(modulus: &[u8], exponent: &[u8]) -> Result<(), &'static str> {
    let modulus = without_zeros(modulus);
    let bits = modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) || modulus.last().is_none_or(|byte| byte % 2 == 0) {
        return Err("is an RSA key of a length that is not accepted");
    }
    // With an exponent of 1 everybody can sign; an even one is not RSA; the library takes up to 33 bits.
    let exponent = without_zeros(exponent);
    let value = exponent.iter().fold(0_u64, |value, byte| value.saturating_mul(256) | u64::from(*byte));
    if !(3..1 << 33).contains(&value) || value % 2 == 0 {
        return Err("is an RSA key of an exponent that is not accepted");
    }
    Ok(())
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}
