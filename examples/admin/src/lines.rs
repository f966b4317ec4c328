//! A file of orders, one JSON object a line. Only one line is held at a time.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use medorder::{CreateOrder, Error, Fault, Result, Rule, TerritoryId, wire};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::connect::file_error;

/// The longest line: the limits of a request's members add up to less.
pub(crate) const LONGEST: u64 = 1024 * 1024;

/// What some editors put at the start of a file.
const BOM: &[u8] = "\u{feff}".as_bytes();

/// Members of a line that are the source's own and no part of an order.
const DROPPED: &[&str] = &["authored_on", "source_status"];

/// The lines of a file with their numbers, from 1.
pub(crate) struct Lines {
    path: PathBuf,
    reader: BufReader<File>,
    number: u64,
    /// How long the file is.
    pub(crate) length: u64,
    /// How much of it was read.
    pub(crate) read: u64,
    /// The line.
    pub(crate) bytes: Vec<u8>,
}

impl Lines {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| file_error(path, "read", &e))?;
        let length = file.metadata().map_err(|e| file_error(path, "read", &e))?.len();
        let reader = BufReader::new(file);
        Ok(Self { path: path.to_owned(), reader, number: 0, length, read: 0, bytes: Vec::new() })
    }

    /// Moves to the next line that is not empty and answers its number. A line that is too long is cut, and
    /// then too long for [`order`] too.
    pub(crate) fn advance(&mut self) -> Result<Option<u64>> {
        loop {
            self.bytes.clear();
            let mut limited = (&mut self.reader).take(LONGEST + 1);
            let taken = limited.read_until(b'\n', &mut self.bytes);
            let taken = taken.map_err(|e| file_error(&self.path, "read", &e))?;
            if taken == 0 {
                return Ok(None);
            }
            self.number += 1;
            self.read += taken as u64;
            if self.number == 1 && self.bytes.starts_with(BOM) {
                self.bytes.drain(..BOM.len());
            }
            if taken as u64 > LONGEST && !self.bytes.ends_with(b"\n") {
                let skipped =
                    self.reader.skip_until(b'\n').map_err(|e| file_error(&self.path, "read", &e))?;
                self.read += skipped as u64;
            }
            if !self.bytes.trim_ascii().is_empty() {
                return Ok(Some(self.number));
            }
        }
    }
}

/// Where a line's order goes, and the order.
pub(crate) fn order(line: &[u8]) -> Result<(TerritoryId, CreateOrder)> {
    if line.len() as u64 > LONGEST {
        return Err(Error::fault("", Rule::TooLong));
    }
    let Ok(Members(members)) = serde_json::from_slice::<Members<'_>>(line) else {
        // Nothing but an object has members; the engine's own reader says what is wrong.
        return Err(wire::create_order(line).err().unwrap_or_else(|| Error::fault("", Rule::Format)));
    };
    let mut faults = Vec::new();
    let territory = text(&members, "territory_id").and_then(|text| text.parse::<TerritoryId>());
    let has_key = members.iter().any(|(name, _)| name == "idempotency_key");
    let has_source = members.iter().any(|(name, _)| name == "source_id");
    if !has_key && !has_source {
        // Without a number a second run would create a second order.
        faults.push(Fault::new("source_id", Rule::Required));
    }
    let request = wire::create_order(request(&members).as_bytes());
    faults.extend(territory.as_ref().err().into_iter().flat_map(Error::faults).cloned());
    faults.extend(request.as_ref().err().into_iter().flat_map(Error::faults).cloned());
    if has_source && !has_key {
        for fault in faults.iter_mut().filter(|fault| fault.path == "idempotency_key") {
            fault.path = "source_id".to_owned();
        }
    }
    if faults.is_empty() { Ok((territory?, request?)) } else { Err(Error::validation(faults)) }
}

/// The relationship that a line's order needs.
pub(crate) fn relationship(line: &[u8]) -> Result<(TerritoryId, String, String)> {
    let Members(members) = serde_json::from_slice(line).map_err(|_| Error::fault("", Rule::Format))?;
    let territory = text(&members, "territory_id")?.parse()?;
    Ok((territory, text(&members, "patient_id")?, text(&members, "provider_id")?))
}

/// The create request in a line, member by member as it stands there, so that the engine sees every fault.
fn request(members: &[(String, &RawValue)]) -> String {
    let mut json = String::from("{");
    for (name, value) in members {
        let name = match name.as_str() {
            "territory_id" => continue,
            "source_id" => "idempotency_key",
            name if DROPPED.contains(&name) => continue,
            name => name,
        };
        if json.len() > 1 {
            json.push(',');
        }
        json.push_str(&serde_json::Value::from(name).to_string());
        json.push(':');
        json.push_str(value.get());
    }
    json.push('}');
    json
}

fn text(members: &[(String, &RawValue)], name: &str) -> Result<String> {
    let mut found = members.iter().filter(|(member, _)| member == name);
    let (_, value) = found.next().ok_or_else(|| Error::fault(name, Rule::Required))?;
    if found.next().is_some() {
        return Err(Error::fault(name, Rule::Duplicate));
    }
    serde_json::from_str(value.get()).map_err(|_| Error::fault(name, Rule::Type))
}

/// The members of an object in their order, also those that stand twice.
pub(crate) struct Members<'a>(pub(crate) Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(line: &str) -> Vec<(String, &'static str)> {
        let error = order(line.as_bytes()).expect_err("the line is refused");
        error.faults().iter().map(|fault| (fault.path.clone(), fault.rule.name())).collect()
    }

    #[test]
    fn a_line_becomes_a_request() {
        let line = br#"{"territory_id":"north","patient_id":"p","provider_id":"n","service_type":"MRI",
            "diagnosis_codes":[],"source_id":"s-1","authored_on":"1957","source_status":"active"}"#;
        let (territory, request) = order(line).unwrap();
        assert_eq!(territory.as_str(), "north");
        assert!(request.check().is_ok());
        assert_eq!(relationship(line).unwrap(), (territory, "p".to_owned(), "n".to_owned()));
    }

    #[test]
    fn every_fault_of_a_line_is_named() {
        let all =
            faults(r#"{"territory_id":"No","patient_id":1,"service_type":"","service_type":"x","more":1}"#);
        for fault in [
            ("source_id", "required"),
            ("territory_id", "format"),
            ("patient_id", "type"),
            ("provider_id", "required"),
            ("service_type", "duplicate"),
            ("more", "unknown"),
        ] {
            assert!(all.contains(&(fault.0.to_owned(), fault.1)), "{fault:?} in {all:?}");
        }
        assert_eq!(faults("[1]"), [(String::new(), "type")]);
        assert_eq!(faults("{"), [(String::new(), "format")]);
        assert_eq!(faults(&format!("\"{}\"", "x".repeat(LONGEST as usize))), [(String::new(), "too_long")]);
        let twice = r#"{"territory_id":"n","patient_id":"p","provider_id":"n","service_type":"x",
            "diagnosis_codes":[],"source_id":7}"#;
        assert_eq!(faults(twice), [("source_id".to_owned(), "type")]);
    }
}
