//! From Python objects to the wire's JSON, in one pass into a buffer that is wiped.

use medorder::{Error, Fault, Result, Rule};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyDateTime, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple, PyTzInfoAccess as _,
};
use zeroize::Zeroizing;

use crate::error::raise;

/// As deep as the engine reads.
const DEPTH: usize = 127;

/// A request as JSON, with the faults that JSON cannot show.
pub(crate) struct Request {
    json: Zeroizing<Vec<u8>>,
    faults: Vec<Fault>,
}

impl Request {
    /// `value` as JSON. Nothing is refused yet: what has no JSON is null, with a fault at its place.
    pub(crate) fn new(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        let mut writer = Writer { out: Zeroizing::new(Vec::with_capacity(512)), faults: Vec::new() };
        writer.value(value, &Place::Root, DEPTH)?;
        Ok(Self { json: writer.out, faults: writer.faults })
    }

    /// What `read` makes of it, or every fault of it.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&[u8]) -> Result<T>) -> Result<T> {
        let value = read(&self.json);
        if self.faults.is_empty() {
            return value;
        }
        let mut faults = self.faults.clone();
        if let Err(error) = value {
            // Where this side has a fault the engine met a null, which is none of the caller's.
            let known = |fault: &&Fault| !self.faults.iter().any(|own| own.path == fault.path);
            faults.extend(error.faults().iter().filter(known).cloned());
        }
        Err(Error::validation(faults))
    }

    /// The JSON, for a call that reads it itself.
    pub(crate) fn json(self) -> Result<Zeroizing<Vec<u8>>> {
        if self.faults.is_empty() { Ok(self.json) } else { Err(Error::validation(self.faults)) }
    }
}

/// Reads `value` with `read` and raises every fault.
pub(crate) fn read<T>(value: &Bound<'_, PyAny>, read: impl FnOnce(&[u8]) -> Result<T>) -> PyResult<T> {
    Request::new(value)?.read(read).map_err(|error| raise(value.py(), &error))
}

/// Where a value stands; its path is made only for a fault.
enum Place<'a> {
    Root,
    Member(&'a Place<'a>, &'a str),
    Item(&'a Place<'a>, usize),
}

impl Place<'_> {
    fn path(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Member(Place::Root, name) => shown(name).to_owned(),
            Self::Member(parent, name) => format!("{}.{}", parent.path(), shown(name)),
            Self::Item(parent, at) => format!("{}[{at}]", parent.path()),
        }
    }
}

/// A name of the caller's choosing shows only if it looks like one: it may be PHI in the wrong place.
fn shown(name: &str) -> &str {
    let plain = name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if plain { name } else { "?" }
}

struct Writer {
    out: Zeroizing<Vec<u8>>,
    faults: Vec<Fault>,
}

impl Writer {
    fn value(&mut self, value: &Bound<'_, PyAny>, place: &Place<'_>, depth: usize) -> PyResult<()> {
        if let Ok(text) = value.cast::<PyString>() {
            match text.to_str() {
                Ok(text) => self.string(text),
                // Half of a surrogate pair is no text.
                Err(_) => self.fault(place, Rule::Utf8),
            }
        } else if value.is_none() {
            self.bytes(b"null");
        } else if let Ok(on) = value.cast::<PyBool>() {
            self.bytes(if on.is_true() { b"true" } else { b"false" });
        } else if value.cast::<PyInt>().is_ok() {
            match (value.extract::<i64>(), value.extract::<u64>()) {
                (Ok(number), _) => self.bytes(number.to_string().as_bytes()),
                (_, Ok(number)) => self.bytes(number.to_string().as_bytes()),
                _ => self.fault(place, Rule::Format),
            }
        } else if let Ok(number) = value.cast::<PyFloat>() {
            match serde_json::Number::from_f64(number.value()) {
                Some(number) => self.bytes(number.to_string().as_bytes()),
                None => self.fault(place, Rule::Format),
            }
        } else if let Some(depth) = depth.checked_sub(1) {
            self.compound(value, place, depth)?;
        } else {
            self.fault(place, Rule::Format);
        }
        Ok(())
    }

    fn compound(&mut self, value: &Bound<'_, PyAny>, place: &Place<'_>, depth: usize) -> PyResult<()> {
        if let Ok(dict) = value.cast::<PyDict>() {
            // A copy of the pairs: what runs meanwhile, a time zone or another thread, may change the dict.
            self.members(&dict.items(), place, depth)?;
        } else if let Ok(list) = value.cast::<PyList>() {
            self.items(list.iter(), place, depth)?;
        } else if let Ok(tuple) = value.cast::<PyTuple>() {
            self.items(tuple.iter(), place, depth)?;
        } else if let Ok(time) = value.cast::<PyDateTime>() {
            self.time(time, place)?;
        } else if let Ok(mapping) = value.cast::<PyMapping>() {
            self.members(&mapping.items()?, place, depth)?;
        } else if is_date(value)? {
            self.fault(place, Rule::Format);
        } else {
            self.fault(place, Rule::Type);
        }
        Ok(())
    }

    fn members(&mut self, pairs: &Bound<'_, PyList>, place: &Place<'_>, depth: usize) -> PyResult<()> {
        let mut first = true;
        self.bytes(b"{");
        for pair in pairs.iter() {
            let (name, value) = pair.extract::<(Bound<'_, PyAny>, Bound<'_, PyAny>)>()?;
            let Some(name) = name.cast::<PyString>().ok().and_then(|name| name.to_str().ok()) else {
                // Not even a null can stand under a name that is no text.
                self.faults.push(Fault::new(Place::Member(place, "?").path(), Rule::Type));
                continue;
            };
            self.bytes(if std::mem::take(&mut first) { b"" } else { b"," });
            self.string(name);
            self.bytes(b":");
            self.value(&value, &Place::Member(place, name), depth)?;
        }
        self.bytes(b"}");
        Ok(())
    }

    fn items<'py>(
        &mut self,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
        place: &Place<'_>,
        depth: usize,
    ) -> PyResult<()> {
        self.bytes(b"[");
        for (at, item) in items.enumerate() {
            self.bytes(if at == 0 { b"" } else { b"," });
            self.value(&item, &Place::Item(place, at), depth)?;
        }
        self.bytes(b"]");
        Ok(())
    }

    /// An aware datetime as RFC 3339. A naive one names no moment.
    fn time(&mut self, time: &Bound<'_, PyDateTime>, place: &Place<'_>) -> PyResult<()> {
        if time.get_tzinfo().is_none() || time.call_method0("utcoffset")?.is_none() {
            self.fault(place, Rule::Format);
        } else {
            let text = time.call_method0("isoformat")?;
            self.string(text.cast::<PyString>()?.to_str()?);
        }
        Ok(())
    }

    fn fault(&mut self, place: &Place<'_>, rule: Rule) {
        self.faults.push(Fault::new(place.path(), rule));
        self.bytes(b"null");
    }

    fn string(&mut self, text: &str) {
        self.bytes(b"\"");
        // Most texts need no escape; without an early end the compiler looks at many bytes at once.
        let plain = |plain, byte| plain & (byte >= 0x20) & (byte != b'"') & (byte != b'\\');
        if text.bytes().fold(true, plain) {
            self.bytes(text.as_bytes());
            self.bytes(b"\"");
            return;
        }
        let mut from = 0;
        for (at, byte) in text.bytes().enumerate() {
            if byte >= 0x20 && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.bytes(&text.as_bytes()[from..at]);
            self.bytes(format!("\\u{byte:04x}").as_bytes());
            from = at + 1;
        }
        self.bytes(&text.as_bytes()[from..]);
        self.bytes(b"\"");
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if self.out.capacity() - self.out.len() < bytes.len() {
            // A vector that grows by itself would leave the old text behind.
            let mut bigger = Zeroizing::new(Vec::with_capacity((self.out.len() + bytes.len()) * 2));
            bigger.extend_from_slice(&self.out);
            self.out = bigger;
        }
        self.out.extend_from_slice(bytes);
    }
}

/// A day without a time: the form of a time is wrong, not its type.
fn is_date(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    static DATE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    value.is_instance(DATE.import(value.py(), "datetime", "date")?)
}
