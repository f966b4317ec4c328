//! Group commit: one thread takes what callers have queued and commits it together (STORAGE.md section 3).

use std::collections::{HashMap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::callback::Background;
use crate::audit::chain::{Place, link, places};
use crate::audit::{AuditKeys, Entry, EntryDraft, Head};
use crate::error::{Error, ErrorCode, Result};
use crate::model::{Chain, OrderId};
use crate::storage::{Linker, NotNow, Outcome, Storage, Unit};

/// A group holds at most this many units,
const GROUP_UNITS: usize = 512;
/// and about this many bytes. A lot above a bound enters alone.
const GROUP_BYTES: usize = 1 << 20;
/// The queue holds at most this many bytes,
const QUEUE_BYTES: usize = 16 << 20;
/// and, since a unit counts as at least this much, at most 4,096 units.
const UNIT_BYTES: usize = QUEUE_BYTES / 4096;

/// Units of one chain that are answered together. No two of them change one order or carry one key.
pub(super) struct Lot {
    pub(super) units: Vec<Unit>,
    pub(super) keys: Arc<AuditKeys>,
}

pub(super) struct Committer {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
    timeout: Duration,
}

struct Queue {
    storage: Arc<dyn Storage>,
    state: Mutex<State>,
    ready: Condvar,
    room: Arc<Semaphore>,
    /// Lots queued or being committed.
    pending: AtomicUsize,
    /// The thread panicked: nothing can be committed any more.
    broken: AtomicBool,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closing: bool,
}

struct Job {
    lot: Lot,
    claims: Vec<Claim>,
    weight: usize,
    reply: oneshot::Sender<Result<Vec<Outcome>>>,
    room: OwnedSemaphorePermit,
}

/// What two units of one group must not share.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Claim {
    Order(OrderId),
    Key([u8; 32]),
}

impl Committer {
    pub(super) fn start(storage: Arc<dyn Storage>, timeout: Duration) -> Result<Self> {
        let queue = Arc::new(Queue {
            storage,
            state: Mutex::default(),
            ready: Condvar::new(),
            room: Arc::new(Semaphore::new(QUEUE_BYTES)),
            pending: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        });
        let own = Arc::clone(&queue);
        let thread = std::thread::Builder::new()
            .name("medorder-commit".into())
            .spawn(move || own.run())
            .map_err(|_| Error::new(ErrorCode::StorageUnavailable, "no thread can be started"))?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)), timeout })
    }

    /// Commits a unit on the caller's thread if nobody waits and the writer is free; else gives it back.
    pub(super) fn commit_now(&self, unit: Unit, keys: &Arc<AuditKeys>) -> Result<Outcome, NotNow> {
        if self.is_broken() {
            return Err(NotNow::Failed(closed()));
        }
        if self.queue.pending.load(Ordering::Acquire) > 0 {
            return Err(NotNow::Busy(unit));
        }
        let linker = OneChain { chain: unit.chain.clone(), keys };
        let commit = AssertUnwindSafe(|| self.queue.storage.commit_now(unit, &linker));
        catch_unwind(commit).unwrap_or_else(|_| {
            self.queue.give_up();
            Err(NotNow::Failed(unknown()))
        })
    }

    /// Queues a lot and waits for its outcomes. Dropped before the lot is taken, it leaves nothing; after
    /// that the lot commits and its answer is dropped.
    pub(super) async fn commit(&self, lot: Lot, background: &Background) -> Result<Vec<Outcome>> {
        self.submit(lot, background).await?.await
    }

    /// Queues a lot; the returned future waits for its outcomes, so a caller can prepare the next one.
    pub(super) async fn submit(
        &self,
        lot: Lot,
        background: &Background,
    ) -> Result<impl Future<Output = Result<Vec<Outcome>>> + use<>> {
        let weight: usize = lot.units.iter().map(Unit::weight).sum();
        let counted = weight.max(lot.units.len() * UNIT_BYTES).min(QUEUE_BYTES);
        let room = self.room(counted, background).await?;
        let claims = lot.units.iter().flat_map(claims).collect();
        let (reply, answer) = oneshot::channel();
        {
            let mut state = self.queue.lock();
            if state.closing {
                return Err(closed());
            }
            self.queue.pending.fetch_add(1, Ordering::AcqRel);
            state.jobs.push_back(Job { lot, claims, weight, reply, room });
        }
        self.queue.ready.notify_one();
        Ok(async move { answer.await.unwrap_or_else(|_| Err(unknown())) })
    }

    async fn room(&self, bytes: usize, background: &Background) -> Result<OwnedSemaphorePermit> {
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        if let Ok(permit) = Arc::clone(&self.queue.room).try_acquire_many_owned(permits) {
            return Ok(permit);
        }
        let waiting = Arc::clone(&self.queue.room).acquire_many_owned(permits);
        match background.within(self.timeout, waiting).await? {
            Some(Ok(permit)) => Ok(permit),
            Some(Err(_)) => Err(closed()),
            None => Err(Error::new(ErrorCode::StorageUnavailable, "the queue is full")),
        }
    }

    /// True after a panic, which closed the service.
    pub(super) fn is_broken(&self) -> bool {
        self.queue.broken.load(Ordering::Acquire)
    }

    /// Refuses new lots, commits what is queued, and waits for that.
    pub(super) fn close(&self) {
        self.queue.lock().closing = true;
        self.queue.room.close();
        self.queue.ready.notify_one();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            // A panic in there has already answered everybody.
            let _ = thread.join();
        }
    }
}

impl Queue {
    fn run(&self) {
        let done = catch_unwind(AssertUnwindSafe(|| {
            while let Some(group) = self.next_group() {
                self.commit(group);
            }
        }));
        if done.is_err() {
            self.give_up();
        }
    }

    /// After a panic nobody knows what the engine has done.
    fn give_up(&self) {
        tracing::error!(target: "medorder", "the committer panicked; the service closes");
        self.broken.store(true, Ordering::Release);
        let mut state = self.lock();
        state.closing = true;
        // Dropping a reply answers OUTCOME_UNKNOWN.
        state.jobs.clear();
        self.room.close();
        self.ready.notify_one();
    }

    /// What is waiting, in order, up to the bounds. Nothing waits for more to come.
    fn next_group(&self) -> Option<Vec<Job>> {
        let mut state = self.lock();
        while state.jobs.is_empty() {
            if state.closing {
                return None;
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.jobs.len() == 1 {
            // Nothing to share anything with, so its claims are not looked at.
            let alone = state.jobs.pop_front().filter(|job| !job.reply.is_closed());
            if alone.is_none() {
                self.pending.fetch_sub(1, Ordering::AcqRel);
            }
            return Some(Vec::from_iter(alone));
        }
        let mut group: Vec<Job> = Vec::new();
        let mut later = Vec::new();
        // A batch brings hundreds of claims; growing the set by steps would hash them again and again.
        let mut claimed = HashSet::with_capacity(state.jobs.iter().map(|job| job.claims.len()).sum());
        let (mut units, mut bytes) = (0, 0);
        while let Some(job) = state.jobs.pop_front() {
            if job.reply.is_closed() {
                // Its caller is gone and it was not taken: it never happened.
                self.pending.fetch_sub(1, Ordering::AcqRel);
                continue;
            }
            let full = units + job.lot.units.len() > GROUP_UNITS || bytes + job.weight > GROUP_BYTES;
            if full && !group.is_empty() {
                state.jobs.push_front(job);
                break;
            }
            // Whoever shares an order or a key with an earlier one, taken or not, waits behind it.
            let clashes = job.claims.iter().any(|claim| claimed.contains(claim));
            claimed.extend(job.claims.iter().copied());
            if clashes {
                later.push(job);
                continue;
            }
            units += job.lot.units.len();
            bytes += job.weight;
            group.push(job);
        }
        for job in later.into_iter().rev() {
            state.jobs.push_front(job);
        }
        Some(group)
    }

    fn commit(&self, group: Vec<Job>) {
        let mut keys = HashMap::new();
        let mut units = Vec::new();
        let mut replies = Vec::with_capacity(group.len());
        for job in group {
            drop(job.room);
            if let Some(unit) = job.lot.units.first() {
                keys.entry(unit.chain.clone()).or_insert(job.lot.keys);
            }
            replies.push((job.lot.units.len(), job.reply));
            units.extend(job.lot.units);
        }
        if replies.is_empty() {
            return;
        }
        let outcomes = pollster::block_on(self.storage.commit(units, &ManyChains(keys)));
        self.pending.fetch_sub(replies.len(), Ordering::AcqRel);
        match outcomes {
            Ok(outcomes) => {
                let mut outcomes = outcomes.into_iter();
                for (count, reply) in replies {
                    // A dropped receiver lost interest after its units were taken.
                    let _ = reply.send(Ok(outcomes.by_ref().take(count).collect()));
                }
            }
            Err(error) => {
                for (_, reply) in replies {
                    let _ = reply.send(Err(error.clone()));
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn claims(unit: &Unit) -> impl Iterator<Item = Claim> + '_ {
    let orders = unit.writes.iter().filter_map(|write| write.changes().map(Claim::Order));
    orders.chain(unit.idempotency.iter().map(|record| Claim::Key(record.key)))
}

pub(super) fn closed() -> Error {
    Error::new(ErrorCode::Closed, "the service is closed")
}

fn unknown() -> Error {
    Error::new(ErrorCode::OutcomeUnknown, "the committer failed while the change was under way")
}

struct OneChain<'a> {
    chain: Chain,
    keys: &'a AuditKeys,
}

impl Linker for OneChain<'_> {
    fn link(&self, chain: &Chain, head: &Head, drafts: &[EntryDraft]) -> Result<Vec<Entry>> {
        if *chain != self.chain {
            return Err(no_key());
        }
        Ok(link(chain.as_str(), self.keys, head, drafts))
    }

    fn places(&self, chain: &Chain, head: &Head, drafts: &[EntryDraft]) -> Result<Vec<Place>> {
        if *chain != self.chain {
            return Err(no_key());
        }
        Ok(places(chain.as_str(), self.keys, head, drafts))
    }
}

struct ManyChains(HashMap<Chain, Arc<AuditKeys>>);

impl Linker for ManyChains {
    fn link(&self, chain: &Chain, head: &Head, drafts: &[EntryDraft]) -> Result<Vec<Entry>> {
        Ok(link(chain.as_str(), self.0.get(chain).ok_or_else(no_key)?, head, drafts))
    }

    fn places(&self, chain: &Chain, head: &Head, drafts: &[EntryDraft]) -> Result<Vec<Place>> {
        Ok(places(chain.as_str(), self.0.get(chain).ok_or_else(no_key)?, head, drafts))
    }
}

fn no_key() -> Error {
    Error::new(ErrorCode::Internal, "a unit came without the key of its chain")
}
