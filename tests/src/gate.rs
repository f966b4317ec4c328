//! An engine that holds its commits back until the test lets them pass, so that what waits behind them is known.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use medorder::Result;
use medorder::storage::{BoxFuture, Linker, NotNow, Outcome, Storage, Unit};

use crate::wrapped::{Hook, Wrapped};

/// Holds commits back and remembers them.
#[derive(Default)]
pub struct Gate {
    state: Mutex<State>,
    moved: Condvar,
}

#[derive(Default)]
struct State {
    held: bool,
    /// Groups that may pass although the gate is held.
    passes: usize,
    inside: bool,
    groups: Vec<Vec<Unit>>,
    threads: Vec<Option<String>>,
    now: usize,
    barged: usize,
}

/// A test that waits longer than this hangs.
const HANGS: Duration = Duration::from_secs(60);

impl Gate {
    /// `inner`, open for now.
    #[must_use]
    pub fn around(inner: Arc<dyn Storage>) -> Arc<Wrapped<Self>> {
        Wrapped::new(inner, Self::default())
    }

    /// Holds every commit back from now on, and forgets those that were.
    pub fn hold(&self) {
        *self.state() = State { held: true, ..State::default() };
    }

    /// Lets everything pass.
    pub fn release(&self) {
        self.state().held = false;
        self.moved.notify_all();
    }

    /// Lets one more group pass.
    pub fn pass(&self) {
        self.state().passes += 1;
        self.moved.notify_all();
    }

    /// Waits until `count` groups have come, the last of which may be held back.
    pub fn came(&self, count: usize) {
        let state = self.state();
        let waited = self.moved.wait_timeout_while(state, HANGS, |state| state.groups.len() < count);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(state.groups.len() >= count, "group {count} never came");
    }

    /// The groups that came, each with its units.
    #[must_use]
    pub fn groups(&self) -> Vec<Vec<Unit>> {
        self.state().groups.clone()
    }

    /// The names of the threads that groups were committed on.
    #[must_use]
    pub fn threads(&self) -> Vec<Option<String>> {
        self.state().threads.clone()
    }

    /// How many units were committed on their callers' threads, and how many tried to while a group was inside.
    #[must_use]
    pub fn inline(&self) -> (usize, usize) {
        let state = self.state();
        (state.now, state.barged)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hook for Gate {
    fn commit<'a>(
        &'a self,
        inner: &'a dyn Storage,
        units: Vec<Unit>,
        linker: &'a dyn Linker,
    ) -> BoxFuture<'a, Result<Vec<Outcome>>> {
        Box::pin(async move {
            {
                let mut state = self.state();
                state.groups.push(units.clone());
                state.threads.push(std::thread::current().name().map(str::to_owned));
                state.inside = true;
                self.moved.notify_all();
                while state.held && state.passes == 0 {
                    state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                state.passes = state.passes.saturating_sub(1);
                state.inside = false;
            }
            inner.commit(units, linker).await
        })
    }

    fn commit_now(&self, inner: &dyn Storage, unit: Unit, linker: &dyn Linker) -> Result<Outcome, NotNow> {
        {
            let mut state = self.state();
            if state.inside {
                state.barged += 1;
                return Err(NotNow::Busy(unit));
            }
            state.now += 1;
        }
        inner.commit_now(unit, linker)
    }
}

/// A call under way.
pub type Call<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Starts a call that must wait. Everything before the queue answers at once on an embedded engine, so one poll
/// brings the call's unit into the queue, or the caller to wait for room in it.
///
/// # Panics
/// If the call answers at once.
pub fn queue<T>(call: impl Future<Output = T> + Send + 'static) -> Call<T> {
    let mut call: Call<T> = Box::pin(call);
    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "the call has to wait");
    call
}
