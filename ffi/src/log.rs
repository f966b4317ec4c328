//! What the engine logs, for the host. The queue keeps the host's function out of the engine's calls.

use std::ffi::{CString, c_char, c_void};
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

use medorder::{Error, ErrorCode, Result, Rule};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, Subscriber};
use tracing::{Event, Level, Metadata};

use crate::boundary::{boundary, boundary_value};
use crate::callbacks::UserData;
use crate::constants::*;
use crate::error::medorder_error;

/// How many messages wait at most; more are counted and left out, since a slow log must not hold up an order.
const QUEUE: usize = 1024;

type Callback = unsafe extern "C" fn(*mut c_void, i32, *const c_char);

/// Hears what the library logs from now on, up to `level`, like `MEDORDER_LOG_WARN`; a NULL callback ends that. Without
/// a logger the library is silent. Messages hold ids of orders and codes, never PHI, patients or providers.
///
/// The callback runs on a thread of its own, never inside a call of the library and never two at once; it must not call
/// `medorder_set_logger`, and no exception and no `longjmp` may leave it. `message` ends with its call. What does not
/// fit into a queue of 1,024 messages is counted and left out.
///
/// Ownership: `user_data` belongs to the library from now on. `destroy` (it may be NULL) is called once, after the last
/// message, also if this call fails: when the logger is replaced or ended, before that call returns. Threads: any.
/// Errors: MEDORDER_VALIDATION_ERROR (the level), MEDORDER_CLOSED (in the child of a fork; or the program has linked
/// Rust code that hears the same log already).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_set_logger(
    level: i32,
    callback: Option<unsafe extern "C" fn(user_data: *mut c_void, level: i32, message: *const c_char)>,
    user_data: *mut c_void,
    destroy: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        let user_data = UserData::new(user_data, destroy);
        if !(MEDORDER_LOG_OFF..=MEDORDER_LOG_TRACE).contains(&level) {
            return Err(Error::fault("level", Rule::OneOf));
        }
        hear_once()?;
        let new = callback.map(|callback| Running::start(callback, user_data)).transpose()?;
        let level = if new.is_some() { u8::try_from(level).unwrap_or_default() } else { 0 };
        let old = {
            let mut logger = LOGGER.lock().unwrap_or_else(PoisonError::into_inner);
            LEVEL.store(level, Ordering::Release);
            std::mem::replace(&mut *logger, new)
        };
        // Outside of the lock: it waits for the last message.
        drop(old);
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

static LOGGER: Mutex<Option<Running>> = Mutex::new(None);
static LEVEL: AtomicU8 = AtomicU8::new(0);
/// The process that set the logger. In a child of it the thread does not exist, and the locks may be held for ever.
static HOME: AtomicU32 = AtomicU32::new(0);
static LOST: AtomicU64 = AtomicU64::new(0);

struct Running {
    queue: Option<SyncSender<(i32, String)>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn start(callback: Callback, user_data: UserData) -> Result<Self> {
        let (queue, messages) = mpsc::sync_channel(QUEUE);
        let thread = thread::Builder::new()
            .name("medorder-log".to_owned())
            .spawn(move || boundary_value((), || pass_on(&messages, callback, &user_data)))
            .map_err(|_| Error::new(ErrorCode::StorageUnavailable, "no thread can be started"))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // The thread lets no panic out.
            let _ = thread.join();
        }
    }
}

fn pass_on(messages: &Receiver<(i32, String)>, callback: Callback, user_data: &UserData) {
    let tell = |level, message: String| {
        let message = CString::new(message).unwrap_or_default();
        // SAFETY: the host's function, with what the header promises it.
        unsafe { callback(user_data.as_ptr(), level, message.as_ptr()) };
    };
    for (level, message) in messages {
        tell(level, message);
        let lost = LOST.swap(0, Ordering::AcqRel);
        if lost > 0 {
            tell(MEDORDER_LOG_WARN, format!("messages were left out: {lost}"));
        }
    }
}

/// Makes the ear, once for the process.
fn hear_once() -> Result<()> {
    static EAR: OnceLock<bool> = OnceLock::new();
    let heard = EAR.get_or_init(|| {
        HOME.store(std::process::id(), Ordering::Release);
        let dispatch = tracing::Dispatch::new(Ear);
        tracing::dispatcher::set_global_default(dispatch).is_ok()
    });
    if !heard {
        return Err(Error::new(ErrorCode::Closed, "something else hears the log of this process"));
    }
    if !at_home() {
        return Err(Error::new(ErrorCode::Closed, "a logger cannot be set in the child of a fork"));
    }
    Ok(())
}

fn at_home() -> bool {
    HOME.load(Ordering::Acquire) == std::process::id()
}

fn hears(level: &Level) -> bool {
    number(level) <= i32::from(LEVEL.load(Ordering::Acquire)) && at_home()
}

/// Hears the events of the engine and none of the libraries below it.
struct Ear;

impl Subscriber for Ear {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        // The level can change, so it is asked each time.
        if metadata.is_event() && metadata.target() == "medorder" {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target() == "medorder" && hears(metadata.level())
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let message = (number(event.metadata().level()), line.finish());
        // Held as long as it takes to put one message into the queue, or to change the logger.
        let logger = LOGGER.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = logger.as_ref().and_then(|logger| logger.queue.as_ref());
        if queue.is_some_and(|queue| queue.try_send(message).is_err()) {
            LOST.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The message, then `name=value` for each field.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Line {
    fn finish(self) -> String {
        self.message + &self.fields
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, " {}={value:?}", field.name())
        };
    }
}

fn number(level: &Level) -> i32 {
    match *level {
        Level::ERROR => MEDORDER_LOG_ERROR,
        Level::WARN => MEDORDER_LOG_WARN,
        Level::INFO => MEDORDER_LOG_INFO,
        Level::DEBUG => MEDORDER_LOG_DEBUG,
        Level::TRACE => MEDORDER_LOG_TRACE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_of_a_fork_touches_no_lock_of_the_log() {
        LEVEL.store(2, Ordering::Release);
        HOME.store(std::process::id(), Ordering::Release);
        assert!(hears(&Level::WARN) && !hears(&Level::INFO));
        HOME.store(std::process::id() ^ 1, Ordering::Release);
        assert!(!hears(&Level::ERROR));
        LEVEL.store(0, Ordering::Release);
    }
}
