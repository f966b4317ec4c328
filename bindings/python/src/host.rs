//! Keys, directory and anchor of the host: Python objects that the engine calls on threads of its own.

use std::cell::Cell;
use std::path::PathBuf;

use medorder::{
    AnchorSink, CareDirectory, EnvKey as CoreEnvKey, Error, ErrorCode, KeyError, KeyFile as CoreKeyFile,
    KeyProvider, PatientId, ProviderId, TerritoryId, Zeroizing,
};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBytes;

use crate::error::raise;
use crate::logging;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// True inside a callback of the host, where the service must not be called: the engine may be waiting for it.
pub(crate) fn inside() -> bool {
    INSIDE.get()
}

/// Makes a new root key file, mode 0600. Whoever loses this file loses the data.
///
/// Refuses to overwrite a file that is there.
#[pyfunction]
#[pyo3(signature = (path))]
pub(crate) fn generate_key_file(py: Python<'_>, path: PathBuf) -> PyResult<()> {
    py.detach(|| medorder::generate_key_file(path)).map_err(|error| raise(py, &error))
}

/// A root key read from a file that only its owner can read (mode 0600). The file is read once.
#[pyclass(frozen, module = "medorder")]
pub(crate) struct KeyFile {
    path: PathBuf,
    key: CoreKeyFile,
}

#[pymethods]
impl KeyFile {
    #[new]
    #[pyo3(signature = (path))]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let key = py.detach(|| CoreKeyFile::open(&path)).map_err(|error| raise(py, &error))?;
        Ok(Self { path, key })
    }

    fn __repr__(&self) -> String {
        format!("KeyFile('{}')", self.path.display())
    }

    #[pyo3(signature = () -> "str")]
    fn __reduce__(&self) -> PyResult<()> {
        Err(pyo3::exceptions::PyTypeError::new_err("keys cannot be pickled; open the key file again"))
    }
}

/// A root key in an environment variable, in the form of a key file's line. The variable is read once.
#[pyclass(frozen, module = "medorder")]
pub(crate) struct EnvKey {
    name: String,
    key: CoreEnvKey,
}

#[pymethods]
impl EnvKey {
    #[new]
    fn new(py: Python<'_>, name: String) -> PyResult<Self> {
        let key = CoreEnvKey::from_var(&name).map_err(|error| raise(py, &error))?;
        Ok(Self { name, key })
    }

    fn __repr__(&self) -> String {
        format!("EnvKey('{}')", self.name)
    }

    #[pyo3(signature = () -> "str")]
    fn __reduce__(&self) -> PyResult<()> {
        Err(pyo3::exceptions::PyTypeError::new_err("keys cannot be pickled; read the variable again"))
    }
}

/// The provider that `keys` is, or an object with `wrap` and `unwrap`.
pub(crate) fn provider(keys: &Bound<'_, PyAny>) -> Box<dyn KeyProvider> {
    if let Ok(file) = keys.cast::<KeyFile>() {
        return Box::new(file.get().key.clone());
    }
    match keys.cast::<EnvKey>() {
        Ok(variable) => Box::new(variable.get().key.clone()),
        Err(_) => Box::new(Host::new(keys, "key provider")),
    }
}

/// An object of the host.
pub(crate) struct Host {
    object: Py<PyAny>,
    what: &'static str,
}

impl Host {
    pub(crate) fn new(object: &Bound<'_, PyAny>, what: &'static str) -> Self {
        Self { object: object.clone().unbind(), what }
    }

    /// Calls the object; None if it raised, if the answer is of another type, or if the interpreter is going down.
    /// What was raised may hold a secret, so only the name of its class is logged.
    fn ask<T>(&self, ask: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>) -> Result<T, Refusal> {
        INSIDE.set(true);
        let _down = Down;
        let asked = Python::try_attach(|py| {
            ask(self.object.bind(py)).map_err(|error| {
                if is_refusal(py, &error) {
                    return Refusal::Refused;
                }
                let class =
                    error.get_type(py).name().map_or_else(|_| "an error".to_owned(), |name| name.to_string());
                logging::put(40, format!("the {} raised {class}", self.what));
                Refusal::Failed
            })
        });
        asked.unwrap_or(Err(Refusal::Failed))
    }

    fn unavailable(&self) -> Error {
        Error::new(ErrorCode::StorageUnavailable, format!("the {} did not answer", self.what))
    }
}

enum Refusal {
    /// `medorder.KeyRefused` was raised.
    Refused,
    Failed,
}

impl From<Refusal> for KeyError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Refused => Self::Refused,
            Refusal::Failed => Self::Unavailable,
        }
    }
}

fn is_refusal(py: Python<'_>, error: &PyErr) -> bool {
    static REFUSED: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    REFUSED.import(py, "medorder._errors", "KeyRefused").is_ok_and(|refused| error.is_instance(py, refused))
}

impl KeyProvider for Host {
    fn wrap(&self, key: &[u8; 32], context: &[u8]) -> Result<Vec<u8>, KeyError> {
        let wrapped = self.ask(|keys| {
            let py = keys.py();
            let blob = keys.call_method1("wrap", (PyBytes::new(py, key), PyBytes::new(py, context)))?;
            Ok(blob.cast::<PyBytes>()?.as_bytes().to_vec())
        })?;
        Ok(wrapped)
    }

    fn unwrap(&self, blob: &[u8], context: &[u8]) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let key = self.ask(|keys| {
            let py = keys.py();
            let key = keys.call_method1("unwrap", (PyBytes::new(py, blob), PyBytes::new(py, context)))?;
            Ok(key.cast::<PyBytes>()?.as_bytes().try_into().ok().map(Zeroizing::new))
        })?;
        // What is not 32 bytes long is no key of this library.
        key.ok_or(KeyError::Refused)
    }
}

impl CareDirectory for Host {
    fn territory_exists(&self, territory: &TerritoryId) -> Result<bool, Error> {
        self.ask(|directory| directory.call_method1("territory_exists", (territory.as_str(),))?.extract())
            .map_err(|_| self.unavailable())
    }

    fn relationship_exists(
        &self,
        patient: &PatientId,
        provider: &ProviderId,
        territory: &TerritoryId,
    ) -> Result<bool, Error> {
        let pair = (patient.as_str(), provider.as_str(), territory.as_str());
        self.ask(|directory| directory.call_method1("relationship_exists", pair)?.extract())
            .map_err(|_| self.unavailable())
    }
}

impl AnchorSink for Host {
    fn keep(&self, note: &str) -> Result<(), Error> {
        self.ask(|anchor| anchor.call_method1("keep", (note,)).map(drop)).map_err(|_| self.unavailable())
    }

    fn newest(&self, chain: &str) -> Result<Option<String>, Error> {
        self.ask(|anchor| anchor.call_method1("newest", (chain,))?.extract()).map_err(|_| self.unavailable())
    }
}

struct Down;

impl Drop for Down {
    fn drop(&mut self) {
        INSIDE.set(false);
    }
}
