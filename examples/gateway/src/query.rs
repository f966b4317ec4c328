//! Queries as the arguments of the engine's calls, so that the engine judges them and lists every fault.

use medorder::{Error, Fault, Result, Rule};
use percent_encoding::percent_decode_str;

/// How the value of a parameter is written.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    Number,
    /// Words between commas; an empty value is an empty list.
    List,
}

/// A parameter: its name, how it is written, and the member of the arguments it is part of, if it is not one itself;
/// the name may stand before its own with a dot.
pub(crate) struct Parameter(pub(crate) &'static str, pub(crate) Kind, pub(crate) Option<&'static str>);

/// The arguments that a query says, beside those of the path. A parameter that nobody knows, or that stands twice,
/// is left in for the engine to name.
pub(crate) fn arguments(query: Option<&str>, known: &[Parameter], fixed: &[(&str, &str)]) -> Result<String> {
    let mut members: Vec<(Option<&str>, String)> = Vec::new();
    for (name, value) in fixed {
        members.push((None, member(name, &quoted(value))));
    }
    let mut faults = Vec::new();
    for (name, value) in pairs(query) {
        let (Some(name), Some(value)) = (decoded(name), decoded(value)) else {
            faults.push(Fault::new(decoded(name).unwrap_or_default(), Rule::Utf8));
            continue;
        };
        let found = known.iter().find(|parameter| parameter.0 == name);
        let inside = found.and_then(|parameter| parameter.2);
        let own = inside.and_then(|object| name.strip_prefix(object)?.strip_prefix('.')).unwrap_or(&name);
        members.push((inside, member(own, &written(found.map(|parameter| parameter.1), &value))));
    }
    if !faults.is_empty() {
        return Err(Error::validation(faults));
    }
    let mut objects: Vec<&str> = known.iter().filter_map(|parameter| parameter.2).collect();
    objects.dedup();
    let of = |object: Option<&str>| -> Vec<String> {
        members.iter().filter(|(inside, _)| *inside == object).map(|(_, text)| text.clone()).collect()
    };
    let mut all = of(None);
    for object in objects {
        let inner = of(Some(object));
        if !inner.is_empty() {
            all.push(member(object, &format!("{{{}}}", inner.join(","))));
        }
    }
    Ok(format!("{{{}}}", all.join(",")))
}

/// Refuses a query where none is looked at: who asks for a part must not be given all for it.
pub(crate) fn nothing(query: Option<&str>) -> Result<()> {
    let names = pairs(query).map(|(name, _)| decoded(name).unwrap_or_default());
    let faults: Vec<_> = names.map(|name| Fault::new(name, Rule::Unknown)).collect();
    if faults.is_empty() { Ok(()) } else { Err(Error::validation(faults)) }
}

/// The error as the caller of HTTP sees it: a parameter is called by its own name, not by the argument it fills.
pub(crate) fn renamed(error: Error, known: &[Parameter]) -> Error {
    if error.faults().is_empty() {
        return error;
    }
    let own = |fault: &Fault| {
        if known.iter().any(|parameter| parameter.0 == fault.path) {
            return fault.clone();
        }
        let inside = known.iter().filter_map(|parameter| parameter.2);
        let path = inside.filter_map(|object| fault.path.strip_prefix(object)?.strip_prefix('.')).next();
        Fault::new(path.unwrap_or(&fault.path), fault.rule)
    };
    Error::validation(error.faults().iter().map(own).collect())
}

/// The parameters of a query as they stand there, name and value; one without a value has an empty one.
pub(crate) fn pairs(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// A part of a query as text; `None` if it is no UTF-8.
pub(crate) fn decoded(text: &str) -> Option<String> {
    percent_decode_str(&text.replace('+', " ")).decode_utf8().ok().map(Into::into)
}

/// A text as JSON.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn member(name: &str, value: &str) -> String {
    format!("{}:{value}", quoted(name))
}

fn written(kind: Option<Kind>, value: &str) -> String {
    match kind {
        Some(Kind::Number) if value.parse::<u64>().is_ok_and(|number| number.to_string() == value) => {
            value.to_owned()
        }
        Some(Kind::List) if value.is_empty() => "[]".to_owned(),
        Some(Kind::List) => format!("[{}]", value.split(',').map(quoted).collect::<Vec<_>>().join(",")),
        _ => quoted(value),
    }
}

#[cfg(test)]
mod tests {
    use medorder::service::Call;

    use super::*;

    const ORDERS: &[Parameter] = &[
        Parameter("status", Kind::List, Some("filter")),
        Parameter("patient_id", Kind::Text, Some("filter")),
        Parameter("limit", Kind::Number, None),
        Parameter("fields", Kind::List, None),
    ];

    #[test]
    fn a_query_becomes_arguments() {
        let query = "status=verified,rejected&patient_id=p%201+a&limit=10&fields=";
        let json = arguments(Some(query), ORDERS, &[]).unwrap();
        assert_eq!(
            json,
            r#"{"limit":10,"fields":[],"filter":{"status":["verified","rejected"],"patient_id":"p 1 a"}}"#
        );
        assert!(Call::read("orders", json.as_bytes()).is_ok());
        assert_eq!(arguments(None, ORDERS, &[]).unwrap(), "{}");
    }

    #[test]
    fn the_engine_names_every_fault_of_a_query() {
        let json = arguments(Some("status=done&colour=red&limit=many&limit=5"), ORDERS, &[]).unwrap();
        let error = renamed(Call::read("orders", json.as_bytes()).err().unwrap(), ORDERS);
        let mut faults: Vec<_> = error.faults().iter().map(ToString::to_string).collect();
        faults.sort();
        assert_eq!(faults, ["colour unknown", "limit duplicate", "limit type", "status[0] one_of"]);
        const AFTER: &[Parameter] = &[Parameter("after.patient_id", Kind::Text, Some("after"))];
        let json = arguments(Some("after.patient_id="), AFTER, &[]).unwrap();
        assert_eq!(json, r#"{"after":{"patient_id":""}}"#);
        let error = renamed(Call::read("relationships", json.as_bytes()).err().unwrap(), AFTER);
        assert_eq!(error.faults()[0].to_string(), "after.patient_id empty");
        let error = arguments(Some("patient_id=%ff"), ORDERS, &[]).unwrap_err();
        assert_eq!(error.faults()[0].to_string(), "patient_id utf8");
    }
}
