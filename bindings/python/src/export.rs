//! The audit in full, for an archive or a checker of one's own.

use std::sync::Arc;

use medorder::service::{AuditExport, ExportedEntry};
use medorder::wire;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use tokio::sync::Mutex as AsyncMutex;

use crate::arrow;
use crate::convert::{loads, object};
use crate::pending::Pending;

/// An export in progress.
#[pyclass(frozen, module = "medorder._core")]
pub(crate) struct Export {
    export: Arc<AsyncMutex<AuditExport>>,
    total: u64,
}

impl Export {
    pub(crate) fn new(export: AuditExport) -> Self {
        Self { total: export.total(), export: Arc::new(AsyncMutex::new(export)) }
    }
}

#[pymethods]
impl Export {
    /// How many entries there are in all.
    #[getter]
    const fn total(&self) -> u64 {
        self.total
    }

    /// The next entries; none at the end.
    fn next_page(&self) -> Pending {
        let export = Arc::clone(&self.export);
        let work = async move { export.lock().await.next_page().await };
        Pending::new(true, work, |py, entries| object(py, ExportedPage { entries }))
    }
}

/// Entries of an export, with every column that their hashes cover.
///
/// Any data frame takes it by the Arrow C stream interface: `polars.DataFrame(page)`, `pyarrow.table(page)`.
#[pyclass(frozen, module = "medorder")]
pub(crate) struct ExportedPage {
    entries: Vec<ExportedEntry>,
}

#[pymethods]
impl ExportedPage {
    /// The entries as the wire's JSON has them.
    #[pyo3(signature = () -> "list[dict[str, Any]]")]
    fn to_dicts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        loads(py, &py.detach(|| wire::plain_json(&self.entries)))
    }

    fn __len__(&self) -> usize {
        self.entries.len()
    }

    fn __repr__(&self) -> String {
        format!("ExportedPage({} entries)", self.entries.len())
    }

    /// The entries as a stream of one Arrow table.
    #[pyo3(signature = (requested_schema: "object" = None) -> "object")]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // The protocol lets a producer answer with its own types.
        let _ = requested_schema;
        arrow::capsule(py, arrow::entries(&self.entries)?)
    }
}
