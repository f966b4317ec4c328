//! Who is calling.

use std::ffi::c_char;

use medorder::{Actor, Error, Purpose, Result, Timestamp};

use crate::boundary::{Texts, boundary, boundary_value, free, give, handle_mut, slot, text};
use crate::constants::*;
use crate::error::medorder_error;
use crate::record::unknown;

/// A caller as the host has authenticated it. Without roles it may do nothing, without territories nothing anywhere.
pub struct medorder_actor(Option<Actor>);

impl medorder_actor {
    pub(crate) fn get(&self) -> Result<Actor> {
        self.0.clone().ok_or_else(|| unknown("actor"))
    }

    fn change(&mut self, change: impl FnOnce(Actor) -> Actor) {
        self.0 = self.0.take().map(change);
    }
}

/// Makes an actor without roles and territories. `purpose` says what the access is for: `treatment`, `payment`,
/// `operations`, `patient_request`, `legal` or `emergency`.
///
/// Ownership: texts are borrowed; free `*actor` with `medorder_actor_free`. Threads: any.
/// Errors: MEDORDER_VALIDATION_ERROR.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_actor_new(
    user_id: *const c_char,
    user_id_length: usize,
    purpose: *const c_char,
    purpose_length: usize,
    actor: *mut *mut medorder_actor,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        let mut texts = Texts::default();
        // SAFETY: the caller gives NULL or what may be read and written.
        let (place, user, purpose) = unsafe {
            let place = slot("actor", actor)?;
            let user = texts.required("user_id", user_id, user_id_length);
            (place, user, texts.required("purpose", purpose, purpose_length))
        };
        texts.finish()?;
        let mut texts = Texts::default();
        let (user, purpose) = (texts.parsed(user.parse()), texts.parsed(Purpose::parse(purpose)));
        texts.finish()?;
        if let (Some(user), Some(purpose)) = (user, purpose) {
            give(place, medorder_actor(Some(Actor::new(user, purpose))));
        }
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Sets a text of an actor, or adds one: `MEDORDER_ACTOR_ROLE`, `MEDORDER_ACTOR_TERRITORY`, `MEDORDER_ACTOR_REQUEST_ID`
/// or `MEDORDER_ACTOR_SOURCE`.
///
/// Ownership: `text` is borrowed. Threads: one at a time.
/// Errors: MEDORDER_VALIDATION_ERROR; the actor is as before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_actor_text(
    actor: *mut medorder_actor,
    member: i32,
    text: *const c_char,
    text_length: usize,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives and may be read.
        let (actor, text) = unsafe { (handle_mut("actor", actor)?, self::text("text", text, text_length)?) };
        match member {
            MEDORDER_ACTOR_ROLE => {
                let role = text.parse()?;
                actor.change(|actor| actor.role(role));
            }
            MEDORDER_ACTOR_TERRITORY if text == "*" => actor.change(Actor::all_territories),
            MEDORDER_ACTOR_TERRITORY => {
                let territory = text.parse()?;
                actor.change(|actor| actor.territory(territory));
            }
            MEDORDER_ACTOR_REQUEST_ID => {
                let id = text.parse()?;
                actor.change(|actor| actor.request_id(id));
            }
            MEDORDER_ACTOR_SOURCE => {
                let source = text.parse()?;
                actor.change(|actor| actor.source(source));
            }
            _ => return Err(unknown("member")),
        }
        Ok::<(), Error>(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Ends the actor's sessions at this moment, microseconds since 1970 UTC.
///
/// Threads: one at a time. Errors: MEDORDER_VALIDATION_ERROR for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_actor_expires_at(
    actor: *mut medorder_actor,
    time: i64,
    error: *mut *mut medorder_error,
) -> i32 {
    let work = || {
        // SAFETY: the caller gives NULL or what lives.
        let actor = unsafe { handle_mut("actor", actor) }?;
        actor.change(|actor| actor.expires_at(Timestamp::from_micros(time)));
        Ok(())
    };
    // SAFETY: the caller gives NULL or what may be written.
    unsafe { boundary(error, work) }
}

/// Frees an actor; NULL is nothing. Its sessions go on.
///
/// Threads: any, once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn medorder_actor_free(actor: *mut medorder_actor) {
    // SAFETY: the caller gives NULL or an actor that is not used again.
    boundary_value((), || unsafe { free(actor) });
}
