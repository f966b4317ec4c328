//! Time and randomness, injected: the standard calls are banned elsewhere, so that tests own both.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, ErrorCode, Result};

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Microseconds since 1970-01-01 UTC.
    fn now_micros(&self) -> i64;
}

/// Gives randomness fit for keys.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `buffer` with random bytes.
    ///
    /// # Errors
    /// `INTERNAL` if the system has no randomness to give; nothing may be sealed then.
    fn fill(&self, buffer: &mut [u8]) -> Result<()>;
}

/// The clock and the randomness a service runs on.
#[derive(Clone)]
pub struct Env {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub entropy: Arc<dyn Entropy>,
}

impl Env {
    /// The operating system's clock and randomness.
    #[must_use]
    pub fn system() -> Self {
        Self { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) }
    }

    /// `N` random bytes.
    ///
    /// # Errors
    /// `INTERNAL` if there is no randomness.
    pub fn random<const N: usize>(&self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes)?;
        Ok(bytes)
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Env")
    }
}

/// The operating system's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_micros(&self) -> i64 {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
        let now = std::time::SystemTime::now();
        match now.duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
        }
    }
}

/// The operating system's randomness. Nothing is pooled in the process, so a fork or a cloned machine
/// cannot draw the same bytes twice from here.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        #[expect(clippy::disallowed_methods, reason = "the one place that draws randomness")]
        getrandom::fill(buffer).map_err(|_| Error::new(ErrorCode::Internal, "the system gives no randomness"))
    }
}

#[cfg(any(test, feature = "test-util"))]
mod fixed {
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

    use sha2::{Digest, Sha256};

    use super::{Clock, Entropy};
    use crate::error::Result;

    /// A clock that moves only when told to.
    #[derive(Debug)]
    pub struct FixedClock(AtomicI64);

    impl FixedClock {
        /// A clock that stands at `micros` since 1970.
        #[must_use]
        pub fn at(micros: i64) -> Self {
            Self(AtomicI64::new(micros))
        }

        /// Moves the clock by `micros`, backwards too.
        pub fn advance(&self, micros: i64) {
            self.0.fetch_add(micros, Ordering::SeqCst);
        }
    }

    impl Clock for FixedClock {
        fn now_micros(&self) -> i64 {
            self.0.load(Ordering::SeqCst)
        }
    }

    /// Repeatable bytes from a seed: SHA-256 of the seed and a counter.
    #[derive(Debug)]
    pub struct SeededEntropy {
        seed: u64,
        drawn: AtomicU64,
    }

    impl SeededEntropy {
        /// The stream that belongs to `seed`.
        #[must_use]
        pub fn new(seed: u64) -> Self {
            Self { seed, drawn: AtomicU64::new(0) }
        }
    }

    impl Entropy for SeededEntropy {
        fn fill(&self, buffer: &mut [u8]) -> Result<()> {
            for chunk in buffer.chunks_mut(32) {
                let n = self.drawn.fetch_add(1, Ordering::SeqCst);
                let block = Sha256::new()
                    .chain_update(self.seed.to_be_bytes())
                    .chain_update(n.to_be_bytes())
                    .finalize();
                chunk.copy_from_slice(&block[..chunk.len()]);
            }
            Ok(())
        }
    }

    /// A broken generator: every byte is the same, as after a cloned machine or a failed device.
    #[derive(Debug)]
    pub struct StuckEntropy(pub u8);

    impl Entropy for StuckEntropy {
        fn fill(&self, buffer: &mut [u8]) -> Result<()> {
            buffer.fill(self.0);
            Ok(())
        }
    }
}

#[cfg(any(test, feature = "test-util"))]
pub use fixed::{FixedClock, SeededEntropy, StuckEntropy};
