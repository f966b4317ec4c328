//! References to what was saved, and what an answer must match.

use std::collections::BTreeMap;

use serde_json::Value;

/// The value with every `$name.member.0` in it replaced.
pub(crate) fn resolved(value: &Value, saved: &BTreeMap<String, Value>) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => match text.strip_prefix('$') {
            Some(path) => reference(path, saved).ok_or_else(|| format!("{text} stands for nothing"))?.clone(),
            None => value.clone(),
        },
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| resolved(item, saved)).collect::<Result<_, _>>()?)
        }
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, value)| Ok((name.clone(), resolved(value, saved)?)))
                .collect::<Result<_, String>>()?,
        ),
        other => other.clone(),
    })
}

fn reference<'a>(path: &str, saved: &'a BTreeMap<String, Value>) -> Option<&'a Value> {
    let mut parts = path.split('.');
    let mut value = saved.get(parts.next()?)?;
    for part in parts {
        value = match value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?)?,
            other => other.get(part)?,
        };
    }
    Some(value)
}

/// # Errors
/// Where the answer does not match, and what stands there.
pub(crate) fn matches(expected: &Value, answer: &Value, path: &str) -> Result<(), String> {
    let other = || Err(format!("at `{path}` stands {answer}, not {expected}"));
    match expected {
        Value::String(word) if word == "<any>" => {
            if answer.is_null() {
                return other();
            }
        }
        Value::Object(members) => {
            let Value::Object(there) = answer else { return other() };
            for (name, expected) in members {
                let path = format!("{path}.{name}");
                match there.get(name) {
                    None if expected == "<absent>" => {}
                    Some(found) if expected == "<absent>" => {
                        return Err(format!("`{path}` is there: {found}"));
                    }
                    None => return Err(format!("`{path}` is not there")),
                    Some(found) => matches(expected, found, &path)?,
                }
            }
        }
        Value::Array(items) => match answer {
            Value::Array(there) if there.len() == items.len() => {
                for (at, (expected, found)) in items.iter().zip(there).enumerate() {
                    matches(expected, found, &format!("{path}[{at}]"))?;
                }
            }
            _ => return other(),
        },
        _ if expected == answer => {}
        _ => return other(),
    }
    Ok(())
}
