//! One chain a territory: linking drafts to it, checking a link, and what else the audit key protects
//! (FORMAT.md sections 3 and 6).

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::entry::{Entry, EntryDraft};
use crate::crypto::{EMPTY_HASH, Gather, MAX, Mac, Sink, Subkey, broken, ct_eq, hkdf_gcm, sha256};
use crate::error::Result;

/// Everything derived from the audit key of one chain; wiped when dropped.
pub struct AuditKeys {
    territory: Box<str>,
    ak: Zeroizing<[u8; 32]>,
    mac: Mac,
    details_hedge: Mac,
    idempotency: Mac,
}

impl AuditKeys {
    /// The keys of the chain of `territory` (empty for the system chain), each `HKDF(AK, SHA-256(label),
    /// LP(territory), 32)` (RFC 5869).
    #[must_use]
    pub fn new(territory: &str, ak: &[u8; 32]) -> Self {
        let mut info = Vec::with_capacity(4 + territory.len());
        info.lp(territory);
        Self {
            territory: territory.into(),
            ak: Zeroizing::new(*ak),
            mac: Subkey::new("medorder/v1/audit-mac").mac(ak, &info),
            details_hedge: Subkey::new("medorder/v1/details-hedge").mac(ak, &info),
            idempotency: Subkey::new("medorder/v1/idempotency").mac(ak, &info),
        }
    }

    /// Seals reason and subject, given as JSON, for an entry; no JSON gives no bytes.
    ///
    /// `salt 16 || GCM(key, nonce, aad, pad(json))` with `key || nonce = HKDF(AK, salt, aad, 44)` (RFC 5869,
    /// SP 800-38D). The salt is a MAC over `random` and the JSON.
    ///
    /// # Errors
    /// `INTEGRITY_VIOLATION` above the length bound of GCM, which no reason reaches.
    pub fn seal_details(
        &self,
        order_id: &[u8; 16],
        row_version: u64,
        action: &str,
        json: &str,
        random: &[u8; 32],
    ) -> Result<Vec<u8>> {
        if json.is_empty() {
            return Ok(Vec::new());
        }
        let aad = self.details_aad(order_id, row_version, action);
        let mut hedge = self.details_hedge.clone();
        hedge.raw(random).raw(&aad).lp(json);
        let salt = &hedge.finish()[..16];
        let (gcm, nonce) = hkdf_gcm(&self.ak, salt, &aad);
        gcm.seal_padded(&nonce, &aad, salt, json.as_bytes())
    }

    /// The JSON of stored details, or `None` if there are none.
    ///
    /// # Errors
    /// `INTEGRITY_VIOLATION` if the bytes were not sealed for this order, version and action of this chain.
    pub fn open_details(
        &self,
        order_id: &[u8; 16],
        row_version: u64,
        action: &str,
        details: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>> {
        if details.is_empty() {
            return Ok(None);
        }
        let (salt, ciphertext) = details.split_at_checked(16).ok_or_else(broken)?;
        let aad = self.details_aad(order_id, row_version, action);
        let (gcm, nonce) = hkdf_gcm(&self.ak, salt, &aad);
        let json = gcm.open_padded(&nonce, &aad, ciphertext)?;
        // No JSON has one encoding: no bytes.
        if json.is_empty() { Err(broken()) } else { Ok(Some(json)) }
    }

    /// The MAC of an entry's hash: `HMAC(HKDF(AK, SHA-256("medorder/v1/audit-mac"), LP(territory), 32),
    /// hash)` (RFC 2104), which nobody without the audit key can make.
    #[must_use]
    pub fn mac(&self, hash: &[u8; 32]) -> [u8; 32] {
        let mut mac = self.mac.clone();
        mac.raw(hash);
        mac.finish()
    }

    /// What stands for an idempotency key in the database: `HMAC(K_idem, LP("key") || LP(key))`.
    #[must_use]
    pub fn idempotency_key(&self, key: &str) -> [u8; 32] {
        let mut mac = self.idempotency.clone();
        mac.lp("key").lp(key);
        mac.finish()
    }

    /// What stands for a request in the database: `HMAC(K_idem, LP("request") || LP(user_id) || LP(action) ||
    /// order_id || LP(json))`, with `json` the request without its idempotency key and 16 zero bytes for the
    /// order of a create.
    #[must_use]
    pub fn idempotency_request(
        &self,
        user_id: &str,
        action: &str,
        order_id: &[u8; 16],
        json: &[u8],
    ) -> [u8; 32] {
        let mut mac = self.idempotency.clone();
        mac.lp("request").lp(user_id).lp(action).raw(order_id).lp(json);
        mac.finish()
    }

    /// The tag that a list cursor carries, so that only this database can have made it: `HMAC(K_idem,
    /// LP("page") || LP(part) ...)`.
    #[must_use]
    pub fn page_tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.idempotency.clone();
        mac.lp("page");
        for part in parts {
            mac.lp(part);
        }
        mac.finish()
    }

    /// `LP("medorder/v1/details") || LP(territory) || order_id || u64 row_version || LP(action)`
    fn details_aad(&self, order_id: &[u8; 16], row_version: u64, action: &str) -> Vec<u8> {
        let mut aad = Vec::with_capacity(55 + self.territory.len() + action.len());
        aad.lp("medorder/v1/details").lp(&*self.territory).raw(order_id).u64(row_version).lp(action);
        aad
    }
}

impl fmt::Debug for AuditKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AuditKeys({:?})", self.territory)
    }
}

/// Where a chain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last entry's number; 0 if there is none.
    pub seq: u64,
    /// The last entry's hash; the genesis if there is none.
    pub hash: [u8; 32],
    /// The last entry's time.
    pub at: i64,
}

impl Head {
    /// The head of an empty chain, whose time is before every other.
    #[must_use]
    pub fn genesis(territory: &str) -> Self {
        Self { seq: 0, hash: genesis(territory), at: i64::MIN }
    }
}

/// What the first entry of a chain links to: `SHA-256(LP("medorder/v1/genesis") || LP(territory))` (FIPS
/// 180-4).
#[must_use]
pub fn genesis(territory: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.lp("medorder/v1/genesis").lp(territory);
    hash.finalize().into()
}

/// What an entry holds of its sealed details: `SHA-256(details)` (FIPS 180-4).
#[must_use]
pub fn details_hash(details: &[u8]) -> [u8; 32] {
    sha256(details)
}

/// Gives the drafts their places after `head`, in order.
#[must_use]
pub fn link(territory: &str, keys: &AuditKeys, head: &Head, drafts: &[EntryDraft]) -> Vec<Entry> {
    let places = places(territory, keys, head, drafts).into_iter().zip(drafts);
    places
        .map(|(place, draft)| {
            let Place { head: Head { seq, hash, at }, mac } = place;
            Entry { seq, body: EntryDraft { at, ..draft.clone() }, hash, mac }
        })
        .collect()
}

/// Where a draft stands in its chain: all that linking adds to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "linkers make it, engines take it apart")]
pub struct Place {
    /// The chain's head once the entry is in.
    pub head: Head,
    /// MAC of the head's hash.
    pub mac: [u8; 32],
}

/// The places of the drafts after `head`, in order.
#[must_use]
pub fn places(territory: &str, keys: &AuditKeys, head: &Head, drafts: &[EntryDraft]) -> Vec<Place> {
    let mut head = *head;
    let mut places = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let (seq, at) = (head.seq.saturating_add(1), draft.at.max(head.at));
        let hash = hash_at(territory, &head.hash, seq, at, draft);
        head = Head { seq, hash, at };
        places.push(Place { head, mac: keys.mac(&hash) });
    }
    places
}

/// `SHA-256(entry)` (FIPS 180-4); [`entry_bytes`] is the entry.
#[must_use]
pub fn entry_hash(territory: &str, prev: &[u8; 32], seq: u64, body: &EntryDraft) -> [u8; 32] {
    hash_at(territory, prev, seq, body.at, body)
}

fn hash_at(territory: &str, prev: &[u8; 32], seq: u64, at: i64, body: &EntryDraft) -> [u8; 32] {
    let mut hash = Gather::new(Sha256::new());
    write_entry(&mut hash, territory, prev, seq, at, body);
    hash.into_inner().finalize().into()
}

/// The bytes of an entry, of which the chain holds the hash; what an export lets anyone recompute.
#[must_use]
pub fn entry_bytes(territory: &str, prev: &[u8; 32], seq: u64, body: &EntryDraft) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    write_entry(&mut bytes, territory, prev, seq, body.at, body);
    bytes
}

/// True if `entry` is the one this library linked right after `prev`: number, time, hash and MAC. Allocates
/// nothing; the comparisons are constant time.
#[must_use]
pub fn verify_link(territory: &str, keys: &AuditKeys, prev: &Head, entry: &Entry) -> bool {
    let in_place = prev.seq.checked_add(1) == Some(entry.seq) && entry.seq <= MAX;
    let hash = entry_hash(territory, &prev.hash, entry.seq, &entry.body);
    in_place
        && entry.body.row_version <= MAX
        && prev.at <= entry.body.at
        && ct_eq(&hash, &entry.hash)
        && ct_eq(&keys.mac(&hash), &entry.mac)
}

fn write_entry(sink: &mut impl Sink, territory: &str, prev: &[u8; 32], seq: u64, at: i64, body: &EntryDraft) {
    // Names every member, so that a column added later cannot stay outside the hash.
    let EntryDraft {
        at: _,
        user_id,
        role,
        purpose,
        order_id,
        action,
        outcome,
        old_status,
        new_status,
        row_version,
        row_mac,
        fields,
        request_id,
        source,
        details,
    } = body;
    sink.lp("medorder/v1/audit").lp(territory).u64(seq).raw(prev).i64(at);
    sink.lp(user_id).lp(role).lp(purpose).raw(order_id).lp(&**action).lp(&**outcome);
    sink.lp(&**old_status).lp(&**new_status).u64(*row_version).raw(row_mac).u32(*fields);
    sink.lp(request_id).lp(source);
    // Most entries have no details.
    sink.raw(&if details.is_empty() { EMPTY_HASH } else { sha256(details) });
}

#[cfg(test)]
mod tests {
    use super::super::entry::draft;
    use super::*;

    fn keys() -> AuditKeys {
        AuditKeys::new("north", &[1; 32])
    }

    #[test]
    fn drafts_are_linked_without_a_gap_and_time_never_decreases() {
        let mut drafts = vec![draft("create", "success"); 4];
        for (draft, at) in drafts.iter_mut().zip([50, 40, 60, -5]) {
            draft.at = at;
        }
        let entries = link("north", &keys(), &Head::genesis("north"), &drafts);
        let mut head = Head::genesis("north");
        for entry in &entries {
            assert!(verify_link("north", &keys(), &head, entry));
            assert_eq!(entry.hash, sha256(&entry_bytes("north", &head.hash, entry.seq, &entry.body)));
            head = Head { seq: entry.seq, hash: entry.hash, at: entry.body.at };
        }
        let places: Vec<(u64, i64)> = entries.iter().map(|entry| (entry.seq, entry.body.at)).collect();
        assert_eq!(places, [(1, 50), (2, 50), (3, 60), (4, 60)]);
    }

    #[test]
    fn one_draft_at_a_time_gives_the_same_chain() {
        let drafts = ["create", "view", "delete"].map(|action| draft(action, "success"));
        let mut head = Head::genesis("north");
        let mut single = Vec::new();
        for draft in &drafts {
            let entry = link("north", &keys(), &head, std::slice::from_ref(draft)).remove(0);
            head = Head { seq: entry.seq, hash: entry.hash, at: entry.body.at };
            single.push(entry);
        }
        assert_eq!(single, link("north", &keys(), &Head::genesis("north"), &drafts));
    }

    #[test]
    fn a_link_of_another_place_chain_or_key_is_refused() {
        let genesis = Head::genesis("north");
        let entries =
            link("north", &keys(), &genesis, &[draft("create", "success"), draft("view", "success")]);
        assert!(!verify_link("north", &keys(), &genesis, &entries[1]));
        assert!(!verify_link("south", &keys(), &genesis, &entries[0]));
        assert!(!verify_link("north", &AuditKeys::new("north", &[2; 32]), &genesis, &entries[0]));
        assert!(!verify_link("north", &AuditKeys::new("south", &[1; 32]), &genesis, &entries[0]));
        let late = Head { at: entries[0].body.at + 1, ..genesis };
        assert!(!verify_link("north", &keys(), &late, &entries[0]));
        let end = Head { seq: u64::MAX, ..genesis };
        assert!(!verify_link("north", &keys(), &end, &entries[0]));
    }

    #[test]
    fn details_belong_to_one_entry() {
        let keys = keys();
        let json = r#"{"reason":"duplicate"}"#;
        let details = keys.seal_details(&[1; 16], 4, "delete", json, &[2; 32]).unwrap();
        let opened = keys.open_details(&[1; 16], 4, "delete", &details).unwrap().unwrap();
        assert_eq!(*opened, json.as_bytes());
        assert!(keys.open_details(&[2; 16], 4, "delete", &details).is_err());
        assert!(keys.open_details(&[1; 16], 5, "delete", &details).is_err());
        assert!(keys.open_details(&[1; 16], 4, "view", &details).is_err());
        assert!(
            AuditKeys::new("south", &[1; 32]).open_details(&[1; 16], 4, "delete", &details).is_err(),
            "another territory"
        );
        assert!(keys.seal_details(&[1; 16], 4, "delete", "", &[2; 32]).unwrap().is_empty());
        assert!(keys.open_details(&[1; 16], 4, "delete", b"").unwrap().is_none());
        assert!(keys.open_details(&[1; 16], 4, "delete", b"short").is_err());
    }

    #[test]
    fn a_generator_that_repeats_itself_gives_each_reason_its_own_salt() {
        let keys = keys();
        let mut salts = std::collections::HashSet::new();
        for n in 0..10_000 {
            let json = format!(r#"{{"reason":"{n}"}}"#);
            let details = keys.seal_details(&[1; 16], 4, "delete", &json, &[7; 32]).unwrap();
            assert!(salts.insert(details[..16].to_vec()));
        }
    }

    #[test]
    fn parts_of_a_page_tag_do_not_run_together() {
        let keys = keys();
        assert_ne!(keys.page_tag(&[b"ab", b"c"]), keys.page_tag(&[b"a", b"bc"]));
        assert_ne!(keys.page_tag(&[b"x"]), keys.idempotency_key("x"));
    }
}
