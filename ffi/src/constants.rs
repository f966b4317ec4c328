//! The numbers of the header. cbindgen writes each as a `#define`.

/// The number of the binary interface. It stands in the soname, and changes only if a program that was built before
/// would no longer work.
pub const MEDORDER_ABI: u32 = 0;

/// The call did what it promises.
pub const MEDORDER_OK: i32 = 0;
/// The request breaks a rule, or an argument is NULL, too long or not UTF-8; `medorder_error_fault` names every fault.
pub const MEDORDER_VALIDATION_ERROR: i32 = 1001;
/// The workflow does not allow this change now; `MEDORDER_ERROR_WHY` says why.
pub const MEDORDER_INVALID_STATUS_TRANSITION: i32 = 1002;
/// The directory knows no relationship of this patient and provider in this territory.
pub const MEDORDER_PATIENT_PROVIDER_MISMATCH: i32 = 1003;
/// The idempotency key belongs to another request or user.
pub const MEDORDER_IDEMPOTENCY_MISMATCH: i32 = 1004;
/// The cursor is not of this database, territory or filter: start over from a list page.
pub const MEDORDER_INVALID_CURSOR: i32 = 1005;
/// A gateway could not tell who is calling; no function answers it.
pub const MEDORDER_UNAUTHENTICATED: i32 = 2000;
/// The actor lacks the permission, or the session is expired or revoked.
pub const MEDORDER_ACCESS_DENIED: i32 = 2001;
/// The actor lacks the session's territory, or the order is in another one.
pub const MEDORDER_TERRITORY_MISMATCH: i32 = 2002;
/// No such order in this territory (or it was deleted).
pub const MEDORDER_ORDER_NOT_FOUND: i32 = 3001;
/// The territory is not registered.
pub const MEDORDER_TERRITORY_NOT_FOUND: i32 = 3002;
/// The order has another version than expected; `MEDORDER_ERROR_CURRENT_VERSION`.
pub const MEDORDER_VERSION_CONFLICT: i32 = 4001;
/// The database or the directory did not answer in time; nothing happened. Try again later.
pub const MEDORDER_STORAGE_UNAVAILABLE: i32 = 5001;
/// The key provider did not answer in time; nothing happened. Try again later.
pub const MEDORDER_KEY_UNAVAILABLE: i32 = 5002;
/// The change may or may not have happened: read again, or try again with the same idempotency key.
pub const MEDORDER_OUTCOME_UNKNOWN: i32 = 5003;
/// Stored bytes are not what this library wrote. Stop and tell an operator.
pub const MEDORDER_INTEGRITY_VIOLATION: i32 = 6001;
/// The audit chain is not what this library wrote. Stop and tell an operator.
pub const MEDORDER_AUDIT_BROKEN: i32 = 6002;
/// The root key is not the one of this database. Stop and tell an operator.
pub const MEDORDER_KEY_MISMATCH: i32 = 6003;
/// The database has a format this library does not know. Stop and tell an operator.
pub const MEDORDER_SCHEMA_UNSUPPORTED: i32 = 6004;
/// The service was closed, the subscription stopped, or a call came from a place it must not come from: the child of a
/// fork, one of the service's own callbacks, a second thread on one subscription.
pub const MEDORDER_CLOSED: i32 = 7001;
/// A fault of this library.
pub const MEDORDER_INTERNAL: i32 = 9001;

/// Stands for "no value" where a number is optional: a time, a version. The header spells it in C.
/// cbindgen:ignore
pub const MEDORDER_ABSENT: i64 = i64::MIN;

/// Created; nobody has verified it yet. Each status is a bit of its own, so that a list can ask for several.
pub const MEDORDER_PENDING_VERIFICATION: i32 = 1;
/// Coverage was verified; work may start.
pub const MEDORDER_VERIFIED: i32 = 2;
/// Refused at verification; final.
pub const MEDORDER_REJECTED: i32 = 4;
/// Work has started.
pub const MEDORDER_IN_PROGRESS: i32 = 8;
/// Done; final.
pub const MEDORDER_COMPLETED: i32 = 16;
/// Stopped; final.
pub const MEDORDER_CANCELLED: i32 = 32;

/// PHI field: what is ordered. Fields are bits of a set.
pub const MEDORDER_FIELD_SERVICE_TYPE: u32 = 1;
/// PHI field: why, as codes.
pub const MEDORDER_FIELD_DIAGNOSIS_CODES: u32 = 2;
/// PHI field: free text.
pub const MEDORDER_FIELD_NOTES: u32 = 4;
/// PHI field: who pays.
pub const MEDORDER_FIELD_INSURANCE: u32 = 8;
/// PHI field: what the payer said.
pub const MEDORDER_FIELD_INSURANCE_VERIFICATION: u32 = 16;

/// Text of an order: its id, 36 characters.
pub const MEDORDER_ORDER_ID: i32 = 1;
/// Text of an order: where it lives.
pub const MEDORDER_ORDER_TERRITORY_ID: i32 = 2;
/// Text of an order: for whom.
pub const MEDORDER_ORDER_PATIENT_ID: i32 = 3;
/// Text of an order: by whom.
pub const MEDORDER_ORDER_PROVIDER_ID: i32 = 4;
/// Text of an order, PHI: what is ordered.
pub const MEDORDER_ORDER_SERVICE_TYPE: i32 = 5;
/// Text of an order, PHI: all notes so far; empty if it has none.
pub const MEDORDER_ORDER_NOTES: i32 = 6;
/// Text of an order, PHI: the insurer.
pub const MEDORDER_ORDER_INSURANCE_CARRIER: i32 = 7;
/// Text of an order, PHI: the number of the policy.
pub const MEDORDER_ORDER_INSURANCE_POLICY_NUMBER: i32 = 8;
/// Text of an order, PHI: the number of the group.
pub const MEDORDER_ORDER_INSURANCE_GROUP_NUMBER: i32 = 9;
/// Text of an order, PHI: `confirmed`, `denied`, `unsupported`, `not_checked` or `error`.
pub const MEDORDER_ORDER_VERIFICATION_STATUS: i32 = 10;
/// Text of an order, PHI: what the payer said, as compact JSON.
pub const MEDORDER_ORDER_VERIFICATION_COVERAGE_DETAILS: i32 = 11;
/// Text of an order, PHI: the payer's number of the authorisation.
pub const MEDORDER_ORDER_VERIFICATION_AUTHORIZATION_NUMBER: i32 = 12;
/// Text of an order, PHI: who verified.
pub const MEDORDER_ORDER_VERIFICATION_VERIFIED_BY: i32 = 13;
/// Text of an order, PHI: how it was verified.
pub const MEDORDER_ORDER_VERIFICATION_METHOD: i32 = 14;

/// Number of an order: its status, like `MEDORDER_VERIFIED`.
pub const MEDORDER_ORDER_STATUS: i32 = 101;
/// Number of an order: its version, from 1, one more with every change.
pub const MEDORDER_ORDER_VERSION: i32 = 102;
/// Number of an order: when it was created, microseconds since 1970 UTC.
pub const MEDORDER_ORDER_CREATED_AT: i32 = 103;
/// Number of an order: when it changed last.
pub const MEDORDER_ORDER_UPDATED_AT: i32 = 104;
/// Number of an order: the set of PHI fields it shows, with or without a value.
pub const MEDORDER_ORDER_DISCLOSED: i32 = 105;
/// Number of an order: the set of PHI fields that were asked for and that the actor's roles may not see.
pub const MEDORDER_ORDER_WITHHELD: i32 = 106;
/// Number of an order: how many diagnosis codes it shows.
pub const MEDORDER_ORDER_DIAGNOSIS_CODES: i32 = 107;
/// Number of an order, PHI: when it was verified, or `MEDORDER_ABSENT`.
pub const MEDORDER_ORDER_VERIFICATION_VERIFIED_AT: i32 = 108;
/// Number of an order, PHI: the last moment at which work may start, or `MEDORDER_ABSENT`.
pub const MEDORDER_ORDER_VERIFICATION_VALID_UNTIL: i32 = 109;

/// Text of a list: where the next page starts; NULL at the end.
pub const MEDORDER_LIST_NEXT_CURSOR: i32 = 1;
/// Text of a list: where a subscription starts that misses nothing since this page.
pub const MEDORDER_LIST_FEED_CURSOR: i32 = 2;

/// Text of an event: the order.
pub const MEDORDER_EVENT_ORDER_ID: i32 = 1;
/// Text of an event: where the order lives.
pub const MEDORDER_EVENT_TERRITORY_ID: i32 = 2;
/// Text of an event: who did it.
pub const MEDORDER_EVENT_USER_ID: i32 = 3;
/// Text of an event: why, if a reason was given. Not PHI.
pub const MEDORDER_EVENT_REASON: i32 = 4;
/// Text of an event: where to resume after it.
pub const MEDORDER_EVENT_CURSOR: i32 = 5;

/// Number of an event: `MEDORDER_STATUS_CHANGED` or `MEDORDER_DELETED`.
pub const MEDORDER_EVENT_TYPE: i32 = 101;
/// Number of an event: the status before; 0 when the order was created.
pub const MEDORDER_EVENT_OLD_STATUS: i32 = 102;
/// Number of an event: the status after; of a deleted order its last.
pub const MEDORDER_EVENT_NEW_STATUS: i32 = 103;
/// Number of an event: when, microseconds since 1970 UTC.
pub const MEDORDER_EVENT_TIMESTAMP: i32 = 104;
/// Number of an event: the version of the order that the change made.
pub const MEDORDER_EVENT_VERSION: i32 = 105;

/// Type of an event: the order was created or changed its status.
pub const MEDORDER_STATUS_CHANGED: i32 = 1;
/// Type of an event: the order was deleted.
pub const MEDORDER_DELETED: i32 = 2;

/// Text of an error: the name of its code, like `ORDER_NOT_FOUND`.
pub const MEDORDER_ERROR_NAME: i32 = 1;
/// Text of an error: what to do, one word: `invalid denied missing conflict unavailable data usage internal`.
pub const MEDORDER_ERROR_KIND: i32 = 2;
/// Text of an error: for people, never PHI. It may change; the code does not.
pub const MEDORDER_ERROR_MESSAGE: i32 = 3;
/// Text of an error: the order it is about.
pub const MEDORDER_ERROR_ORDER_ID: i32 = 4;
/// Text of an error: why a transition was refused: `state missing_verification verification_expired missing_reason`.
pub const MEDORDER_ERROR_WHY: i32 = 5;
/// Text of an error: all of it as JSON, `{"status":"error","error":{"code","message","details"}}`.
pub const MEDORDER_ERROR_JSON: i32 = 6;

/// Number of an error: its code, like `MEDORDER_ORDER_NOT_FOUND`.
pub const MEDORDER_ERROR_CODE: i32 = 101;
/// Number of an error: 1 if the same call may succeed later and changed nothing now, else 0.
pub const MEDORDER_ERROR_RETRYABLE: i32 = 102;
/// Number of an error: how many faults `medorder_error_fault` has.
pub const MEDORDER_ERROR_FAULTS: i32 = 103;
/// Number of an error: the status the order has, or `MEDORDER_ABSENT`.
pub const MEDORDER_ERROR_CURRENT_STATUS: i32 = 104;
/// Number of an error: the status that was asked for, or `MEDORDER_ABSENT`.
pub const MEDORDER_ERROR_REQUESTED_STATUS: i32 = 105;
/// Number of an error: the set of statuses that the workflow allows, or `MEDORDER_ABSENT`.
pub const MEDORDER_ERROR_ALLOWED: i32 = 106;
/// Number of an error: the version the order has, or `MEDORDER_ABSENT`.
pub const MEDORDER_ERROR_CURRENT_VERSION: i32 = 107;
/// Number of an error: the audit position it is about, or `MEDORDER_ABSENT`.
pub const MEDORDER_ERROR_SEQ: i32 = 108;

/// Text of an actor: adds a role, like `requester`.
pub const MEDORDER_ACTOR_ROLE: i32 = 1;
/// Text of an actor: adds a territory; `*` is all, also those registered later.
pub const MEDORDER_ACTOR_TERRITORY: i32 = 2;
/// Text of an actor: the host's id of the request, for the audit.
pub const MEDORDER_ACTOR_REQUEST_ID: i32 = 3;
/// Text of an actor: where the call comes from, for the audit.
pub const MEDORDER_ACTOR_SOURCE: i32 = 4;

/// Text of a draft, PHI: adds a code, ICD-10-CM or a FHIR token `system|code`.
pub const MEDORDER_DRAFT_DIAGNOSIS_CODE: i32 = 1;
/// Text of a draft, PHI: the first notes; empty notes are none.
pub const MEDORDER_DRAFT_NOTES: i32 = 2;
/// Text of a draft: the caller's own number of the order. A second request with it makes no second order.
pub const MEDORDER_DRAFT_IDEMPOTENCY_KEY: i32 = 3;

/// Text of a change, PHI: notes, appended to those of the order.
pub const MEDORDER_CHANGE_NOTES: i32 = 1;
/// Text of a change: the reason, at most 200 characters. Operational text, NOT PHI: it outlives a delete and shows in
/// events and in the audit.
pub const MEDORDER_CHANGE_REASON: i32 = 2;
/// Text of a change: the caller's own number of the change. A second request with it changes nothing again.
pub const MEDORDER_CHANGE_IDEMPOTENCY_KEY: i32 = 3;
/// Text of a change, PHI: what the payer said, as any JSON; after `medorder_change_verification`.
pub const MEDORDER_CHANGE_COVERAGE_DETAILS: i32 = 4;
/// Text of a change, PHI: the payer's number of the authorisation; after `medorder_change_verification`.
pub const MEDORDER_CHANGE_AUTHORIZATION_NUMBER: i32 = 5;
/// Text of a change: `confirmed`, `denied`, `unsupported`, `not_checked` or `error`; after
/// `medorder_change_verification`.
pub const MEDORDER_CHANGE_INSURANCE_STATUS: i32 = 6;

/// Number of a change: it fails with `MEDORDER_VERSION_CONFLICT` if the order has another version by then.
pub const MEDORDER_CHANGE_EXPECTED_VERSION: i32 = 101;
/// Number of a change, PHI: the last moment at which work may start, microseconds since 1970 UTC; after
/// `medorder_change_verification`.
pub const MEDORDER_CHANGE_VALID_UNTIL: i32 = 102;

/// Log level: nothing.
pub const MEDORDER_LOG_OFF: i32 = 0;
/// Log level: what an operator must look at.
pub const MEDORDER_LOG_ERROR: i32 = 1;
/// Log level: denials, and what heals by itself.
pub const MEDORDER_LOG_WARN: i32 = 2;
/// Log level: what happens rarely.
pub const MEDORDER_LOG_INFO: i32 = 3;
/// Log level: for those who look for a fault.
pub const MEDORDER_LOG_DEBUG: i32 = 4;
/// Log level: everything.
pub const MEDORDER_LOG_TRACE: i32 = 5;

#[cfg(test)]
mod tests {
    use medorder::{ErrorCode, OrderStatus, PhiField};

    use super::*;
    use crate::record::status_number;

    /// The header cannot be made from the engine's tables, so it is compared with them.
    #[test]
    fn the_numbers_are_those_of_the_engine() {
        let source = include_str!("constants.rs");
        for code in ErrorCode::ALL {
            let line = format!("pub const MEDORDER_{}: i32 = {};", code.name(), code.number());
            assert!(source.contains(&line), "{line}");
        }
        for status in OrderStatus::ALL {
            let name = status.name().to_uppercase();
            let line = format!("pub const MEDORDER_{name}: i32 = {};", status_number(*status));
            assert!(source.contains(&line), "{line}");
        }
        for field in PhiField::ALL {
            let name = field.name().to_uppercase();
            let line = format!("pub const MEDORDER_FIELD_{name}: u32 = {};", field.bit());
            assert!(source.contains(&line), "{line}");
        }
        assert_eq!(MEDORDER_OK, 0);
    }

    #[test]
    fn the_soname_has_the_number_of_the_interface() {
        let line = format!("const ABI: u32 = {MEDORDER_ABI};");
        assert!(include_str!("../build.rs").contains(&line), "{line}");
    }
}
