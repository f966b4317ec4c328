//! The one JSON vocabulary of every language: requests in, views and errors out.
//!
//! Requests are parsed to a JSON value and then checked, so that one answer lists **every** fault: members of
//! the wrong type, missing, unknown and standing twice, together with contents that break a rule. A message
//! holds paths and rules, never a value and never a parser's text. Faults of form come first, then faults of
//! content, each in the order of the request's members; a value names the first rule it breaks. `null` is
//! read as absent. The name of an unknown member shows only if it looks like a name, else as `?`.
//!
//! Functions that end in `_json` answer compact UTF-8 that is wiped when dropped.
//!
//! ```
//! use medorder::{Rule, wire};
//!
//! let error = wire::create_order(br#"{"patient_id":7,"service_type":"","colour":"red"}"#).unwrap_err();
//! let faults: Vec<_> = error.faults().iter().map(|fault| (fault.path.as_str(), fault.rule.name())).collect();
//! assert_eq!(
//!     faults,
//!     [
//!         ("colour", "unknown"),
//!         ("patient_id", "type"),
//!         ("provider_id", "required"),
//!         ("diagnosis_codes", "required"),
//!         ("service_type", "empty"),
//!     ]
//! );
//! ```

mod access;
// For the service, whose calls these are the arguments of.
pub(crate) mod calls;
pub(crate) mod check;
mod faults;
mod json;
mod options;
mod read;
mod requests;
// For the service, which stores and opens what this encodes.
pub(crate) mod stored;
mod views;
mod write;

pub use access::actor;
pub use check::{CheckedChange, CheckedCreate, CheckedDelete};
pub use options::{OpenOptions, open_options};
pub use requests::{
    create_items, create_order, create_orders, delete_order, field_list, order_filter, status_change,
    status_changes, status_items,
};
pub use views::{
    audit_record_json, batch_json, error_json, event_json, order_json, order_page_json, plain_json,
    success_json, summary_json, transitions_json,
};

#[cfg(test)]
mod tests;
