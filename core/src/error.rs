//! The one error type of every language: a stable [`ErrorCode`], a [`ErrorKind`] that says what the caller
//! should do, and [`Details`] that never carry PHI.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed, the same in every language.
///
/// The [`code`](Error::code) is the contract; the message is lower-case text for people, never PHI, and may
/// change. [`details`](Error::details) carries what a program needs to react.
///
/// ```
/// use medorder::{ErrorCode, ErrorKind, TerritoryId};
///
/// let error = "No Such Place".parse::<TerritoryId>().unwrap_err();
/// assert_eq!(error.code(), ErrorCode::ValidationError);
/// assert_eq!(error.code().name(), "VALIDATION_ERROR");
/// assert_eq!(error.kind(), ErrorKind::Invalid);
/// assert!(!error.retryable());
/// ```
#[derive(Clone, thiserror::Error)]
#[error("{}", .0.message)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    code: ErrorCode,
    message: Cow<'static, str>,
    details: Details,
}

impl Error {
    /// An error of `code` with a PHI-free message. Key providers, directories and anchors of the host use it.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner { code, message: message.into(), details: Details::default() }))
    }

    /// A [`ErrorCode::ValidationError`] that lists every fault.
    #[must_use]
    pub fn validation(faults: Vec<Fault>) -> Self {
        const SHOWN: usize = 8;
        let faults: Vec<Fault> = faults.iter().map(Fault::bounded).collect();
        let shown: Vec<String> = faults.iter().take(SHOWN).map(Fault::to_string).collect();
        let more = faults.len().saturating_sub(SHOWN);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let message = format!("the request is invalid: {}{more}", shown.join("; "));
        Self::new(ErrorCode::ValidationError, message).with(|details| details.errors = faults)
    }

    /// A [`ErrorCode::ValidationError`] with one fault.
    #[must_use]
    pub fn fault(path: impl Into<String>, rule: Rule) -> Self {
        Self::validation(vec![Fault::new(path, rule)])
    }

    /// The same error with its details filled in.
    #[must_use]
    pub fn with(mut self, fill: impl FnOnce(&mut Details)) -> Self {
        fill(&mut self.0.details);
        self
    }

    /// The stable identity of the failure.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// What the caller should do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.code.kind()
    }

    /// True if the same call may succeed later and changed nothing now; an administrative act of several steps may
    /// have left its entry.
    #[must_use]
    pub fn retryable(&self) -> bool {
        self.0.code.retryable()
    }

    /// What a program needs to react, PHI-free.
    #[must_use]
    pub fn details(&self) -> &Details {
        &self.0.details
    }

    /// Every fault of a [`ErrorCode::ValidationError`]; empty for other codes.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.0.details.errors
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code().name(), self.0.message)
    }
}

/// The machine-readable half of an [`Error`]; absent members do not apply to the code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Details {
    /// Every fault of a `VALIDATION_ERROR`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
    /// The order the error is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
    /// The status the order has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_status: Option<&'static str>,
    /// The status the caller asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_status: Option<&'static str>,
    /// Statuses that the workflow allows from `current_status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<&'static str>>,
    /// Why a transition was refused: `state`, `missing_verification`, `verification_expired`, `missing_reason`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<&'static str>,
    /// The version the order has, for `VERSION_CONFLICT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_version: Option<u64>,
    /// The audit position an `AUDIT_BROKEN` is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
}

/// One fault of a request: where, and which rule it breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Fault {
    /// Member path, like `diagnosis_codes[3]` or `insurance.carrier`; empty for the request as a whole.
    pub path: String,
    /// The rule that is broken.
    pub rule: Rule,
}

impl Fault {
    /// A fault at `path`.
    #[must_use]
    pub fn new(path: impl Into<String>, rule: Rule) -> Self {
        Self { path: path.into(), rule }
    }

    /// A path can hold a member name of the caller's choosing; a long one is cut so that no text that was
    /// put in the wrong place travels far.
    fn bounded(&self) -> Self {
        const LONGEST: usize = 128;
        let mut end = self.path.len().min(LONGEST);
        while !self.path.is_char_boundary(end) {
            end -= 1;
        }
        Self { path: self.path[..end].to_owned(), rule: self.rule }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(self.rule.name())
        } else {
            write!(f, "{} {}", self.path, self.rule.name())
        }
    }
}

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// The closed list of rules a request can break.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[$doc])* $variant,)*
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &'static [Rule] = &[$(Rule::$variant,)*];

            /// The name on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Rule::$variant => $name,)*
                }
            }
        }
    };
}

rules! {
    /// The member is missing.
    Required = "required",
    /// The member is there but has no content.
    Empty = "empty",
    /// The member has another JSON type than promised.
    Type = "type",
    /// The member is not part of the request.
    Unknown = "unknown",
    /// The member, key or order stands twice.
    Duplicate = "duplicate",
    /// More bytes or characters than allowed.
    TooLong = "too_long",
    /// More items than allowed.
    TooMany = "too_many",
    /// Not of the form the member has (an id, a time, JSON).
    Format = "format",
    /// Not valid UTF-8.
    Utf8 = "utf8",
    /// Holds a control character.
    Control = "control",
    /// Not one of the words the member can have.
    OneOf = "one_of",
    /// The member is not allowed beside the others.
    NotAllowed = "not_allowed",
}

impl Serialize for Rule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What the caller should do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Fix the request.
    Invalid,
    /// Ask for access.
    Denied,
    /// There is no such thing.
    Missing,
    /// Re-read, then decide again.
    Conflict,
    /// Try later.
    Unavailable,
    /// Stop and tell an operator.
    Data,
    /// The program uses a handle it has closed, or calls from a place it must not.
    Usage,
    /// A fault of this library.
    Internal,
}

impl ErrorKind {
    /// The name every language shows.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Denied => "denied",
            Self::Missing => "missing",
            Self::Conflict => "conflict",
            Self::Unavailable => "unavailable",
            Self::Data => "data",
            Self::Usage => "usage",
            Self::Internal => "internal",
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal, $http:literal;)*) => {
        /// Stable identity of a failure: the same name and number in every language, never reused.
        /// The thousands digit is the kind.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum ErrorCode {
            $($(#[$doc])* $variant = $number,)*
        }

        impl ErrorCode {
            /// The whole table, in the order of the numbers.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)*];

            /// The name on the wire, like `ORDER_NOT_FOUND`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The HTTP status a gateway answers with.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$variant => $http,)* }
            }
        }
    };
}

codes! {
    /// The request breaks a rule; `details.errors` lists every fault.
    ValidationError = 1001, "VALIDATION_ERROR", 400;
    /// The workflow does not allow this change now; `details.why` says why, `details.allowed` what it allows.
    InvalidStatusTransition = 1002, "INVALID_STATUS_TRANSITION", 409;
    /// The directory knows no relationship of this patient and provider in this territory.
    PatientProviderMismatch = 1003, "PATIENT_PROVIDER_MISMATCH", 422;
    /// The idempotency key belongs to another request or user.
    IdempotencyMismatch = 1004, "IDEMPOTENCY_MISMATCH", 422;
    /// The cursor is not of this database, territory or filter: start over from a list page.
    InvalidCursor = 1005, "INVALID_CURSOR", 400;
    /// The gateway could not tell who is calling.
    Unauthenticated = 2000, "UNAUTHENTICATED", 401;
    /// The actor lacks the permission, or the session is expired or revoked.
    AccessDenied = 2001, "ACCESS_DENIED", 403;
    /// The actor lacks the session's territory, or the order is in another one.
    TerritoryMismatch = 2002, "TERRITORY_MISMATCH", 403;
    /// No such order in this territory (or it was deleted).
    OrderNotFound = 3001, "ORDER_NOT_FOUND", 404;
    /// The territory is not registered.
    TerritoryNotFound = 3002, "TERRITORY_NOT_FOUND", 404;
    /// The order has another version than expected; `details.current_version`.
    VersionConflict = 4001, "VERSION_CONFLICT", 409;
    /// The database or the directory did not answer in time; nothing happened, but that an administrative act
    /// of several steps may have left its entry.
    StorageUnavailable = 5001, "STORAGE_UNAVAILABLE", 503;
    /// The key provider did not answer in time; nothing happened.
    KeyUnavailable = 5002, "KEY_UNAVAILABLE", 503;
    /// The change may or may not have happened: re-read, or retry with the same idempotency key.
    OutcomeUnknown = 5003, "OUTCOME_UNKNOWN", 503;
    /// Stored bytes are not what this library wrote.
    IntegrityViolation = 6001, "INTEGRITY_VIOLATION", 500;
    /// The audit chain is not what this library wrote.
    AuditBroken = 6002, "AUDIT_BROKEN", 500;
    /// The root key is not the one of this database.
    KeyMismatch = 6003, "KEY_MISMATCH", 500;
    /// The database has a format this library does not know.
    SchemaUnsupported = 6004, "SCHEMA_UNSUPPORTED", 500;
    /// The service was closed, or is called from inside one of its own callbacks.
    Closed = 7001, "CLOSED", 500;
    /// A fault of this library.
    Internal = 9001, "INTERNAL", 500;
}

impl ErrorCode {
    /// The number, for languages that prefer one.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// What the caller should do.
    #[must_use]
    pub const fn kind(self) -> ErrorKind {
        match self.number() / 1000 {
            1 => ErrorKind::Invalid,
            2 => ErrorKind::Denied,
            3 => ErrorKind::Missing,
            4 => ErrorKind::Conflict,
            5 => ErrorKind::Unavailable,
            6 => ErrorKind::Data,
            7 => ErrorKind::Usage,
            _ => ErrorKind::Internal,
        }
    }

    /// True if the same call may succeed later and changed nothing now; an administrative act of several steps may
    /// have left its entry.
    #[must_use]
    pub const fn retryable(self) -> bool {
        matches!(self, Self::StorageUnavailable | Self::KeyUnavailable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_frozen() {
        let table: Vec<String> = ErrorCode::ALL
            .iter()
            .map(|c| {
                format!(
                    "{} {} {} {} {}",
                    c.number(),
                    c.name(),
                    c.kind().name(),
                    c.http_status(),
                    c.retryable()
                )
            })
            .collect();
        assert_eq!(
            table,
            [
                "1001 VALIDATION_ERROR invalid 400 false",
                "1002 INVALID_STATUS_TRANSITION invalid 409 false",
                "1003 PATIENT_PROVIDER_MISMATCH invalid 422 false",
                "1004 IDEMPOTENCY_MISMATCH invalid 422 false",
                "1005 INVALID_CURSOR invalid 400 false",
                "2000 UNAUTHENTICATED denied 401 false",
                "2001 ACCESS_DENIED denied 403 false",
                "2002 TERRITORY_MISMATCH denied 403 false",
                "3001 ORDER_NOT_FOUND missing 404 false",
                "3002 TERRITORY_NOT_FOUND missing 404 false",
                "4001 VERSION_CONFLICT conflict 409 false",
                "5001 STORAGE_UNAVAILABLE unavailable 503 true",
                "5002 KEY_UNAVAILABLE unavailable 503 true",
                "5003 OUTCOME_UNKNOWN unavailable 503 false",
                "6001 INTEGRITY_VIOLATION data 500 false",
                "6002 AUDIT_BROKEN data 500 false",
                "6003 KEY_MISMATCH data 500 false",
                "6004 SCHEMA_UNSUPPORTED data 500 false",
                "7001 CLOSED usage 500 false",
                "9001 INTERNAL internal 500 false",
            ]
        );
    }

    #[test]
    fn a_long_member_name_is_cut_at_a_character() {
        let error = Error::fault("é".repeat(100), Rule::Unknown);
        assert_eq!(error.faults()[0].path, "é".repeat(64));
    }
}
