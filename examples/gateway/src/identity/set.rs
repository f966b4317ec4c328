//! Keeps a key set fresh while tokens are checked.
//!
//! Keys rotate at the identity provider's pace, so the set is read anew
//!
//! - when a token names a key that it does not hold. All who miss one wait for the same attempt;
//! - when it is older than ten minutes, in the background. After a quiet time of more than fifteen minutes the
//!   first caller waits, so a key that was taken out is trusted no longer than that while the provider answers.
//!
//! Attempts, failed ones too, begin at least 30 s apart, however many tokens name keys that do not exist: a key
//! that is less than 30 s old may thus be refused for the rest of them. While the provider is away the set stays
//! good for a day. After that it speaks for nobody, and the answer is `KEY_UNAVAILABLE`.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use jsonwebtoken::Algorithm;
use medorder::env::Clock;
use medorder::{Error, ErrorCode, Result};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::claims::SECOND;
use super::fetch::Source;
use super::jwks::{Key, Set};
use super::refusal::Refusal;

/// A key set and where it comes from.
pub(super) struct KeySet {
    source: Source,
    clock: Arc<dyn Clock>,
    held: RwLock<Arc<Held>>,
    // Held during an attempt, by a task of its own: a caller that goes away must not end it.
    turn: Mutex<()>,
    attempted_at: AtomicI64,
    failing: AtomicBool,
}

impl KeySet {
    /// Reads the set for the first time.
    ///
    /// # Errors
    /// What the operator must change: an address or a file that is wrong would else show as refused users.
    pub(super) async fn open(source: Source, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let set = read(&source).await.map_err(|why| format!("the key set {source} cannot be read: {why}"))?;
        if set.leaks {
            return Err(format!(
                "the key set {source} holds a private key or a secret: take it out, and replace the key"
            ));
        }
        if set.keys.is_empty() {
            let why = set.left_out.join(", ");
            return Err(format!("the key set {source} has no usable key: {why}"));
        }
        let now = clock.now_micros();
        Ok(Self {
            source,
            clock,
            held: RwLock::new(Arc::new(Held { set, read_at: now })),
            turn: Mutex::new(()),
            // The first miss need not wait.
            attempted_at: AtomicI64::new(now.saturating_sub(PAUSE)),
            failing: AtomicBool::new(false),
        })
    }

    /// The key that a token names, after one look for a new set if it is not there.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`, or `KEY_UNAVAILABLE` if the set is too old.
    pub(super) async fn key(self: &Arc<Self>, kid: Option<&str>, alg: Algorithm) -> Result<Arc<Key>> {
        let held = self.current().await?;
        let found = match held.set.find(kid, alg) {
            Err(Refusal::KeyUnknown) => {
                self.finished(self.refresh()).await;
                self.held().set.find(kid, alg)
            }
            found => found,
        };
        Ok(found?)
    }

    /// The set, after what its age asks for.
    async fn current(self: &Arc<Self>) -> Result<Arc<Held>> {
        let held = self.held();
        let age = self.age(held.read_at);
        if age < RENEW {
            return Ok(held);
        }
        let attempt = self.refresh();
        // While the provider is away nobody waits for it before they must.
        if age >= LIMIT || (age >= WAIT && !self.failing.load(Ordering::Relaxed)) {
            self.finished(attempt).await;
        }
        let held = self.held();
        if self.age(held.read_at) >= LIMIT {
            return Err(Error::new(ErrorCode::KeyUnavailable, "the key set has not been readable for a day"));
        }
        Ok(held)
    }

    /// Reads the set anew, unless the last attempt is too near. `None` if there is nothing to wait for.
    fn refresh(self: &Arc<Self>) -> Option<JoinHandle<()>> {
        if !self.is_due() && self.turn.try_lock().is_ok() {
            return None;
        }
        let this = Arc::clone(self);
        Some(tokio::spawn(async move {
            let _turn = this.turn.lock().await;
            // An attempt is shorter than the pause, so of all who waited for their turn the first one makes it.
            if !this.is_due() {
                return;
            }
            let now = this.clock.now_micros();
            this.attempted_at.store(now, Ordering::Relaxed);
            let answer = read(&this.source).await;
            this.failing.store(answer.is_err(), Ordering::Relaxed);
            match answer {
                Ok(set) => this.hold(set, now),
                Err(why) => tracing::warn!(source = %this.source, why, "the key set cannot be read anew"),
            }
        }))
    }

    async fn finished(&self, attempt: Option<JoinHandle<()>>) {
        if let Some(attempt) = attempt
            && attempt.await.is_err()
        {
            tracing::error!(source = %self.source, "reading the key set broke off");
        }
    }

    /// Trusts the keys of `set`, and no others. A set without any is taken at its word.
    fn hold(&self, set: Set, read_at: i64) {
        if set.leaks {
            tracing::error!(source = %self.source, "the key set holds a private key or a secret");
        }
        if set.keys.is_empty() {
            tracing::error!(source = %self.source, left_out = ?set.left_out, "the key set has no usable key");
        }
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Held { set, read_at });
    }

    fn held(&self) -> Arc<Held> {
        Arc::clone(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn is_due(&self) -> bool {
        self.age(self.attempted_at.load(Ordering::Relaxed)) >= PAUSE
    }

    /// How long ago that was. A clock that was set back counts as time that passed, so that it cannot stop the
    /// refreshing.
    fn age(&self, since: i64) -> i64 {
        i64::try_from(self.clock.now_micros().abs_diff(since)).unwrap_or(i64::MAX)
    }
}

/// What is trusted now, and since when.
struct Held {
    set: Set,
    read_at: i64,
}

/// Attempts are at least this far apart.
const PAUSE: i64 = 30 * SECOND;
/// From this age on the set is read anew.
const RENEW: i64 = 600 * SECOND;
/// From this age on callers wait for that.
const WAIT: i64 = 900 * SECOND;
/// From this age on the set is not trusted.
const LIMIT: i64 = 86_400 * SECOND;

async fn read(source: &Source) -> Result<Set, String> {
    Set::read(&source.read().await?)
}
