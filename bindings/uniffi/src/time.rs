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
