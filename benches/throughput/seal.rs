//! The floor's cryptography: the formulas of FORMAT.md straight from the primitives.

use aes_gcm::aead::{AeadInOut, Nonce, Tag};
use aes_gcm::{Aes256Gcm, KeyInit};
use hmac::{Hmac, Mac};
use medorder::phi::key::{Key32, context, provider_unwrap};
use rusqlite::Connection;
use sha2::{Digest, Sha256};

use crate::orders::{Cover, Shape, Verification};

type Hs = Hmac<Sha256>;

pub(crate) const TERRITORY: &str = "north";

/// A territory's keys, with what depends on them alone done once.
pub(crate) struct Keys {
    data: [u8; 32],
    version: u32,
    wrap_info: Vec<u8>,
    wrap_hedge: Hs,
    audit_mac: Hs,
    hedge: Hs,
}

/// An order's columns as they are bound.
pub(crate) struct Row {
    pub(crate) id: [u8; 16],
    pub(crate) patient: String,
    pub(crate) provider: String,
    pub(crate) status: String,
    pub(crate) version: i64,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) wrapped: Vec<u8>,
    pub(crate) seal: Vec<u8>,
    pub(crate) fields: [Option<Vec<u8>>; 5],
}

/// What a caller gets.
#[expect(dead_code, reason = "made for the caller, who is not there")]
pub(crate) struct Plain {
    pub(crate) row: Row,
    pub(crate) service_type: String,
    pub(crate) codes: Vec<String>,
    pub(crate) notes: String,
    pub(crate) insurance: Option<Cover>,
    pub(crate) verification: Option<Verification>,
}

impl Row {
    /// A bit for each field that is there.
    pub(crate) fn present(&self) -> u32 {
        self.fields.iter().enumerate().map(|(n, field)| u32::from(field.is_some()) << n).sum()
    }
}

fn lp(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn mac(key: &[u8]) -> Hs {
    <Hs as KeyInit>::new_from_slice(key).expect("any length")
}

fn done(mac: Hs) -> [u8; 32] {
    mac.finalize().into_bytes().into()
}

fn hkdf<const N: usize>(ikm: &[u8], salt: &[u8], info: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    hkdf::Hkdf::<Sha256>::new(Some(salt), ikm).expand(info, &mut out).expect("short");
    out
}

fn label(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn gcm(key: &[u8]) -> Aes256Gcm {
    Aes256Gcm::new_from_slice(key).expect("32 bytes")
}

fn encrypt(gcm: &Aes256Gcm, nonce: &[u8; 12], aad: &[u8], body: &mut [u8]) -> [u8; 16] {
    let nonce: &Nonce<Aes256Gcm> = nonce.into();
    gcm.encrypt_inout_detached(nonce, aad, body.into()).expect("short").into()
}

fn decrypt(gcm: &Aes256Gcm, nonce: &[u8; 12], aad: &[u8], body: &mut [u8], tag: &[u8]) {
    let nonce: &Nonce<Aes256Gcm> = nonce.into();
    let tag: &Tag<Aes256Gcm> = tag.try_into().expect("16 bytes");
    gcm.decrypt_inout_detached(nonce, aad, body.into(), tag).expect("authentic");
}

fn field_nonce(field: usize) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[11] = field as u8;
    nonce
}

#[expect(clippy::disallowed_methods, reason = "the floor has no injected randomness")]
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("randomness");
    bytes
}

/// Microseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the floor has no injected clock")]
pub(crate) fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_micros() as i64)
}

impl Keys {
    /// Reads the keys that the library made in this database.
    pub(crate) fn read(conn: &Connection) -> Self {
        Self::unwrapped(|purpose| {
            conn.query_row(
                "SELECT version, blob FROM keys WHERE purpose = ?1 AND territory_id = ?2 ORDER BY version DESC",
                [purpose, TERRITORY],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .expect("a key row")
        })
    }

    /// The keys in the rows of these purposes: version and wrapped key.
    pub(crate) fn unwrapped(row: impl Fn(&str) -> (u32, Vec<u8>)) -> Self {
        let open = |purpose: &str| -> (u32, [u8; 32]) {
            let (version, blob) = row(purpose);
            // The root of `TestKey::new()`.
            let root = Key32::from_bytes([0x42; 32]);
            let key = provider_unwrap(&root, &context(purpose, TERRITORY, version), &blob);
            (version, *key.expect("the key opens").expose())
        };
        let ((version, data), (_, audit)) = (open("data"), open("audit"));
        Self::new(version, data, &audit)
    }

    /// The same keys under another data key.
    pub(crate) fn rotated(&self) -> Self {
        Self::new(self.version + 1, random(), &[0; 32])
    }

    fn new(version: u32, data: [u8; 32], audit: &[u8; 32]) -> Self {
        let mut bound = Vec::new();
        lp(&mut bound, TERRITORY.as_bytes());
        let mut wrap_info = Vec::new();
        lp(&mut wrap_info, b"medorder/v1/wrap");
        lp(&mut wrap_info, TERRITORY.as_bytes());
        wrap_info.extend_from_slice(&version.to_be_bytes());
        Self {
            data,
            version,
            wrap_info,
            wrap_hedge: mac(&hkdf::<32>(&data, &label("medorder/v1/wrap-hedge"), &bound)),
            audit_mac: mac(&hkdf::<32>(audit, &label("medorder/v1/audit-mac"), &bound)),
            hedge: mac(&label("medorder/v1/hedge")),
        }
    }

    pub(crate) fn entry_mac(&self, hash: &[u8; 32]) -> [u8; 32] {
        let mut mac = self.audit_mac.clone();
        mac.update(hash);
        done(mac)
    }

    fn key_aad(&self, id: &[u8; 16]) -> Vec<u8> {
        let mut aad = Vec::with_capacity(64);
        lp(&mut aad, b"medorder/v1/order-key");
        lp(&mut aad, TERRITORY.as_bytes());
        aad.extend_from_slice(id);
        aad.extend_from_slice(&self.version.to_be_bytes());
        aad.push(1);
        aad
    }

    pub(crate) fn wrap(&self, id: &[u8; 16], key: &[u8; 32], random: &[u8]) -> Vec<u8> {
        let mut hedge = self.wrap_hedge.clone();
        hedge.update(random);
        hedge.update(id);
        hedge.update(key);
        let salt = &done(hedge)[..16];
        let okm: [u8; 44] = hkdf(&self.data, salt, &self.wrap_info);
        let mut body = *key;
        let nonce = okm[32..].try_into().expect("12 bytes");
        let tag = encrypt(&gcm(&okm[..32]), &nonce, &self.key_aad(id), &mut body);
        let mut wrapped = Vec::with_capacity(70);
        wrapped.extend_from_slice(&[1, 1]);
        wrapped.extend_from_slice(&self.version.to_be_bytes());
        wrapped.extend_from_slice(salt);
        wrapped.extend_from_slice(&body);
        wrapped.extend_from_slice(&tag);
        wrapped
    }

    pub(crate) fn unwrap(&self, id: &[u8; 16], wrapped: &[u8]) -> [u8; 32] {
        let okm: [u8; 44] = hkdf(&self.data, &wrapped[6..22], &self.wrap_info);
        let mut key: [u8; 32] = wrapped[22..54].try_into().expect("32 bytes");
        let nonce = okm[32..].try_into().expect("12 bytes");
        decrypt(&gcm(&okm[..32]), &nonce, &self.key_aad(id), &mut key, &wrapped[54..]);
        key
    }

    /// A new order, sealed.
    pub(crate) fn create(&self, shape: &Shape) -> Row {
        let drawn: [u8; 104] = random();
        let at = now();
        let mut id = [0; 16];
        id[..6].copy_from_slice(&((at / 1000) as u64).to_be_bytes()[2..]);
        id[6..8].copy_from_slice(&(0x7000 | (at % 1000 * 4096 / 1000) as u16).to_be_bytes());
        id[8..].copy_from_slice(&drawn[..8]);
        id[8] = 0x80 | (id[8] & 0x3f);
        let key: [u8; 32] = drawn[8..40].try_into().expect("32 bytes");
        let mut row = Row {
            id,
            patient: shape.patient_id.clone(),
            provider: shape.provider_id.clone(),
            status: "pending_verification".to_owned(),
            version: 1,
            created: at,
            updated: at,
            wrapped: self.wrap(&id, &key, &drawn[40..72]),
            seal: Vec::with_capacity(108),
            fields: [
                Some(shape.service_type.clone().into_bytes()),
                serde_json::to_vec(&shape.diagnosis_codes).ok(),
                Some(shape.notes.clone().into_bytes()).filter(|notes| !notes.is_empty()),
                serde_json::to_vec(&shape.insurance).ok(),
                None,
            ],
        };
        let mut digest = Sha256::new();
        for (field, text) in row.fields.iter().enumerate() {
            if let Some(text) = text {
                digest.update((field as u16 + 1).to_be_bytes());
                digest.update((text.len() as u32).to_be_bytes());
                digest.update(text);
            }
        }
        let mut extract = self.hedge.clone();
        extract.update(&key);
        let mut expand = mac(&done(extract));
        expand.update(&(TERRITORY.len() as u32).to_be_bytes());
        expand.update(TERRITORY.as_bytes());
        expand.update(&id);
        expand.update(&[1]);
        let mut salt = mac(&done(expand));
        salt.update(&drawn[72..]);
        salt.update(&1_u64.to_be_bytes());
        salt.update(&digest.finalize());
        let salt = done(salt);
        let okm = record_keys(&key, &id, 1, &salt);
        row.seal.extend_from_slice(&[1, 1, 0, 1]);
        row.seal.extend_from_slice(&1_u64.to_be_bytes());
        row.seal.extend_from_slice(&salt);
        row.seal.extend_from_slice(&okm[32..64]);
        let cipher = gcm(&okm[..32]);
        let mut aad = field_aad(&id, 1);
        for (field, slot) in row.fields.iter_mut().enumerate() {
            if let Some(text) = slot {
                let step = if text.len() < 1024 { 32 } else { 1024 };
                let padded = (text.len() + 1).next_multiple_of(step);
                text.reserve_exact(padded + 16 - text.len());
                text.push(0x80);
                text.resize(padded, 0);
                let at = aad.len() - 2;
                aad[at] = field as u8 + 1;
                let tag = encrypt(&cipher, &field_nonce(field + 1), &aad, text);
                text.extend_from_slice(&tag);
            }
        }
        let mac = row_mac(&okm[64..], &row);
        row.seal.extend_from_slice(&mac);
        row
    }

    /// Checks a row and returns its record keys.
    pub(crate) fn check(&self, row: &Row) -> [u8; 96] {
        let key = self.unwrap(&row.id, &row.wrapped);
        let sealed = u64::from_be_bytes(row.seal[4..12].try_into().expect("8 bytes"));
        let okm = record_keys(&key, &row.id, sealed, &row.seal[12..44]);
        assert!(okm[32..64] == row.seal[44..76] && row_mac(&okm[64..], row) == row.seal[76..]);
        okm
    }

    /// Checks and decrypts a row.
    pub(crate) fn open(&self, row: Row) -> Plain {
        let okm = self.check(&row);
        let cipher = gcm(&okm[..32]);
        let sealed = u64::from_be_bytes(row.seal[4..12].try_into().expect("8 bytes"));
        let mut aad = field_aad(&row.id, sealed);
        let mut texts: [Vec<u8>; 5] = Default::default();
        for (field, stored) in row.fields.iter().enumerate() {
            if let Some(stored) = stored {
                let (body, tag) = stored.split_at(stored.len() - 16);
                let mut text = body.to_vec();
                let at = aad.len() - 2;
                aad[at] = field as u8 + 1;
                decrypt(&cipher, &field_nonce(field + 1), &aad, &mut text, tag);
                let end = text.iter().rposition(|byte| *byte == 0x80).expect("padding");
                text.truncate(end);
                texts[field] = text;
            }
        }
        let [service_type, codes, notes, insurance, verification] = texts;
        Plain {
            row,
            service_type: String::from_utf8(service_type).expect("text"),
            codes: serde_json::from_slice(&codes).expect("codes"),
            notes: String::from_utf8(notes).expect("text"),
            insurance: serde_json::from_slice(&insurance).ok(),
            verification: serde_json::from_slice(&verification).ok(),
        }
    }

    /// The row in another status, under a new MAC.
    pub(crate) fn restamp(&self, row: &mut Row, status: &str) {
        let okm = self.check(row);
        status.clone_into(&mut row.status);
        row.version += 1;
        row.updated = now();
        let mac = row_mac(&okm[64..], row);
        row.seal[76..].copy_from_slice(&mac);
    }
}

fn record_keys(key: &[u8; 32], id: &[u8; 16], sealed: u64, salt: &[u8]) -> [u8; 96] {
    let mut info = Vec::with_capacity(64);
    lp(&mut info, b"medorder/v1/record");
    info.extend_from_slice(&[1, 0, 1]);
    lp(&mut info, TERRITORY.as_bytes());
    info.extend_from_slice(id);
    info.extend_from_slice(&sealed.to_be_bytes());
    hkdf(key, salt, &info)
}

fn field_aad(id: &[u8; 16], sealed: u64) -> Vec<u8> {
    let mut aad = Vec::with_capacity(64);
    lp(&mut aad, b"medorder/v1/field");
    lp(&mut aad, TERRITORY.as_bytes());
    aad.extend_from_slice(id);
    aad.extend_from_slice(&sealed.to_be_bytes());
    aad.extend_from_slice(&[0, 1, 0, 0, 1]);
    aad
}

fn row_mac(key: &[u8], row: &Row) -> [u8; 32] {
    let mut text = Vec::with_capacity(256);
    lp(&mut text, b"medorder/v1/row");
    lp(&mut text, TERRITORY.as_bytes());
    text.extend_from_slice(&row.id);
    text.extend_from_slice(&row.version.to_be_bytes());
    lp(&mut text, row.patient.as_bytes());
    lp(&mut text, row.provider.as_bytes());
    lp(&mut text, row.status.as_bytes());
    text.extend_from_slice(&row.created.to_be_bytes());
    text.extend_from_slice(&row.updated.to_be_bytes());
    text.extend_from_slice(&row.seal[..76]);
    let present = row.fields.iter().flatten().count() as u16;
    text.extend_from_slice(&present.to_be_bytes());
    let mut mac = mac(key);
    mac.update(&text);
    for (field, bytes) in row.fields.iter().enumerate() {
        if let Some(bytes) = bytes {
            mac.update(&(field as u16 + 1).to_be_bytes());
            mac.update(&(bytes.len() as u32).to_be_bytes());
            mac.update(bytes);
        }
    }
    done(mac)
}
