//! The engine's error as a Python exception: one function makes it, `medorder._errors.of`.

use medorder::{Error, ErrorCode, wire};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

static MAKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The exception for `error`.
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    match exception(py, error) {
        Ok(exception) => PyErr::from_value(exception),
        Err(broken) => broken,
    }
}

fn exception<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyAny>> {
    let details = wire::plain_json(error.details());
    let make = MAKE.import(py, "medorder._errors", "of")?;
    make.call1((error.code().name(), error.to_string(), String::from_utf8_lossy(&details)))
}

/// The table of codes as (name, number, kind, retryable, http_status), in the order of the numbers.
#[pyfunction]
pub(crate) fn error_table() -> Vec<(&'static str, u16, &'static str, bool, u16)> {
    let row = |code: &ErrorCode| {
        (code.name(), code.number(), code.kind().name(), code.retryable(), code.http_status())
    };
    ErrorCode::ALL.iter().map(row).collect()
}
