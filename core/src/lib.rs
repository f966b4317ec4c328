//! Medical order engine.

pub mod audit;
mod crypto;
pub mod env;
pub mod error;
pub mod keys;
pub mod model;
pub mod phi;

#[doc(hidden)]
#[cfg(feature = "test-util")]
pub use crypto::for_tests as crypto_for_tests;
pub use error::{Details, Error, ErrorCode, ErrorKind, Fault, Result, Rule};
#[cfg(any(test, feature = "test-util"))]
pub use keys::TestKey;
pub use keys::{CallbackKeys, EnvKey, KeyError, KeyFile, KeyProvider, generate_key_file};
pub use model::{
    Chain, IdempotencyKey, OrderId, PatientId, ProviderId, RequestId, RoleName, Source, TerritoryId, UserId,
};
pub use phi::Phi;
