//! What comes out. Plain columns serialize; PHI stays in [`Phi`] and only `wire` writes it.

use std::fmt;
use std::ops::Deref;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::fields::FieldSet;
use super::ids::{OrderId, PatientId, ProviderId, TerritoryId};
use super::insurance::{Insurance, InsuranceVerification};
use super::status::OrderStatus;
use super::time::Timestamp;
use crate::error::Error;
use crate::phi::Phi;

/// The plain columns of an order: the answer of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OrderSummary {
    /// The order.
    #[serde(serialize_with = "text")]
    pub id: OrderId,
    /// Where it lives.
    #[serde(serialize_with = "text")]
    pub territory_id: TerritoryId,
    /// For whom.
    #[serde(serialize_with = "text")]
    pub patient_id: PatientId,
    /// By whom.
    #[serde(serialize_with = "text")]
    pub provider_id: ProviderId,
    /// Where it stands.
    pub status: OrderStatus,
    /// From 1, one more with every change.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// An order as one actor may see it. A field that is not in `disclosed` was not decrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Order {
    /// The plain columns.
    pub summary: OrderSummary,
    /// What is ordered.
    pub service_type: Option<Phi<String>>,
    /// Why.
    pub diagnosis_codes: Option<Phi<Vec<String>>>,
    /// All notes so far; disclosed notes of an order without any are `None` here and `""` on the wire.
    pub notes: Option<Phi<String>>,
    /// Who pays.
    pub insurance: Option<Phi<Insurance>>,
    /// What the payer said.
    pub insurance_verification: Option<Phi<InsuranceVerification>>,
    /// The fields shown here, with or without a value.
    pub disclosed: FieldSet,
    /// The fields asked for that the actor's roles may not see.
    pub withheld: FieldSet,
}

impl Order {
    /// An order that shows nothing but its plain columns.
    #[must_use]
    pub fn plain(summary: OrderSummary) -> Self {
        Self {
            summary,
            service_type: None,
            diagnosis_codes: None,
            notes: None,
            insurance: None,
            insurance_verification: None,
            disclosed: FieldSet::EMPTY,
            withheld: FieldSet::EMPTY,
        }
    }
}

impl Deref for Order {
    type Target = OrderSummary;

    fn deref(&self) -> &OrderSummary {
        &self.summary
    }
}

/// A page of a list, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrderPage {
    /// The orders.
    pub orders: Vec<Order>,
    /// Where the next page starts; `None` at the end.
    pub next_cursor: Option<String>,
    /// Where a subscription starts that misses nothing since this page.
    pub feed_cursor: String,
}

impl OrderPage {
    /// A page of these orders.
    #[must_use]
    pub fn new(orders: Vec<Order>, next_cursor: Option<String>, feed_cursor: String) -> Self {
        Self { orders, next_cursor, feed_cursor }
    }
}

super::words::words!(
    /// What happened to an order.
    EventKind, "type" {
        /// It was created or changed its status.
        StatusChanged = "ORDER_STATUS_CHANGED",
        /// It was deleted.
        Deleted = "ORDER_DELETED",
    }
);

/// What a subscriber receives for a change that is durable. Holds no PHI.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OrderEvent {
    /// What happened.
    pub kind: EventKind,
    /// To which order.
    pub order_id: OrderId,
    /// Where it lives.
    pub territory_id: TerritoryId,
    /// The status before; `None` on create.
    pub old_status: Option<OrderStatus>,
    /// The status after; of a deleted order its last.
    pub new_status: OrderStatus,
    /// When.
    pub timestamp: Timestamp,
    /// Who did it.
    pub user_id: String,
    /// Why, if a reason was given.
    pub reason: Option<String>,
    /// The version the change made.
    pub version: u64,
    /// Where to resume after this event.
    pub cursor: String,
}

impl Serialize for OrderEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Context<'a> {
            user_id: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            reason: Option<&'a str>,
        }
        let context = Context { user_id: &self.user_id, reason: self.reason.as_deref() };
        let mut map = serializer.serialize_map(Some(9))?;
        map.serialize_entry("type", &self.kind)?;
        map.serialize_entry("order_id", &Text(&self.order_id))?;
        map.serialize_entry("territory_id", &Text(&self.territory_id))?;
        map.serialize_entry("old_status", &self.old_status)?;
        map.serialize_entry("new_status", &self.new_status)?;
        map.serialize_entry("timestamp", &self.timestamp)?;
        map.serialize_entry("context", &context)?;
        map.serialize_entry("version", &self.version)?;
        map.serialize_entry("cursor", &self.cursor)?;
        map.end()
    }
}

/// One entry of the audit, as a reader sees it. Holds no PHI.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditRecord {
    /// When.
    pub timestamp: Timestamp,
    /// Who.
    pub user_id: String,
    /// Where; empty for the system chain.
    pub territory_id: String,
    /// Which order, if the entry is about one.
    #[serde(serialize_with = "optional_text")]
    pub order_id: Option<OrderId>,
    /// What: `create`, `update_status`, `view`, `delete` or an administrative act.
    pub action: String,
    /// What changed, and why.
    pub details: AuditDetails,
    /// The place in the chain, from 1.
    pub seq: u64,
    /// The roles of the actor, sorted and joined by `,`.
    pub role: String,
    /// For what.
    pub purpose: String,
    /// `success` or `denied`.
    pub outcome: String,
    /// The fields disclosed or changed.
    pub fields: FieldSet,
    /// The host's id of the request; may be empty.
    pub request_id: String,
    /// Where the call came from; may be empty.
    pub source: String,
    /// The version of the order that was read or made; 0 if none.
    pub row_version: u64,
    /// The chain hash, in hexadecimal.
    #[serde(serialize_with = "hex")]
    pub hash: [u8; 32],
}

/// What changed and why, in an [`AuditRecord`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AuditDetails {
    /// The status before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_status: Option<OrderStatus>,
    /// The status after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_status: Option<OrderStatus>,
    /// The reason given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The object of an administrative act.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
}

/// What became of one item of a batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BatchItem {
    /// It is stored.
    Done(OrderSummary),
    /// It failed.
    Failed(Error),
    /// It had no fault, but the batch was atomic and another item failed.
    NotApplied,
}

struct Text<'a, T>(&'a T);

impl<T: fmt::Display> Serialize for Text<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

fn text<T: fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

#[expect(clippy::ref_option, reason = "the shape serde calls")]
fn optional_text<T: fmt::Display, S: Serializer>(
    value: &Option<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value.as_ref().map(Text).serialize(serializer)
}

fn hex<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    struct Hex<'a>(&'a [u8; 32]);
    impl fmt::Display for Hex<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        }
    }
    serializer.collect_str(&Hex(bytes))
}
