//! The record seal: a row's PHI fields encrypted under fresh keys, and one MAC over the whole row (FORMAT.md
//! section 2).

use std::fmt;
use std::sync::{LazyLock, OnceLock};

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::encrypted::Encrypted;
use super::key::OrderKey;
use crate::crypto::{Gather, Gcm, MAX, Mac, Sink, Subkey, broken, ct_eq, hkdf};
use crate::error::Result;

/// Number of PHI fields: 1 service_type, 2 diagnosis_codes, 3 notes, 4 insurance, 5 insurance_verification.
pub const FIELDS: usize = 5;
/// Bytes of a seal.
pub const SEAL_LEN: usize = 108;

const FMT: u8 = 1;
const SUITE: u8 = 1;
const SCHEMA: u16 = 1;
/// fmt, suite, schema, sealed_version
const HEAD: usize = 12;
const SALT: std::ops::Range<usize> = HEAD..44;
const COMMIT: std::ops::Range<usize> = 44..76;
/// Everything before `row_mac`; the MAC covers it.
const BOUND: usize = 76;

static HEDGE: LazyLock<Subkey> = LazyLock::new(|| Subkey::new("medorder/v1/hedge"));

/// The plain columns of a row, as bound by its seal. No `Debug`: it names a patient.
#[derive(Clone, Copy)]
pub struct RowView<'a> {
    /// The order's territory.
    pub territory: &'a str,
    /// The 16 bytes of the order's id.
    pub order_id: &'a [u8; 16],
    /// Bumped by every change.
    pub version: u64,
    /// The host's id of the patient.
    pub patient_id: &'a str,
    /// The host's id of the provider.
    pub provider_id: &'a str,
    /// The status as stored.
    pub status: &'a str,
    /// Microseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// Microseconds since 1970-01-01 UTC.
    pub updated_at: i64,
}

/// What a write stores: the seal and the ciphertext of each present field.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// `fmt || suite || u16 schema || u64 sealed_version || salt 32 || commit 32 || row_mac 32`
    pub seal: [u8; SEAL_LEN],
    /// Ciphertext of field 1 to 5; an absent field has none.
    pub fields: [Option<Vec<u8>>; FIELDS],
}

impl Sealed {
    /// The MAC of the row, which its audit entry repeats.
    #[must_use]
    pub fn row_mac(&self) -> [u8; 32] {
        row_mac_of(&self.seal)
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(..)")
    }
}

/// Seals all PHI fields of `row` anew, with `sealed_version` = the row's version, from 32 fresh random bytes.
///
/// `K_enc || commit || K_row = HKDF(OK, salt, LP("medorder/v1/record") || suite || schema || LP(territory) ||
/// order_id || u64 sealed_version, 96)` (RFC 5869); each field is `GCM(K_enc, field_id, aad, pad(plaintext))`
/// (SP 800-38D); the row MAC is HMAC-SHA256 (RFC 2104). The salt is a MAC over the randomness and the
/// plaintext, so a generator that repeats itself cannot put two plaintexts under one key.
///
/// # Errors
/// `INTEGRITY_VIOLATION` if field 1 or 2 is absent or the version is above 2^63-1.
pub fn seal(
    ok: &OrderKey,
    row: &RowView<'_>,
    plaintext: &[Option<&[u8]>; FIELDS],
    random: &[u8; 32],
) -> Result<Sealed> {
    if row.version > MAX || plaintext[0].is_none() || plaintext[1].is_none() {
        return Err(broken());
    }
    let salt = hedged_salt(ok, row, plaintext, random);
    let keys = Keys::derive(ok, row.territory, row.order_id, row.version, &salt);
    let mut seal = [0; SEAL_LEN];
    seal[..HEAD].copy_from_slice(&head(row.version));
    seal[SALT].copy_from_slice(&salt);
    seal[COMMIT].copy_from_slice(&keys.commit);

    let gcm = Gcm::new(&keys.enc);
    let mut aad = field_aad(row.territory, row.order_id, row.version);
    let mut fields: [Option<Vec<u8>>; FIELDS] = Default::default();
    for (field, (slot, text)) in (1..).zip(fields.iter_mut().zip(plaintext)) {
        if let Some(text) = text {
            *slot = Some(gcm.seal_padded(&nonce(field), aad_for(&mut aad, field), &[], text)?);
        }
    }
    let stored = fields.each_ref().map(Option::as_deref);
    let mac = row_mac(keys.row, row, &seal[..BOUND], stored);
    seal[BOUND..].copy_from_slice(&mac);
    Ok(Sealed { seal, fields })
}

/// Checks a stored row as a whole: its form, the key commitment, then the row MAC over every stored field and
/// plain column, both in constant time. Nothing is decrypted yet.
///
/// # Errors
/// `INTEGRITY_VIOLATION` if anything of the row is not as it was sealed under this key.
pub fn open<'a>(
    ok: &OrderKey,
    row: &RowView<'_>,
    seal: &'a [u8],
    fields: &'a [Option<Vec<u8>>; FIELDS],
) -> Result<Opened<'a>> {
    let seal: &[u8; SEAL_LEN] = seal.try_into().map_err(|_| broken())?;
    let sealed_version = sealed_version(seal)?;
    if row.version > MAX || sealed_version > row.version || fields[0].is_none() || fields[1].is_none() {
        return Err(broken());
    }
    let mut checked = [None; FIELDS];
    for (slot, stored) in checked.iter_mut().zip(fields) {
        *slot = stored.as_deref().map(Encrypted::from_bytes).transpose()?;
    }
    let keys = Keys::derive(ok, row.territory, row.order_id, sealed_version, &seal[SALT]);
    if !ct_eq(&keys.commit, &seal[COMMIT]) {
        return Err(broken());
    }
    let stored = fields.each_ref().map(Option::as_deref);
    if !ct_eq(&row_mac(keys.row.clone(), row, &seal[..BOUND], stored), &seal[BOUND..]) {
        return Err(broken());
    }
    Ok(Opened {
        aad: field_aad(row.territory, row.order_id, sealed_version),
        enc: keys.enc,
        gcm: OnceLock::new(),
        row: keys.row,
        seal,
        sealed_version,
        fields: checked,
    })
}

/// A row that was checked as a whole: the one source of plaintext, and of the MAC of a changed row.
pub struct Opened<'a> {
    aad: Vec<u8>,
    enc: Zeroizing<[u8; 32]>,
    /// Made when the first field is decrypted; a change of status decrypts none.
    gcm: OnceLock<Gcm>,
    row: Mac,
    seal: &'a [u8; SEAL_LEN],
    sealed_version: u64,
    fields: [Option<Encrypted<[u8], &'a [u8]>>; FIELDS],
}

impl Opened<'_> {
    /// The plaintext of field 1 to 5, or `None` if it is absent.
    ///
    /// # Errors
    /// `INTEGRITY_VIOLATION` if the ciphertext or its padding is not as sealed, or there is no such field.
    pub fn decrypt(&self, field: u16) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let slot = usize::from(field).checked_sub(1).and_then(|index| self.fields.get(index));
        let Some(stored) = slot.ok_or_else(broken)? else { return Ok(None) };
        let gcm = self.gcm.get_or_init(|| Gcm::new(&self.enc));
        let mut aad = self.aad.clone();
        gcm.open_padded(&nonce(field), aad_for(&mut aad, field), stored.as_bytes()).map(Some)
    }

    /// The seal of the same ciphertext after a change of status: a new row MAC under the same salt. `row` has
    /// the same ids as the row that was opened, and its new status, version and time.
    #[must_use]
    pub fn restamp(&self, row: &RowView<'_>) -> [u8; SEAL_LEN] {
        debug_assert!(self.aad == field_aad(row.territory, row.order_id, self.sealed_version));
        debug_assert!(self.sealed_version <= row.version && row.version <= MAX);
        let stored = self.fields.each_ref().map(|field| field.as_ref().map(Encrypted::as_bytes));
        let mut seal = *self.seal;
        let mac = row_mac(self.row.clone(), row, &seal[..BOUND], stored);
        seal[BOUND..].copy_from_slice(&mac);
        seal
    }

    /// The MAC of the row as stored.
    #[must_use]
    pub fn row_mac(&self) -> [u8; 32] {
        row_mac_of(self.seal)
    }

    /// The version the PHI was last sealed at.
    #[must_use]
    pub const fn sealed_version(&self) -> u64 {
        self.sealed_version
    }
}

impl fmt::Debug for Opened<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opened(..)")
    }
}

/// What the audit entry of a delete binds instead of a row MAC, whose key is gone: the columns that stay.
///
/// `SHA-256(LP("medorder/v1/skeleton") || LP(territory) || order_id || u64 version || LP(patient_id) ||
/// LP(provider_id) || LP(status) || i64 created_at || i64 updated_at)` (FIPS 180-4)
#[must_use]
pub fn skeleton(row: &RowView<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.lp("medorder/v1/skeleton");
    write_row(&mut hash, row);
    hash.finalize().into()
}

/// The keys of one seal.
struct Keys {
    enc: Zeroizing<[u8; 32]>,
    commit: [u8; 32],
    row: Mac,
}

impl Keys {
    fn derive(ok: &OrderKey, territory: &str, order_id: &[u8; 16], sealed_version: u64, salt: &[u8]) -> Self {
        let mut info = Vec::with_capacity(53 + territory.len());
        info.lp("medorder/v1/record").u8(SUITE).u16(SCHEMA).lp(territory).raw(order_id).u64(sealed_version);
        let mut okm = Zeroizing::new([0; 96]);
        hkdf(ok.expose(), salt, &info, &mut okm[..]);
        let mut enc = Zeroizing::new([0; 32]);
        enc.copy_from_slice(&okm[..32]);
        let mut commit = [0; 32];
        commit.copy_from_slice(&okm[32..64]);
        Self { enc, commit, row: Mac::new(&okm[64..]) }
    }
}

fn hedged_salt(
    ok: &OrderKey,
    row: &RowView<'_>,
    plaintext: &[Option<&[u8]>; FIELDS],
    random: &[u8; 32],
) -> [u8; 32] {
    let mut digest = Sha256::new();
    for (field, text) in (1_u16..).zip(plaintext) {
        if let Some(text) = text {
            digest.u16(field).lp(text);
        }
    }
    let mut info = Vec::with_capacity(20 + row.territory.len());
    info.lp(row.territory).raw(row.order_id);
    let mut mac = HEDGE.mac(ok.expose(), &info);
    mac.raw(random).u64(row.version).raw(&digest.finalize());
    mac.finish()
}

fn head(sealed_version: u64) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[0] = FMT;
    head[1] = SUITE;
    head[2..4].copy_from_slice(&SCHEMA.to_be_bytes());
    head[4..].copy_from_slice(&sealed_version.to_be_bytes());
    head
}

fn sealed_version(seal: &[u8; SEAL_LEN]) -> Result<u64> {
    let version = u64::from_be_bytes(seal[4..HEAD].try_into().map_err(|_| broken())?);
    if seal[..HEAD] == head(version) && version <= MAX { Ok(version) } else { Err(broken()) }
}

/// `LP("medorder/v1/field") || LP(territory) || order_id || u64 sealed_version || u16 schema || u16 field_id
/// || u8 suite`, with field_id 0 until [`aad_for`] sets it.
fn field_aad(territory: &str, order_id: &[u8; 16], sealed_version: u64) -> Vec<u8> {
    let mut aad = Vec::with_capacity(54 + territory.len());
    aad.lp("medorder/v1/field").lp(territory).raw(order_id).u64(sealed_version).u16(SCHEMA).u16(0).u8(SUITE);
    aad
}

fn aad_for(aad: &mut [u8], field: u16) -> &[u8] {
    let end = aad.len() - 1;
    aad[end - 2..end].copy_from_slice(&field.to_be_bytes());
    aad
}

/// 10 zero bytes and the field: enough, since no key encrypts twice.
fn nonce(field: u16) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[10..].copy_from_slice(&field.to_be_bytes());
    nonce
}

fn row_mac(mac: Mac, row: &RowView<'_>, bound: &[u8], fields: [Option<&[u8]>; FIELDS]) -> [u8; 32] {
    let mut mac = Gather::new(mac);
    mac.lp("medorder/v1/row");
    write_row(&mut mac, row);
    let present = (1_u16..).zip(fields).filter_map(|(field, bytes)| bytes.map(|bytes| (field, bytes)));
    mac.raw(bound).u16(present.clone().map(|_| 1).sum());
    for (field, bytes) in present {
        mac.u16(field).lp(bytes);
    }
    mac.into_inner().finish()
}

fn write_row(sink: &mut impl Sink, row: &RowView<'_>) {
    sink.lp(row.territory).raw(row.order_id).u64(row.version).lp(row.patient_id).lp(row.provider_id);
    sink.lp(row.status).i64(row.created_at).i64(row.updated_at);
}

fn row_mac_of(seal: &[u8; SEAL_LEN]) -> [u8; 32] {
    let mut mac = [0; 32];
    mac.copy_from_slice(&seal[BOUND..]);
    mac
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
