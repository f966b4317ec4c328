//! How much one caller may ask.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::answer::Problem;

/// Requests a second that are let through.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Requests a second of one user.
    pub user: NonZeroU32,
    /// Refused tokens a second from one address.
    pub refused: NonZeroU32,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            user: NonZeroU32::new(100).unwrap_or(NonZeroU32::MIN),
            refused: NonZeroU32::new(10).unwrap_or(NonZeroU32::MIN),
        }
    }
}

/// How many seconds' worth may come at once.
const BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(2);
/// From how many callers on those who have been quiet are forgotten.
const MANY: usize = 10_000;

pub(crate) struct Limits {
    users: DefaultKeyedRateLimiter<String>,
    refused: DefaultKeyedRateLimiter<Option<IpAddr>>,
}

impl Limits {
    pub(crate) fn new(rates: Rates) -> Self {
        let quota = |rate: NonZeroU32| Quota::per_second(rate).allow_burst(rate.saturating_mul(BURST));
        Self {
            users: RateLimiter::keyed(quota(rates.user)),
            refused: RateLimiter::keyed(quota(rates.refused)),
        }
    }

    /// Counts a request of `user`.
    pub(crate) fn called(&self, user: &str) -> Result<(), Problem> {
        if self.users.len() > MANY {
            self.users.retain_recent();
        }
        judged(self.users.check_key(&user.to_owned()))
    }

    /// Counts a refused token from `address`. A good token from there is let through all the same: an address may be
    /// that of a whole hospital.
    pub(crate) fn failed(&self, address: Option<IpAddr>) -> Result<(), Problem> {
        if self.refused.len() > MANY {
            self.refused.retain_recent();
        }
        judged(self.refused.check_key(&address))
    }
}

fn judged(answer: Result<(), governor::NotUntil<<DefaultClock as Clock>::Instant>>) -> Result<(), Problem> {
    answer.map_err(|until| Problem::too_many(until.wait_time_from(DefaultClock::default().now())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_does_not_slow_another_down() {
        let one = NonZeroU32::MIN;
        let limits = Limits::new(Rates { user: one, refused: one });
        let outcomes: Vec<_> = (0..5).map(|_| limits.called("u-1").is_ok()).collect();
        assert_eq!(outcomes[..3], [true; 3]);
        assert!(!outcomes[4]);
        assert!(limits.called("u-2").is_ok());
        assert!(limits.failed(None).is_ok());
    }
}
