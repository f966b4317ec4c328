//! Times: microseconds since 1970 inside, RFC 3339 in UTC outside.

use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;
use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::DefaultIsZeroes;

use crate::error::{Error, Result, Rule};

/// A moment, in microseconds since 1970-01-01 UTC.
///
/// Text is RFC 3339 in UTC with exactly six digits of a second. Input takes any offset and one to nine digits,
/// which are cut to microseconds (towards the past); a bare date, a time without an offset and a blank instead
/// of `T` are refused.
///
/// ```
/// use medorder::Timestamp;
///
/// let time: Timestamp = "2026-03-01T09:30:00.1234567+01:00".parse()?;
/// assert_eq!(time.to_string(), "2026-03-01T08:30:00.123456Z");
/// assert_eq!(Timestamp::from_micros(0).to_string(), "1970-01-01T00:00:00.000000Z");
/// assert!("2026-03-01".parse::<Timestamp>().is_err());
/// # Ok::<(), medorder::Error>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `micros` after 1970-01-01 UTC; negative is before.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The moment that RFC 3339 text names, in the years 0000 to 9999.
    ///
    /// # Errors
    /// `VALIDATION_ERROR`, rule `format`.
    pub fn parse(text: &str) -> Result<Self> {
        Self::check(text).map_err(|rule| Error::fault("timestamp", rule))
    }

    pub(crate) fn check(text: &str) -> Result<Self, Rule> {
        read(text.as_bytes()).ok_or(Rule::Format)
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::parse(text)
    }
}

/// RFC 3339 has no years beyond 0000 to 9999; a moment outside shows as the nearest one inside.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.clamp(FIRST, LAST);
        let time = EPOCH.saturating_add(SignedDuration::from_micros(micros));
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
            time.year(),
            time.month(),
            time.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.subsec_nanosecond() / 1000
        )
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::check(&text).map_err(|_| serde::de::Error::custom("not an RFC 3339 time"))
    }
}

// A time inside a record of PHI is wiped with it.
impl DefaultIsZeroes for Timestamp {}

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
/// 0000-01-01T00:00:00Z
const FIRST: i64 = -62_167_219_200_000_000;
/// 9999-12-31T23:59:59.999999Z
const LAST: i64 = 253_402_300_799_999_999;

/// `YYYY-MM-DDThh:mm:ss[.f]` and `Z` or `+hh:mm`; the grammar of RFC 3339 section 5.6.
fn read(text: &[u8]) -> Option<Timestamp> {
    let (civil, rest) = text.split_at_checked(19)?;
    let separators = [civil[4], civil[7], civil[10].to_ascii_uppercase(), civil[13], civil[16]];
    if separators != *b"--T::" {
        return None;
    }
    let number = |from: usize, to: usize| digits(&civil[from..to]);
    let date = Date::new(
        i16::try_from(number(0, 4)?).ok()?,
        i8::try_from(number(5, 7)?).ok()?,
        i8::try_from(number(8, 10)?).ok()?,
    )
    .ok()?;
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (mut micros, offset) = fraction(rest)?;
    let mut seconds = hour * 3600 + minute * 60 + second - offset_seconds(offset)?;
    if second == 60 {
        // A leap second stands only at the end of a UTC day; it reads as the last moment before it, so that
        // it stays in its day and after all that came before.
        if seconds.rem_euclid(86_400) != 0 {
            return None;
        }
        seconds -= 1;
        micros = 999_999;
    }
    let days = date.duration_since(EPOCH.date()).as_secs();
    let moment = (days + seconds) * 1_000_000 + micros;
    (FIRST..=LAST).contains(&moment).then_some(Timestamp(moment))
}

/// Microseconds of an optional `.f`, and what follows it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(text) = text.strip_prefix(b".") else { return Some((0, text)) };
    let length = text.iter().take_while(|b| b.is_ascii_digit()).count();
    if !(1..=9).contains(&length) {
        return None;
    }
    let micros = (0..6).fold(0, |sum, at| {
        let digit = if at < length { i64::from(text[at] - b'0') } else { 0 };
        sum * 10 + digit
    });
    Some((micros, &text[length..]))
}

fn offset_seconds(text: &[u8]) -> Option<i64> {
    let (sign, rest) = match text {
        b"Z" | b"z" => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let [h1, h2, b':', m1, m2] = rest else { return None };
    let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn digits(text: &[u8]) -> Option<i64> {
    text.iter().try_fold(0, |sum, b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_utc_with_six_digits() {
        for (input, output) in [
            ("2026-03-01T09:30:00Z", "2026-03-01T09:30:00.000000Z"),
            ("2026-03-01t09:30:00z", "2026-03-01T09:30:00.000000Z"),
            ("2026-03-01T09:30:00.5+01:00", "2026-03-01T08:30:00.500000Z"),
            ("2026-03-01T00:30:00-23:59", "2026-03-02T00:29:00.000000Z"),
            ("2026-03-01T09:30:00-00:00", "2026-03-01T09:30:00.000000Z"),
            ("2026-03-01T09:30:00.999999999Z", "2026-03-01T09:30:00.999999Z"),
            ("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999Z"),
            ("2017-01-01T00:59:60.2+01:00", "2016-12-31T23:59:59.999999Z"),
            ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000000Z"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ] {
            assert_eq!(
                Timestamp::check(input).map(|time| time.to_string()),
                Ok(output.to_owned()),
                "{input}"
            );
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "2026-03-01",
            "2026-03-01T09:30:00",
            "2026-03-01 09:30:00Z",
            "2026-03-01T09:30Z",
            "2026-03-01T09:30:00.Z",
            "2026-03-01T09:30:00.1234567890Z",
            "2026-03-01T09:30:00,5Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T09:60:00Z",
            "2026-03-01T09:30:60Z",
            "2026-03-01T23:59:61Z",
            "2026-02-29T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-03-01T09:30:00+24:00",
            "2026-03-01T09:30:00+01:60",
            "2026-03-01T09:30:00+0100",
            "2026-03-01T09:30:00+01",
            "2026-03-01T09:30:00Z ",
            " 2026-03-01T09:30:00Z",
            "+2026-03-01T09:30:00Z",
            "10000-01-01T00:00:00Z",
            "0000-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "2026-03-01T09:30:00[Europe/Berlin]",
            "20260301T093000Z",
            "２026-03-01T09:30:00Z",
        ] {
            assert_eq!(Timestamp::check(bad), Err(Rule::Format), "{bad}");
        }
    }

    #[test]
    fn moments_beyond_the_calendar_still_show() {
        assert_eq!(Timestamp::from_micros(i64::MIN).to_string(), "0000-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp::from_micros(i64::MAX).to_string(), "9999-12-31T23:59:59.999999Z");
    }

    proptest! {
        #[test]
        fn every_moment_reads_back(micros in FIRST..=LAST) {
            let text = Timestamp(micros).to_string();
            prop_assert_eq!(Timestamp::check(&text), Ok(Timestamp(micros)));
            // An independent reader agrees, where its calendar reaches.
            if let Ok(other) = text.parse::<jiff::Timestamp>() {
                prop_assert_eq!(other.as_microsecond(), micros);
            }
        }

        #[test]
        fn no_text_panics(text in any::<String>(), near in "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,10})?([Zz]|[+-][0-9]{2}:[0-9]{2})?") {
            let _ = Timestamp::check(&text);
            if let (Ok(ours), Ok(theirs), false) =
                (Timestamp::check(&near), near.parse::<jiff::Timestamp>(), near.contains(":60"))
            {
                prop_assert_eq!(ours.as_micros(), theirs.as_nanosecond().div_euclid(1000) as i64);
            }
        }
    }
}
