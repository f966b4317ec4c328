//! Times: an `Instant` of the JVM, a `Date` of Swift, a `Time` of Ruby.

use std::time::{Duration, SystemTime};

use medorder::Timestamp;

/// The moment as the engine has it, in microseconds, cut towards the past; one too far away is the nearest one that
/// the engine will refuse.
pub(crate) fn timestamp(time: SystemTime) -> Timestamp {
    let micros = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_micros()).unwrap_or(i64::MAX),
        Err(before) => {
            let nanos = before.duration().as_nanos();
            i64::try_from(nanos.div_ceil(1000)).map_or(i64::MIN, |micros| -micros)
        }
    };
    Timestamp::from_micros(micros)
}

/// The moment as RFC 3339, for the engine to read. One outside the calendar of RFC 3339 is no time there either.
pub(crate) fn text(time: SystemTime) -> String {
    let time = timestamp(time);
    if is_in_calendar(time) { time.to_string() } else { "beyond the calendar".to_owned() }
}

/// True in the years 0000 to 9999, the only ones that RFC 3339 can write.
pub(crate) fn is_in_calendar(time: Timestamp) -> bool {
    Timestamp::parse(&time.to_string()).is_ok_and(|read| read == time)
}

pub(crate) fn system_time(time: Timestamp) -> SystemTime {
    let span = Duration::from_micros(time.as_micros().unsigned_abs());
    let moment = if time.as_micros() < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(span)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(span)
    };
    moment.unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64, nanos: u32) -> SystemTime {
        let span = Duration::from_secs(seconds.unsigned_abs());
        let whole = if seconds < 0 { SystemTime::UNIX_EPOCH - span } else { SystemTime::UNIX_EPOCH + span };
        whole + Duration::from_nanos(nanos.into())
    }

    #[test]
    fn nanoseconds_are_cut_towards_the_past() {
        assert_eq!(text(at(0, 1_999)), "1970-01-01T00:00:00.000001Z");
        assert_eq!(text(at(-1, 999_999_999)), "1969-12-31T23:59:59.999999Z");
        assert_eq!(text(at(-1, 999_000_001)), "1969-12-31T23:59:59.999000Z");
    }

    #[test]
    fn a_time_beyond_the_calendar_is_none() {
        for seconds in [253_402_300_800, -62_167_219_201, i64::MAX / 2, i64::MIN / 2] {
            assert_eq!(text(at(seconds, 0)), "beyond the calendar");
        }
        assert_eq!(text(at(253_402_300_799, 999_999_999)), "9999-12-31T23:59:59.999999Z");
    }

    proptest! {
        #[test]
        fn every_moment_comes_back(micros in any::<i64>()) {
            prop_assert_eq!(timestamp(system_time(Timestamp::from_micros(micros))).as_micros(), micros);
        }
    }
}
