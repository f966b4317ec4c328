//! Keys: how a root key wraps territory keys, and a territory key wraps order keys (FORMAT.md section 1).

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::crypto::{Gcm, Mac, Sink, Subkey, TAG, broken, hkdf, hkdf_gcm};
use crate::error::Result;

/// Bytes of a wrapped order key.
pub const WRAPPED_LEN: usize = 70;
/// Bytes of a key wrapped by a shipped provider.
pub const BLOB_LEN: usize = 76;

const FMT: u8 = 1;
const SUITE: u8 = 1;

/// 32 secret bytes; wiped when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Key32([u8; 32]);

impl Key32 {
    /// Takes charge of the bytes; the caller wipes its own copy.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret bytes.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Key32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key32(..)")
    }
}

/// The key of one order, from which every seal of its record derives its own keys. Deleting its wrapped form
/// shreds the record.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct OrderKey(Key32);

impl OrderKey {
    /// Takes charge of 32 fresh random bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Key32::from_bytes(bytes))
    }

    /// The secret bytes.
    #[must_use]
    pub const fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }
}

impl fmt::Debug for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OrderKey(..)")
    }
}

/// The associated data of a key row, which every key provider authenticates.
///
/// `LP("medorder/v1/territory-key") || LP(purpose) || LP(territory) || u32 version`
#[must_use]
pub fn context(purpose: &str, territory: &str, version: u32) -> Vec<u8> {
    let mut context = Vec::with_capacity(25 + purpose.len() + territory.len() + 16);
    context.lp("medorder/v1/territory-key").lp(purpose).lp(territory).u32(version);
    context
}

/// Wraps `key` under a root key, as the key file and the environment variable do; 76 bytes.
///
/// `salt || nonce || GCM(HKDF(root, salt, LP("medorder/v1/provider") || context, 32), nonce, context, key)`
/// (RFC 5869, SP 800-38D). `salt` and `nonce` are fresh random bytes.
///
/// # Errors
/// `INTEGRITY_VIOLATION` above the length bound of GCM, which no context reaches.
pub fn provider_wrap(
    root: &Key32,
    context: &[u8],
    salt: [u8; 16],
    nonce: [u8; 12],
    key: &Key32,
) -> Result<Vec<u8>> {
    let mut body = key.clone();
    let tag = provider_cipher(root, context, &salt).seal(&nonce, context, &mut body.0)?;
    let mut blob = Vec::with_capacity(BLOB_LEN);
    // `body` is ciphertext by now.
    blob.raw(&salt).raw(&nonce).raw(&body.0).raw(&tag);
    Ok(blob)
}

/// The key in a blob of [`provider_wrap`], or `None` if the blob does not authenticate under this root key
/// and context or is malformed.
#[must_use]
pub fn provider_unwrap(root: &Key32, context: &[u8], blob: &[u8]) -> Option<Key32> {
    if blob.len() != BLOB_LEN {
        return None;
    }
    let salt = blob[..16].try_into().ok()?;
    let nonce = blob[16..28].try_into().ok()?;
    let mut key = Key32(blob[28..60].try_into().ok()?);
    provider_cipher(root, context, &salt).open(&nonce, context, &mut key.0, &blob[60..]).ok()?;
    Some(key)
}

/// A territory's data key of one version, with what wrapping derives from it once.
#[derive(Clone)]
pub struct TerritoryKey {
    territory: Box<str>,
    version: u32,
    key: Key32,
    /// `LP("medorder/v1/wrap") || LP(territory) || u32 tk_version`
    info: Box<[u8]>,
    hedge: Mac,
}

impl TerritoryKey {
    /// The key `version` of `territory`.
    #[must_use]
    pub fn new(territory: &str, version: u32, key: Key32) -> Self {
        let mut info = Vec::new();
        info.lp("medorder/v1/wrap").lp(territory).u32(version);
        let mut bound = Vec::new();
        bound.lp(territory);
        let hedge = Subkey::new("medorder/v1/wrap-hedge").mac(key.expose(), &bound);
        Self { territory: territory.into(), version, key, info: info.into(), hedge }
    }

    /// The version that wrapped keys name.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Wraps the key of `order_id` from 32 fresh random bytes.
    ///
    /// `fmt || suite || u32 tk_version || salt 16 || GCM(key, nonce, aad, OK)` with `key || nonce` from HKDF
    /// (RFC 5869, SP 800-38D). The salt is a MAC over the randomness and the key, so a generator that repeats
    /// itself cannot make one nonce serve two keys.
    ///
    /// # Errors
    /// `INTEGRITY_VIOLATION` above the length bound of GCM, which no territory reaches.
    pub fn wrap(&self, order_id: &[u8; 16], ok: &OrderKey, random: &[u8; 32]) -> Result<[u8; WRAPPED_LEN]> {
        let mut hedge = self.hedge.clone();
        hedge.raw(random).raw(order_id).raw(ok.expose());
        let salt = &hedge.finish()[..16];
        let (gcm, nonce) = hkdf_gcm(self.key.expose(), salt, &self.info);
        let mut body = Zeroizing::new(*ok.expose());
        let tag = gcm.seal(&nonce, &self.aad(order_id), &mut body[..])?;
        let mut wrapped = [0; WRAPPED_LEN];
        wrapped[0] = FMT;
        wrapped[1] = SUITE;
        wrapped[2..6].copy_from_slice(&self.version.to_be_bytes());
        wrapped[6..22].copy_from_slice(salt);
        wrapped[22..54].copy_from_slice(&body[..]);
        wrapped[54..].copy_from_slice(&tag);
        Ok(wrapped)
    }

    /// The key of `order_id` in stored bytes.
    ///
    /// # Errors
    /// `INTEGRITY_VIOLATION` if this territory key, of this version, did not wrap them for this order.
    pub fn unwrap(&self, order_id: &[u8; 16], wrapped: &[u8]) -> Result<OrderKey> {
        if wrapped_version(wrapped)? != self.version {
            return Err(broken());
        }
        let (gcm, nonce) = hkdf_gcm(self.key.expose(), &wrapped[6..22], &self.info);
        let mut key = Key32(wrapped[22..54].try_into().map_err(|_| broken())?);
        gcm.open(&nonce, &self.aad(order_id), &mut key.0, &wrapped[54..])?;
        Ok(OrderKey(key))
    }

    /// `LP("medorder/v1/order-key") || LP(territory) || order_id || u32 tk_version || u8 suite`
    fn aad(&self, order_id: &[u8; 16]) -> Vec<u8> {
        let mut aad = Vec::with_capacity(50 + self.territory.len());
        aad.lp("medorder/v1/order-key").lp(&*self.territory).raw(order_id).u32(self.version).u8(SUITE);
        aad
    }
}

impl fmt::Debug for TerritoryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TerritoryKey({} version {})", self.territory, self.version)
    }
}

/// The territory key version that stored bytes of an order key name, before anything is authenticated.
///
/// # Errors
/// `INTEGRITY_VIOLATION` if the length, format or suite is not the one of this library.
pub fn wrapped_version(wrapped: &[u8]) -> Result<u32> {
    match wrapped {
        [FMT, SUITE, a, b, c, d, ..] if wrapped.len() == WRAPPED_LEN => {
            Ok(u32::from_be_bytes([*a, *b, *c, *d]))
        }
        _ => Err(broken()),
    }
}

fn provider_cipher(root: &Key32, context: &[u8], salt: &[u8; 16]) -> Gcm {
    let mut info = Vec::with_capacity(24 + context.len());
    info.lp("medorder/v1/provider").raw(context);
    let mut key = Zeroizing::new([0; 32]);
    hkdf(root.expose(), salt, &info, &mut key[..]);
    Gcm::new(&key)
}

const _: () = assert!(WRAPPED_LEN == 2 + 4 + 16 + 32 + TAG && BLOB_LEN == 16 + 12 + 32 + TAG);

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: [u8; 16] = [9; 16];

    fn key(byte: u8) -> Key32 {
        Key32::from_bytes([byte; 32])
    }

    #[test]
    fn a_wrapped_key_belongs_to_one_territory_version_and_order() {
        let ok = OrderKey::from_bytes([5; 32]);
        let wrapped = TerritoryKey::new("north", 3, key(1)).wrap(&ORDER, &ok, &[2; 32]).unwrap();
        assert_eq!(wrapped_version(&wrapped).unwrap(), 3);
        let opened = TerritoryKey::new("north", 3, key(1)).unwrap(&ORDER, &wrapped).unwrap();
        assert_eq!(opened.expose(), ok.expose());
        for (territory, version, root, order) in
            [("south", 3, 1, ORDER), ("north", 4, 1, ORDER), ("north", 3, 2, ORDER), ("north", 3, 1, [8; 16])]
        {
            let other = TerritoryKey::new(territory, version, key(root));
            assert!(other.unwrap(&order, &wrapped).is_err());
        }
    }

    #[test]
    fn a_blob_belongs_to_one_root_and_context() {
        let bound = context("data", "north", 1);
        let blob = provider_wrap(&key(1), &bound, [2; 16], [3; 12], &key(4)).unwrap();
        assert_eq!(provider_unwrap(&key(1), &bound, &blob).unwrap().expose(), &[4; 32]);
        assert!(provider_unwrap(&key(2), &bound, &blob).is_none());
        for other in [
            context("audit", "north", 1),
            context("data", "south", 1),
            context("data", "north", 2),
            // The boundary between purpose and territory is bound too.
            context("datan", "orth", 1),
        ] {
            assert!(provider_unwrap(&key(1), &other, &blob).is_none());
        }
    }

    #[test]
    fn keys_never_show_themselves() {
        let territory = TerritoryKey::new("north", 3, key(0xab));
        let shown = format!("{:?} {:?} {territory:?}", key(0xab), OrderKey::from_bytes([0xab; 32]));
        assert_eq!(shown, "Key32(..) OrderKey(..) TerritoryKey(north version 3)");
    }

    #[test]
    fn a_generator_that_repeats_itself_gives_each_key_its_own_salt() {
        let territory = TerritoryKey::new("north", 1, key(1));
        let mut salts = std::collections::HashSet::new();
        for n in 0..10_000_u32 {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            let wrapped = territory.wrap(&ORDER, &OrderKey::from_bytes(bytes), &[7; 32]).unwrap();
            assert!(salts.insert(wrapped[6..22].to_vec()));
        }
    }
}
