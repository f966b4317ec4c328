/* What the program that is made of the header calls and gives; see tests/xtask/src/faces/c/surface.rs. */
#ifndef NULLS_H
#define NULLS_H

#include <medorder.h>

extern medorder_error *error;

extern medorder_service *valid_service;
extern medorder_session *valid_session;
extern medorder_admin *valid_admin;
extern medorder_keys *valid_keys;
extern medorder_actor *valid_actor;
extern medorder_draft *valid_draft;
extern medorder_change *valid_change;
extern medorder_order *valid_order;
extern medorder_order_list *valid_list;
extern medorder_subscription *valid_subscription;
extern medorder_event *valid_event;
extern medorder_export *valid_export_handle;
extern medorder_key_callbacks *valid_callbacks;
extern medorder_order_query *valid_query;
extern int64_t *valid_number;
extern int32_t *valid_descriptor;
extern uint8_t *valid_key;

extern const char *given_url, *given_path, *given_name, *given_arguments, *given_user_id, *given_purpose, *given_territory;
extern const char *given_patient_id, *given_provider_id, *given_service_type, *given_text, *given_carrier;
extern const char *given_policy_number, *given_group_number, *given_verified_by, *given_verification_method;
extern const char *given_order_id, *given_idempotency_key, *given_reason, *given_since;

/* Somewhere to write a handle or a text to. */
extern void *place;
#define place_of(type) ((type)(void *)&place)

void judge(int good, const char *function, const char *argument);
void passed(const char *function, const char *argument);
/* The call was refused, the fault is that the argument is missing, and nothing was made. */
void refused(int32_t status, const char *function, const char *argument);

/* The error is valid where it is the one that is looked at. */
#define valid_error seen
extern medorder_error *seen;

void every_null(void);

#endif
