//! Every cryptographic primitive of the format, and the byte strings that go into them. The only calls of
//! AEAD, KDF, MAC and hash crates (but for Ed25519 in `audit::checkpoint`) are here; the rule modules combine
//! them as FORMAT.md says.

use aes_gcm::aead::{AeadInOut, Nonce, Tag};
use aes_gcm::{Aes256Gcm, KeyInit};
use hmac::{Hmac, Mac as _};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::{Error, ErrorCode, Result};

/// Bytes of a GCM tag.
pub(crate) const TAG: usize = 16;

/// The largest number a stored `u64` can be, so that every engine's signed 64-bit column holds it.
pub(crate) const MAX: u64 = i64::MAX as u64;

/// The one error for stored bytes that do not check, whatever the cause: telling causes apart helps only
/// whoever made them.
pub(crate) fn broken() -> Error {
    Error::new(ErrorCode::IntegrityViolation, "stored data is not what this library wrote")
}

/// Takes the bytes of a formula in order: a buffer, a running hash or a running MAC. Integers are big-endian.
pub(crate) trait Sink {
    /// `bytes` as they are; for parts of a fixed size.
    fn raw(&mut self, bytes: &[u8]) -> &mut Self;

    /// `LP(bytes)`: u32 length, then the bytes.
    fn lp(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        // INVARIANT: both engines refuse values of 2 GiB; a silent cut would let two values share one
        // encoding.
        let length = u32::try_from(bytes.len()).expect("a bound value is shorter than 4 GiB");
        self.raw(&length.to_be_bytes()).raw(bytes)
    }

    fn u8(&mut self, n: u8) -> &mut Self {
        self.raw(&[n])
    }

    fn u16(&mut self, n: u16) -> &mut Self {
        self.raw(&n.to_be_bytes())
    }

    fn u32(&mut self, n: u32) -> &mut Self {
        self.raw(&n.to_be_bytes())
    }

    fn u64(&mut self, n: u64) -> &mut Self {
        self.raw(&n.to_be_bytes())
    }

    fn i64(&mut self, n: i64) -> &mut Self {
        self.raw(&n.to_be_bytes())
    }
}

impl Sink for Vec<u8> {
    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.extend_from_slice(bytes);
        self
    }
}

impl Sink for Sha256 {
    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.update(bytes);
        self
    }
}

/// Gathers short parts and hands them on in long pieces: a hash or MAC costs more per call than per byte. For
/// bytes that are no secret, since the buffer is not wiped.
pub(crate) struct Gather<S> {
    inner: S,
    buffer: [u8; 256],
    used: usize,
}

impl<S: Sink> Gather<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner, buffer: [0; 256], used: 0 }
    }

    /// The sink, with everything written.
    pub(crate) fn into_inner(mut self) -> S {
        self.inner.raw(&self.buffer[..self.used]);
        self.inner
    }
}

impl<S: Sink> Sink for Gather<S> {
    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        if self.used + bytes.len() > self.buffer.len() {
            self.inner.raw(&self.buffer[..self.used]);
            self.used = 0;
            if bytes.len() > self.buffer.len() {
                self.inner.raw(bytes);
                return self;
            }
        }
        self.buffer[self.used..self.used + bytes.len()].copy_from_slice(bytes);
        self.used += bytes.len();
        self
    }
}

/// `SHA-256("")` (FIPS 180-4).
pub(crate) const EMPTY_HASH: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// `SHA-256(bytes)` (FIPS 180-4).
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Fills `out`, at most 255 * 32 bytes, with `HKDF(ikm, salt, info)` over SHA-256 (RFC 5869).
pub(crate) fn hkdf(ikm: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]) {
    // INVARIANT: every caller asks for a constant length of at most 96 bytes.
    hkdf::Hkdf::<Sha256>::new(Some(salt), ikm).expand(info, out).expect("at most 255 blocks");
}

/// A key and nonce of one AES-256-GCM call: `HKDF(ikm, salt, info, 44)`.
pub(crate) fn hkdf_gcm(ikm: &[u8; 32], salt: &[u8], info: &[u8]) -> (Gcm, [u8; 12]) {
    let mut okm = Zeroizing::new([0; 44]);
    hkdf(ikm, salt, info, &mut okm[..]);
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(&okm[..32]);
    let mut nonce = [0; 12];
    nonce.copy_from_slice(&okm[32..]);
    (Gcm::new(&key), nonce)
}

/// `HMAC(key, parts joined)` over SHA-256 (RFC 2104).
#[cfg(any(test, feature = "test-util"))]
pub(crate) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Mac::new(key);
    for part in parts {
        mac.raw(part);
    }
    mac.finish()
}

/// HMAC-SHA256 (RFC 2104) with its key schedule done: clone it for each message.
#[derive(Clone)]
pub(crate) struct Mac(Hmac<Sha256>);

impl Mac {
    /// The MAC under `key`, of any length.
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(<Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of every length"))
    }

    /// The MAC of everything written.
    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into_bytes().into()
    }
}

impl Sink for Mac {
    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(bytes);
        self
    }
}

/// Derives a MAC under a subkey `HKDF(ikm, SHA-256(label), info, 32)` (RFC 5869). What depends on the label
/// alone is done once.
pub(crate) struct Subkey(Mac);

impl Subkey {
    pub(crate) fn new(label: &str) -> Self {
        Self(Mac::new(&sha256(label.as_bytes())))
    }

    /// The MAC under this subkey of `ikm`.
    pub(crate) fn mac(&self, ikm: &[u8; 32], info: &[u8]) -> Mac {
        let mut extract = self.0.clone();
        extract.raw(ikm);
        let mut expand = Mac::new(&Zeroizing::new(extract.finish())[..]);
        // One block of output: T(1) = HMAC(PRK, info || 0x01).
        expand.raw(info).u8(1);
        Mac::new(&Zeroizing::new(expand.finish())[..])
    }
}

/// True if both are equal, in a time that depends on the lengths alone.
pub(crate) fn ct_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// AES-256-GCM (SP 800-38D) with a 96-bit nonce and a 128-bit tag, its key schedule done.
pub(crate) struct Gcm(Aes256Gcm);

impl Gcm {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(Aes256Gcm::new(key.into()))
    }

    /// Encrypts `buffer` in place and returns the tag.
    ///
    /// # Errors
    /// `INTEGRITY_VIOLATION` above 64 GiB, the bound of the standard.
    pub(crate) fn seal(&self, nonce: &[u8; 12], aad: &[u8], buffer: &mut [u8]) -> Result<[u8; TAG]> {
        let nonce: &Nonce<Aes256Gcm> = nonce.into();
        let tag = self.0.encrypt_inout_detached(nonce, aad, buffer.into()).map_err(|_| broken())?;
        Ok(tag.into())
    }

    /// Decrypts `buffer` in place.
    ///
    /// # Errors
    /// `INTEGRITY_VIOLATION` if the tag does not fit; `buffer` is still ciphertext then.
    pub(crate) fn open(&self, nonce: &[u8; 12], aad: &[u8], buffer: &mut [u8], tag: &[u8]) -> Result<()> {
        let nonce: &Nonce<Aes256Gcm> = nonce.into();
        let tag: &Tag<Aes256Gcm> = tag.try_into().map_err(|_| broken())?;
        self.0.decrypt_inout_detached(nonce, aad, buffer.into(), tag).map_err(|_| broken())
    }

    /// `prefix || GCM(pad(plaintext))`, made in one buffer so that no copy of the plaintext is left behind.
    pub(crate) fn seal_padded(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        prefix: &[u8],
        plaintext: &[u8],
    ) -> Result<Vec<u8>> {
        let padded = padded_len(plaintext.len());
        // Wiped if encryption is refused; taken out of the wrapper once it is ciphertext.
        let mut buffer = Zeroizing::new(Vec::with_capacity(prefix.len() + padded + TAG));
        buffer.extend_from_slice(prefix);
        buffer.extend_from_slice(plaintext);
        buffer.push(0x80);
        buffer.resize(prefix.len() + padded, 0);
        let tag = self.seal(nonce, aad, &mut buffer[prefix.len()..])?;
        buffer.extend_from_slice(&tag);
        Ok(std::mem::take(&mut *buffer))
    }

    /// The plaintext of `GCM(pad(plaintext))`.
    ///
    /// # Errors
    /// `INTEGRITY_VIOLATION` if the length, the tag or the padding is not what
    /// [`seal_padded`](Self::seal_padded) makes.
    pub(crate) fn open_padded(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        if !is_ciphertext_len(ciphertext.len()) {
            return Err(broken());
        }
        let (body, tag) = ciphertext.split_at(ciphertext.len() - TAG);
        let mut plaintext = Zeroizing::new(body.to_vec());
        self.open(nonce, aad, &mut plaintext, tag)?;
        let length = unpadded_len(&plaintext).ok_or_else(broken)?;
        plaintext.truncate(length);
        Ok(plaintext)
    }
}

/// Length of `pad(p)` for `len` bytes of plaintext: to a multiple of 32 up to 1024, then of 1024, so that the
/// ciphertext tells the size of a text only roughly.
pub(crate) fn padded_len(len: usize) -> usize {
    let step = if len < 1024 { 32 } else { 1024 };
    (len + 1).next_multiple_of(step)
}

/// True if some `pad(p)` and its tag have `len` bytes together.
pub(crate) fn is_ciphertext_len(len: usize) -> bool {
    let padded = len.wrapping_sub(TAG);
    len >= TAG + 32 && padded.is_multiple_of(if padded <= 1024 { 32 } else { 1024 })
}

/// Length of the plaintext in `padded`, or `None` if `pad` cannot have made it.
pub(crate) fn unpadded_len(padded: &[u8]) -> Option<usize> {
    let mark = padded.iter().rposition(|&byte| byte != 0)?;
    (padded[mark] == 0x80 && padded_len(mark) == padded.len()).then_some(mark)
}

/// The primitives as integration tests see them, to run public test vectors through the very code above.
#[cfg(feature = "test-util")]
pub mod for_tests {
    use crate::error::Result;

    /// `HKDF(ikm, salt, info)` over SHA-256 into `out` (RFC 5869).
    pub fn hkdf(ikm: &[u8], salt: &[u8], info: &[u8], out: &mut [u8]) {
        super::hkdf(ikm, salt, info, out);
    }

    /// HMAC-SHA256 (RFC 2104).
    #[must_use]
    pub fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        super::hmac(key, parts)
    }

    /// Encrypts in place, returns the tag: AES-256-GCM (SP 800-38D).
    ///
    /// # Errors
    /// `INTEGRITY_VIOLATION` above the bound of the standard.
    pub fn gcm_seal(key: &[u8; 32], nonce: &[u8; 12], aad: &[u8], buffer: &mut [u8]) -> Result<[u8; 16]> {
        super::Gcm::new(key).seal(nonce, aad, buffer)
    }

    /// Decrypts in place: AES-256-GCM (SP 800-38D).
    ///
    /// # Errors
    /// `INTEGRITY_VIOLATION` if the tag does not fit.
    pub fn gcm_open(
        key: &[u8; 32],
        nonce: &[u8; 12],
        aad: &[u8],
        buffer: &mut [u8],
        tag: &[u8],
    ) -> Result<()> {
        super::Gcm::new(key).open(nonce, aad, buffer, tag)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pad(plaintext: &[u8]) -> Vec<u8> {
        let mut padded = plaintext.to_vec();
        padded.push(0x80);
        padded.resize(padded_len(plaintext.len()), 0);
        padded
    }

    #[test]
    fn padding_has_the_promised_steps() {
        for (length, padded) in [
            (0, 32),
            (31, 32),
            (32, 64),
            (63, 64),
            (991, 992),
            (992, 1024),
            (1023, 1024),
            (1024, 2048),
            (2047, 2048),
            (2048, 3072),
        ] {
            assert_eq!(padded_len(length), padded, "{length}");
        }
        let lengths: Vec<usize> = (0..5000).filter(|&length| is_ciphertext_len(length)).collect();
        let made: std::collections::BTreeSet<usize> =
            (0..5000).map(|length| padded_len(length) + TAG).filter(|&length| length < 5000).collect();
        assert_eq!(lengths, made.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn numbers_and_texts_have_one_encoding() {
        let mut buffer = Vec::new();
        buffer.lp("ab").u8(1).u16(2).u32(3).u64(4).i64(-1).lp("");
        assert_eq!(
            buffer,
            [&[0, 0, 0, 2, b'a', b'b', 1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4][..], &[255; 8], &[0; 4]]
                .concat()
        );
    }

    #[test]
    fn gathered_parts_are_the_same_bytes() {
        let mut gather = Gather::new(Vec::new());
        let mut plain = Vec::new();
        for length in [0, 1, 250, 5, 1, 256, 257, 3, 700, 255, 2] {
            let part = vec![length as u8; length];
            gather.raw(&part);
            plain.raw(&part);
        }
        assert_eq!(gather.into_inner(), plain);
        assert_eq!(EMPTY_HASH, sha256(b""));
    }

    #[test]
    fn a_subkey_is_an_hkdf_of_one_block() {
        let mut key = [0; 32];
        hkdf(&[1; 32], &sha256(b"label"), b"info", &mut key);
        let mut mac = Subkey::new("label").mac(&[1; 32], b"info");
        mac.raw(b"message");
        assert_eq!(mac.finish(), hmac(&key, &[b"mess", b"age"]));
    }

    #[test]
    fn a_sealed_text_of_any_length_opens() {
        let (gcm, nonce) = hkdf_gcm(&[7; 32], b"salt", b"info");
        for length in [0, 1, 31, 32, 1023, 1024, 70_000] {
            let plaintext = vec![0x80; length];
            let mut sealed = gcm.seal_padded(&nonce, b"aad", b"pre", &plaintext).unwrap();
            assert_eq!(&sealed[..3], b"pre");
            assert_eq!(*gcm.open_padded(&nonce, b"aad", &sealed[3..]).unwrap(), plaintext);
            assert!(gcm.open_padded(&nonce, b"other", &sealed[3..]).is_err());
            assert!(gcm.open_padded(&nonce, b"aad", &sealed[3..sealed.len() - 1]).is_err());
            sealed[3] ^= 1;
            assert!(gcm.open_padded(&nonce, b"aad", &sealed[3..]).is_err());
        }
    }

    #[test]
    fn authentic_bytes_with_another_padding_are_refused() {
        let (gcm, nonce) = hkdf_gcm(&[7; 32], b"salt", b"info");
        let mut long = pad(b"x");
        long.resize(64, 0);
        let mut far = pad(&[b'x'; 1024]);
        far.resize(3072, 0);
        for mut wrong in [vec![0; 32], vec![b'x'; 32], long, far] {
            let tag = gcm.seal(&nonce, b"", &mut wrong).unwrap();
            wrong.extend_from_slice(&tag);
            assert!(gcm.open_padded(&nonce, b"", &wrong).is_err());
        }
    }

    proptest! {
        #[test]
        fn padding_comes_off_again(plaintext in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let padded = pad(&plaintext);
            prop_assert!(is_ciphertext_len(padded.len() + TAG));
            prop_assert_eq!(unpadded_len(&padded), Some(plaintext.len()));
        }

        #[test]
        fn only_one_padding_reads_as_a_text(
            blocks in 1..4_usize,
            big in any::<bool>(),
            tail in proptest::collection::vec(prop_oneof![Just(0_u8), Just(0x80), any::<u8>()], 40),
        ) {
            let mut bytes = vec![0; blocks * if big { 1024 } else { 32 }];
            let length = bytes.len();
            bytes[length.saturating_sub(40)..].copy_from_slice(&tail[40_usize.saturating_sub(length)..]);
            if let Some(length) = unpadded_len(&bytes) {
                prop_assert_eq!(pad(&bytes[..length]), bytes);
            }
        }
    }
}
