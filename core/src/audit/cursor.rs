//! Where a reader of a chain stands (FORMAT.md section 5).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::crypto::{MAX, Sink};
use crate::error::{Error, ErrorCode, Result};
use crate::model::Chain;

/// The form of the bytes.
const FMT: u8 = 1;

/// A reader's place: everything up to `seq` has been seen, and the entry there has this hash.
///
/// A cursor is no secret and carries no MAC: whoever presents one is authorised anew, and
/// [`names`](Cursor::names) compares it with the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The database's generation.
    pub generation: [u8; 16],
    /// The territory, or empty for the system chain.
    pub chain: String,
    /// Number of the last entry seen; 0 before the first.
    pub seq: u64,
    /// The first bytes of that entry's hash, or of the genesis.
    pub hash8: [u8; 8],
}

impl Cursor {
    /// The cursor at an entry of a chain.
    #[must_use]
    pub fn at(generation: [u8; 16], chain: &str, seq: u64, hash: &[u8; 32]) -> Self {
        let mut hash8 = [0; 8];
        hash8.copy_from_slice(&hash[..8]);
        Self { generation, chain: chain.to_owned(), seq, hash8 }
    }

    /// The token: base64url without padding (RFC 4648) of `u8 1 || generation || LP(territory) || u64 seq ||
    /// hash[0..8]`.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(37 + self.chain.len());
        bytes.u8(FMT).raw(&self.generation).lp(&self.chain).u64(self.seq).raw(&self.hash8);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The cursor in a token.
    ///
    /// # Errors
    /// `INVALID_CURSOR` if the token is of any other form.
    pub fn decode(token: &str) -> Result<Self> {
        let refused = || Error::new(ErrorCode::InvalidCursor, "the cursor is not one of this feed");
        // Longest: a territory of 64 bytes. A longer token is not worth decoding.
        if token.len() > 135 {
            return Err(refused());
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| refused())?;
        parse(&bytes).ok_or_else(refused)
    }

    /// True if it stands at the entry `seq` with `hash` of this database's chain.
    #[must_use]
    pub fn names(&self, generation: &[u8; 16], chain: &str, seq: u64, hash: &[u8; 32]) -> bool {
        *self == Self::at(*generation, chain, seq, hash)
    }
}

fn parse(bytes: &[u8]) -> Option<Cursor> {
    let (&[fmt], rest) = bytes.split_first_chunk()?;
    let (generation, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (chain, rest) = rest.split_at_checked(length)?;
    let (seq, rest) = rest.split_first_chunk()?;
    let hash8 = rest.try_into().ok()?;
    let chain = std::str::from_utf8(chain).ok()?;
    Chain::parse(chain).ok()?;
    let seq = u64::from_be_bytes(*seq);
    (fmt == FMT && seq <= MAX).then(|| Cursor {
        generation: *generation,
        chain: chain.to_owned(),
        seq,
        hash8,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back() {
        for chain in ["", "a", &"w".repeat(64)] {
            for seq in [0, 1, MAX] {
                let cursor = Cursor::at([9; 16], chain, seq, &[7; 32]);
                assert_eq!(Cursor::decode(&cursor.encode()).unwrap(), cursor);
                assert!(cursor.names(&[9; 16], chain, seq, &[7; 32]));
                assert!(!cursor.names(&[8; 16], chain, seq, &[7; 32]));
                assert!(!cursor.names(&[9; 16], "other", seq, &[7; 32]));
                assert!(!cursor.names(&[9; 16], chain, seq ^ 1, &[7; 32]));
                assert!(!cursor.names(&[9; 16], chain, seq, &[6; 32]));
            }
        }
    }

    #[test]
    fn other_forms_are_refused() {
        let good = Cursor::at([9; 16], "ab", 1, &[7; 32]).encode();
        let above = Cursor::at([9; 16], "ab", u64::MAX, &[7; 32]).encode();
        let foreign = Cursor::at([9; 16], "A", 1, &[7; 32]).encode();
        for bad in ["", "=", &*format!("{good}="), &format!("{good}A"), &good[1..], &above, &foreign] {
            assert_eq!(Cursor::decode(bad).unwrap_err().code(), ErrorCode::InvalidCursor, "{bad}");
        }
        // Unused bits of the last character.
        let mut loose = good.clone().into_bytes();
        assert_eq!(good.len() % 4, 0, "the territory is chosen so that there are none");
        loose[0] = b'B';
        assert!(Cursor::decode(std::str::from_utf8(&loose).unwrap()).is_err());
    }
}
