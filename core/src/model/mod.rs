//! The words of the field: ids, orders, requests, views.

mod fields;
mod ids;
mod insurance;
pub mod limits;
mod permission;
mod reading;
mod request;
mod status;
mod time;
mod transition;
mod views;
mod words;

pub use fields::{FieldSet, PhiField};
pub use ids::{
    Chain, IdempotencyKey, OrderId, PatientId, ProviderId, RequestId, RoleName, Source, TerritoryId, UserId,
};
pub use insurance::{Insurance, InsuranceStatus, InsuranceVerification};
pub use permission::Permission;
pub use reading::{AuditFilter, AuditPage, RelationshipFilter, RelationshipPage};
pub use request::{BatchMode, CreateOrder, DeleteOrder, OrderFilter, StatusChange, VerificationData};
pub use status::OrderStatus;
pub use time::Timestamp;
pub use transition::{Need, TransitionOption, Why};
pub use views::{
    AuditDetails, AuditRecord, BatchItem, EventKind, Order, OrderEvent, OrderPage, OrderSummary,
};
pub(crate) use words::words;
