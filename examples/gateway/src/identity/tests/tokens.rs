//! Tokens that are taken, and every reason why one is not.

use medorder::{Purpose, Timestamp};

use super::*;
use crate::identity::{AUDIENCE, Claims, sign};

#[tokio::test]
async fn each_algorithm_names_its_actor() {
    let pairs = [Pair::rsa(), Pair::ed_a(), Pair::p256()];
    let identity = with_set(&pairs.each_ref().map(Pair::jwk)).await;
    for pair in &pairs {
        let actor = identity.actor(&pair.token(&claims())).await.unwrap();
        assert_eq!(actor.user_id().as_str(), "u-7");
        assert_eq!(actor.role_text(), "requester,verifier");
        assert_eq!(actor.purpose(), Purpose::Treatment);
        assert_eq!(actor.territory_ids().unwrap(), [&"north-1".parse().unwrap()]);
        // With the leeway: the engine must not end the session of a token that is still taken.
        assert_eq!(actor.expiry(), Some(Timestamp::from_micros((NOW + 630) * SECOND)));
    }
    let all = identity.actor(&pairs[1].token(&claims_with(json!({"territories": "*"})))).await.unwrap();
    assert!(all.has_all_territories());
}

#[tokio::test]
async fn a_token_that_is_signed_here_is_taken() {
    let identity =
        Identity::open(Keys::Secret(Zeroizing::new(SECRET.to_vec())), Rules::default()).await.unwrap();
    let claims = Claims {
        sub: "u-7".to_owned(),
        roles: vec!["verifier".to_owned()],
        territories: json!(["north-1"]),
        purpose: "treatment".to_owned(),
        exp: 4_000_000_000,
        aud: AUDIENCE.to_owned(),
    };
    accepted(&identity, &sign(SECRET, &claims).unwrap()).await;
    let all = Claims { territories: json!("*"), ..claims.clone() };
    assert!(identity.actor(&sign(SECRET, &all).unwrap()).await.unwrap().has_all_territories());
    let other = Claims { aud: "other".to_owned(), ..claims.clone() };
    refused(&identity, &sign(SECRET, &other).unwrap(), Refusal::Audience).await;
    let late = Claims { exp: 1_000_000_000, ..claims.clone() };
    refused(&identity, &sign(SECRET, &late).unwrap(), Refusal::Expired).await;
    assert!(sign(&SECRET[..31], &claims).is_err());
    assert!(sign(SECRET, &Claims { purpose: "curiosity".to_owned(), ..claims }).is_err());
}

#[tokio::test]
async fn a_configuration_that_trusts_too_much_is_refused() {
    let open = |keys, rules| Identity::open(keys, rules);
    let secret = |bytes: usize| Keys::Secret(Zeroizing::new(vec![7; bytes]));
    assert!(open(secret(32), Rules::default()).await.is_ok());
    assert!(open(secret(31), Rules::default()).await.is_err());
    assert!(open(secret(32), Rules { audience: Some(String::new()), ..Rules::default() }).await.is_err());
    assert!(open(secret(32), Rules { issuer: Some(String::new()), ..Rules::default() }).await.is_err());
    assert!(open(secret(32), Rules { leeway: 300, ..Rules::default() }).await.is_ok());
    assert!(open(secret(32), Rules { leeway: 301, ..Rules::default() }).await.is_err());
    let nowhere = Keys::SetUrl("https://idp.example/jwks".to_owned());
    let error = open(nowhere, Rules::default()).await.err().unwrap();
    assert_eq!(error, "a key set needs the audience of its tokens");
    let open_air = Keys::SetUrl("http://idp.example/jwks".to_owned());
    assert!(open(open_air, rules()).await.err().unwrap().contains("https"));
}

#[tokio::test]
async fn the_public_key_is_no_secret() {
    let rsa = Pair::rsa();
    let identity = with_set(&[rsa.jwk(), Pair::ed_a().jwk()]).await;
    let pem = include_bytes!("../../../tests/data/keys/rsa-2048-public.pem");
    let texts = [pem.to_vec(), rsa.jwk().to_string().into_bytes(), rsa.jwk()["n"].to_string().into_bytes()];
    for text in texts {
        let forged = Pair { alg: Algorithm::HS256, kid: "rsa", private: EncodingKey::from_secret(&text) };
        refused(&identity, &forged.token(&claims()), Refusal::Algorithm).await;
        // Nor without the name of a key, or under one that does not exist.
        let nameless = jsonwebtoken::encode(&Header::new(forged.alg), &claims(), &forged.private).unwrap();
        refused(&identity, &nameless, Refusal::KeyNotNamed).await;
        let stranger = Pair { kid: "none", ..forged };
        refused(&identity, &stranger.token(&claims()), Refusal::KeyUnknown).await;
    }
}

#[tokio::test]
async fn the_key_decides_the_algorithm() {
    let (rsa, ed, ec) = (Pair::rsa(), Pair::ed_a(), Pair::p256());
    let set = with_set(&[rsa.jwk(), ed.jwk(), ec.jwk()]).await;
    let body = claims().to_string();
    for kid in ["rsa", "ed-a", "ec"] {
        for alg in ["RS256", "RS512", "PS256", "ES256", "ES384", "EdDSA", "HS256", "HS384"] {
            if matches!((kid, alg), ("rsa", "RS256") | ("ed-a", "EdDSA") | ("ec", "ES256")) {
                continue;
            }
            let header = json!({"alg": alg, "kid": kid}).to_string();
            refused(&set, &ed.raw(&header, &body), Refusal::Algorithm).await;
        }
    }
    // The right algorithm of another one's key.
    let header = json!({"alg": "EdDSA", "kid": "ed-a"}).to_string();
    refused(&set, &Pair::ed_b().raw(&header, &body), Refusal::Signature).await;
    refused(&set, &rsa.raw(&header, &body), Refusal::Signature).await;

    let secret = with_secret().await;
    accepted(&secret, &Pair::secret().token(&claims())).await;
    for alg in ["HS384", "HS512", "RS256", "EdDSA", "ES256"] {
        let header = json!({ "alg": alg }).to_string();
        refused(&secret, &Pair::secret().raw(&header, &body), Refusal::Algorithm).await;
    }
    let longer = Pair { alg: Algorithm::HS512, ..Pair::secret() };
    refused(&secret, &longer.token(&claims()), Refusal::Algorithm).await;
}

#[tokio::test]
async fn a_token_without_a_signature_is_refused() {
    for identity in [with_secret().await, with_set(&[Pair::ed_a().jwk()]).await] {
        for alg in ["none", "None", "NONE", "nOnE", ""] {
            let header = json!({"alg": alg, "kid": "ed-a"}).to_string();
            let unsigned =
                format!("{}.{}.", base64(header.as_bytes()), base64(claims().to_string().as_bytes()));
            refused(&identity, &unsigned, Refusal::Form).await;
            refused(&identity, &Pair::ed_a().raw(&header, &claims().to_string()), Refusal::Form).await;
        }
    }
    let pair = Pair::ed_a();
    let identity = with_set(&[pair.jwk()]).await;
    let token = pair.token(&claims());
    let (message, _) = token.rsplit_once('.').unwrap();
    refused(&identity, &format!("{message}."), Refusal::Signature).await;
    refused(&identity, message, Refusal::Form).await;
    refused(&identity, &format!("{token}.{token}"), Refusal::Form).await;
    refused(&identity, "", Refusal::Form).await;
}

#[tokio::test]
async fn a_key_must_be_named_unless_there_is_one_only() {
    let (a, b) = (Pair::ed_a(), Pair::ed_b());
    let nameless = jsonwebtoken::encode(&Header::new(a.alg), &claims(), &a.private).unwrap();
    accepted(&with_set(&[a.jwk()]).await, &nameless).await;
    accepted(&with_set(&[a.jwk_with(json!({"kid": null}))]).await, &nameless).await;
    // A key that is not usable does not count.
    accepted(&with_set(&[a.jwk(), b.jwk_with(json!({"use": "enc"}))]).await, &nameless).await;
    refused(&with_set(&[a.jwk(), b.jwk()]).await, &nameless, Refusal::KeyNotNamed).await;
    refused(&with_set(&[b.jwk()]).await, &nameless, Refusal::Signature).await;
    // One that is named must be there under this name.
    refused(&with_set(&[a.jwk_with(json!({"kid": null}))]).await, &a.token(&claims()), Refusal::KeyUnknown)
        .await;
    refused(&with_set(&[a.jwk_with(json!({"kid": "ED-A"}))]).await, &a.token(&claims()), Refusal::KeyUnknown)
        .await;
}

#[tokio::test]
async fn the_header_brings_no_key_along() {
    let (trusted, own) = (Pair::ed_a(), Pair::ed_b());
    let identity = with_set(&[trusted.jwk()]).await;
    let body = claims().to_string();
    for (kid, why) in [
        (json!("ed-b"), Refusal::KeyUnknown),
        (json!("ed-a"), Refusal::Signature),
        (Value::Null, Refusal::Signature),
    ] {
        let header = json!({
            "alg": "EdDSA", "kid": kid, "jwk": own.jwk(), "jku": "http://127.0.0.1:9/jwks",
            "x5u": "http://127.0.0.1:9/cert", "x5c": ["MIIB"],
        });
        refused(&identity, &own.raw(&header.to_string(), &body), why).await;
    }
    // Some providers write where their set lies; it is not looked at.
    let header = json!({"alg": "EdDSA", "kid": "ed-a", "jku": "http://127.0.0.1:9/jwks"});
    accepted(&identity, &trusted.raw(&header.to_string(), &body)).await;
}

#[tokio::test]
async fn a_header_is_understood_or_refused() {
    let pair = Pair::secret();
    let identity = with_secret().await;
    let body = claims().to_string();
    for crit in [json!([]), json!(["exp"]), json!(["b64"])] {
        let header = json!({"alg": "HS256", "crit": crit, "b64": false});
        refused(&identity, &pair.raw(&header.to_string(), &body), Refusal::Critical).await;
    }
    for typ in ["JWT", "jwt", "at+jwt", "application/at+JWT"] {
        accepted(&identity, &pair.raw(&json!({"alg": "HS256", "typ": typ}).to_string(), &body)).await;
    }
    for typ in ["logout+jwt", "dpop+jwt", "JWE", "", "application/"] {
        let header = json!({"alg": "HS256", "typ": typ}).to_string();
        refused(&identity, &pair.raw(&header, &body), Refusal::Type).await;
    }
    let twice = r#"{"alg":"HS256","alg":"HS256"}"#;
    for header in
        [twice, r#"{"alg":"HS256","kid":1}"#, r#"{"alg":"HS256","crit":"exp"}"#, "{}", "[]", "1", ""]
    {
        refused(&identity, &pair.raw(header, &body), Refusal::Form).await;
    }
    accepted(&identity, &pair.raw(r#"{"alg":"HS256"}"#, &body)).await;
}

#[tokio::test]
async fn a_long_token_is_not_read() {
    let identity = with_secret().await;
    let pair = Pair::secret();
    // Base64 grows by a third.
    accepted(&identity, &pair.token(&claims_with(json!({"pad": "x".repeat(5_800)})))).await;
    let long = pair.token(&claims_with(json!({"pad": "x".repeat(6_000)})));
    assert!(long.len() > 8192);
    refused(&identity, &long, Refusal::Long).await;
}

#[tokio::test]
async fn the_time_counts_with_its_leeway() {
    let clock = Hand::new();
    let keys = Keys::Secret(Zeroizing::new(SECRET.to_vec()));
    let identity = Identity::with_clock(keys, rules(), Arc::clone(&clock) as Arc<dyn Clock>).await.unwrap();
    let token = Pair::secret().token(&claims_with(json!({"nbf": NOW})));
    accepted(&identity, &token).await;
    clock.pass(-30);
    accepted(&identity, &token).await;
    clock.pass(-1);
    refused(&identity, &token, Refusal::Early).await;
    clock.pass(31 + 629);
    let actor = identity.actor(&token).await.unwrap();
    assert!(!actor.is_expired(Timestamp::from_micros(clock.now_micros())));
    clock.pass(1);
    refused(&identity, &token, Refusal::Expired).await;
    assert!(actor.is_expired(Timestamp::from_micros(clock.now_micros())));
    // A fraction is allowed.
    let token = Pair::secret().token(&claims_with(json!({"exp": NOW as f64 + 600.5})));
    accepted(&identity, &token).await;
}

#[tokio::test]
async fn claims_that_are_not_for_here_are_refused() {
    let identity = with_secret().await;
    let pair = Pair::secret();
    let token = |members| pair.token(&claims_with(members));
    for aud in
        [json!(null), json!("other"), json!("Medorder"), json!(["other"]), json!([]), json!(1), json!({})]
    {
        refused(&identity, &token(json!({"aud": aud})), Refusal::Audience).await;
    }
    accepted(&identity, &token(json!({"aud": ["other", "medorder"]}))).await;
    for iss in [json!(null), json!("https://idp.example/"), json!([ISSUER]), json!(1)] {
        refused(&identity, &token(json!({"iss": iss})), Refusal::Issuer).await;
    }
}

#[tokio::test]
async fn claims_that_do_not_name_an_actor_are_refused() {
    let identity = with_secret().await;
    let pair = Pair::secret();
    let odd =
        [json!(null), json!(1), json!(true), json!({}), json!("?"), json!([1]), json!(["a b"]), json!([[]])];
    for name in ["sub", "roles", "territories", "purpose", "exp"] {
        for value in &odd {
            if (name, value) != ("sub", &json!("?")) && (name, value) != ("exp", &json!(1)) {
                let token = pair.token(&claims_with(json!({ name: value })));
                refused(&identity, &token, Refusal::Claims).await;
            }
        }
    }
    let faults = [
        json!({"sub": ""}),
        json!({"sub": "x".repeat(129)}),
        json!({"sub": "u\n7"}),
        json!({"roles": ["Verifier"]}),
        json!({"roles": "verifier"}),
        json!({"territories": ["*"]}),
        json!({"territories": "north-1"}),
        json!({"purpose": "Treatment"}),
        json!({"exp": "4000000000"}),
        json!({"exp": -1}),
        // Milliseconds would make a token that never ends.
        json!({"exp": (NOW + 600) * 1000}),
        json!({"exp": u64::MAX}),
        json!({"exp": 1e300}),
        json!({"nbf": "soon"}),
        json!({"nbf": 1e300}),
    ];
    for fault in faults {
        refused(&identity, &pair.token(&claims_with(fault)), Refusal::Claims).await;
    }
    let header = r#"{"alg":"HS256"}"#;
    let twice = claims().to_string().replacen('{', r#"{"purpose":"legal","#, 1);
    let list = r#"["u-7",["verifier"],"*","treatment",4000000000,null,"medorder","https://idp.example"]"#;
    for payload in [&twice, list, "", "1", "null", "{", "\"\\ud800\""] {
        refused(&identity, &pair.raw(header, payload), Refusal::Claims).await;
    }
    // What is not known is ignored, also if the engine's actor has a member of this name.
    let more = json!({"iat": "x", "user_id": "other", "expires_at": "x", "source": 1, "scope": {"a": []}});
    accepted(&identity, &pair.token(&claims_with(more))).await;
}

#[tokio::test]
async fn a_refusal_quotes_nothing() {
    let identity = with_secret().await;
    let token =
        Pair::secret().token(&claims_with(json!({"sub": "canary\n", "roles": ["Canary"], "exp": "canary"})));
    let error = identity.actor(&token).await.unwrap_err();
    assert!(!format!("{error:?} {error} {:?}", error.details()).to_lowercase().contains("canary"));
    assert!(error.faults().is_empty());
}
