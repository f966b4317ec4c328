//! Ids are newtypes that only parsing can make, so that a mixed-up id does not compile.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use uuid::Uuid;

use crate::error::{Error, Fault, Result, Rule};

/// Makes a text id: cheap to clone, compared byte by byte, never trimmed, folded or normalised.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $path:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text as given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            pub(crate) fn check(text: &str) -> Result<Self, Rule> {
                let check: fn(&str) -> Result<(), Rule> = $check;
                check(text).map(|()| Self(Arc::from(text)))
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                Self::check(text).map_err(|rule| Error::validation(vec![Fault::new($path, rule)]))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

/// Ids that name no person may show themselves.
macro_rules! plain_debug {
    ($($name:ident),*) => { $(impl fmt::Debug for $name {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, concat!(stringify!($name), "({})"), self.0)
        }
    })* };
}

/// Ids that name a person or a caller's own number stay out of `Debug`, since that is what reaches logs.
macro_rules! masked_debug {
    ($($name:ident),*) => { $(impl fmt::Debug for $name {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(concat!(stringify!($name), "(..)"))
        }
    })* };
}

text_id!(
    /// A walled-off part of the data, `[a-z0-9][a-z0-9._-]{0,63}`. It is part of every key, index, cursor
    /// and ciphertext.
    ///
    /// ```
    /// let territory: medorder::TerritoryId = "north-1".parse()?;
    /// assert_eq!(territory.as_str(), "north-1");
    /// assert!("North".parse::<medorder::TerritoryId>().is_err());
    /// # Ok::<(), medorder::Error>(())
    /// ```
    TerritoryId, "territory_id", name_rule
);
text_id!(
    /// The name of a role, of the same form as a [`TerritoryId`].
    RoleName, "role", name_rule
);
text_id!(
    /// The host's id of a patient, 1 to 128 bytes. Metadata, stored in clear, yet never logged.
    PatientId, "patient_id", |text| id_rule(text, 1)
);
text_id!(
    /// The host's id of a provider, 1 to 128 bytes. Metadata, stored in clear, yet never logged.
    ProviderId, "provider_id", |text| id_rule(text, 1)
);
text_id!(
    /// The host's id of a user, 1 to 128 bytes.
    UserId, "user_id", |text| id_rule(text, 1)
);
text_id!(
    /// The host's id of the request that led to a call, 0 to 128 bytes.
    RequestId, "request_id", |text| id_rule(text, 0)
);
text_id!(
    /// Where a call came from (a gateway, a terminal), 0 to 128 bytes.
    Source, "source", |text| id_rule(text, 0)
);
text_id!(
    /// The caller's own number of a request, 1 to 128 bytes, unique in a territory.
    IdempotencyKey, "idempotency_key", |text| id_rule(text, 1)
);
plain_debug!(TerritoryId, RoleName, UserId, RequestId, Source);
masked_debug!(PatientId, ProviderId, IdempotencyKey);

/// The id of an order: a UUID of version 7 (RFC 9562) made when the order is created. Its order is the order
/// of creation to the microsecond, so lists need no other sort key.
///
/// ```
/// let id: medorder::OrderId = "0198f3c2-0000-7000-8000-000000000001".parse()?;
/// assert_eq!(id.to_string(), "0198f3c2-0000-7000-8000-000000000001");
/// # Ok::<(), medorder::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderId(Uuid);

impl OrderId {
    /// The id for an order created at `micros`, from 8 random bytes.
    ///
    /// RFC 9562 section 6.2, method 3: the 12 bits after the milliseconds hold their fraction.
    #[must_use]
    pub(crate) fn new(micros: i64, random: [u8; 8]) -> Self {
        let micros = u64::try_from(micros).unwrap_or(0);
        let fraction = (micros % 1000) * 4096 / 1000;
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&(micros / 1000).to_be_bytes()[2..]);
        bytes[6..8].copy_from_slice(&(0x7000 | fraction as u16).to_be_bytes());
        bytes[8..].copy_from_slice(&random);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Self(Uuid::from_bytes(bytes))
    }

    /// The id with these 16 bytes, of any UUID version: an id that was never given out is simply not found.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// True for the id of 16 zero bytes, which stands for "no order" in the audit.
    #[must_use]
    pub const fn is_nil(&self) -> bool {
        self.0.is_nil()
    }

    pub(crate) fn check(text: &str) -> Result<Self, Rule> {
        let id = Uuid::try_parse(text).map_err(|_| Rule::Format)?;
        // One encoding a value: lower case with hyphens.
        if id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text && !id.is_nil() {
            Ok(Self(id))
        } else {
            Err(Rule::Format)
        }
    }
}

impl FromStr for OrderId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::check(text).map_err(|rule| Error::fault("order_id", rule))
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.hyphenated())
    }
}

impl fmt::Debug for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrderId({})", self.0.hyphenated())
    }
}

/// The chain an audit entry belongs to: a territory's, or the system's. No wire value can name the system
/// chain, since its text is empty and a [`TerritoryId`] never is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "there is no third place")]
pub enum Chain {
    /// Acts on the whole database, and denials of actors without the territory.
    System,
    /// One territory.
    Territory(TerritoryId),
}

impl Chain {
    /// The territory id, or the empty text of the system chain.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::System => "",
            Self::Territory(territory) => territory.as_str(),
        }
    }

    /// The chain with this text.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` if it is neither empty nor a territory id.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() { Ok(Self::System) } else { text.parse().map(Self::Territory) }
    }
}

impl From<TerritoryId> for Chain {
    fn from(territory: TerritoryId) -> Self {
        Self::Territory(territory)
    }
}

/// `[a-z0-9][a-z0-9._-]{0,63}`
fn name_rule(text: &str) -> Result<(), Rule> {
    match text.as_bytes() {
        [] => Err(Rule::Empty),
        bytes if bytes.len() > 64 => Err(Rule::TooLong),
        [first, rest @ ..] => {
            let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
            if plain(first) && rest.iter().all(|b| plain(b) || b"._-".contains(b)) {
                Ok(())
            } else {
                Err(Rule::Format)
            }
        }
    }
}

fn id_rule(text: &str, shortest: usize) -> Result<(), Rule> {
    if text.len() < shortest {
        Err(Rule::Empty)
    } else if text.len() > 128 {
        Err(Rule::TooLong)
    } else if text.chars().any(char::is_control) {
        Err(Rule::Control)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn territory_ids_have_the_promised_form() {
        for good in ["a", "0", "a.b_c-9", &"x".repeat(64)] {
            assert_eq!(good.parse::<TerritoryId>().unwrap().as_str(), good);
        }
        for (bad, rule) in [
            ("", Rule::Empty),
            (&*"x".repeat(65), Rule::TooLong),
            ("-a", Rule::Format),
            (".a", Rule::Format),
            ("A", Rule::Format),
            ("a b", Rule::Format),
            ("a\u{e9}", Rule::Format),
        ] {
            assert_eq!(TerritoryId::check(bad).unwrap_err(), rule, "{bad:?}");
        }
    }

    #[test]
    fn person_ids_are_bytes_with_limits() {
        assert!(PatientId::check(" p 1 ").is_ok());
        assert_ne!(PatientId::check("e\u{301}").unwrap(), PatientId::check("\u{e9}").unwrap());
        assert_eq!(PatientId::check("").unwrap_err(), Rule::Empty);
        assert_eq!(PatientId::check(&"\u{e9}".repeat(65)).unwrap_err(), Rule::TooLong);
        assert_eq!(PatientId::check("a\u{85}").unwrap_err(), Rule::Control);
        assert!(RequestId::check("").is_ok());
        assert_eq!(format!("{:?}", PatientId::check("p-1").unwrap()), "PatientId(..)");
    }

    #[test]
    fn order_ids_sort_by_the_microsecond() {
        let ids: Vec<OrderId> =
            (0..5000).map(|n| OrderId::new(1_700_000_000_123_000 + n, [255; 8])).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        let id = ids[7];
        assert_eq!((id.0.get_version_num(), id.0.get_variant()), (7, uuid::Variant::RFC4122));
        assert_eq!(OrderId::check(&id.to_string()).unwrap(), id);
        for bad in [
            id.to_string().to_uppercase(),
            id.0.simple().to_string(),
            format!("{{{id}}}"),
            Uuid::nil().to_string(),
        ] {
            assert_eq!(OrderId::check(&bad).unwrap_err(), Rule::Format, "{bad}");
        }
    }
}
