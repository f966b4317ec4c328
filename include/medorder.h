/*
 * medorder: a medical order engine to link in. Made by cbindgen from the crate medorder-ffi; do not edit.
 *
 * HOW A CALL ANSWERS. Functions that work answer MEDORDER_OK or the number of an error, and leave the error itself in
 * `*error` if `error` is not NULL; free it with medorder_error_free. On success `*error` is NULL. Handles go to a place
 * that the caller gives; it is NULL after a failure, so freeing it is always safe. A place itself must not be NULL, but
 * for `error` and `length`: NULL where the text does not allow it is MEDORDER_VALIDATION_ERROR.
 *
 * TEXTS. In: UTF-8, a pointer and a length in bytes; MEDORDER_TEXT(s) stands for both of a text with a NUL. They are
 * borrowed for the call. Out: a pointer with a NUL behind its length. Invalid UTF-8 and lengths beyond 1 MiB (JSON:
 * 1 GiB) are MEDORDER_VALIDATION_ERROR.
 *
 * OWNERSHIP. What a call gives, the caller frees with the function of that type, once. Freeing NULL does nothing. Texts
 * of an accessor belong to the handle they were read from. Handles do not depend on the order in which they are freed.
 * What holds PHI is zeroed when it is freed; what a program copies out of it is the program's to zero.
 *
 * THREADS. Services, sessions, admins and keys are shared freely. Orders, lists, events, errors and texts do not change
 * and can be read by several threads. Actors, drafts, changes and exports are for one thread at a time; so is waiting on
 * a subscription. Nobody frees what another thread uses. Errors belong to a call: nothing is kept for each thread.
 *
 * CALLBACKS run on threads of the library. No exception and no longjmp may leave them: that is undefined. Functions for
 * keys, directory and anchor must not call the library, which answers MEDORDER_CLOSED; those for events may.
 *
 * FORK. In the child of a fork everything of an open service answers MEDORDER_CLOSED: the service, sessions, admins,
 * subscriptions, listeners, exports. Free it or leave it, and open the service anew. The parent's logger hears nothing of
 * the child.
 *
 * UNLOADING. `dlclose` leaves the library in memory, since threads of it may still run.
 *
 * PANICS. A fault of the library is MEDORDER_INTERNAL and goes no further.
 */

#ifndef MEDORDER_H
#define MEDORDER_H

#include <stddef.h>
#include <string.h>
#ifndef MEDORDER_NO_STDINT
#include <stdint.h>
#endif

/** A text with a NUL at its end as the two arguments of a text. It is evaluated twice. */
#define MEDORDER_TEXT(s) (s), strlen(s)
/** No text. */
#define MEDORDER_NO_TEXT NULL, 0

/** Stands for "no value" where a number is optional: a time, a version. It is the least int64_t. */
#define MEDORDER_ABSENT (-(int64_t)(((uint64_t)1 << 63) - 1) - 1)

/** A medorder_key_callbacks without functions. */
#define MEDORDER_KEY_CALLBACKS_INIT { sizeof(medorder_key_callbacks), 0, NULL, NULL, NULL, NULL }
/** A medorder_options that is all as it is by default. */
#define MEDORDER_OPTIONS_INIT \
  { sizeof(medorder_options), 0, NULL, 0, { NULL, NULL, NULL, NULL }, { NULL, NULL, NULL, NULL } }
/** A medorder_order_query for the newest 50 orders of the territory. */
#define MEDORDER_ORDER_QUERY_INIT \
  { sizeof(medorder_order_query), 0, NULL, 0, NULL, 0, MEDORDER_ABSENT, MEDORDER_ABSENT, NULL, 0, 50, NULL }


/**
 * The number of the binary interface. It stands in the soname, and changes only if a program that was built before
 * would no longer work.
 */
#define MEDORDER_ABI 0

/**
 * The call did what it promises.
 */
#define MEDORDER_OK 0

/**
 * The request breaks a rule, or an argument is NULL, too long or not UTF-8; `medorder_error_fault` names every fault.
 */
#define MEDORDER_VALIDATION_ERROR 1001

/**
 * The workflow does not allow this change now; `MEDORDER_ERROR_WHY` says why.
 */
#define MEDORDER_INVALID_STATUS_TRANSITION 1002

/**
 * The directory knows no relationship of this patient and provider in this territory.
 */
#define MEDORDER_PATIENT_PROVIDER_MISMATCH 1003

/**
 * The idempotency key belongs to another request or user.
 */
#define MEDORDER_IDEMPOTENCY_MISMATCH 1004

/**
 * The cursor is not of this database, territory or filter: start over from a list page.
 */
#define MEDORDER_INVALID_CURSOR 1005

/**
 * A gateway could not tell who is calling; no function answers it.
 */
#define MEDORDER_UNAUTHENTICATED 2000

/**
 * The actor lacks the permission, or the session is expired or revoked.
 */
#define MEDORDER_ACCESS_DENIED 2001

/**
 * The actor lacks the session's territory, or the order is in another one.
 */
#define MEDORDER_TERRITORY_MISMATCH 2002

/**
 * No such order in this territory (or it was deleted).
 */
#define MEDORDER_ORDER_NOT_FOUND 3001

/**
 * The territory is not registered.
 */
#define MEDORDER_TERRITORY_NOT_FOUND 3002

/**
 * The order has another version than expected; `MEDORDER_ERROR_CURRENT_VERSION`.
 */
#define MEDORDER_VERSION_CONFLICT 4001

/**
 * The database or the directory did not answer in time; nothing happened. Try again later.
 */
#define MEDORDER_STORAGE_UNAVAILABLE 5001

/**
 * The key provider did not answer in time; nothing happened. Try again later.
 */
#define MEDORDER_KEY_UNAVAILABLE 5002

/**
 * The change may or may not have happened: read again, or try again with the same idempotency key.
 */
#define MEDORDER_OUTCOME_UNKNOWN 5003

/**
 * Stored bytes are not what this library wrote. Stop and tell an operator.
 */
#define MEDORDER_INTEGRITY_VIOLATION 6001

/**
 * The audit chain is not what this library wrote. Stop and tell an operator.
 */
#define MEDORDER_AUDIT_BROKEN 6002

/**
 * The root key is not the one of this database. Stop and tell an operator.
 */
#define MEDORDER_KEY_MISMATCH 6003

/**
 * The database has a format this library does not know. Stop and tell an operator.
 */
#define MEDORDER_SCHEMA_UNSUPPORTED 6004

/**
 * The service was closed, the subscription stopped, or a call came from a place it must not come from: the child of a
 * fork, one of the service's own callbacks, a second thread on one subscription.
 */
#define MEDORDER_CLOSED 7001

/**
 * A fault of this library.
 */
#define MEDORDER_INTERNAL 9001

/**
 * Created; nobody has verified it yet. Each status is a bit of its own, so that a list can ask for several.
 */
#define MEDORDER_PENDING_VERIFICATION 1

/**
 * Coverage was verified; work may start.
 */
#define MEDORDER_VERIFIED 2

/**
 * Refused at verification; final.
 */
#define MEDORDER_REJECTED 4

/**
 * Work has started.
 */
#define MEDORDER_IN_PROGRESS 8

/**
 * Done; final.
 */
#define MEDORDER_COMPLETED 16

/**
 * Stopped; final.
 */
#define MEDORDER_CANCELLED 32

/**
 * PHI field: what is ordered. Fields are bits of a set.
 */
#define MEDORDER_FIELD_SERVICE_TYPE 1

/**
 * PHI field: why, as codes.
 */
#define MEDORDER_FIELD_DIAGNOSIS_CODES 2

/**
 * PHI field: free text.
 */
#define MEDORDER_FIELD_NOTES 4

/**
 * PHI field: who pays.
 */
#define MEDORDER_FIELD_INSURANCE 8

/**
 * PHI field: what the payer said.
 */
#define MEDORDER_FIELD_INSURANCE_VERIFICATION 16

/**
 * Text of an order: its id, 36 characters.
 */
#define MEDORDER_ORDER_ID 1

/**
 * Text of an order: where it lives.
 */
#define MEDORDER_ORDER_TERRITORY_ID 2

/**
 * Text of an order: for whom.
 */
#define MEDORDER_ORDER_PATIENT_ID 3

/**
 * Text of an order: by whom.
 */
#define MEDORDER_ORDER_PROVIDER_ID 4

/**
 * Text of an order, PHI: what is ordered.
 */
#define MEDORDER_ORDER_SERVICE_TYPE 5

/**
 * Text of an order, PHI: all notes so far; empty if it has none.
 */
#define MEDORDER_ORDER_NOTES 6

/**
 * Text of an order, PHI: the insurer.
 */
#define MEDORDER_ORDER_INSURANCE_CARRIER 7

/**
 * Text of an order, PHI: the number of the policy.
 */
#define MEDORDER_ORDER_INSURANCE_POLICY_NUMBER 8

/**
 * Text of an order, PHI: the number of the group.
 */
#define MEDORDER_ORDER_INSURANCE_GROUP_NUMBER 9

/**
 * Text of an order, PHI: `confirmed`, `denied`, `unsupported`, `not_checked` or `error`.
 */
#define MEDORDER_ORDER_VERIFICATION_STATUS 10

/**
 * Text of an order, PHI: what the payer said, as compact JSON.
 */
#define MEDORDER_ORDER_VERIFICATION_COVERAGE_DETAILS 11

/**
 * Text of an order, PHI: the payer's number of the authorisation.
 */
#define MEDORDER_ORDER_VERIFICATION_AUTHORIZATION_NUMBER 12

/**
 * Text of an order, PHI: who verified.
 */
#define MEDORDER_ORDER_VERIFICATION_VERIFIED_BY 13

/**
 * Text of an order, PHI: how it was verified.
 */
#define MEDORDER_ORDER_VERIFICATION_METHOD 14

/**
 * Number of an order: its status, like `MEDORDER_VERIFIED`.
 */
#define MEDORDER_ORDER_STATUS 101

/**
 * Number of an order: its version, from 1, one more with every change.
 */
#define MEDORDER_ORDER_VERSION 102

/**
 * Number of an order: when it was created, microseconds since 1970 UTC.
 */
#define MEDORDER_ORDER_CREATED_AT 103

/**
 * Number of an order: when it changed last.
 */
#define MEDORDER_ORDER_UPDATED_AT 104

/**
 * Number of an order: the set of PHI fields it shows, with or without a value.
 */
#define MEDORDER_ORDER_DISCLOSED 105

/**
 * Number of an order: the set of PHI fields that were asked for and that the actor's roles may not see.
 */
#define MEDORDER_ORDER_WITHHELD 106

/**
 * Number of an order: how many diagnosis codes it shows.
 */
#define MEDORDER_ORDER_DIAGNOSIS_CODES 107

/**
 * Number of an order, PHI: when it was verified, or `MEDORDER_ABSENT`.
 */
#define MEDORDER_ORDER_VERIFICATION_VERIFIED_AT 108

/**
 * Number of an order, PHI: the last moment at which work may start, or `MEDORDER_ABSENT`.
 */
#define MEDORDER_ORDER_VERIFICATION_VALID_UNTIL 109

/**
 * Text of a list: where the next page starts; NULL at the end.
 */
#define MEDORDER_LIST_NEXT_CURSOR 1

/**
 * Text of a list: where a subscription starts that misses nothing since this page.
 */
#define MEDORDER_LIST_FEED_CURSOR 2

/**
 * Text of an event: the order.
 */
#define MEDORDER_EVENT_ORDER_ID 1

/**
 * Text of an event: where the order lives.
 */
#define MEDORDER_EVENT_TERRITORY_ID 2

/**
 * Text of an event: who did it.
 */
#define MEDORDER_EVENT_USER_ID 3

/**
 * Text of an event: why, if a reason was given. Not PHI.
 */
#define MEDORDER_EVENT_REASON 4

/**
 * Text of an event: where to resume after it.
 */
#define MEDORDER_EVENT_CURSOR 5

/**
 * Number of an event: `MEDORDER_STATUS_CHANGED` or `MEDORDER_DELETED`.
 */
#define MEDORDER_EVENT_TYPE 101

/**
 * Number of an event: the status before; 0 when the order was created.
 */
#define MEDORDER_EVENT_OLD_STATUS 102

/**
 * Number of an event: the status after; of a deleted order its last.
 */
#define MEDORDER_EVENT_NEW_STATUS 103

/**
 * Number of an event: when, microseconds since 1970 UTC.
 */
#define MEDORDER_EVENT_TIMESTAMP 104

/**
 * Number of an event: the version of the order that the change made.
 */
#define MEDORDER_EVENT_VERSION 105

/**
 * Type of an event: the order was created or changed its status.
 */
#define MEDORDER_STATUS_CHANGED 1

/**
 * Type of an event: the order was deleted.
 */
#define MEDORDER_DELETED 2

/**
 * Text of an error: the name of its code, like `ORDER_NOT_FOUND`.
 */
#define MEDORDER_ERROR_NAME 1

/**
 * Text of an error: what to do, one word: `invalid denied missing conflict unavailable data usage internal`.
 */
#define MEDORDER_ERROR_KIND 2

/**
 * Text of an error: for people, never PHI. It may change; the code does not.
 */
#define MEDORDER_ERROR_MESSAGE 3

/**
 * Text of an error: the order it is about.
 */
#define MEDORDER_ERROR_ORDER_ID 4

/**
 * Text of an error: why a transition was refused: `state missing_verification verification_expired missing_reason`.
 */
#define MEDORDER_ERROR_WHY 5

/**
 * Text of an error: all of it as JSON, `{"status":"error","error":{"code","message","details"}}`.
 */
#define MEDORDER_ERROR_JSON 6

/**
 * Number of an error: its code, like `MEDORDER_ORDER_NOT_FOUND`.
 */
#define MEDORDER_ERROR_CODE 101

/**
 * Number of an error: 1 if the same call may succeed later and changed nothing now, else 0.
 */
#define MEDORDER_ERROR_RETRYABLE 102

/**
 * Number of an error: how many faults `medorder_error_fault` has.
 */
#define MEDORDER_ERROR_FAULTS 103

/**
 * Number of an error: the status the order has, or `MEDORDER_ABSENT`.
 */
#define MEDORDER_ERROR_CURRENT_STATUS 104

/**
 * Number of an error: the status that was asked for, or `MEDORDER_ABSENT`.
 */
#define MEDORDER_ERROR_REQUESTED_STATUS 105

/**
 * Number of an error: the set of statuses that the workflow allows, or `MEDORDER_ABSENT`.
 */
#define MEDORDER_ERROR_ALLOWED 106

/**
 * Number of an error: the version the order has, or `MEDORDER_ABSENT`.
 */
#define MEDORDER_ERROR_CURRENT_VERSION 107

/**
 * Number of an error: the audit position it is about, or `MEDORDER_ABSENT`.
 */
#define MEDORDER_ERROR_SEQ 108

/**
 * Text of an actor: adds a role, like `requester`.
 */
#define MEDORDER_ACTOR_ROLE 1

/**
 * Text of an actor: adds a territory; `*` is all, also those registered later.
 */
#define MEDORDER_ACTOR_TERRITORY 2

/**
 * Text of an actor: the host's id of the request, for the audit.
 */
#define MEDORDER_ACTOR_REQUEST_ID 3

/**
 * Text of an actor: where the call comes from, for the audit.
 */
#define MEDORDER_ACTOR_SOURCE 4

/**
 * Text of a draft, PHI: adds a code, ICD-10-CM or a FHIR token `system|code`.
 */
#define MEDORDER_DRAFT_DIAGNOSIS_CODE 1

/**
 * Text of a draft, PHI: the first notes; empty notes are none.
 */
#define MEDORDER_DRAFT_NOTES 2

/**
 * Text of a draft: the caller's own number of the order. A second request with it makes no second order.
 */
#define MEDORDER_DRAFT_IDEMPOTENCY_KEY 3

/**
 * Text of a change, PHI: notes, appended to those of the order.
 */
#define MEDORDER_CHANGE_NOTES 1

/**
 * Text of a change: the reason, at most 200 characters. Operational text, NOT PHI: it outlives a delete and shows in
 * events and in the audit.
 */
#define MEDORDER_CHANGE_REASON 2

/**
 * Text of a change: the caller's own number of the change. A second request with it changes nothing again.
 */
#define MEDORDER_CHANGE_IDEMPOTENCY_KEY 3

/**
 * Text of a change, PHI: what the payer said, as any JSON; after `medorder_change_verification`.
 */
#define MEDORDER_CHANGE_COVERAGE_DETAILS 4

/**
 * Text of a change, PHI: the payer's number of the authorisation; after `medorder_change_verification`.
 */
#define MEDORDER_CHANGE_AUTHORIZATION_NUMBER 5

/**
 * Text of a change: `confirmed`, `denied`, `unsupported`, `not_checked` or `error`; after
 * `medorder_change_verification`.
 */
#define MEDORDER_CHANGE_INSURANCE_STATUS 6

/**
 * Number of a change: it fails with `MEDORDER_VERSION_CONFLICT` if the order has another version by then.
 */
#define MEDORDER_CHANGE_EXPECTED_VERSION 101

/**
 * Number of a change, PHI: the last moment at which work may start, microseconds since 1970 UTC; after
 * `medorder_change_verification`.
 */
#define MEDORDER_CHANGE_VALID_UNTIL 102

/**
 * Log level: nothing.
 */
#define MEDORDER_LOG_OFF 0

/**
 * Log level: what an operator must look at.
 */
#define MEDORDER_LOG_ERROR 1

/**
 * Log level: denials, and what heals by itself.
 */
#define MEDORDER_LOG_WARN 2

/**
 * Log level: what happens rarely.
 */
#define MEDORDER_LOG_INFO 3

/**
 * Log level: for those who look for a fault.
 */
#define MEDORDER_LOG_DEBUG 4

/**
 * Log level: everything.
 */
#define MEDORDER_LOG_TRACE 5

/**
 * A caller as the host has authenticated it. Without roles it may do nothing, without territories nothing anywhere.
 */
typedef struct medorder_actor medorder_actor;

/**
 * Administrative acts of one actor. Share it between threads.
 */
typedef struct medorder_admin medorder_admin;

/**
 * A change of status that is not yet sent. It can be sent again after a failure, and to several orders.
 */
typedef struct medorder_change medorder_change;

/**
 * An order that is not yet sent. It can be sent again after a failure.
 */
typedef struct medorder_draft medorder_draft;

/**
 * Why a call failed. It holds no PHI.
 */
typedef struct medorder_error medorder_error;

/**
 * A change that is durable. It holds no PHI.
 */
typedef struct medorder_event medorder_event;

/**
 * The entries of a territory's audit up to the moment the export began.
 */
typedef struct medorder_export medorder_export;

/**
 * Where the root key is. A service that was opened with it goes on using it after it was freed.
 */
typedef struct medorder_keys medorder_keys;

/**
 * Calls a function of the host for each event.
 */
typedef struct medorder_listener medorder_listener;

/**
 * An order as one actor may see it. A PHI field that is not in `MEDORDER_ORDER_DISCLOSED` was not decrypted.
 */
typedef struct medorder_order medorder_order;

/**
 * A page of orders, newest first.
 */
typedef struct medorder_order_list medorder_order_list;

/**
 * The engine on one database: open it once, share it between all threads.
 */
typedef struct medorder_service medorder_service;

/**
 * What one actor may do in one territory. Share it between threads.
 */
typedef struct medorder_session medorder_session;

/**
 * Events of one order or of a whole territory, from a position on. Nothing is lost and nothing comes twice.
 */
typedef struct medorder_subscription medorder_subscription;

/**
 * A text that the caller owns: JSON, a cursor, an id. It is zeroed when it is freed.
 */
typedef struct medorder_text medorder_text;

/**
 * Wraps and unwraps keys for a key service of the host: AWS KMS, Vault, an HSM.
 *
 * Set `struct_size` to `sizeof(medorder_key_callbacks)`, or start from `MEDORDER_KEY_CALLBACKS_INIT`.
 * Both functions are called from any thread, several at once, and have 5 seconds; a longer wait is
 * MEDORDER_KEY_UNAVAILABLE for the caller. They must not call the library, and no exception and no `longjmp` may leave
 * them. `destroy` is called once, when nobody uses `user_data` any more, also after a failure; it may be NULL.
 */
typedef struct {
  /**
   * The size of this struct where the program was compiled.
   */
  uint32_t struct_size;
  /**
   * Set to 0.
   */
  uint32_t reserved;
  /**
   * Wraps the 32 bytes of `key`, bound to `context`, which must be authenticated with it. Writes at most
   * `*blob_length` bytes to `blob` and their number to `*blob_length`. Answers MEDORDER_OK, or anything else if it
   * cannot. The key is gone when the function returns: keep no pointer to it.
   */
  int32_t (*wrap)(void *user_data,
                  const uint8_t *key,
                  const uint8_t *context,
                  size_t context_length,
                  uint8_t *blob,
                  size_t *blob_length);
  /**
   * Writes the 32 bytes of the key in `blob` to `key`. Answers MEDORDER_OK; MEDORDER_KEY_MISMATCH if the blob is not
   * of this key service and this context; anything else if it cannot tell now.
   */
  int32_t (*unwrap)(void *user_data,
                    const uint8_t *blob,
                    size_t blob_length,
                    const uint8_t *context,
                    size_t context_length,
                    uint8_t *key);
  /**
   * Passed to each function as it is.
   */
  void *user_data;
  /**
   * Frees `user_data`.
   */
  void (*destroy)(void *user_data);
} medorder_key_callbacks;

/**
 * Answers who may order for whom, from the hospital's own directory. Both functions NULL: the registry in the
 * database is asked.
 *
 * They are called from any thread, several at once, and have 5 seconds; a failure or a longer wait is
 * MEDORDER_STORAGE_UNAVAILABLE for the caller, never a default answer. They must not call the library, and no exception
 * and no `longjmp` may leave them. Each writes 1 or 0 to `*exists` and answers MEDORDER_OK, or anything else if it
 * cannot tell. A host that has checked before writes 1 in both. Texts end with a NUL.
 */
typedef struct {
  /**
   * Whether a territory is in use. It must be registered once with `register_territory` all the same.
   */
  int32_t (*territory_exists)(void *user_data,
                              const char *territory_id,
                              int32_t *exists);
  /**
   * Whether this provider may order for this patient in this territory.
   */
  int32_t (*relationship_exists)(void *user_data,
                                 const char *patient_id,
                                 const char *provider_id,
                                 const char *territory_id,
                                 int32_t *exists);
  /**
   * Passed to each function as it is.
   */
  void *user_data;
  /**
   * Frees `user_data`: called once, when nobody uses it any more, also if `medorder_open` fails. It may be NULL.
   */
  void (*destroy)(void *user_data);
} medorder_directory;

/**
 * Keeps signed checkpoints outside the database, so that a database that was put back as a whole shows. Both functions
 * NULL: there is no anchor, or the file of the setting `anchor_file`.
 *
 * Threads, deadline and prohibitions are those of `medorder_directory`.
 */
typedef struct {
  /**
   * Keeps `note` durably; the same may come twice. Answers MEDORDER_OK, or anything else if it is not kept.
   */
  int32_t (*keep)(void *user_data,
                  const char *note,
                  size_t note_length);
  /**
   * Writes the newest note of `chain` (a territory, or empty for the system chain) to `note`, at most `*note_length`
   * bytes, and its length to `*note_length`; 0 if there is none. Answers MEDORDER_OK, or anything else if it cannot
   * tell.
   */
  int32_t (*newest)(void *user_data,
                    const char *chain,
                    char *note,
                    size_t *note_length);
  /**
   * Passed to each function as it is.
   */
  void *user_data;
  /**
   * Frees `user_data`: called once, when nobody uses it any more, also if `medorder_open` fails. It may be NULL.
   */
  void (*destroy)(void *user_data);
} medorder_anchor;

/**
 * How a service is opened.
 *
 * Set `struct_size` to `sizeof(medorder_options)`, or start from `MEDORDER_OPTIONS_INIT`.
 */
typedef struct {
  /**
   * The size of this struct where the program was compiled.
   */
  uint32_t struct_size;
  /**
   * Set to 0.
   */
  uint32_t reserved;
  /**
   * Settings as a JSON object, the same in every language; NULL is all as it is by default:
   * `{"create": true, "synchronous": "full" | "normal", "key_cache_ttl_ms": 300000, "commit_timeout_ms": 30000,
   * "access": POLICY, "cancel_before_start": false, "anchor_file": PATH, "connections": N, "listen_url": URL,
   * "patience_ms": N}`.
   */
  const char *settings;
  /**
   * How many bytes `settings` has.
   */
  size_t settings_length;
  /**
   * The hospital's own directory; without one the registry in the database is asked.
   */
  medorder_directory directory;
  /**
   * Where checkpoints are kept outside the database.
   */
  medorder_anchor anchor;
} medorder_options;

/**
 * Which orders a list holds; every condition that is set must hold.
 *
 * Start from `MEDORDER_ORDER_QUERY_INIT`. A struct of zeros is not empty: `created_to` would be a moment in 1970, before
 * which nothing was created, and `limit` none.
 */
typedef struct {
  /**
   * The size of this struct where the program was compiled.
   */
  uint32_t struct_size;
  /**
   * A set of statuses, like `MEDORDER_VERIFIED | MEDORDER_IN_PROGRESS`; 0 is any.
   */
  uint32_t statuses;
  /**
   * Orders of this patient; NULL is any.
   */
  const char *patient_id;
  /**
   * How many bytes `patient_id` has.
   */
  size_t patient_id_length;
  /**
   * Orders of this provider; NULL is any.
   */
  const char *provider_id;
  /**
   * How many bytes `provider_id` has.
   */
  size_t provider_id_length;
  /**
   * Created at this moment or later, microseconds since 1970 UTC; `MEDORDER_ABSENT` is any.
   */
  int64_t created_from;
  /**
   * Created before this moment; `MEDORDER_ABSENT` is any.
   */
  int64_t created_to;
  /**
   * The `MEDORDER_LIST_NEXT_CURSOR` of the page before; NULL is the first page.
   */
  const char *cursor;
  /**
   * How many bytes `cursor` has.
   */
  size_t cursor_length;
  /**
   * How many orders at most, 1 to 500. Each order that discloses PHI leaves an entry in the audit.
   */
  size_t limit;
  /**
   * A set of PHI fields, like `MEDORDER_FIELD_NOTES`; NULL is all that the actor may see, an empty set none.
   */
  const uint32_t *fields;
} medorder_order_query;

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Makes an actor without roles and territories. `purpose` says what the access is for: `treatment`, `payment`,
 * `operations`, `patient_request`, `legal` or `emergency`.
 *
 * Ownership: texts are borrowed; free `*actor` with `medorder_actor_free`. Threads: any.
 * Errors: MEDORDER_VALIDATION_ERROR.
 */
int32_t medorder_actor_new(const char *user_id,
                           size_t user_id_length,
                           const char *purpose,
                           size_t purpose_length,
                           medorder_actor **actor,
                           medorder_error **error);

/**
 * Sets a text of an actor, or adds one: `MEDORDER_ACTOR_ROLE`, `MEDORDER_ACTOR_TERRITORY`, `MEDORDER_ACTOR_REQUEST_ID`
 * or `MEDORDER_ACTOR_SOURCE`.
 *
 * Ownership: `text` is borrowed. Threads: one at a time.
 * Errors: MEDORDER_VALIDATION_ERROR; the actor is as before.
 */
int32_t medorder_actor_text(medorder_actor *actor,
                            int32_t member,
                            const char *text,
                            size_t text_length,
                            medorder_error **error);

/**
 * Ends the actor's sessions at this moment, microseconds since 1970 UTC.
 *
 * Threads: one at a time. Errors: MEDORDER_VALIDATION_ERROR for NULL.
 */
int32_t medorder_actor_expires_at(medorder_actor *actor,
                                  int64_t time,
                                  medorder_error **error);

/**
 * Frees an actor; NULL is nothing. Its sessions go on.
 *
 * Threads: any, once.
 */
void medorder_actor_free(medorder_actor *actor);

/**
 * Administrative acts of `actor`. Nothing is read: the first call checks and audits.
 *
 * Ownership: all are borrowed; the actor is copied. Free `*admin` with `medorder_admin_free`. Threads: any.
 * Errors: MEDORDER_VALIDATION_ERROR, MEDORDER_CLOSED (in the child of a fork).
 */
int32_t medorder_admin_new(const medorder_service *service,
                           const medorder_actor *actor,
                           medorder_admin **admin,
                           medorder_error **error);

/**
 * An administrative act by its name, with arguments and answer as JSON.
 *
 * | name | arguments | answer |
 * |---|---|---|
 * | register_territory, unregister_territory | `{territory_id}` | null |
 * | register_relationship, unregister_relationship | `{territory_id, patient_id, provider_id}` | null |
 * | territories | `{}` | `[name]` |
 * | rotate_keys | `{territory_id}` | `{version, rewrapped, resumed}` |
 * | checkpoint, restore | `{}` | `[signed note]` |
 * | audit | `{filter?, after?, limit?}` | `{records, next}` of the whole database's chain |
 * | verify_audit | `{}` | `{verdict, anchored, chains}` of every chain |
 * | backup | `{path}` | null |
 *
 * `progress` (it may be NULL) is called on this thread with what is done and what there is in all; it must not call the
 * library.
 *
 * Ownership: `name`, `arguments` and `user_data` are borrowed; free `*answer` with `medorder_text_free`. Threads: any.
 * Errors: MEDORDER_VALIDATION_ERROR (path `call`: there is no such act), MEDORDER_ACCESS_DENIED,
 * MEDORDER_TERRITORY_MISMATCH, MEDORDER_TERRITORY_NOT_FOUND, MEDORDER_AUDIT_BROKEN, MEDORDER_INTEGRITY_VIOLATION,
 * MEDORDER_STORAGE_UNAVAILABLE, MEDORDER_KEY_UNAVAILABLE, MEDORDER_OUTCOME_UNKNOWN, MEDORDER_CLOSED.
 */
int32_t medorder_admin_call(const medorder_admin *admin,
                            const char *name,
                            size_t name_length,
                            const char *arguments,
                            size_t arguments_length,
                            void (*progress)(void *user_data,
                                             uint64_t done,
                                             uint64_t total),
                            void *user_data,
                            medorder_text **answer,
                            medorder_error **error);

/**
 * Wraps every key of the database under another root key, in one transaction. Other processes that still use the old
 * root get MEDORDER_KEY_MISMATCH from then on. `progress` is as in `medorder_admin_call`.
 *
 * Ownership: all are borrowed; the service goes on with `keys`. Threads: any.
 * Errors: as `medorder_admin_call`.
 */
int32_t medorder_admin_change_root(const medorder_admin *admin,
                                   const medorder_keys *keys,
                                   void (*progress)(void *user_data,
                                                    uint64_t done,
                                                    uint64_t total),
                                   void *user_data,
                                   medorder_error **error);

/**
 * Frees an admin; NULL is nothing.
 *
 * Threads: any, once.
 */
void medorder_admin_free(medorder_admin *admin);

/**
 * The code of an error, the number that the call returned; `MEDORDER_OK` for NULL.
 *
 * Threads: any.
 */
int32_t medorder_error_code(const medorder_error *error);

/**
 * The message of an error, for people: never NULL, empty for NULL.
 *
 * Ownership: borrowed from `error`, until it is freed. Threads: any.
 */
const char *medorder_error_message(const medorder_error *error);

/**
 * A text of an error, like `MEDORDER_ERROR_WHY`; NULL with length 0 if it does not apply. `length` may be NULL.
 *
 * Ownership: borrowed from `error`, until it is freed. Threads: any.
 * Errors: MEDORDER_VALIDATION_ERROR for NULL or a member that does not exist.
 */
int32_t medorder_error_text(const medorder_error *error,
                            int32_t member,
                            const char **text,
                            size_t *length);

/**
 * A number of an error, like `MEDORDER_ERROR_CURRENT_VERSION`; `MEDORDER_ABSENT` if it does not apply.
 *
 * Threads: any. Errors: MEDORDER_VALIDATION_ERROR for NULL or a member that does not exist.
 */
int32_t medorder_error_number(const medorder_error *error,
                              int32_t member,
                              int64_t *number);

/**
 * One fault of a MEDORDER_VALIDATION_ERROR: the path of the member, like `diagnosis_codes[3]`, and the rule it breaks:
 * `required empty type unknown duplicate too_long too_many format utf8 control one_of not_allowed`.
 *
 * Ownership: both are borrowed from `error`, until it is freed. Threads: any.
 * Errors: MEDORDER_VALIDATION_ERROR for NULL or an index beyond `MEDORDER_ERROR_FAULTS`.
 */
int32_t medorder_error_fault(const medorder_error *error,
                             size_t index,
                             const char **path,
                             const char **rule);

/**
 * Frees an error; NULL is nothing.
 *
 * Threads: any, once.
 */
void medorder_error_free(medorder_error *error);

/**
 * The codes of the error table, in the order of the numbers: the one at `index`, 0 beyond the end.
 *
 * Threads: any.
 */
int32_t medorder_code_at(size_t index);

/**
 * The name of a code, like `ORDER_NOT_FOUND`; NULL if there is no such code.
 *
 * Ownership: static. Threads: any.
 */
const char *medorder_code_name(int32_t code);

/**
 * What to do about a code, in one word: `invalid denied missing conflict unavailable data usage internal`; NULL if
 * there is no such code.
 *
 * Ownership: static. Threads: any.
 */
const char *medorder_code_kind(int32_t code);

/**
 * 1 if a call that failed with this code may succeed later and changed nothing, else 0.
 *
 * Threads: any.
 */
int32_t medorder_code_retryable(int32_t code);

/**
 * The name of a status, like `in_progress`; NULL if there is no such status.
 *
 * Ownership: static. Threads: any.
 */
const char *medorder_status_name(int32_t status);

/**
 * A text of an event, like `MEDORDER_EVENT_ORDER_ID`; NULL with length 0 if it has no value. `length` may be NULL.
 *
 * Ownership: borrowed from `event`, until it is freed. Threads: any.
 * Errors: MEDORDER_VALIDATION_ERROR for NULL or a member that does not exist.
 */
int32_t medorder_event_text(const medorder_event *event,
                            int32_t member,
                            const char **text,
                            size_t *length);

/**
 * A number of an event, like `MEDORDER_EVENT_NEW_STATUS`.
 *
 * Threads: any. Errors: MEDORDER_VALIDATION_ERROR for NULL or a member that does not exist.
 */
int32_t medorder_event_number(const medorder_event *event,
                              int32_t member,
                              int64_t *number);

/**
 * Zeroes and frees an event that a call gave; NULL is nothing. Events of a callback belong to the library.
 *
 * Threads: any, once.
 */
void medorder_event_free(medorder_event *event);

/**
 * Begins to export every column of every entry of the territory's audit chain. Leaves an entry itself.
 *
 * Ownership: free `*export` with `medorder_export_free`. Threads: any.
 * Errors: as `medorder_session_call`.
 */
int32_t medorder_export_audit(const medorder_session *session,
                              medorder_export **export_out,
                              medorder_error **error);

/**
 * The next entries, at most 1,000, one JSON object a line; `*page` is NULL at the end. Binary columns are hexadecimal.
 *
 * Ownership: free `*page` with `medorder_text_free`. Threads: one at a time.
 * Errors: MEDORDER_AUDIT_BROKEN (an entry is missing), MEDORDER_ACCESS_DENIED, MEDORDER_STORAGE_UNAVAILABLE,
 * MEDORDER_CLOSED.
 */
int32_t medorder_export_next(medorder_export *export_handle,
                             medorder_text **page,
                             medorder_error **error);

/**
 * Frees an export; NULL is nothing.
 *
 * Threads: any, once.
 */
void medorder_export_free(medorder_export *export_handle);

/**
 * The version of the library that runs, like `0.1.0`.
 *
 * Ownership: static. Threads: any.
 */
const char *medorder_version(void);

/**
 * The number of the binary interface of the library that runs. A program that loads the library by hand compares it
 * with `MEDORDER_ABI`.
 *
 * Threads: any.
 */
uint32_t medorder_abi_version(void);

/**
 * Makes a key file with a fresh root key, readable by its owner alone. Losing this file loses the data: keep a copy
 * apart from the database and its backups. A file that exists is never overwritten.
 *
 * Ownership: all arguments are borrowed. Threads: any.
 * Errors: MEDORDER_VALIDATION_ERROR (path `key_file`, rule `duplicate`: there is a file),
 * MEDORDER_KEY_UNAVAILABLE (it cannot be written).
 */
int32_t medorder_generate_key_file(const char *path,
                                   size_t path_length,
                                   medorder_error **error);

/**
 * Reads the root key from a file of `medorder_generate_key_file`, which only its owner may read (mode 0600 or 0400).
 *
 * Ownership: free `*keys` with `medorder_keys_free`. Threads: any.
 * Errors: MEDORDER_KEY_UNAVAILABLE (it cannot be read), MEDORDER_VALIDATION_ERROR (path `key_file.mode`: others may read
 * it; path `key_file`: it is no key file).
 */
int32_t medorder_keys_file(const char *path,
                           size_t path_length,
                           medorder_keys **keys,
                           medorder_error **error);

/**
 * Reads the root key from an environment variable that holds the line of a key file. Prefer a file: the environment of
 * a process is visible to others and outlives the call.
 *
 * Ownership: free `*keys` with `medorder_keys_free`. Threads: any, while nobody changes the environment.
 * Errors: MEDORDER_VALIDATION_ERROR (path `key_variable`).
 */
int32_t medorder_keys_variable(const char *name,
                               size_t name_length,
                               medorder_keys **keys,
                               medorder_error **error);

/**
 * Leaves wrapping and unwrapping to functions of the host.
 *
 * Ownership: `callbacks` is borrowed and copied; `user_data` belongs to the keys from now on, and is destroyed also if
 * the call fails (but not if `callbacks` is NULL or `struct_size` is wrong: then nothing else was read). Free `*keys`
 * with `medorder_keys_free`. Threads: any.
 * Errors: MEDORDER_VALIDATION_ERROR (a function is NULL).
 */
int32_t medorder_keys_callbacks(const medorder_key_callbacks *callbacks,
                                medorder_keys **keys,
                                medorder_error **error);

/**
 * Lets go of keys; NULL is nothing. Services that were opened with them go on.
 *
 * Threads: any, once.
 */
void medorder_keys_free(medorder_keys *keys);

/**
 * Calls `callback` for each event of one order, or of all if `order_id` is NULL. `since` is as in
 * `medorder_subscribe`.
 *
 * The callback runs on a thread that is the listener's own, never two at once, and may run before this call has
 * returned. It gets an event and no error, or, once and last, no event and the error that ended the listening:
 * MEDORDER_CLOSED if `medorder_listener_free` did. Both are the library's and end with the callback. It may call the
 * library, but for `medorder_service_close` and for freeing what it needs itself; no exception and no `longjmp` may
 * leave it.
 *
 * Ownership: `user_data` belongs to the listener from now on. `destroy` (it may be NULL) is called once, after the last
 * callback, also if this call fails. Free `*listener` with `medorder_listener_free`. Threads: any.
 * Errors: as `medorder_subscribe`.
 */
int32_t medorder_listen(const medorder_session *session,
                        const char *order_id,
                        size_t order_id_length,
                        const char *since,
                        size_t since_length,
                        void (*callback)(void *user_data,
                                         const medorder_event *event,
                                         const medorder_error *error),
                        void *user_data,
                        void (*destroy)(void *user_data),
                        medorder_listener **listener,
                        medorder_error **error);

/**
 * Ends the listening and frees the listener; NULL is nothing. When the call returns, the callback had its last call and
 * `user_data` was destroyed. Called from the listener's own callback, both come after that callback has returned: its
 * last call must not free the listener again.
 *
 * Threads: any, once.
 */
void medorder_listener_free(medorder_listener *listener);

/**
 * Hears what the library logs from now on, up to `level`, like `MEDORDER_LOG_WARN`; a NULL callback ends that. Without
 * a logger the library is silent. Messages hold ids of orders and codes, never PHI, patients or providers.
 *
 * The callback runs on a thread of its own, never inside a call of the library and never two at once; it must not call
 * `medorder_set_logger`, and no exception and no `longjmp` may leave it. `message` ends with its call. What does not
 * fit into a queue of 1,024 messages is counted and left out.
 *
 * Ownership: `user_data` belongs to the library from now on. `destroy` (it may be NULL) is called once, after the last
 * message, also if this call fails: when the logger is replaced or ended, before that call returns. Threads: any.
 * Errors: MEDORDER_VALIDATION_ERROR (the level), MEDORDER_CLOSED (in the child of a fork; or the program has linked
 * Rust code that hears the same log already).
 */
int32_t medorder_set_logger(int32_t level,
                            void (*callback)(void *user_data,
                                             int32_t level,
                                             const char *message),
                            void *user_data,
                            void (*destroy)(void *user_data),
                            medorder_error **error);

/**
 * A text of an order, like `MEDORDER_ORDER_PATIENT_ID`; NULL with length 0 if it is not disclosed or has no value.
 * `length` may be NULL.
 *
 * Ownership: borrowed from `order`, until it is freed. Threads: any.
 * Errors: MEDORDER_VALIDATION_ERROR for NULL or a member that does not exist.
 */
int32_t medorder_order_text(const medorder_order *order,
                            int32_t member,
                            const char **text,
                            size_t *length);

/**
 * A number of an order, like `MEDORDER_ORDER_VERSION`.
 *
 * Threads: any. Errors: MEDORDER_VALIDATION_ERROR for NULL or a member that does not exist.
 */
int32_t medorder_order_number(const medorder_order *order,
                              int32_t member,
                              int64_t *number);

/**
 * One of the `MEDORDER_ORDER_DIAGNOSIS_CODES` codes of an order. PHI. `length` may be NULL.
 *
 * Ownership: borrowed from `order`, until it is freed. Threads: any.
 * Errors: MEDORDER_VALIDATION_ERROR for NULL or an index beyond the last.
 */
int32_t medorder_order_diagnosis_code(const medorder_order *order,
                                      size_t index,
                                      const char **code,
                                      size_t *length);

/**
 * Zeroes and frees an order that a call gave; NULL is nothing. Orders of a list belong to the list.
 *
 * Threads: any, once.
 */
void medorder_order_free(medorder_order *order);

/**
 * How many orders a list has; none for NULL.
 *
 * Threads: any.
 */
size_t medorder_order_list_count(const medorder_order_list *list);

/**
 * One order of a list.
 *
 * Ownership: `*order` is borrowed from `list`, until the list is freed; do not free it. Threads: any.
 * Errors: MEDORDER_VALIDATION_ERROR for NULL or an index beyond the last.
 */
int32_t medorder_order_list_at(const medorder_order_list *list,
                               size_t index,
                               const medorder_order **order);

/**
 * A text of a list: `MEDORDER_LIST_NEXT_CURSOR` (NULL on the last page) or `MEDORDER_LIST_FEED_CURSOR`. `length` may be
 * NULL.
 *
 * Ownership: borrowed from `list`, until it is freed. Threads: any.
 * Errors: MEDORDER_VALIDATION_ERROR for NULL or a member that does not exist.
 */
int32_t medorder_order_list_text(const medorder_order_list *list,
                                 int32_t member,
                                 const char **text,
                                 size_t *length);

/**
 * Zeroes and frees a list with its orders; NULL is nothing.
 *
 * Threads: any, once.
 */
void medorder_order_list_free(medorder_order_list *list);

/**
 * Starts an order of `service_type` without codes, notes and insurance.
 *
 * Ownership: texts are borrowed and copied; free `*draft` with `medorder_draft_free`, which zeroes it. Threads: any.
 * Errors: MEDORDER_VALIDATION_ERROR (a text is NULL or not UTF-8).
 */
int32_t medorder_draft_new(const char *patient_id,
                           size_t patient_id_length,
                           const char *provider_id,
                           size_t provider_id_length,
                           const char *service_type,
                           size_t service_type_length,
                           medorder_draft **draft,
                           medorder_error **error);

/**
 * Sets a text of a draft, or adds one: `MEDORDER_DRAFT_DIAGNOSIS_CODE`, `MEDORDER_DRAFT_NOTES` or
 * `MEDORDER_DRAFT_IDEMPOTENCY_KEY`.
 *
 * Ownership: `text` is borrowed and copied. Threads: one at a time.
 * Errors: MEDORDER_VALIDATION_ERROR; the draft is as before.
 */
int32_t medorder_draft_text(medorder_draft *draft,
                            int32_t member,
                            const char *text,
                            size_t text_length,
                            medorder_error **error);

/**
 * Says who pays. `group_number` may be NULL.
 *
 * Ownership: texts are borrowed and copied. Threads: one at a time.
 * Errors: MEDORDER_VALIDATION_ERROR; the draft is as before.
 */
int32_t medorder_draft_insurance(medorder_draft *draft,
                                 const char *carrier,
                                 size_t carrier_length,
                                 const char *policy_number,
                                 size_t policy_number_length,
                                 const char *group_number,
                                 size_t group_number_length,
                                 medorder_error **error);

/**
 * Zeroes and frees a draft; NULL is nothing.
 *
 * Threads: any, once.
 */
void medorder_draft_free(medorder_draft *draft);

/**
 * Starts a change to `status`, like `MEDORDER_IN_PROGRESS`.
 *
 * Ownership: free `*change` with `medorder_change_free`, which zeroes it. Threads: any.
 * Errors: MEDORDER_VALIDATION_ERROR (path `status`: there is no such status).
 */
int32_t medorder_change_new(int32_t status,
                            medorder_change **change,
                            medorder_error **error);

/**
 * Says who verified and how; only with `MEDORDER_VERIFIED`, which needs it, and `MEDORDER_REJECTED`. PHI.
 *
 * Ownership: texts are borrowed and copied. Threads: one at a time.
 * Errors: MEDORDER_VALIDATION_ERROR; the change is as before.
 */
int32_t medorder_change_verification(medorder_change *change,
                                     const char *verified_by,
                                     size_t verified_by_length,
                                     const char *verification_method,
                                     size_t verification_method_length,
                                     medorder_error **error);

/**
 * Sets a text of a change: `MEDORDER_CHANGE_NOTES`, `MEDORDER_CHANGE_REASON`, `MEDORDER_CHANGE_IDEMPOTENCY_KEY`; after
 * `medorder_change_verification` also `MEDORDER_CHANGE_COVERAGE_DETAILS`, `MEDORDER_CHANGE_AUTHORIZATION_NUMBER`,
 * `MEDORDER_CHANGE_INSURANCE_STATUS`.
 *
 * Ownership: `text` is borrowed and copied. Threads: one at a time.
 * Errors: MEDORDER_VALIDATION_ERROR; the change is as before.
 */
int32_t medorder_change_text(medorder_change *change,
                             int32_t member,
                             const char *text,
                             size_t text_length,
                             medorder_error **error);

/**
 * Sets a number of a change: `MEDORDER_CHANGE_EXPECTED_VERSION`; after `medorder_change_verification` also
 * `MEDORDER_CHANGE_VALID_UNTIL`.
 *
 * Threads: one at a time. Errors: MEDORDER_VALIDATION_ERROR; the change is as before.
 */
int32_t medorder_change_number(medorder_change *change,
                               int32_t member,
                               int64_t number,
                               medorder_error **error);

/**
 * Zeroes and frees a change; NULL is nothing.
 *
 * Threads: any, once.
 */
void medorder_change_free(medorder_change *change);

/**
 * Opens the database at `url` and checks the key before any row is read.
 *
 * `url` is `sqlite://PATH` or a bare path, taken literally and made if it is missing, or
 * `postgres://ROLE@HOST/DATABASE`. `options` may be NULL.
 *
 * Ownership: `url`, `keys` and `options` are borrowed for the call; `user_data` of the directory and of the anchor
 * belong to the service from now on and are destroyed also if the call fails (but not if `struct_size` is wrong: then
 * nothing else was read). Free `*service` with `medorder_service_free`.
 * Threads: any. Open a database once in a process and share the service.
 * Errors: MEDORDER_VALIDATION_ERROR, MEDORDER_STORAGE_UNAVAILABLE, MEDORDER_SCHEMA_UNSUPPORTED, MEDORDER_KEY_MISMATCH,
 * MEDORDER_KEY_UNAVAILABLE, MEDORDER_CLOSED (called from a callback).
 */
int32_t medorder_open(const char *url,
                      size_t url_length,
                      const medorder_keys *keys,
                      const medorder_options *options,
                      medorder_service **service,
                      medorder_error **error);

/**
 * Refuses new calls, finishes what was accepted, signs a last checkpoint if there is an anchor, and lets go of the
 * database. Whoever waits for events gets MEDORDER_CLOSED. A second close does nothing.
 *
 * Ownership: `service` still has to be freed. Threads: any.
 * Errors: what the last checkpoint or the database met; the service is closed all the same.
 */
int32_t medorder_service_close(const medorder_service *service,
                               medorder_error **error);

/**
 * The random identity of the database; it stands in cursors and checkpoints, and a restore renews it.
 *
 * Ownership: free `*generation` with `medorder_text_free`. Threads: any.
 * Errors: MEDORDER_STORAGE_UNAVAILABLE, MEDORDER_CLOSED.
 */
int32_t medorder_service_generation(const medorder_service *service,
                                    medorder_text **generation,
                                    medorder_error **error);

/**
 * Writes the 32 bytes of the public key that checkpoints are checked with to `key`. Keep it outside the database.
 *
 * Ownership: `key` is the caller's, with room for 32 bytes. Threads: any.
 * Errors: MEDORDER_KEY_UNAVAILABLE, MEDORDER_STORAGE_UNAVAILABLE, MEDORDER_CLOSED.
 */
int32_t medorder_service_checkpoint_public_key(const medorder_service *service,
                                               uint8_t *key,
                                               medorder_error **error);

/**
 * Lets go of a service; NULL is nothing. Sessions and subscriptions keep the engine alive until they are freed too, so
 * close it first if it is to end now. Nothing that was acknowledged is lost either way.
 *
 * Threads: any, once.
 */
void medorder_service_free(medorder_service *service);

/**
 * What `actor` may do in `territory`. Nothing is read: the first call checks and audits.
 *
 * Ownership: all are borrowed; the actor is copied. Free `*session` with `medorder_session_free`. Threads: any.
 * Errors: MEDORDER_VALIDATION_ERROR, MEDORDER_CLOSED (in the child of a fork).
 */
int32_t medorder_session_new(const medorder_service *service,
                             const medorder_actor *actor,
                             const char *territory,
                             size_t territory_length,
                             medorder_session **session,
                             medorder_error **error);

/**
 * Creates an order and answers its plain columns. It is durable when the call returns.
 *
 * Ownership: `draft` is borrowed; free `*order` with `medorder_order_free`. Threads: any, one at a time for a draft.
 * Errors: MEDORDER_VALIDATION_ERROR, MEDORDER_PATIENT_PROVIDER_MISMATCH, MEDORDER_IDEMPOTENCY_MISMATCH,
 * MEDORDER_ACCESS_DENIED, MEDORDER_TERRITORY_MISMATCH, MEDORDER_TERRITORY_NOT_FOUND, MEDORDER_STORAGE_UNAVAILABLE,
 * MEDORDER_KEY_UNAVAILABLE, MEDORDER_OUTCOME_UNKNOWN, MEDORDER_CLOSED.
 */
int32_t medorder_create_order(const medorder_session *session,
                              const medorder_draft *draft,
                              medorder_order **order,
                              medorder_error **error);

/**
 * Changes the status of an order and answers its plain columns. It is durable when the call returns.
 *
 * Ownership: `change` is borrowed; free `*order` with `medorder_order_free`. Threads: any, one at a time for a change.
 * Errors: MEDORDER_INVALID_STATUS_TRANSITION, MEDORDER_VERSION_CONFLICT, MEDORDER_ORDER_NOT_FOUND,
 * MEDORDER_INTEGRITY_VIOLATION, and as `medorder_create_order`.
 */
int32_t medorder_update_status(const medorder_session *session,
                               const char *order_id,
                               size_t order_id_length,
                               const medorder_change *change,
                               medorder_order **order,
                               medorder_error **error);

/**
 * Reads an order. The audit has the disclosure before this call returns. `fields` points to a set of PHI fields; NULL
 * is all that the actor may see, an empty set decrypts nothing.
 *
 * Ownership: free `*order` with `medorder_order_free`, which zeroes it. Threads: any.
 * Errors: MEDORDER_VALIDATION_ERROR, MEDORDER_ORDER_NOT_FOUND, MEDORDER_ACCESS_DENIED, MEDORDER_TERRITORY_MISMATCH,
 * MEDORDER_TERRITORY_NOT_FOUND, MEDORDER_INTEGRITY_VIOLATION, MEDORDER_STORAGE_UNAVAILABLE, MEDORDER_KEY_UNAVAILABLE,
 * MEDORDER_OUTCOME_UNKNOWN, MEDORDER_CLOSED.
 */
int32_t medorder_get_order(const medorder_session *session,
                           const char *order_id,
                           size_t order_id_length,
                           const uint32_t *fields,
                           medorder_order **order,
                           medorder_error **error);

/**
 * Finds an order by the idempotency key it was created with and answers its plain columns.
 *
 * Ownership: free `*order` with `medorder_order_free`. Threads: any.
 * Errors: as `medorder_get_order`.
 */
int32_t medorder_get_order_by_key(const medorder_session *session,
                                  const char *idempotency_key,
                                  size_t idempotency_key_length,
                                  medorder_order **order,
                                  medorder_error **error);

/**
 * Lists orders, newest first, a page at a time.
 *
 * Ownership: `query` is borrowed; free `*list` with `medorder_order_list_free`, which zeroes it. Threads: any.
 * Errors: MEDORDER_INVALID_CURSOR, and as `medorder_get_order`.
 */
int32_t medorder_list_orders(const medorder_session *session,
                             const medorder_order_query *query,
                             medorder_order_list **list,
                             medorder_error **error);

/**
 * Deletes an order for good and answers its plain columns: its key and what it sealed go, its skeleton and audit stay.
 * `reason` (1 to 200 characters) is operational text, NOT PHI: it outlives the order. `expected_version` may be
 * `MEDORDER_ABSENT`.
 *
 * Ownership: free `*order` with `medorder_order_free`. Threads: any.
 * Errors: MEDORDER_VERSION_CONFLICT, and as `medorder_get_order`.
 */
int32_t medorder_delete_order(const medorder_session *session,
                              const char *order_id,
                              size_t order_id_length,
                              const char *reason,
                              size_t reason_length,
                              int64_t expected_version,
                              medorder_order **order,
                              medorder_error **error);

/**
 * Any call of a session by its name, with arguments and answer as JSON: what is made of lists, or is read by programs.
 *
 * | name | arguments | answer |
 * |---|---|---|
 * | create_orders | `{requests: [..], mode: "atomic" or "each"}` | `[{status, data or error}]` |
 * | update_statuses | `{changes: [..], mode}` | the same |
 * | allowed_transitions | `{order_id}` | `[{status, allowed, why?, needs}]` |
 * | relationships | `{filter?, after?, limit?}` | `{relationships, next}` |
 * | audit | `{filter?: {order_id, patient_id, user_id, from, to}, after?, limit?}` | `{records, next}` |
 * | disclosures | `{patient_id, after?, limit?}` | `{records, next}`: who saw what of a patient, when and why |
 * | verify_audit | `{checkpoint?}` | `{verdict, anchored, chains}` |
 *
 * The calls that have functions here can be made by name too: create_order, update_status, delete_order, order,
 * order_by_key, orders, revoke. Write texts of others into JSON with a JSON library only: a quote in a name would
 * change the request.
 *
 * Ownership: `name` and `arguments` are borrowed; free `*answer` with `medorder_text_free`, which zeroes it.
 * Threads: any.
 * Errors: MEDORDER_VALIDATION_ERROR (path `call`: there is no such call), MEDORDER_AUDIT_BROKEN, and as the functions
 * above.
 */
int32_t medorder_session_call(const medorder_session *session,
                              const char *name,
                              size_t name_length,
                              const char *arguments,
                              size_t arguments_length,
                              medorder_text **answer,
                              medorder_error **error);

/**
 * Ends a session and its subscriptions: every later call is MEDORDER_ACCESS_DENIED, and whoever waits for events is
 * told so.
 *
 * Threads: any. Errors: MEDORDER_CLOSED (in the child of a fork).
 */
int32_t medorder_session_revoke(const medorder_session *session,
                                medorder_error **error);

/**
 * Frees a session; NULL is nothing. Its subscriptions and exports go on.
 *
 * Threads: any, once.
 */
void medorder_session_free(medorder_session *session);

/**
 * Subscribes to the changes of one order, or of all if `order_id` is NULL. `since`: NULL, from now; empty (a length of
 * 0), from the start; a cursor of an event, a list or a subscription, from there. Leaves an entry in the audit.
 *
 * Ownership: texts are borrowed; free `*subscription` with `medorder_subscription_free`. Threads: any.
 * Errors: MEDORDER_INVALID_CURSOR (start over from a list), MEDORDER_VALIDATION_ERROR, MEDORDER_ACCESS_DENIED,
 * MEDORDER_TERRITORY_MISMATCH, MEDORDER_TERRITORY_NOT_FOUND, MEDORDER_ORDER_NOT_FOUND, MEDORDER_STORAGE_UNAVAILABLE,
 * MEDORDER_KEY_UNAVAILABLE, MEDORDER_OUTCOME_UNKNOWN, MEDORDER_CLOSED.
 */
int32_t medorder_subscribe(const medorder_session *session,
                           const char *order_id,
                           size_t order_id_length,
                           const char *since,
                           size_t since_length,
                           medorder_subscription **subscription,
                           medorder_error **error);

/**
 * Waits for the next event, at most `timeout_ms` milliseconds; 0 does not wait, a negative number waits without end.
 * If none came, the call answers MEDORDER_OK and `*event` is NULL.
 *
 * Ownership: free `*event` with `medorder_event_free`. Threads: one at a time waits on a subscription; use one for each
 * thread.
 * Errors: MEDORDER_ACCESS_DENIED (the session is expired or revoked), MEDORDER_CLOSED (the service was closed, the
 * subscription stopped, or another thread waits here), MEDORDER_TERRITORY_NOT_FOUND, MEDORDER_INVALID_CURSOR (the
 * database was put back), MEDORDER_INTEGRITY_VIOLATION, MEDORDER_STORAGE_UNAVAILABLE, MEDORDER_KEY_UNAVAILABLE. After
 * the last two the call can be made again.
 */
int32_t medorder_events_next(const medorder_subscription *subscription,
                             int32_t timeout_ms,
                             medorder_event **event,
                             medorder_error **error);

/**
 * A file descriptor for `select`, `poll` or `epoll`: while it is readable, it is worth calling `medorder_events_next`
 * with a timeout of 0, until that gives no event. It is readable at first, and when the service was closed, the session
 * revoked or the subscription stopped. Now and then it is readable and there is no event.
 *
 * Ownership: `*descriptor` belongs to the subscription: neither read nor close it. Threads: any.
 * Errors: MEDORDER_STORAGE_UNAVAILABLE (no descriptor is left, or the system has none), MEDORDER_CLOSED (in the child
 * of a fork).
 */
int32_t medorder_events_descriptor(const medorder_subscription *subscription,
                                   int32_t *descriptor,
                                   medorder_error **error);

/**
 * Where a later subscription resumes after the last event that this one gave.
 *
 * Ownership: free `*cursor` with `medorder_text_free`. Threads: any.
 * Errors: MEDORDER_CLOSED (in the child of a fork).
 */
int32_t medorder_subscription_cursor(const medorder_subscription *subscription,
                                     medorder_text **cursor,
                                     medorder_error **error);

/**
 * Ends a subscription from any thread: whoever waits on it gets MEDORDER_CLOSED at once.
 *
 * Ownership: it still has to be freed, when nobody waits any more. Threads: any.
 * Errors: MEDORDER_CLOSED (in the child of a fork).
 */
int32_t medorder_subscription_stop(const medorder_subscription *subscription,
                                   medorder_error **error);

/**
 * Frees a subscription and closes its descriptor; NULL is nothing.
 *
 * Threads: any, once, when no thread waits on it.
 */
void medorder_subscription_free(medorder_subscription *subscription);

/**
 * The bytes of a text, UTF-8 with a NUL behind them.
 *
 * Ownership: borrowed from `text`, until it is freed. Threads: any. NULL gives an empty text.
 */
const char *medorder_text_data(const medorder_text *text);

/**
 * How many bytes a text has, without the NUL. NULL has none.
 *
 * Threads: any.
 */
size_t medorder_text_length(const medorder_text *text);

/**
 * Zeroes and frees a text; NULL is nothing.
 *
 * Threads: any, once.
 */
void medorder_text_free(medorder_text *text);

#ifdef __cplusplus
} 
#endif 

#endif  /* MEDORDER_H */
