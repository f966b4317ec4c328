//! The engine's diagnostics for `logging.getLogger("medorder")`. Whatever thread they come from puts them into a
//! queue; a thread that is in a call of this module anyway takes them out and hands them on. So no thread waits for
//! the GIL in order to log, and none is left over at exit.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// How many lines wait at most; the oldest are dropped.
const LONGEST: usize = 1_000;

static WAITING: AtomicBool = AtomicBool::new(false);
static QUEUE: Mutex<VecDeque<(u8, String)>> = Mutex::new(VecDeque::new());

/// Listens to the engine, once a process. Another listener in this module's code cannot be there.
pub(crate) fn listen() {
    let _ = tracing::subscriber::set_global_default(Listener);
}

/// Puts a line into the queue, at a level of `logging`.
pub(crate) fn put(level: u8, line: String) {
    let mut queue = queue();
    if queue.len() == LONGEST {
        queue.pop_front();
    }
    queue.push_back((level, line));
    WAITING.store(true, Ordering::Release);
}

thread_local! {
    static DELIVERING: Cell<bool> = const { Cell::new(false) };
}

/// Hands on what waits. A handler that fails is `logging`'s to report; a call must not fail for it. What a handler's
/// own calls put into the queue waits for the next call, so that no handler runs inside itself.
pub(crate) fn deliver(py: Python<'_>) {
    if !WAITING.load(Ordering::Acquire) || DELIVERING.get() || !WAITING.swap(false, Ordering::AcqRel) {
        return;
    }
    DELIVERING.set(true);
    hand_on(py);
    DELIVERING.set(false);
}

fn hand_on(py: Python<'_>) {
    static LOG: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    // Not waited for: in the child of a fork nobody may be left to release it.
    let Ok(mut queue) = QUEUE.try_lock() else {
        WAITING.store(true, Ordering::Release);
        return;
    };
    let lines = std::mem::take(&mut *queue);
    drop(queue);
    let Ok(log) = LOG.import(py, "medorder._log", "emit") else { return };
    for line in lines {
        if let Err(error) = log.call1(line) {
            error.write_unraisable(py, None);
        }
    }
}

/// Hands on what waits to `logging`; every call does so by itself.
#[pyfunction]
pub(crate) fn flush_log(py: Python<'_>) {
    deliver(py);
}

fn queue() -> MutexGuard<'static, VecDeque<(u8, String)>> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "medorder"
    }

    fn event(&self, event: &Event<'_>) {
        let level = match *event.metadata().level() {
            Level::ERROR => 40,
            Level::WARN => 30,
            Level::INFO => 20,
            _ => 10,
        };
        let mut line = Line::default();
        event.record(&mut line);
        put(level, line.message + &line.fields);
    }

    // The engine has no spans.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
