//! Tokens that nobody made on purpose. All are refused, and none brings the module down.

use super::*;

/// A generator that gives the same numbers each time (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

async fn unauthenticated(identity: &Identity, token: &str) {
    let error = identity.actor(token).await.err().unwrap_or_else(|| panic!("taken: {token}"));
    assert_eq!(error.code(), ErrorCode::Unauthenticated, "{token}");
}

#[tokio::test]
async fn a_token_with_one_character_changed_is_refused() {
    let pair = Pair::secret();
    let identity = with_secret().await;
    let token = pair.token(&claims());
    for at in 0..token.len() {
        for other in ["", "A", "Q", "_", "-", ".", "=", "+", " ", "\0", "é", "AA"] {
            let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
            if changed != token {
                unauthenticated(&identity, &changed).await;
            }
        }
        unauthenticated(&identity, &token[..at]).await;
        unauthenticated(&identity, &token[at + 1..]).await;
    }
}

#[tokio::test]
async fn noise_is_refused() {
    let secret = with_secret().await;
    let set = with_set(&[Pair::ed_a().jwk(), Pair::p256().jwk()]).await;
    let token = Pair::ed_a().token(&claims());
    let mut numbers = Numbers(7);
    for _ in 0..4_000 {
        let bytes: Vec<u8> = (0..numbers.below(300)).map(|_| numbers.next() as u8).collect();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let dotted: String = text.chars().map(|c| if c < ' ' { '.' } else { c }).collect();
        let encoded = format!("{}.{}.{}", base64(&bytes), base64(&bytes), base64(&bytes));
        // A good token whose parts stand elsewhere.
        let mut parts: Vec<&str> = token.split('.').collect();
        parts.swap(numbers.below(3), numbers.below(3));
        let moved = parts.join(".");
        for noise in [text, dotted, encoded, moved] {
            unauthenticated(&secret, &noise).await;
            if noise != token {
                unauthenticated(&set, &noise).await;
            }
        }
    }
}

#[tokio::test]
async fn headers_and_claims_of_noise_are_refused() {
    // The signature holds, so what is behind it is reached.
    let pair = Pair::secret();
    let identity = with_secret().await;
    let (header, payload) = (r#"{"alg":"HS256","typ":"JWT"}"#, claims().to_string());
    let nested = format!("{}{}", "[".repeat(2_000), "]".repeat(2_000));
    unauthenticated(&identity, &pair.raw(header, &nested)).await;
    unauthenticated(&identity, &pair.raw(&nested, &payload)).await;
    unauthenticated(&identity, &pair.raw(header, &payload.replacen("\"u-7\"", &nested, 1))).await;
    let mut numbers = Numbers(11);
    let mut reached = 0;
    for _ in 0..4_000 {
        let mut bytes = payload.clone().into_bytes();
        for _ in 0..=numbers.below(3) {
            let at = numbers.below(bytes.len());
            bytes[at] = match numbers.below(4) {
                0 => b"{}[]\",:0"[numbers.below(8)],
                1 => bytes[numbers.below(bytes.len())],
                _ => numbers.next() as u8,
            };
        }
        let message = format!("{}.{}", base64(header.as_bytes()), base64(&bytes));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &pair.private, pair.alg).unwrap();
        match identity.actor(&format!("{message}.{signature}")).await {
            // Another user or another role is still an actor.
            Ok(_) => reached += 1,
            Err(error) => assert_eq!(error.code(), ErrorCode::Unauthenticated),
        }
    }
    assert!(reached > 0, "no claims came as far as the actor");
}
