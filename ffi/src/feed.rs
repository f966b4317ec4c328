//! Waiting for events without a thread: the engine's future is kept between two calls, and what wakes it rings a bell
//! that a blocked call and a file descriptor both hear.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use medorder::{Error, ErrorCode, OrderEvent, Result, Subscription};

/// One subscription and its waiting.
pub(crate) struct Feed {
    waiting: Mutex<Waiting>,
    cursor: Mutex<String>,
    stopped: AtomicBool,
    bell: Arc<Bell>,
}

type Answer = (Box<Subscription>, Result<OrderEvent>);

enum Waiting {
    /// Nobody has asked since the last answer.
    Idle(Box<Subscription>),
    /// The engine wakes the bell when it is worth asking again.
    Asked(Pin<Box<dyn Future<Output = Answer> + Send>>),
    /// Being changed from one to the other; left behind by a panic alone.
    Gone,
}

impl Feed {
    pub(crate) fn new(subscription: Subscription) -> Self {
        Self {
            cursor: Mutex::new(subscription.cursor()),
            waiting: Mutex::new(Waiting::Idle(Box::new(subscription))),
            stopped: AtomicBool::new(false),
            bell: Arc::default(),
        }
    }

    /// The next event, or none within `timeout`; no timeout is no end.
    ///
    /// # Errors
    /// As the engine's, and `CLOSED` once it was stopped or while another thread waits here.
    pub(crate) fn next(&self, timeout: Option<Duration>) -> Result<Option<OrderEvent>> {
        let mut waiting = match self.waiting.try_lock() {
            Ok(waiting) => waiting,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(closed("another thread waits on this subscription"));
            }
        };
        // An end that no clock reaches is none.
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let waker = Waker::from(Arc::clone(&self.bell));
        loop {
            // Before the question, so that a ring during it is kept.
            self.bell.hush();
            if self.stopped.load(Ordering::Acquire) {
                // For whoever watches the descriptor: it stays worth asking.
                self.bell.ring();
                return Err(closed("the subscription was stopped"));
            }
            if let Poll::Ready(answer) = waiting.poll(&waker) {
                // There may be more, or the failure may pass: the descriptor says "ask again".
                self.bell.ring();
                let (subscription, answer) = answer?;
                *heal(&self.cursor) = subscription.cursor();
                *waiting = Waiting::Idle(subscription);
                return answer.map(Some);
            }
            if !self.bell.wait(end) {
                return Ok(None);
            }
        }
    }

    /// Where to resume.
    pub(crate) fn cursor(&self) -> String {
        heal(&self.cursor).clone()
    }

    /// Ends the waiting, of whichever thread.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.bell.ring();
    }

    /// A descriptor that can be read from when it is worth asking for an event.
    ///
    /// # Errors
    /// `STORAGE_UNAVAILABLE` if the system gives none.
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Result<i32> {
        self.bell.descriptor().map_err(|_| Error::new(ErrorCode::StorageUnavailable, "no descriptor is left"))
    }
}

impl Waiting {
    fn poll(&mut self, waker: &Waker) -> Poll<Result<Answer>> {
        if let Self::Idle(_) = self
            && let Self::Idle(mut subscription) = std::mem::replace(self, Self::Gone)
        {
            *self = Self::Asked(Box::pin(async move {
                let answer = subscription.next().await;
                (subscription, answer)
            }));
        }
        match self {
            Self::Asked(asked) => asked.as_mut().poll(&mut Context::from_waker(waker)).map(Ok),
            _ => Poll::Ready(Err(Error::new(ErrorCode::Internal, "the subscription is lost"))),
        }
    }
}

/// Rings when it is worth asking, for a thread that waits and for a descriptor.
#[derive(Default)]
struct Bell {
    state: Mutex<Rung>,
    heard: Condvar,
}

#[derive(Default)]
struct Rung {
    rung: bool,
    /// The end that is shown, and the end that is written to.
    #[cfg(unix)]
    pair: Option<(std::os::unix::net::UnixStream, std::os::unix::net::UnixStream)>,
}

impl Bell {
    fn ring(&self) {
        let mut state = heal(&self.state);
        if !state.rung {
            state.rung = true;
            state.show();
        }
        drop(state);
        self.heard.notify_all();
    }

    fn hush(&self) {
        let mut state = heal(&self.state);
        if state.rung {
            state.rung = false;
            state.hide();
        }
    }

    /// Waits until it rings; false if it did not before `end`.
    fn wait(&self, end: Option<Instant>) -> bool {
        let mut state = heal(&self.state);
        while !state.rung {
            state = match end {
                None => self.heard.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(end) => {
                    let left = end.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    self.heard.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }

    #[cfg(unix)]
    fn descriptor(&self) -> std::io::Result<i32> {
        use std::os::fd::AsRawFd;
        let mut state = heal(&self.state);
        if state.pair.is_none() {
            let pair = std::os::unix::net::UnixStream::pair()?;
            pair.0.set_nonblocking(true)?;
            pair.1.set_nonblocking(true)?;
            state.pair = Some(pair);
            // The first turn of a loop asks: only then does the engine know that somebody waits.
            state.rung = true;
            state.show();
        }
        Ok(state.pair.as_ref().map_or(-1, |pair| pair.0.as_raw_fd()))
    }
}

#[cfg(unix)]
impl Rung {
    /// One byte is in the pair while it is rung, so neither call can block or fail for want of room.
    fn show(&mut self) {
        if let Some((_, to)) = &mut self.pair {
            let _ = std::io::Write::write(to, &[1]);
        }
    }

    fn hide(&mut self) {
        if let Some((from, _)) = &mut self.pair {
            let _ = std::io::Read::read(from, &mut [0]);
        }
    }
}

#[cfg(not(unix))]
impl Rung {
    fn show(&mut self) {}

    fn hide(&mut self) {}
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

/// Nothing is half done behind these locks when a panic passes.
fn heal<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn closed(message: &'static str) -> Error {
    Error::new(ErrorCode::Closed, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_is_heard_once_and_by_the_descriptor_as_long_as_it_rings() {
        let bell = Bell::default();
        let soon = || Some(Instant::now() + Duration::from_millis(10));
        assert!(!bell.wait(soon()));
        bell.ring();
        bell.ring();
        assert!(bell.wait(soon()) && bell.wait(None), "until it is hushed");
        bell.hush();
        assert!(!bell.wait(soon()));
        #[cfg(unix)]
        {
            bell.descriptor().unwrap();
            let mut byte = [0; 8];
            let mut read = || {
                let mut state = heal(&bell.state);
                std::io::Read::read(&mut state.pair.as_mut().unwrap().0, &mut byte).ok()
            };
            assert_eq!(read(), Some(1), "it begins with a ring");
            assert_eq!(read(), None);
            bell.hush();
            bell.ring();
            bell.ring();
            assert_eq!(read(), Some(1), "one byte however often it rings");
            bell.hush();
            assert_eq!(read(), None);
        }
    }
}
