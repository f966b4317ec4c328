//! An engine that fails once, at a call of the test's choice.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use medorder::storage::{BoxFuture, Linker, NotNow, Outcome, Storage, Unit};
use medorder::{Error, ErrorCode, Result};

use crate::wrapped::{Hook, Wrapped};

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum How {
    /// Before anything is done: `STORAGE_UNAVAILABLE`.
    Before,
    /// A commit is done, but the answer is `OUTCOME_UNKNOWN`; a read does not fail.
    After,
    /// A commit panics before anything is done; a read does not fail.
    Panic,
}

/// Counts the calls of an engine and lets one fail.
#[derive(Default)]
pub struct Faulty(Mutex<Plan>);

#[derive(Default)]
struct Plan {
    calls: u64,
    at: Option<(u64, How)>,
    struck: bool,
}

impl Faulty {
    /// `inner`, healthy for now.
    #[must_use]
    pub fn around(inner: Arc<dyn Storage>) -> Arc<Wrapped<Self>> {
        Wrapped::new(inner, Self::default())
    }

    /// Lets the `n`th call from now on fail, counted from 1.
    pub fn arm(&self, n: u64, how: How) {
        *self.plan() = Plan { calls: 0, at: Some((n, how)), struck: false };
    }

    /// No call fails from now on.
    pub fn disarm(&self) {
        self.plan().at = None;
    }

    /// True if that call came, whether it failed or was of a kind that does not.
    #[must_use]
    pub fn reached(&self) -> bool {
        let plan = self.plan();
        plan.at.is_some_and(|(n, _)| plan.calls >= n) || plan.struck
    }

    /// True if a call failed.
    #[must_use]
    pub fn struck(&self) -> bool {
        self.plan().struck
    }

    /// Counts a call and tells how it fails, if it does.
    fn next(&self, commits: bool) -> Option<How> {
        let mut plan = self.plan();
        plan.calls += 1;
        let (n, how) = plan.at?;
        let strikes = plan.calls == n && (commits || how == How::Before);
        plan.struck |= strikes;
        strikes.then_some(how)
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable() -> Error {
    Error::new(ErrorCode::StorageUnavailable, "the engine was told to fail")
}

fn unknown() -> Error {
    Error::new(ErrorCode::OutcomeUnknown, "the engine was told to lose its answer")
}

impl Hook for Faulty {
    fn read(&self) -> Result<()> {
        match self.next(false) {
            Some(_) => Err(unavailable()),
            None => Ok(()),
        }
    }

    fn commit<'a>(
        &'a self,
        inner: &'a dyn Storage,
        units: Vec<Unit>,
        linker: &'a dyn Linker,
    ) -> BoxFuture<'a, Result<Vec<Outcome>>> {
        Box::pin(async move {
            match self.next(true) {
                None => inner.commit(units, linker).await,
                Some(How::Before) => Err(unavailable()),
                Some(How::After) => inner.commit(units, linker).await.and_then(|_| Err(unknown())),
                Some(How::Panic) => panic!("the engine was told to panic"),
            }
        })
    }

    fn commit_now(&self, inner: &dyn Storage, unit: Unit, linker: &dyn Linker) -> Result<Outcome, NotNow> {
        match self.next(true) {
            None => inner.commit_now(unit, linker),
            Some(How::Before) => Err(NotNow::Failed(unavailable())),
            Some(How::After) => inner.commit_now(unit, linker).and_then(|_| Err(NotNow::Failed(unknown()))),
            Some(How::Panic) => panic!("the engine was told to panic"),
        }
    }
}
