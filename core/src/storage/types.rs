//! What goes into an engine and what comes out.

use std::borrow::Cow;
use std::fmt;

use crate::audit::{self, Action, Entry, EntryDraft, Head};
use crate::model::{Chain, OrderFilter, OrderId, OrderStatus};

/// What becomes true together: writes of one chain's territory, and the entries that tell of them.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "engines and the service both build and take it apart")]
pub struct Unit {
    /// The chain the drafts are linked to, and the territory the writes belong to.
    pub chain: Chain,
    /// The epoch the unit was made under; another one in the database makes it [`Outcome::StaleEpoch`].
    pub epoch: u64,
    /// Row changes, applied in order.
    pub writes: Vec<Write>,
    /// Entries to link, in order.
    pub drafts: Vec<EntryDraft>,
    /// Records of the requests in this unit; a key that is taken makes it [`Outcome::Replay`].
    pub idempotency: Vec<IdempotencyRecord>,
}

impl Unit {
    /// A unit of `chain` made under `epoch`.
    #[must_use]
    pub const fn new(chain: Chain, epoch: u64) -> Self {
        Self { chain, epoch, writes: Vec::new(), drafts: Vec::new(), idempotency: Vec::new() }
    }

    /// About how many bytes the unit brings, for bounds on queues and groups.
    #[must_use]
    pub fn weight(&self) -> usize {
        const ROW: usize = 256;
        let writes: usize = self.writes.iter().map(|write| ROW + write.weight()).sum();
        let drafts: usize = self.drafts.iter().map(|draft| ROW + draft.details.len()).sum();
        writes + drafts + self.idempotency.len() * 96
    }
}

/// One row change of a [`Unit`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Write {
    /// A new order.
    Insert(Box<OrderRow>),
    /// A new version of an order; misfits unless the row has `from_version` and its key.
    Update(Box<OrderUpdate>),
    /// Takes key and ciphertext away and leaves the skeleton; misfits unless the row has `from_version`.
    Shred {
        /// The order.
        order_id: OrderId,
        /// The version the row must have.
        from_version: u64,
        /// The time of the delete; the version becomes `from_version + 1`.
        updated_at: i64,
    },
    /// No change: misfits unless the order still has its key.
    Present(OrderId),
    /// Replaces a wrapped key if it still has these bytes; otherwise nothing happens.
    Rewrap {
        /// The order.
        order_id: OrderId,
        /// The bytes the row must have.
        old: Vec<u8>,
        /// The bytes it gets.
        new: Vec<u8>,
    },
    /// A new key row; misfits if the row exists.
    Key(KeyRow),
    /// Replaces every blob of the key table (system chain only) and raises all epochs; misfits unless the
    /// table holds exactly the `old` rows.
    ReplaceKeys {
        /// What the table must hold.
        old: Vec<KeyRow>,
        /// The same rows with new blobs.
        new: Vec<KeyRow>,
    },
    /// Makes the territory's head row, or makes it active again.
    Territory,
    /// Takes the territory out of service and raises its epoch; the row stays.
    Unregister,
    /// Raises the territory's epoch.
    RaiseEpoch,
    /// Registers a relationship; nothing happens if it is there.
    Relationship(Relationship),
    /// Takes a relationship away and raises the epoch; nothing happens if it is not there.
    RemoveRelationship(Relationship),
    /// Keeps a signed checkpoint of the unit's chain.
    Checkpoint {
        /// The position it signs.
        seq: u64,
        /// The signed note.
        note: String,
    },
    /// Renews the database's generation and raises all epochs (system chain only).
    Generation([u8; 16]),
}

impl Write {
    fn weight(&self) -> usize {
        let fields = |fields: &Fields| fields.iter().flatten().map(Vec::len).sum::<usize>();
        match self {
            Self::Insert(row) => fields(&row.fields),
            Self::Update(update) => update.fields.as_ref().map_or(0, fields),
            _ => 0,
        }
    }

    /// The order this write changes.
    #[must_use]
    pub fn changes(&self) -> Option<OrderId> {
        match self {
            Self::Insert(row) => Some(row.order_id),
            Self::Update(update) => Some(update.order_id),
            Self::Shred { order_id, .. } | Self::Rewrap { order_id, .. } => Some(*order_id),
            _ => None,
        }
    }
}

/// An order and its wrapped key.
pub type WrappedKey = (OrderId, Vec<u8>);

/// The ciphertext of the PHI fields, by field id minus one.
pub type Fields = [Option<Vec<u8>>; 5];

/// An order as stored. Text is as read: nothing here is trusted before the row MAC is checked.
#[derive(Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "engines build it")]
pub struct OrderRow {
    /// The order's id.
    pub order_id: OrderId,
    /// The patient's id.
    pub patient_id: String,
    /// The provider's id.
    pub provider_id: String,
    /// The status' name.
    pub status: String,
    /// Counts the changes, from 1.
    pub version: u64,
    /// Microseconds since 1970.
    pub created_at: i64,
    /// Microseconds since 1970.
    pub updated_at: i64,
    /// The wrapped order key; `None` for a skeleton.
    pub wrapped: Option<Vec<u8>>,
    /// The seal; `None` for a skeleton.
    pub seal: Option<Vec<u8>>,
    /// Ciphertexts.
    pub fields: Fields,
}

impl OrderRow {
    /// True if a delete took key and ciphertext away.
    #[must_use]
    pub fn is_skeleton(&self) -> bool {
        self.seal.is_none()
    }
}

impl fmt::Debug for OrderRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrderRow")
            .field("order_id", &self.order_id)
            .field("status", &self.status)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// A new version of an order.
#[derive(Clone, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "the service builds it, engines take it apart")]
pub struct OrderUpdate {
    /// The order.
    pub order_id: OrderId,
    /// The version the row must have.
    pub from_version: u64,
    /// The status it gets.
    pub status: String,
    /// The version it gets.
    pub version: u64,
    /// The time of the change.
    pub updated_at: i64,
    /// The new seal.
    pub seal: Vec<u8>,
    /// New ciphertexts, if PHI changed.
    pub fields: Option<Fields>,
}

impl fmt::Debug for OrderUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OrderUpdate")
            .field("order_id", &self.order_id)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

/// A wrapped key (FORMAT section 1).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_structs, reason = "engines build it")]
pub struct KeyRow {
    /// `data`, `audit`, `checkpoint` or `check`.
    pub purpose: String,
    /// The chain's text.
    pub territory: String,
    /// The key's version.
    pub version: u32,
    /// What the key provider returned.
    pub blob: Vec<u8>,
}

impl fmt::Debug for KeyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRow({} {:?} {})", self.purpose, self.territory, self.version)
    }
}

/// What a new database is born with.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the service builds it")]
pub struct Initial {
    /// Random.
    pub generation: [u8; 16],
    /// `check`, and the system chain's keys.
    pub keys: Vec<KeyRow>,
}

/// What a database says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "engines build it")]
pub struct Meta {
    /// Random, made with the database; renewed by a restore.
    pub generation: [u8; 16],
    /// The stored format's number.
    pub format: u32,
}

/// A head row, and where its chain really ends.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "engines build it")]
pub struct TerritoryRow {
    /// Whose head it is.
    pub chain: Chain,
    /// Raised whenever a right is taken away or the current key changes.
    pub epoch: u64,
    /// False after it was unregistered.
    pub active: bool,
    /// The head as the row says.
    pub head: Head,
    /// The highest `seq` that the log has, 0 if it is empty.
    pub last_seq: u64,
    /// The database's identity ([`Meta`]), read in the same snapshot: a head and what names it in a cursor.
    pub generation: [u8; 16],
}

/// A remembered request (FORMAT section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "engines build it")]
pub struct IdempotencyRecord {
    /// HMAC of the key.
    pub key: [u8; 32],
    /// HMAC of the request.
    pub request: [u8; 32],
    /// The order it made or changed.
    pub order_id: OrderId,
    /// The version it made.
    pub row_version: u64,
    /// When.
    pub at: i64,
}

/// A patient and a provider who have to do with each other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "engines build it")]
pub struct Relationship {
    /// The patient's id.
    pub patient_id: String,
    /// The provider's id.
    pub provider_id: String,
}

impl fmt::Debug for Relationship {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Relationship(..)")
    }
}

/// Which relationships to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the service builds it")]
pub struct RelationshipQuery {
    /// Only this patient's.
    pub patient_id: Option<String>,
    /// Only this provider's.
    pub provider_id: Option<String>,
    /// After this one.
    pub after: Option<Relationship>,
}

/// Which entries to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the service builds it")]
pub struct EntryQuery {
    /// With a higher `seq` than this.
    pub after: u64,
    /// With at most this `seq`.
    pub upto: Option<u64>,
    /// About this order.
    pub order_id: Option<OrderId>,
    /// About orders of this patient.
    pub patient_id: Option<String>,
    /// By this user.
    pub user_id: Option<String>,
    /// Not before.
    pub from: Option<i64>,
    /// Before.
    pub to: Option<i64>,
    /// Only views that disclosed a field.
    pub disclosures: bool,
}

/// A page of the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "engines build it")]
pub struct EventPage {
    /// Events by ascending `seq`.
    pub events: Vec<Entry>,
    /// The head of the snapshot the events were read in.
    pub head: Head,
    /// The hash of the entry at the position asked for; `None` if the chain has no such entry.
    pub anchor: Option<[u8; 32]>,
    /// False if the territory was taken out of service.
    pub active: bool,
}

/// What became of a [`Unit`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Durable; the first draft got `first_seq`.
    Done {
        /// The position of the unit's first entry.
        first_seq: u64,
    },
    /// A row is not as the unit expected: nothing was written.
    Conflict {
        /// The order that misfits, with its version now (`None`: no row, or no key any more).
        order: Option<(OrderId, Option<u64>)>,
    },
    /// A key of the unit is taken: nothing was written.
    Replay(Vec<IdempotencyRecord>),
    /// The territory's epoch is another one: nothing was written.
    StaleEpoch,
    /// The database's own constraints refuse the unit, so rows and entries disagree: nothing was written.
    Refused,
}

/// A word of the log: those this library writes are borrowed from the program, others are kept as they are.
#[cfg_attr(
    not(any(feature = "sqlite", feature = "postgres")),
    expect(dead_code, reason = "no engine reads it")
)]
pub(super) fn word(text: &str) -> Cow<'static, str> {
    let action = || Action::parse(text).map(Action::name);
    let outcome = || audit::Outcome::parse(text).map(audit::Outcome::name);
    let status = || OrderStatus::parse(text).ok().map(OrderStatus::name);
    let known = if text.is_empty() { Some("") } else { action().or_else(outcome).or_else(status) };
    known.map_or_else(|| Cow::Owned(text.to_owned()), Cow::Borrowed)
}

/// The ids that orders of the filter's times before `before` can have, since an id begins with the milliseconds
/// of its order's creation: not before the first, before the second. It spares a walk past all other times.
#[cfg_attr(
    not(any(feature = "sqlite", feature = "postgres")),
    expect(dead_code, reason = "no engine reads it")
)]
pub(super) fn id_window(filter: &OrderFilter, before: Option<OrderId>) -> (Option<OrderId>, Option<OrderId>) {
    let first_of = |millis: i64| {
        let millis = u64::try_from(millis).ok().filter(|millis| millis >> 48 == 0)?;
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        Some(OrderId::from_bytes(bytes))
    };
    let from = filter.created_from.and_then(|from| first_of(from.as_micros().div_euclid(1000)));
    // Whatever is older than 1970 has an id of its first millisecond.
    let last = |to: i64| to.saturating_sub(1).max(0) / 1000;
    let to = filter.created_to.and_then(|to| first_of(last(to.as_micros()) + 1));
    (from, to.into_iter().chain(before).min())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn a_window_holds_the_ids_of_its_times() {
        let moments =
            [i64::MIN, -1_500, -1, 0, 1, 999, 1_000, 1_001, 1_767_225_600_123_456, 1_767_225_600_124_000];
        for made in moments {
            let ids = [OrderId::new(made, [0; 8]), OrderId::new(made, [255; 8])];
            for from in moments {
                for to in moments {
                    let filter = OrderFilter::new()
                        .created_from(Timestamp::from_micros(from))
                        .created_to(Timestamp::from_micros(to));
                    let (first, end) = id_window(&filter, None);
                    let holds = |id: &OrderId| {
                        first.is_none_or(|first| *id >= first) && end.is_none_or(|end| *id < end)
                    };
                    if from <= made && made < to {
                        assert!(ids.iter().all(holds), "{made} in {from} to {to}");
                    }
                    // A second away is outside.
                    if made > 1_000_000 && (from.saturating_sub(1_000_000) > made || made - 1_000_000 > to) {
                        assert!(!ids.iter().any(holds), "{made} in {from} to {to}");
                    }
                }
            }
        }
        let before = OrderId::from_bytes([1; 16]);
        assert_eq!(id_window(&OrderFilter::new(), Some(before)), (None, Some(before)));
    }
}
