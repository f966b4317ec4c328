//! What processes say about their calls, line by line, so that whoever hears it can judge and may kill them.
//!
//! `begin NAME TIME TERRITORY ORDER|- ACT` before a call, `end NAME TIME ORDER|- ANSWER` after it. Items of one
//! call are named `NAME#0`, `NAME#1`; `NAME` alone is the id of the request.

use medorder::{Error, ErrorCode, OrderId, OrderStatus, OrderSummary, Result};

use crate::history::{Act, Answer};
use crate::id;

/// The time on a clock that all processes of the machine share and nobody sets.
#[cfg(unix)]
#[must_use]
pub fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// The line before a call.
#[must_use]
pub fn begin(name: &str, time: u64, territory: &str, order: Option<OrderId>, act: &Act) -> String {
    let act = match act {
        Act::Create { key } => format!("create {}", or_dash(key.as_ref())),
        Act::Move { to, expected, key } => {
            format!("move {} {} {}", to.name(), or_dash(expected.as_ref()), or_dash(key.as_ref()))
        }
        Act::Delete { expected } => format!("delete {}", or_dash(expected.as_ref())),
        Act::Get => "get".to_owned(),
    };
    format!("begin {name} {time} {territory} {} {act}", or_dash(order.as_ref()))
}

/// The line after a call.
#[must_use]
pub fn end(name: &str, time: u64, answer: &Result<&OrderSummary, &Error>) -> String {
    let (order, answer) = match answer {
        Ok(order) => (Some(order.id.to_string()), format!("is {} {}", order.version, order.status.name())),
        Err(error) => {
            let details = error.details();
            let answer = match error.code() {
                ErrorCode::OrderNotFound => "missing".to_owned(),
                ErrorCode::InvalidStatusTransition => {
                    format!("refused {}", details.current_status.unwrap_or("-"))
                }
                ErrorCode::VersionConflict => match details.current_version {
                    Some(current) => format!("conflict {current}"),
                    None => "nothing VERSION_CONFLICT".to_owned(),
                },
                ErrorCode::OutcomeUnknown => "unknown".to_owned(),
                // With the message, which tells whoever looks for the cause.
                other => format!("nothing {}:{}", other.name(), error.to_string().replace(' ', "_")),
            };
            (details.order_id.clone(), answer)
        }
    };
    format!("end {name} {time} {} {answer}", or_dash(order.as_ref()))
}

/// The line after a call that was not carried out because of another item of its batch.
#[must_use]
pub fn end_for_another(name: &str, time: u64) -> String {
    format!("end {name} {time} - nothing not_applied")
}

/// A line, heard.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words of the lines")]
#[non_exhaustive]
pub enum Heard {
    Begin {
        name: String,
        time: u64,
        territory: String,
        order: Option<OrderId>,
        act: Act,
    },
    /// `why` is what stands behind an answer that nothing was done: the code, and a message.
    End {
        name: String,
        time: u64,
        order: Option<OrderId>,
        answer: Answer,
        why: Option<String>,
    },
    Other(String),
}

/// Understands a line.
///
/// # Panics
/// If it begins as ours and goes on otherwise.
#[must_use]
pub fn hear(line: &str) -> Heard {
    let words: Vec<&str> = line.split(' ').collect();
    match *words.as_slice() {
        ["begin", name, time, territory, order, ref act @ ..] => {
            let act = match *act {
                ["create", key] => Act::Create { key: known(key) },
                ["move", to, expected, key] => {
                    Act::Move { to: status(to), expected: known(expected), key: known(key) }
                }
                ["delete", expected] => Act::Delete { expected: known(expected) },
                ["get"] => Act::Get,
                _ => panic!("no such act: {line:?}"),
            };
            let (time, order) =
                (time.parse().expect("a time"), known::<String>(order).map(|order| id(&order)));
            Heard::Begin { name: name.to_owned(), time, territory: territory.to_owned(), order, act }
        }
        ["end", name, time, order, ref answer @ ..] => {
            let (answer, why) = match *answer {
                ["is", version, name] => {
                    (Answer::Is(version.parse().expect("a version"), status(name)), None)
                }
                ["missing"] => (Answer::Missing, None),
                ["refused", name] => (Answer::Refused(status(name)), None),
                ["conflict", version] => (Answer::Conflict(version.parse().expect("a version")), None),
                ["nothing", why] => (Answer::Nothing, Some(why.to_owned())),
                ["unknown"] => (Answer::Unknown, None),
                _ => panic!("no such answer: {line:?}"),
            };
            let (time, order) =
                (time.parse().expect("a time"), known::<String>(order).map(|order| id(&order)));
            Heard::End { name: name.to_owned(), time, order, answer, why }
        }
        _ => Heard::Other(line.to_owned()),
    }
}

fn status(name: &str) -> OrderStatus {
    OrderStatus::parse(name).expect("a status")
}

fn or_dash(value: Option<&impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

fn known<T: std::str::FromStr>(word: &str) -> Option<T>
where
    T::Err: std::fmt::Debug,
{
    (word != "-").then(|| word.parse().expect("a word of its kind"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_heard() {
        let order = OrderId::from_bytes([7; 16]);
        let acts = [
            Act::Create { key: None },
            Act::Create { key: Some("c-1".to_owned()) },
            Act::Move { to: OrderStatus::Verified, expected: Some(1), key: None },
            Act::Move { to: OrderStatus::Verified, expected: None, key: Some("k".to_owned()) },
            Act::Delete { expected: Some(3) },
            Act::Get,
        ];
        for act in acts {
            let heard = hear(&begin("a#0", 5, "north", Some(order), &act));
            let territory = "north".to_owned();
            assert_eq!(
                heard,
                Heard::Begin { name: "a#0".into(), time: 5, territory, order: Some(order), act }
            );
        }
        let codes = [
            (ErrorCode::OutcomeUnknown, Answer::Unknown, None),
            (ErrorCode::OrderNotFound, Answer::Missing, None),
            (ErrorCode::StorageUnavailable, Answer::Nothing, Some("STORAGE_UNAVAILABLE:x".to_owned())),
        ];
        for (code, answer, why) in codes {
            let error = Error::new(code, "x").with(|details| details.order_id = Some(order.to_string()));
            let heard = hear(&end("a", 6, &Err(&error)));
            assert_eq!(heard, Heard::End { name: "a".into(), time: 6, order: Some(order), answer, why });
        }
        assert_eq!(hear("done"), Heard::Other("done".to_owned()));
    }
}
