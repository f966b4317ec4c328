//! The one error: a class for each code, with what a program needs to react.

use medorder::{Details, Error};

use crate::shared::signed;
use crate::words::{ErrorCode, ErrorKind, OrderStatus, Rule, Why, error_codes};

/// Results of this surface.
pub(crate) type Result<T> = std::result::Result<T, MedorderError>;

/// What went wrong. Holds no PHI.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct Failure {
    /// The stable identity of the failure.
    pub code: ErrorCode,
    /// For people; it may change.
    pub explanation: String,
    /// What a program needs to react.
    pub details: ErrorDetails,
}

/// The machine-readable half of an error; what is null does not apply to the code.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ErrorDetails {
    /// Every fault of a `VALIDATION_ERROR`.
    pub errors: Vec<Fault>,
    /// The order the error is about.
    pub order_id: Option<String>,
    /// The status the order has.
    pub current_status: Option<OrderStatus>,
    /// The status the caller asked for.
    pub requested_status: Option<OrderStatus>,
    /// Statuses that the workflow allows from `current_status`.
    pub allowed: Option<Vec<OrderStatus>>,
    /// Why a transition was refused.
    pub why: Option<Why>,
    /// The version the order has, for `VERSION_CONFLICT`.
    pub current_version: Option<i64>,
    /// The audit position an `AUDIT_BROKEN` is about.
    pub seq: Option<i64>,
}

/// One fault of a request.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Fault {
    /// Member path, like `diagnosis_codes[3]` or `insurance.carrier`; empty for the request as a whole.
    pub path: String,
    /// The rule that is broken.
    pub rule: Rule,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        Self { code: error.code().into(), explanation: error.to_string(), details: error.details().into() }
    }
}

impl From<&Details> for ErrorDetails {
    fn from(details: &Details) -> Self {
        let fault = |fault: &medorder::Fault| Fault { path: fault.path.clone(), rule: fault.rule.into() };
        let allowed =
            |words: &Vec<&'static str>| words.iter().filter_map(|word| OrderStatus::named(word)).collect();
        Self {
            errors: details.errors.iter().map(fault).collect(),
            order_id: details.order_id.clone(),
            current_status: details.current_status.and_then(OrderStatus::named),
            requested_status: details.requested_status.and_then(OrderStatus::named),
            allowed: details.allowed.as_ref().map(allowed),
            why: details.why.and_then(Why::named),
            current_version: details.current_version.map(signed),
            seq: details.seq.map(signed),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.explanation)
    }
}

/// One variant for each code, so that a caller can catch just the one it can do something about.
macro_rules! errors {
    ($($(#[$doc:meta])* $variant:ident,)*) => {
        /// Why a call failed: one class for each code. Its text is the code and the explanation; it never holds PHI.
        #[derive(Clone, Debug, uniffi::Error)]
        #[uniffi::export(Display)]
        pub enum MedorderError {
            $(
                $(#[$doc])*
                $variant {
                    /// What went wrong.
                    failure: Failure,
                },
            )*
        }

        impl From<Error> for MedorderError {
            fn from(error: Error) -> Self {
                let failure = Failure::from(&error);
                match failure.code {
                    $(ErrorCode::$variant => Self::$variant { failure },)*
                }
            }
        }

        impl MedorderError {
            fn read(&self) -> &Failure {
                match self {
                    $(Self::$variant { failure } => failure,)*
                }
            }
        }
    };
}

error_codes!(errors);

#[uniffi::export]
impl MedorderError {
    /// The stable identity of the failure.
    pub fn code(&self) -> ErrorCode {
        self.read().code
    }

    /// What the caller should do about it.
    pub fn kind(&self) -> ErrorKind {
        self.read().code.kind()
    }

    /// True if the same call may succeed later and changed nothing now; an administrative act of several steps may
    /// have left its entry.
    pub fn retryable(&self) -> bool {
        self.read().code.retryable()
    }

    /// What a program needs to react.
    pub fn details(&self) -> ErrorDetails {
        self.read().details.clone()
    }

    /// For people; it may change.
    pub fn explanation(&self) -> String {
        self.read().explanation.clone()
    }
}

impl std::fmt::Display for MedorderError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.read().fmt(f)
    }
}

impl std::error::Error for MedorderError {}
