//! Events that come to the host.

use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use medorder::{Error, ErrorCode, Rule};

use crate::boundary::{boundary, boundary_value, free, give, handle, slot};
use crate::callbacks::UserData;
use crate::error::medorder_error;
use crate::event::medorder_event;
use crate::feed::Feed;
use crate::local::Local;
use crate::session::{feed_start, medorder_session};

/// Calls a function of the host for each event.
pub struct medorder_listener {
    // Ends with it.
    _running: Local<Running>,
}

struct Running {
    feed: Arc<Feed>,
    thread: Option<JoinHandle<()>>,
}

type Callback = unsafe extern "C" fn(*mut c_void, *const medorder_event, *const medorder_error);

/// Calls `callback` for each event of one order, or of all if `order_id` is NULL. `since` is as in
/// `medorder_subscribe`.
///
/// The callback runs on a thread that is the listener's own, never two at once, and may run before this call has
/// returned. It gets an event and no error, or, once and last, no event and the error that ended the listening:
/// MEDORDER_CLOSED if `medorder_listener_free` did. Both are the library's and end with the callback. It may call the
/// library, but for `medorder_service_close` and for freeing what it needs itself; no exception and no `longjmp` may
/// leave it.
///
/// Ownership: `user_data` belongs to the listener from now on. `destroy` (it may be NULL) is called once, after the last
/// callback, also if this call fails. Free `*listener` with `medorder_listener_free`. Threads: any.
/// Errors: as `medorder_subscribe`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_listen(
    session: *const medorder_session,
    order_id: *const c_char,
    order_id_length: usize,
    since: *const c_char,
    since_length: usize,
    callback: Option<
        unsafe extern "C" fn(
            user_data: *mut c_void,
            event: *const medorder_event,
            error: *const medorder_error,
        ),
    >,
    user_data: *mut c_void,
    destroy: Option<unsafe extern "C" fn(user_data: *mut c_void)>,
    listener: *mut *mut medorder_listener,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // Taken first: it is destroyed whatever fails below.
        let user_data = UserData::new(user_data, destroy);
        // SAFETY: the caller gives NULL or what lives and may be read and written.
        let (place, session, (order, since)) = unsafe {
            let (place, session) = (slot("listener", listener)?, handle("session", session)?);
            (place, session, feed_start(order_id, order_id_length, since, since_length)?)
        };
        let callback = callback.ok_or_else(|| Error::fault("callback", Rule::Required))?;
        let feed = Arc::new(Feed::new(session.0.get()?.subscribe(order, since)?.into_async()));
        let heard = Arc::clone(&feed);
        let thread = thread::Builder::new()
            .name("medorder-events".to_owned())
            .spawn(move || listen(&heard, callback, &user_data))
            .map_err(|_| Error::new(ErrorCode::StorageUnavailable, "no thread can be started"))?;
        give(place, medorder_listener { _running: Local::new(Running { feed, thread: Some(thread) }) });
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Ends the listening and frees the listener; NULL is nothing. When the call returns, the callback had its last call and
/// `user_data` was destroyed. Called from the listener's own callback, both come after that callback has returned: its
/// last call must not free the listener again.
///
/// Threads: any, once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_listener_free(listener: *mut medorder_listener) {
    // SAFETY: the caller gives NULL or a listener that is not used again.
    boundary_value((), || unsafe { free(listener) });
}

fn listen(feed: &Feed, callback: Callback, user_data: &UserData) {
    // A panic here would end the thread without a word: the host hears of it as of any other end.
    boundary_value((), || {
        let error = loop {
            match feed.next(None) {
                Ok(None) => {}
                Ok(Some(event)) => {
                    let event = medorder_event::new(&event);
                    // SAFETY: the host's function, with what the header promises it.
                    unsafe { callback(user_data.as_ptr(), &event, std::ptr::null()) };
                }
                Err(error) => break error,
            }
        };
        let error = medorder_error::new(error);
        // SAFETY: as above.
        unsafe { callback(user_data.as_ptr(), std::ptr::null(), &error) };
    });
}

impl Drop for Running {
    fn drop(&mut self) {
        self.feed.stop();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // The thread lets no panic out.
            let _ = thread.join();
        }
    }
}
