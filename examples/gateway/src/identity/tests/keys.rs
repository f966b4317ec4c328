//! Which keys of a set are trusted.

use super::*;
use crate::identity::jwks::Set;

fn read(keys: &[Value]) -> Set {
    Set::read(set(keys).as_bytes()).unwrap()
}

/// The set of one good key and this one, which must be left out for this reason.
fn left_out(key: Value, why: &str) {
    let set = read(&[Pair::p256().jwk(), key]);
    assert_eq!(set.keys.len(), 1, "{why}");
    assert_eq!(set.keys[0].kid.as_deref(), Some("ec"));
    assert_eq!(set.left_out.len(), 1);
    assert!(set.left_out[0].contains(why), "{:?} is not {why}", set.left_out);
}

#[test]
fn a_key_for_another_use_is_left_out() {
    let (rsa, ed) = (Pair::rsa(), Pair::ed_a());
    left_out(rsa.jwk_with(json!({"use": "enc"})), "is not for signatures");
    left_out(rsa.jwk_with(json!({"use": "other"})), "is not for signatures");
    left_out(rsa.jwk_with(json!({"key_ops": ["encrypt"]})), "is not for signatures");
    left_out(rsa.jwk_with(json!({"key_ops": []})), "is not for signatures");
    for alg in ["RS512", "PS256", "HS256", "ES256", "EdDSA", "RSA-OAEP", "unheard-of"] {
        left_out(rsa.jwk_with(json!({"alg": alg})), "is for an algorithm that is not accepted");
    }
    left_out(ed.jwk_with(json!({"alg": "RS256"})), "is for an algorithm that is not accepted");
    for fine in [json!({"use": "sig"}), json!({"key_ops": ["verify"]}), json!({"alg": null})] {
        assert_eq!(read(&[rsa.jwk_with(fine)]).keys.len(), 1);
    }
}

#[test]
fn a_weak_key_is_left_out() {
    left_out(Pair::short_rsa().jwk(), "length");
    let rsa = Pair::rsa();
    let modulus = |bytes: &[u8]| rsa.jwk_with(json!({"n": base64(bytes)}));
    // 2047 bits, padded to look longer; an even number; more than the library checks.
    let mut bytes = [0xff; 300];
    bytes[..44].fill(0);
    bytes[44] = 0x7f;
    left_out(modulus(&bytes), "length");
    left_out(modulus(&[0xfe; 256]), "length");
    left_out(modulus(&[0xff; 513]), "length");
    left_out(modulus(&[]), "length");
    assert_eq!(read(&[modulus(&[0xff; 256]), rsa.jwk_with(json!({"kid": "b"}))]).keys.len(), 2);
    for exponent in [&[][..], &[0], &[1], &[2], &[1, 0, 0], &[2, 0, 0, 0, 1], &[0, 1, 0, 0, 0, 0, 0, 0, 0, 3]]
    {
        left_out(rsa.jwk_with(json!({"e": base64(exponent)})), "exponent");
    }
    assert_eq!(read(&[rsa.jwk_with(json!({"e": base64(&[3])}))]).keys.len(), 1);
}

#[test]
fn a_key_that_is_not_understood_is_left_out() {
    let (ed, ec) = (Pair::ed_a(), Pair::p256().jwk_with(json!({"kid": "other"})));
    for x in [&[][..], &[1; 31], &[1; 33], &[1; 64]] {
        left_out(ed.jwk_with(json!({"x": base64(x)})), "32 bytes");
    }
    left_out(ed.jwk_with(json!({"x": "not base 64"})), "encoded");
    left_out(ed.jwk_with(json!({"crv": "P-256"})), "type");
    left_out(ed.jwk_with(json!({"crv": "Ed448"})), "type");
    left_out(with(ec.clone(), json!({"crv": "secp256k1"})), "type");
    left_out(with(ec.clone(), json!({"crv": "P-384"})), "type");
    left_out(with(ec.clone(), json!({"y": base64(&[1; 32])})), "point");
    left_out(with(ec.clone(), json!({"y": base64(&[1; 31])})), "point");
    left_out(with(ec, json!({"x": null})), "type");
    left_out(ed.jwk_with(json!({"kid": 1})), "form");
    left_out(json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}), "type");
    for odd in [json!(1), json!("key"), json!([]), json!(null)] {
        left_out(odd, "form");
    }
}

#[test]
fn a_name_that_stands_twice_names_no_key() {
    let (a, b) = (Pair::ed_a(), Pair::ed_b().jwk_with(json!({"kid": "ed-a"})));
    let set = read(&[a.jwk(), b.clone(), Pair::p256().jwk(), b]);
    assert_eq!(set.keys.len(), 1);
    assert_eq!(set.find(Some("ed-a"), Algorithm::EdDSA).err(), Some(Refusal::KeyUnknown));
    // The same key once more is one key; another kind of key under the name is another key (RFC 7517, 4.5).
    let set = read(&[a.jwk(), a.jwk(), Pair::p256().jwk_with(json!({"kid": "ed-a"}))]);
    assert_eq!(set.keys.len(), 2);
    assert!(set.find(Some("ed-a"), Algorithm::EdDSA).is_ok());
    assert!(set.find(Some("ed-a"), Algorithm::ES256).is_ok());
    assert_eq!(set.find(Some("ed-a"), Algorithm::RS256).err(), Some(Refusal::Algorithm));
}

#[tokio::test]
async fn a_set_that_gives_secrets_away_is_refused() {
    let ed = Pair::ed_a();
    let secrets = [
        ed.jwk_with(json!({"kid": "b", "d": "AA"})),
        Pair::rsa().jwk_with(json!({"d": "AA", "p": "AA", "q": "AA"})),
        json!({"kty": "oct", "kid": "b", "k": base64(&[7; 32])}),
        json!({"kty": "AKP", "kid": "b", "alg": "ML-DSA-44", "pub": "AA", "priv": "AA"}),
    ];
    for secret in secrets {
        left_out(secret.clone(), "private part");
        let error = open_set(&set(&[ed.jwk(), secret])).await.err().unwrap();
        assert!(error.contains("holds a private key or a secret"), "{error}");
    }
}

#[tokio::test]
async fn a_set_that_trusts_nobody_does_not_open() {
    for empty in ["", "{}", "[]", "null", r#"{"keys":{}}"#, r#"{"keys":[1}"#] {
        assert!(open_set(empty).await.err().unwrap().contains("is not a JWK set"), "{empty}");
    }
    for useless in [set(&[]), set(&[Pair::short_rsa().jwk()])] {
        assert!(open_set(&useless).await.err().unwrap().contains("has no usable key"), "{useless}");
    }
    let large = format!("{}{}", set(&[Pair::ed_a().jwk()]), " ".repeat(256 << 10));
    assert!(open_set(&large).await.err().unwrap().contains("larger"));
    let nowhere = Keys::SetFile("/nowhere/jwks.json".into());
    assert!(Identity::open(nowhere, rules()).await.err().unwrap().contains("/nowhere/jwks.json"));
}
