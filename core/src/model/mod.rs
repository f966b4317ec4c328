//! The words of the field: ids, orders, requests, views.

mod ids;

pub use ids::{
    Chain, IdempotencyKey, OrderId, PatientId, ProviderId, RequestId, RoleName, Source, TerritoryId, UserId,
};
