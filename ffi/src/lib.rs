//! The C face of `medorder`: what a program in C, or in any language that calls C, links with.
//!
//! Each function here converts its arguments, calls the engine once and converts the answer; there are no rules in this
//! crate. The documentation of the items is the text of `include/medorder.h`, so it speaks to readers of C.
//! `README.md` beside this crate has ownership, threads and how to build.
//!
//! Three promises hold for every exported function, and a test counts that none is left out: it runs inside
//! `boundary`, so a panic becomes `MEDORDER_INTERNAL`; it checks each pointer; it answers `MEDORDER_CLOSED` in the
//! child of a fork.

#![allow(non_camel_case_types, reason = "types have the names that they have in C")]
#![allow(clippy::missing_safety_doc, reason = "the whole text of a function is its contract with the caller")]
// Texts are borrowed for one call.
#![allow(clippy::too_many_arguments, reason = "in C a text is a pointer and a length")]

pub mod actor;
pub mod admin;
mod boundary;
pub mod callbacks;
pub mod constants;
pub mod error;
pub mod event;
pub mod export;
mod feed;
pub mod general;
pub mod keys;
pub mod listen;
mod local;
pub mod log;
pub mod order;
mod record;
pub mod request;
pub mod service;
pub mod session;
pub mod subscription;
pub mod text;

#[cfg(test)]
mod tests {
    /// What the header says of threads is true of the types.
    #[test]
    fn handles_may_go_where_the_header_lets_them() {
        fn shared<T: Send + Sync>() {}
        fn moved<T: Send>() {}
        shared::<crate::service::medorder_service>();
        shared::<crate::session::medorder_session>();
        shared::<crate::admin::medorder_admin>();
        shared::<crate::keys::medorder_keys>();
        shared::<crate::order::medorder_order>();
        shared::<crate::order::medorder_order_list>();
        shared::<crate::event::medorder_event>();
        shared::<crate::error::medorder_error>();
        shared::<crate::text::medorder_text>();
        shared::<crate::subscription::medorder_subscription>();
        shared::<crate::listen::medorder_listener>();
        moved::<crate::actor::medorder_actor>();
        moved::<crate::request::medorder_draft>();
        moved::<crate::request::medorder_change>();
        moved::<crate::export::medorder_export>();
    }
}
