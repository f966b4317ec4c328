//! The road between the engine's threads and one thread of JavaScript (the main one, or a worker).
//!
//! Answers are posted into a queue, and the first of a batch rings a bell: a threadsafe function that empties the
//! queue on the thread of JavaScript. One bell a thread, not one a promise: with many calls under way a batch costs
//! one wake-up. The bell is weak, so that it keeps no process alive; what does is decided in TypeScript.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use medorder::{Error, ErrorCode, Result, wire};
use napi::bindgen_prelude::{Either3, FnArgs, Function, Uint8Array, Unknown};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status};
use napi_derive::napi;
use tokio::runtime::{Builder, Runtime};
use tokio::task::AbortHandle;

use crate::reply::{Piece, Text};

/// How long a callback of the host may take: as long as the engine itself waits for it.
const DEADLINE: Duration = Duration::from_secs(5);

/// What JavaScript is told, under the number of the call it belongs to.
enum Letter {
    Answer(i64, Text),
    Failure(i64, Text),
    Progress(i64, u64, u64),
    /// A question to the callbacks of a host: its own number, the host, what is asked, with what.
    Question(i64, i64, &'static str, Vec<Piece>),
    /// Nothing will ask this host again.
    Forget(i64),
}

impl Letter {
    /// The kind, the number and the content.
    fn pieces(self) -> [Piece; 3] {
        let (kind, number, content) = match self {
            Self::Answer(number, text) => (0, number, Piece::Text(text)),
            Self::Failure(number, text) => (1, number, Piece::Text(text)),
            Self::Progress(number, done, total) => {
                (2, number, Piece::List(vec![Piece::Number(done as f64), Piece::Number(total as f64)]))
            }
            Self::Question(number, host, what, arguments) => {
                let mut list = vec![Piece::Number(host as f64), Piece::text(what)];
                list.extend(arguments);
                (3, number, Piece::List(list))
            }
            Self::Forget(host) => (4, host, Piece::List(Vec::new())),
        };
        [Piece::Number(f64::from(kind)), Piece::Number(number as f64), content]
    }
}

type Bell = ThreadsafeFunction<(), Unknown<'static>, FnArgs<(Vec<Piece>,)>, Status, false, true>;

/// What a callback of the host gave.
pub(crate) type Given = Either3<bool, String, Vec<u8>>;

/// Why it gave nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotGiven {
    /// It threw, was too slow, or its thread of JavaScript is gone.
    Unavailable,
    /// It threw a `KeyRefusedError`.
    Refused,
}

type Reply = std::result::Result<Option<Given>, NotGiven>;

/// The post of one thread of JavaScript.
pub(crate) struct Mail {
    queue: Arc<Mutex<Vec<Letter>>>,
    bell: Bell,
    asked: Mutex<HashMap<i64, SyncSender<Reply>>>,
    questions: AtomicI64,
    closed: AtomicBool,
}

impl Mail {
    /// Posts a letter; after the thread of JavaScript has ended it goes nowhere.
    fn post(&self, letter: Letter) {
        let first = {
            let mut queue = lock(&self.queue);
            queue.push(letter);
            queue.len() == 1
        };
        if first && !self.closed.load(Ordering::Acquire) {
            self.bell.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// Tells how far a long act is.
    pub(crate) fn progress(&self, number: i64, done: u64, total: u64) {
        self.post(Letter::Progress(number, done, total));
    }

    /// Tells that a host is asked no more.
    pub(crate) fn forget(&self, host: i64) {
        self.post(Letter::Forget(host));
    }

    /// Takes the answer to `number` back out of the queue, if it is still there.
    pub(crate) fn recall(&self, number: i64) -> Option<Text> {
        let mut queue = lock(&self.queue);
        let at = queue.iter().position(
            |letter| matches!(letter, Letter::Answer(n, _) | Letter::Failure(n, _) if *n == number),
        )?;
        match queue.remove(at) {
            Letter::Answer(_, text) => Some(text),
            _ => None,
        }
    }

    /// Asks the callbacks of a host and waits. Called on the engine's pool for callbacks alone.
    pub(crate) fn ask(&self, host: i64, what: &'static str, arguments: Vec<Piece>) -> Reply {
        let number = self.questions.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = sync_channel(1);
        {
            let mut asked = lock(&self.asked);
            // Under the lock, so that whoever closes finds every question that was let through.
            if self.closed.load(Ordering::Acquire) {
                return Err(NotGiven::Unavailable);
            }
            asked.insert(number, sender);
        }
        self.post(Letter::Question(number, host, what, arguments));
        let reply = receiver.recv_timeout(DEADLINE);
        lock(&self.asked).remove(&number);
        reply.unwrap_or(Err(NotGiven::Unavailable))
    }

    /// The thread of JavaScript ends: nobody will answer.
    fn close(&self) {
        let mut asked = lock(&self.asked);
        self.closed.store(true, Ordering::Release);
        asked.clear();
    }
}

/// An answer that is owed to JavaScript. If it is dropped unpaid, by a panic, the call fails and does not hang.
pub(crate) struct Owed {
    mail: Arc<Mail>,
    number: i64,
    paid: bool,
}

impl Owed {
    pub(crate) fn new(mail: &Arc<Mail>, number: i64) -> Self {
        Self { mail: Arc::clone(mail), number, paid: false }
    }

    pub(crate) fn pay(mut self, answer: Result<Text>) {
        self.paid = true;
        self.mail.post(match answer {
            Ok(text) => Letter::Answer(self.number, text),
            Err(error) => Letter::Failure(self.number, wire::error_json(&error)),
        });
    }

    /// Nobody waits for it any more.
    pub(crate) fn waive(mut self) {
        self.paid = true;
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        if !self.paid {
            let error = Error::new(ErrorCode::Internal, "the call ended without an answer");
            self.mail.post(Letter::Failure(self.number, wire::error_json(&error)));
        }
    }
}

/// Runs `work` and posts its answer under `number`.
pub(crate) fn start(
    mail: &Arc<Mail>,
    number: i64,
    work: impl Future<Output = Result<Text>> + Send + 'static,
) {
    let owed = Owed::new(mail, number);
    // The future of a call is large, and each hand that it goes through would copy it.
    let work = Box::pin(work);
    match runtime() {
        Ok(runtime) => {
            runtime.spawn(async move { owed.pay(work.await) });
        }
        Err(error) => owed.pay(Err(error)),
    }
}

/// Runs `work`, which sees to its own answer.
pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Option<AbortHandle> {
    runtime().ok().map(|runtime| runtime.spawn(work).abort_handle())
}

/// The threads that run the engine's futures, shared by every thread of JavaScript. They are never joined: the
/// addon stays loaded, and what they hold of a worker that ended is let go when its calls are done.
fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    let started = RUNTIME.get_or_init(|| {
        let threads = std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 8));
        Builder::new_multi_thread().worker_threads(threads).thread_name("medorder-node").build().ok()
    });
    started.as_ref().ok_or_else(|| Error::new(ErrorCode::StorageUnavailable, "no thread can be started"))
}

/// The lock; a panic while it was held leaves nothing half done here.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The end of the road that JavaScript holds.
#[napi]
pub struct Mailbox {
    pub(crate) mail: Arc<Mail>,
}

#[napi]
impl Mailbox {
    /// A mailbox whose letters go to `deliver`, as a flat list: kind, number and content of each.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, deliver: Function<'_, (), Unknown<'static>>) -> napi::Result<Self> {
        let queue = Arc::new(Mutex::new(Vec::new()));
        let letters = Arc::clone(&queue);
        let bell = deliver
            .build_threadsafe_function::<()>()
            .callee_handled::<false>()
            .weak::<true>()
            .build_callback(move |_| {
                let letters = std::mem::take(&mut *lock(&letters));
                Ok((letters.into_iter().flat_map(Letter::pieces).collect::<Vec<_>>(),).into())
            })?;
        let mail = Arc::new(Mail {
            queue,
            bell,
            asked: Mutex::default(),
            questions: AtomicI64::new(1),
            closed: AtomicBool::new(false),
        });
        env.add_env_cleanup_hook(Arc::clone(&mail), |mail| mail.close())?;
        Ok(Self { mail })
    }

    /// What a callback of the host gave to a question. `failed`: 0 if it gave something, 1 if it failed, 2 if it
    /// refused a key.
    #[napi(catch_unwind)]
    pub fn reply(&self, number: i64, failed: u32, given: Option<Either3<bool, String, Uint8Array>>) {
        let reply = match failed {
            0 => Ok(given.map(|given| match given {
                Either3::A(flag) => Either3::A(flag),
                Either3::B(text) => Either3::B(text),
                Either3::C(bytes) => Either3::C(bytes.to_vec()),
            })),
            2 => Err(NotGiven::Refused),
            _ => Err(NotGiven::Unavailable),
        };
        // Too late is no fault: whoever asked has gone.
        if let Some(asker) = lock(&self.mail.asked).remove(&number) {
            let _ = asker.try_send(reply);
        }
    }
}
