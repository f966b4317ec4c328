//! Moments: microseconds inside, aware datetimes in Python, RFC 3339 in JSON.

use medorder::Timestamp;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDateTime;

/// A moment.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Time(Timestamp);

impl Time {
    pub(crate) fn text(self) -> String {
        self.0.to_string()
    }

    pub(crate) const fn micros(self) -> i64 {
        self.0.as_micros()
    }
}

impl From<Timestamp> for Time {
    fn from(time: Timestamp) -> Self {
        Self(time)
    }
}

impl<'py> IntoPyObject<'py> for Time {
    type Target = PyDateTime;
    type Output = Bound<'py, PyDateTime>;
    type Error = PyErr;

    const OUTPUT_TYPE: pyo3::inspect::PyStaticExpr =
        <Bound<'py, PyDateTime> as IntoPyObject<'py>>::OUTPUT_TYPE;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        static DELTA: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let delta = DELTA.import(py, "datetime", "timedelta")?.call1((0, 0, self.micros()))?;
        Ok(epoch(py)?.add(delta)?.cast_into()?)
    }
}

impl<'py> IntoPyObject<'py> for &Time {
    type Target = PyDateTime;
    type Output = Bound<'py, PyDateTime>;
    type Error = PyErr;

    const OUTPUT_TYPE: pyo3::inspect::PyStaticExpr = <Time as IntoPyObject<'py>>::OUTPUT_TYPE;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyDateTime>> {
        (*self).into_pyobject(py)
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Time {
    type Error = PyErr;

    const INPUT_TYPE: pyo3::inspect::PyStaticExpr =
        <Bound<'py, PyDateTime> as IntoPyObject<'py>>::OUTPUT_TYPE;

    fn extract(time: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if time.call_method0("utcoffset")?.is_none() {
            return Err(PyValueError::new_err("a datetime without a time zone names no moment"));
        }
        let since = time.sub(epoch(time.py())?)?;
        let part = |name| since.getattr(name)?.extract::<i64>();
        let seconds = part("days")? * 86_400 + part("seconds")?;
        Ok(Self(Timestamp::from_micros(seconds * 1_000_000 + part("microseconds")?)))
    }
}

/// 1970 in UTC.
fn epoch(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static EPOCH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let epoch = EPOCH.get_or_try_init(py, || {
        let datetime = py.import("datetime")?;
        let utc = datetime.getattr("timezone")?.getattr("utc")?;
        Ok::<_, PyErr>(datetime.getattr("datetime")?.call1((1970, 1, 1, 0, 0, 0, 0, utc))?.unbind())
    })?;
    Ok(epoch.bind(py))
}
