//! The closed lists of words, as enumerations.

/// An enumeration with the words of one of the engine's, in its order; its text is the word on the wire.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident of $core:path { $($(#[$item:meta])* $variant:ident,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
            #[uniffi::export(Display)]
            pub enum $name {
                $($(#[$item])* $variant,)*
            }

            impl $name {
                const ALL: &[Self] = &[$(Self::$variant,)*];

                /// The word on the wire.
                pub(crate) const fn name(self) -> &'static str {
                    self.core().name()
                }

                pub(crate) const fn core(self) -> $core {
                    match self {
                        $(Self::$variant => <$core>::$variant,)*
                    }
                }

                /// The word of this name.
                #[allow(dead_code, reason = "not every list is read")]
                pub(crate) fn named(name: &str) -> Option<Self> {
                    Self::ALL.iter().copied().find(|word| word.name() == name)
                }
            }

            impl From<$core> for $name {
                fn from(word: $core) -> Self {
                    let own = Self::ALL.iter().copied().find(|own| own.core() == word);
                    own.expect("INVARIANT: `every_word` compiles only if the lists are the same")
                }
            }

            impl std::fmt::Display for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str(self.name())
                }
            }

            // A word that the engine has and this list has not makes these lengths differ.
            const _: () = assert!(<$core>::ALL.len() == $name::ALL.len(), "every_word");
        )*
    };
}

words! {
    /// Where an order stands.
    OrderStatus of medorder::OrderStatus {
        /// Created; nobody has verified it yet.
        PendingVerification,
        /// Coverage was verified; work may start.
        Verified,
        /// Refused at verification; final.
        Rejected,
        /// Work has started.
        InProgress,
        /// Done; final.
        Completed,
        /// Stopped; final.
        Cancelled,
    }

    /// An encrypted field of an order.
    PhiField of medorder::PhiField {
        /// What is ordered.
        ServiceType,
        /// Why: ICD-10-CM codes or FHIR tokens `system|code`.
        DiagnosisCodes,
        /// Free text that grows with the changes of status.
        Notes,
        /// Who pays.
        Insurance,
        /// What the payer said.
        InsuranceVerification,
    }

    /// What the payer said.
    InsuranceStatus of medorder::InsuranceStatus {
        /// The payer covers it.
        Confirmed,
        /// The payer does not cover it.
        Denied,
        /// The payer cannot be asked.
        Unsupported,
        /// Nobody asked.
        NotChecked,
        /// Asking failed.
        Error,
    }

    /// What an access is for (45 CFR 164.501 and 164.506).
    Purpose of medorder::Purpose {
        /// To treat the patient.
        Treatment,
        /// To be paid.
        Payment,
        /// To run the place.
        Operations,
        /// The patient asked for it.
        PatientRequest,
        /// The law asks for it.
        Legal,
        /// To avert harm.
        Emergency,
    }

    /// What a batch does when an item fails.
    BatchMode of medorder::BatchMode {
        /// All or nothing.
        Atomic,
        /// Each item for itself.
        Each,
    }

    /// What happened to an order.
    EventKind of medorder::EventKind {
        /// It was created or changed its status.
        StatusChanged,
        /// It was deleted.
        Deleted,
    }

    /// Why a change of status is refused.
    Why of medorder::Why {
        /// The workflow has no such step from the current status.
        State,
        /// The step needs verification data.
        MissingVerification,
        /// The verification is past its `valid_until`.
        VerificationExpired,
        /// The step needs a reason or notes.
        MissingReason,
        /// The actor's roles do not allow the step.
        Permission,
        /// The actor created the order, and the policy wants another verifier.
        OwnOrder,
    }

    /// What a caller must supply with a step.
    Need of medorder::Need {
        /// `verification_data` with `verified_by` and `verification_method`.
        VerificationData,
        /// `reason` or `notes`, not empty.
        ReasonOrNotes,
    }

    /// A rule that a request can break.
    Rule of medorder::Rule {
        /// The member is missing.
        Required,
        /// The member is there but has no content.
        Empty,
        /// The member has another JSON type than promised.
        Type,
        /// The member is not part of the request.
        Unknown,
        /// The member, key or order stands twice.
        Duplicate,
        /// More bytes or characters than allowed.
        TooLong,
        /// More items than allowed.
        TooMany,
        /// Not of the form the member has (an id, a time, JSON).
        Format,
        /// Not valid UTF-8.
        Utf8,
        /// Holds a control character.
        Control,
        /// Not one of the words the member can have.
        OneOf,
        /// The member is not allowed beside the others.
        NotAllowed,
    }
}

/// Gives the list of error codes to the macro that makes something of each: the enumeration here, and the class of the
/// exceptions in `error`.
macro_rules! error_codes {
    ($make:ident) => {
        $make! {
            /// The request breaks a rule; `details.errors` lists every fault.
            ValidationError,
            /// The workflow does not allow this change now; `details.why` says why, `details.allowed` what it allows.
            InvalidStatusTransition,
            /// The directory knows no relationship of this patient and provider in this territory.
            PatientProviderMismatch,
            /// The idempotency key belongs to another request or user.
            IdempotencyMismatch,
            /// The cursor is not of this database, territory or filter: start over from a list page.
            InvalidCursor,
            /// The gateway could not tell who is calling.
            Unauthenticated,
            /// The actor lacks the permission, or the session is expired or revoked.
            AccessDenied,
            /// The actor lacks the session's territory, or the order is in another one.
            TerritoryMismatch,
            /// No such order in this territory (or it was deleted).
            OrderNotFound,
            /// The territory is not registered.
            TerritoryNotFound,
            /// The order has another version than expected; `details.current_version`.
            VersionConflict,
            /// The database or the directory did not answer in time; nothing happened.
            StorageUnavailable,
            /// The key provider did not answer in time; nothing happened.
            KeyUnavailable,
            /// The change may or may not have happened: re-read, or retry with the same idempotency key.
            OutcomeUnknown,
            /// Stored bytes are not what this library wrote.
            IntegrityViolation,
            /// The audit chain is not what this library wrote.
            AuditBroken,
            /// The root key is not the one of this database.
            KeyMismatch,
            /// The database has a format this library does not know.
            SchemaUnsupported,
            /// The service was closed, or is called from inside one of its own callbacks.
            Closed,
            /// A fault of this library.
            Internal,
        }
    };
}

macro_rules! code_words {
    ($($(#[$item:meta])* $variant:ident,)*) => {
        words! {
            /// Stable identity of a failure: the same name and number in every language. The thousands digit is the kind.
            ErrorCode of medorder::ErrorCode {
                $($(#[$item])* $variant,)*
            }
        }
    };
}

error_codes!(code_words);
pub(crate) use error_codes;

#[uniffi::export]
impl ErrorCode {
    /// The number, for languages and protocols that prefer one, like 1002.
    pub fn number(self) -> i32 {
        i32::from(self.core().number())
    }

    /// What the caller should do: `invalid` (fix the request), `denied` (ask for access), `missing`, `conflict`
    /// (re-read, then decide again), `unavailable` (try later), `data` (stop and tell an operator), `usage`, `internal`.
    pub fn kind(self) -> ErrorKind {
        ErrorKind::of(self.core().kind())
    }

    /// True if the same call may succeed later and changed nothing now.
    pub fn retryable(self) -> bool {
        self.core().retryable()
    }

    /// The HTTP status a gateway answers with.
    pub fn http_status(self) -> i32 {
        i32::from(self.core().http_status())
    }
}

/// What the caller should do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[uniffi::export(Display)]
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
    fn of(kind: medorder::ErrorKind) -> Self {
        match kind {
            medorder::ErrorKind::Invalid => Self::Invalid,
            medorder::ErrorKind::Denied => Self::Denied,
            medorder::ErrorKind::Missing => Self::Missing,
            medorder::ErrorKind::Conflict => Self::Conflict,
            medorder::ErrorKind::Unavailable => Self::Unavailable,
            medorder::ErrorKind::Data => Self::Data,
            medorder::ErrorKind::Usage => Self::Usage,
            _ => Self::Internal,
        }
    }
}

impl std::fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Invalid => "invalid",
            Self::Denied => "denied",
            Self::Missing => "missing",
            Self::Conflict => "conflict",
            Self::Unavailable => "unavailable",
            Self::Data => "data",
            Self::Usage => "usage",
            Self::Internal => "internal",
        })
    }
}
