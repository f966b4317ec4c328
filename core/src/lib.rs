//! Medical order engine.

pub mod access;
pub mod env;
pub mod error;
pub mod model;
pub mod phi;
pub mod wire;
pub mod workflow;

pub use access::{AccessPolicy, Actor, Purpose, RoleGrant};
pub use error::{Details, Error, ErrorCode, ErrorKind, Fault, Result, Rule};
pub use model::{
    AuditDetails, AuditRecord, BatchItem, BatchMode, Chain, CreateOrder, DeleteOrder, EventKind, FieldSet,
    IdempotencyKey, Insurance, InsuranceStatus, InsuranceVerification, Need, Order, OrderEvent, OrderFilter,
    OrderId, OrderPage, OrderStatus, OrderSummary, PatientId, Permission, PhiField, ProviderId, RequestId,
    RoleName, Source, StatusChange, TerritoryId, Timestamp, TransitionOption, UserId, VerificationData, Why,
};
pub use phi::Phi;
pub use workflow::{Given, Workflow, WorkflowPolicy};
