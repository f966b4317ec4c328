//! Medical order engine.

pub mod env;
pub mod error;
pub mod model;
pub mod phi;

pub use error::{Details, Error, ErrorCode, ErrorKind, Fault, Result, Rule};
pub use model::{
    Chain, IdempotencyKey, OrderId, PatientId, ProviderId, RequestId, RoleName, Source, TerritoryId, UserId,
};
pub use phi::Phi;
