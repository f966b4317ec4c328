//! Small conversions that several modules need.

use std::fmt::Write as _;

use pyo3::IntoPyObjectExt as _;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

/// Any value as a Python object.
pub(crate) fn object<T: for<'py> IntoPyObject<'py>>(py: Python<'_>, value: T) -> PyResult<Py<PyAny>> {
    value.into_py_any(py)
}

/// JSON as Python objects.
pub(crate) fn loads<'py>(py: Python<'py>, json: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    static LOADS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let text = PyString::from_bytes(py, json)?;
    LOADS.import(py, "json", "loads")?.call1((text,))
}

/// A table of two columns for a notebook.
pub(crate) fn html(caption: &str, cells: &[(&str, String)]) -> String {
    let mut text = format!("<table><caption>{caption}</caption>");
    for (name, value) in cells {
        let value = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = write!(text, "<tr><th>{name}</th><td>{value}</td></tr>");
    }
    text + "</table>"
}
