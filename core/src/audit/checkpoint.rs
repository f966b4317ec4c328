//! Signed notes that name a chain's head, kept outside the database (FORMAT.md section 4).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use uuid::Uuid;

use crate::crypto::{MAX, ct_eq, sha256};
use crate::error::{Error, ErrorCode, Result};
use crate::model::Chain;

/// The algorithm byte of Ed25519 in a signed note's key id.
const ED25519: u8 = 0x01;

/// The chain that a note says it is of; nothing is checked.
#[must_use]
pub fn chain_of(note: &str) -> Option<&str> {
    note.lines().next()?.strip_prefix("medorder/")?.split_once('/').map(|(_, chain)| chain)
}

/// True if the text has the form of a note; the signature is not checked.
pub(crate) fn is_whole(note: &str) -> bool {
    parse(note).is_some()
}

/// The head of a chain at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The database's generation, renewed when a backup is taken into use.
    pub generation: [u8; 16],
    /// The territory, or empty for the system chain.
    pub chain: String,
    /// The head's number; 0 for an empty chain.
    pub seq: u64,
    /// The head's hash; the genesis for an empty chain.
    pub hash: [u8; 32],
}

impl Checkpoint {
    /// What the signature covers: name and chain, number and hash, a line each.
    fn text(&self) -> String {
        format!("{}/{}\n{}\n{}\n", self.name(), self.chain, self.seq, STANDARD.encode(self.hash))
    }

    fn name(&self) -> String {
        format!("medorder/{}", Uuid::from_bytes(self.generation).hyphenated())
    }

    /// The note as a whole.
    fn note(&self, key_id: [u8; 4], signature: &[u8; 64]) -> String {
        let mark = STANDARD.encode([&key_id[..], signature].concat());
        format!("{}\n\u{2014} {} {mark}\n", self.text(), self.name())
    }

    /// `SHA-256(name || 0x0A || 0x01 || public key)[0..4]`
    fn key_id(&self, public_key: &[u8; 32]) -> [u8; 4] {
        let hash = sha256(&[self.name().as_bytes(), &[b'\n', ED25519], public_key].concat());
        [hash[0], hash[1], hash[2], hash[3]]
    }
}

/// Signs checkpoints with the database's Ed25519 key (RFC 8032); wiped when dropped.
pub struct Signer(SigningKey);

impl Signer {
    /// The key with this seed.
    #[must_use]
    pub fn new(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The key that verifiers need, from outside the database.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The signed note of a checkpoint: its text, an empty line, and a line with name, key id and signature.
    #[must_use]
    pub fn sign(&self, checkpoint: &Checkpoint) -> String {
        let signature = self.0.sign(checkpoint.text().as_bytes());
        checkpoint.note(checkpoint.key_id(&self.public_key()), &signature.to_bytes())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(..)")
    }
}

/// The checkpoint in a note that the key with `public_key` signed; any other form of the same is refused.
///
/// # Errors
/// `AUDIT_BROKEN` if the note is not one this library signed with that key.
pub fn verify(note: &str, public_key: &[u8; 32]) -> Result<Checkpoint> {
    let refused = || Error::new(ErrorCode::AuditBroken, "the checkpoint was not signed with this key");
    let (checkpoint, mark) = parse(note).ok_or_else(refused)?;
    let signature: [u8; 64] = mark[4..].try_into().map_err(|_| refused())?;
    // One encoding a note: what was read must be what this library would have written.
    if !ct_eq(checkpoint.note(checkpoint.key_id(public_key), &signature).as_bytes(), note.as_bytes()) {
        return Err(refused());
    }
    VerifyingKey::from_bytes(public_key)
        .and_then(|key| key.verify_strict(checkpoint.text().as_bytes(), &Signature::from_bytes(&signature)))
        .map_err(|_| refused())?;
    Ok(checkpoint)
}

/// What a note claims and its key id and signature, unchecked.
fn parse(note: &str) -> Option<(Checkpoint, [u8; 68])> {
    let mut lines = note.split('\n');
    let (name, chain) = lines.next()?.strip_prefix("medorder/")?.split_once('/')?;
    let seq: u64 = lines.next()?.parse().ok()?;
    let hash = STANDARD.decode(lines.next()?).ok()?.try_into().ok()?;
    let ("", mark) = (lines.next()?, lines.next()?) else { return None };
    let mark = STANDARD.decode(mark.rsplit_once(' ')?.1).ok()?.try_into().ok()?;
    let generation = Uuid::try_parse(name).ok()?.into_bytes();
    Chain::parse(chain).ok()?;
    (seq <= MAX).then(|| (Checkpoint { generation, chain: chain.to_owned(), seq, hash }, mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(chain: &str) -> Checkpoint {
        Checkpoint { generation: [0xab; 16], chain: chain.to_owned(), seq: 42, hash: [7; 32] }
    }

    #[test]
    fn a_note_verifies_under_its_own_key_alone() {
        let signer = Signer::new(&[1; 32]);
        for chain in ["", "north"] {
            let note = signer.sign(&checkpoint(chain));
            assert_eq!(verify(&note, &signer.public_key()).unwrap(), checkpoint(chain));
            let other = Signer::new(&[2; 32]).public_key();
            assert_eq!(verify(&note, &other).unwrap_err().code(), ErrorCode::AuditBroken);
            // No point of the curve, and one of small order.
            for key in [[2; 32], [0; 32]] {
                assert!(verify(&note, &key).is_err());
            }
        }
    }

    #[test]
    fn authentic_text_in_another_form_is_refused() {
        let signer = Signer::new(&[1; 32]);
        let key = signer.public_key();
        let good = signer.sign(&checkpoint("north"));
        assert!(verify(&good, &key).is_ok());
        for bad in [
            good.trim_end().to_owned(),
            format!("{good}\n"),
            format!("{good}{good}"),
            format!("\u{feff}{good}"),
            good.replace('\n', "\r\n"),
            good.replace('\u{2014}', "-"),
            good.replace("\n\n", "\n"),
            good.replace("\n42\n", "\n042\n"),
            good.replace("\n42\n", "\n+42\n"),
            good.replace("abab-abab", "ABAB-abab"),
            good.replace("=\n", "\n"),
        ] {
            assert!(bad != good && verify(&bad, &key).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_signed_checkpoint_outside_the_format_is_refused() {
        let signer = Signer::new(&[1; 32]);
        for (chain, seq) in [("North", 1), ("a/b", 1), ("a\n1", 1), ("north", u64::MAX)] {
            let note = signer.sign(&Checkpoint { seq, ..checkpoint(chain) });
            assert!(verify(&note, &signer.public_key()).is_err(), "{chain:?} {seq}");
        }
    }
}
