//! Orders as they come out. What holds a patient or PHI is an object, whose text shows neither.

use std::sync::Arc;
use std::time::SystemTime;

use medorder::FieldSet;

use crate::error::Failure;
use crate::insurance::{Insurance, InsuranceVerification};
use crate::shared::signed;
use crate::time::system_time;
use crate::words::{Need, OrderStatus, PhiField, Why};

/// The plain columns of an order: the answer of a change. Its text shows the order, its status and its version.
#[derive(uniffi::Object)]
#[uniffi::export(Display)]
pub struct OrderSummary(medorder::OrderSummary);

/// An order as one actor may see it. Its text shows the order, its status and its version, and no PHI.
#[derive(uniffi::Object)]
#[uniffi::export(Display)]
pub struct Order(medorder::Order);

/// The plain columns, which both have.
macro_rules! columns {
    ($name:ident, $text:literal) => {
        #[uniffi::export]
        impl $name {
            /// The order.
            pub fn id(&self) -> String {
                self.0.id.to_string()
            }

            /// Where it lives.
            pub fn territory_id(&self) -> String {
                self.0.territory_id.as_str().to_owned()
            }

            /// For whom.
            pub fn patient_id(&self) -> String {
                self.0.patient_id.as_str().to_owned()
            }

            /// By whom.
            pub fn provider_id(&self) -> String {
                self.0.provider_id.as_str().to_owned()
            }

            /// Where it stands.
            pub fn status(&self) -> OrderStatus {
                self.0.status.into()
            }

            /// From 1, one more with every change.
            pub fn version(&self) -> i64 {
                signed(self.0.version)
            }

            /// When it was created.
            pub fn created_at(&self) -> SystemTime {
                system_time(self.0.created_at)
            }

            /// When it changed last.
            pub fn updated_at(&self) -> SystemTime {
                system_time(self.0.updated_at)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!($text, "({}, {}, version {})"), self.0.id, self.0.status, self.0.version)
            }
        }
    };
}

columns!(OrderSummary, "OrderSummary");
columns!(Order, "Order");

#[uniffi::export]
impl Order {
    /// PHI: what is ordered; null if it is not disclosed.
    pub fn service_type(&self) -> Option<String> {
        self.0.service_type.as_ref().map(|text| text.expose().clone())
    }

    /// PHI: why; null if it is not disclosed.
    pub fn diagnosis_codes(&self) -> Option<Vec<String>> {
        self.0.diagnosis_codes.as_ref().map(|codes| codes.expose().clone())
    }

    /// PHI: all notes so far; empty if they are disclosed and there are none, null if they are not disclosed.
    pub fn notes(&self) -> Option<String> {
        let none = || self.0.disclosed.contains(medorder::PhiField::Notes).then(String::new);
        self.0.notes.as_ref().map(|notes| notes.expose().clone()).or_else(none)
    }

    /// PHI: who pays; null if it is not disclosed or nobody said.
    pub fn insurance(&self) -> Option<Arc<Insurance>> {
        self.0.insurance.clone().map(Insurance::of)
    }

    /// PHI: what the payer said; null if it is not disclosed or nobody verified.
    pub fn insurance_verification(&self) -> Option<Arc<InsuranceVerification>> {
        self.0.insurance_verification.clone().map(InsuranceVerification::of)
    }

    /// The fields shown here, with or without a value.
    pub fn disclosed(&self) -> Vec<PhiField> {
        words(self.0.disclosed)
    }

    /// The fields asked for that the actor's roles may not see.
    pub fn withheld(&self) -> Vec<PhiField> {
        words(self.0.withheld)
    }
}

impl From<medorder::OrderSummary> for OrderSummary {
    fn from(summary: medorder::OrderSummary) -> Self {
        Self(summary)
    }
}

impl From<medorder::Order> for Order {
    fn from(order: medorder::Order) -> Self {
        Self(order)
    }
}

/// A page of a list, newest first. An object, since it holds orders; its text shows their number.
#[derive(uniffi::Object)]
#[uniffi::export(Display)]
pub struct OrderPage {
    orders: Vec<Arc<Order>>,
    next_cursor: Option<String>,
    feed_cursor: String,
}

#[uniffi::export]
impl OrderPage {
    /// The orders.
    pub fn orders(&self) -> Vec<Arc<Order>> {
        self.orders.clone()
    }

    /// Where the next page starts; null at the end.
    pub fn next_cursor(&self) -> Option<String> {
        self.next_cursor.clone()
    }

    /// Where a subscription starts that misses nothing since this page.
    pub fn feed_cursor(&self) -> String {
        self.feed_cursor.clone()
    }
}

impl From<medorder::OrderPage> for OrderPage {
    fn from(page: medorder::OrderPage) -> Self {
        let orders = page.orders.into_iter().map(|order| Arc::new(order.into())).collect();
        Self { orders, next_cursor: page.next_cursor, feed_cursor: page.feed_cursor }
    }
}

impl std::fmt::Display for OrderPage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OrderPage({} orders)", self.orders.len())
    }
}

/// What became of one item of a batch.
#[derive(uniffi::Enum)]
pub enum BatchItem {
    /// It is stored.
    Done {
        /// Its plain columns.
        summary: Arc<OrderSummary>,
    },
    /// It failed.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// It had no fault, but the batch was atomic and another item failed.
    NotApplied,
}

impl From<medorder::BatchItem> for BatchItem {
    fn from(item: medorder::BatchItem) -> Self {
        match item {
            medorder::BatchItem::Done(summary) => Self::Done { summary: Arc::new(summary.into()) },
            medorder::BatchItem::Failed(error) => Self::Failed { failure: Failure::from(&error) },
            _ => Self::NotApplied,
        }
    }
}

/// One status, and whether the actor may move the order there now.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct TransitionOption {
    /// The status asked about.
    pub status: OrderStatus,
    /// True if a request with all that it needs would pass.
    pub allowed: bool,
    /// Why not, if it is not allowed.
    pub why: Option<Why>,
    /// What the caller must still supply; it never makes `allowed` false.
    pub needs: Vec<Need>,
}

impl From<medorder::TransitionOption> for TransitionOption {
    fn from(option: medorder::TransitionOption) -> Self {
        Self {
            status: option.status.into(),
            allowed: option.allowed,
            why: option.why.map(Into::into),
            needs: option.needs.into_iter().map(Into::into).collect(),
        }
    }
}

/// A patient and a provider who belong together. Its text shows neither.
#[derive(uniffi::Object)]
#[uniffi::export(Display)]
pub struct Relationship {
    patient_id: String,
    provider_id: String,
}

#[uniffi::export]
impl Relationship {
    /// The pair of these two.
    #[uniffi::constructor]
    pub fn new(patient_id: String, provider_id: String) -> Arc<Self> {
        Arc::new(Self { patient_id, provider_id })
    }

    /// The patient.
    pub fn patient_id(&self) -> String {
        self.patient_id.clone()
    }

    /// The provider.
    pub fn provider_id(&self) -> String {
        self.provider_id.clone()
    }
}

impl std::fmt::Display for Relationship {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Relationship(..)")
    }
}

/// A page of the stored registry, by patient and provider.
#[derive(uniffi::Record)]
pub struct RelationshipPage {
    /// The pairs.
    pub relationships: Vec<Arc<Relationship>>,
    /// Give this as `after` for the next page; null at the end.
    pub next: Option<Arc<Relationship>>,
}

impl From<medorder::RelationshipPage> for RelationshipPage {
    fn from(page: medorder::RelationshipPage) -> Self {
        let pair = |(patient, provider): &(medorder::PatientId, medorder::ProviderId)| {
            Relationship::new(patient.as_str().to_owned(), provider.as_str().to_owned())
        };
        Self {
            next: page.relationships.last().filter(|_| page.more).map(pair),
            relationships: page.relationships.iter().map(pair).collect(),
        }
    }
}

/// The fields of a set.
pub(crate) fn words(fields: FieldSet) -> Vec<PhiField> {
    fields.iter().map(Into::into).collect()
}
