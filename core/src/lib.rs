// The README's links lead to files where it is read as a file. Here these definitions come first and win.
//! [architecture]: manual::architecture
//! [design]: manual::design
//! [threats]: manual::threats
//! [errors]: ErrorCode
//! [changelog]: manual::changelog
//!
#![doc = include_str!("../../README.md")]
//!
//! ## Where to start
//!
//! [`OrderService`] opens a database. [`Session`] is what one [`Actor`] may do in one territory,
//! [`service::Admin`] what an administrator does. [`Error`] is the one error. [`wire`] reads and writes the JSON
//! that every language shares.
#![cfg_attr(docsrs, feature(doc_auto_cfg))]

pub mod access;
pub mod anchor;
pub mod audit;
mod crypto;
pub mod directory;
pub mod env;
pub mod error;
pub mod keys;
pub mod manual;
pub mod model;
pub mod phi;
pub mod service;
pub mod storage;
pub mod wire;
pub mod workflow;

pub use access::{AccessPolicy, Actor, Purpose, RoleGrant};
pub use anchor::{AnchorCallback, AnchorFile, AnchorSink};
#[doc(hidden)]
#[cfg(feature = "test-util")]
pub use crypto::for_tests as crypto_for_tests;
pub use directory::CareDirectory;
pub use error::{Details, Error, ErrorCode, ErrorKind, Fault, Result, Rule};
#[cfg(any(test, feature = "test-util"))]
pub use keys::TestKey;
pub use keys::{CallbackKeys, EnvKey, KeyError, KeyFile, KeyProvider, Zeroizing, generate_key_file};
pub use model::{
    AuditDetails, AuditFilter, AuditPage, AuditRecord, BatchItem, BatchMode, Chain, CreateOrder, DeleteOrder,
    EventKind, FieldSet, IdempotencyKey, Insurance, InsuranceStatus, InsuranceVerification, Need, Order,
    OrderEvent, OrderFilter, OrderId, OrderPage, OrderStatus, OrderSummary, PatientId, Permission, PhiField,
    ProviderId, RelationshipFilter, RelationshipPage, RequestId, RoleName, Source, StatusChange, TerritoryId,
    Timestamp, TransitionOption, UserId, VerificationData, Why,
};
pub use phi::Phi;
pub use service::{OrderService, Session, Subscription, Verdict};
#[cfg(feature = "sqlite")]
pub use storage::sqlite::Synchronous;
pub use workflow::{Given, Workflow, WorkflowPolicy};
