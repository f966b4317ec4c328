//! The face for Python: the extension module `medorder._core` under the package `medorder`.
//!
//! It holds no rules. Values are converted, the engine is called once, its answer is converted; the package's own
//! classes in `python/medorder` give that names and types.

mod arrow;
mod bridge;
mod convert;
mod error;
mod events;
mod export;
mod host;
mod logging;
mod orders;
mod pending;
mod plain;
mod records;
mod request;
mod runtime;
mod service;
mod time;

// Nothing here is touched by two threads without a lock of its own, so no GIL is needed to guard it.
#[pyo3::pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use crate::arrow::{audit_stream, orders_stream};
    #[pymodule_export]
    use crate::bridge::Bridge;
    #[pymodule_export]
    use crate::error::error_table;
    #[pymodule_export]
    use crate::events::Subscription;
    #[pymodule_export]
    use crate::export::{Export, ExportedPage};
    #[pymodule_export]
    use crate::host::{EnvKey, KeyFile, generate_key_file};
    #[pymodule_export]
    use crate::logging::flush_log;
    #[pymodule_export]
    use crate::orders::{Insurance, InsuranceVerification, Order, OrderSummary};
    #[pymodule_export]
    use crate::pending::Pending;
    #[pymodule_export]
    use crate::records::{AuditRecord, OrderEvent};
    #[pymodule_export]
    use crate::runtime::{check_process, shut_down};
    #[pymodule_export]
    use crate::service::{Admin, Service, Session, open};

    /// The version of the engine and of this package.
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");

    #[pymodule_init]
    fn init() -> pyo3::PyResult<()> {
        crate::logging::listen();
        Ok(())
    }
}
