/* NULL for each pointer of each function that the header does not allow it for. */
#include "nulls.h"

#include <stdio.h>
#include <stdlib.h>

medorder_error *error, *seen;
medorder_service *valid_service;
medorder_session *valid_session;
medorder_admin *valid_admin;
medorder_keys *valid_keys;
medorder_actor *valid_actor;
medorder_draft *valid_draft;
medorder_change *valid_change;
medorder_order *valid_order;
medorder_order_list *valid_list;
medorder_subscription *valid_subscription;
medorder_event *valid_event;
medorder_export *valid_export_handle;

static medorder_key_callbacks callbacks = MEDORDER_KEY_CALLBACKS_INIT;
static medorder_order_query query = MEDORDER_ORDER_QUERY_INIT;
static int64_t number;
static int32_t descriptor;
static uint8_t key[32];
medorder_key_callbacks *valid_callbacks = &callbacks;
medorder_order_query *valid_query = &query;
int64_t *valid_number = &number;
int32_t *valid_descriptor = &descriptor;
uint8_t *valid_key = key;

const char *given_url = "orders.db", *given_path = "root.key", *given_name = "audit", *given_arguments = "{}";
const char *given_user_id = "u-1", *given_purpose = "treatment", *given_territory = "north", *given_patient_id = "p-1";
const char *given_provider_id = "npi-1", *given_service_type = "MRI", *given_text = "text", *given_carrier = "Acme";
const char *given_policy_number = "P-1", *given_group_number = "G-1", *given_verified_by = "u-1";
const char *given_verification_method = "phone", *given_order_id, *given_idempotency_key = "k-1", *given_reason = "double";
const char *given_since = "";
void *place;

static unsigned good, bad;

void judge(int is_good, const char *function, const char *argument)
{
  if (is_good) {
    good++;
  } else {
    bad++;
    printf("test %s with %s NULL ... FAILED\n", function, argument);
  }
}

void passed(const char *function, const char *argument)
{
  judge(1, function, argument);
}

void refused(int32_t status, const char *function, const char *argument)
{
  const char *path = "", *rule = "";
  medorder_error_fault(error, 0, &path, &rule);
  size_t length = strlen(path), wanted = strlen(argument);
  /* `insurance.carrier` is about the argument `carrier`. */
  int named = length >= wanted && strcmp(path + length - wanted, argument) == 0 && strcmp(rule, "required") == 0;
  if (status != MEDORDER_VALIDATION_ERROR || !named || place != NULL)
    printf("%d %s %s %p\n", (int)status, path, rule, place);
  judge(status == MEDORDER_VALIDATION_ERROR && named && place == NULL, function, argument);
  medorder_error_free(error);
  error = NULL;
  place = NULL;
}

static void must(int32_t status)
{
  if (status != MEDORDER_OK) {
    printf("%s: %s\n", medorder_code_name(status), medorder_error_message(error));
    exit(1);
  }
}

static int32_t never_wrap(void *data, const uint8_t *bytes, const uint8_t *context, size_t length, uint8_t *blob, size_t *room)
{
  (void)data, (void)bytes, (void)context, (void)length, (void)blob, (void)room;
  return MEDORDER_KEY_UNAVAILABLE;
}

static int32_t never_unwrap(void *data, const uint8_t *blob, size_t room, const uint8_t *context, size_t length, uint8_t *bytes)
{
  (void)data, (void)blob, (void)room, (void)context, (void)length, (void)bytes;
  return MEDORDER_KEY_UNAVAILABLE;
}

int main(void)
{
  static const char *const roles[] = {"requester", "verifier", "auditor", "administrator"};
  medorder_text *answer = NULL;
  callbacks.wrap = never_wrap;
  callbacks.unwrap = never_unwrap;
  must(medorder_generate_key_file(MEDORDER_TEXT("valid.key"), &error));
  must(medorder_keys_file(MEDORDER_TEXT("valid.key"), &valid_keys, &error));
  must(medorder_open(MEDORDER_TEXT("valid.db"), valid_keys, NULL, &valid_service, &error));
  must(medorder_actor_new(MEDORDER_TEXT("u-1"), MEDORDER_TEXT("treatment"), &valid_actor, &error));
  for (size_t at = 0; at < 4; at++)
    must(medorder_actor_text(valid_actor, MEDORDER_ACTOR_ROLE, MEDORDER_TEXT(roles[at]), &error));
  must(medorder_actor_text(valid_actor, MEDORDER_ACTOR_TERRITORY, MEDORDER_TEXT("*"), &error));
  must(medorder_admin_new(valid_service, valid_actor, &valid_admin, &error));
  must(medorder_admin_call(valid_admin, MEDORDER_TEXT("register_territory"), MEDORDER_TEXT("{\"territory_id\":\"north\"}"),
                           NULL, NULL, &answer, &error));
  medorder_text_free(answer);
  must(medorder_admin_call(valid_admin, MEDORDER_TEXT("register_relationship"),
                           MEDORDER_TEXT("{\"territory_id\":\"north\",\"patient_id\":\"p-1\",\"provider_id\":\"npi-1\"}"), NULL,
                           NULL, &answer, &error));
  medorder_text_free(answer);
  must(medorder_session_new(valid_service, valid_actor, MEDORDER_TEXT("north"), &valid_session, &error));
  must(medorder_subscribe(valid_session, MEDORDER_NO_TEXT, MEDORDER_NO_TEXT, &valid_subscription, &error));
  must(medorder_draft_new(MEDORDER_TEXT("p-1"), MEDORDER_TEXT("npi-1"), MEDORDER_TEXT("MRI"), &valid_draft, &error));
  must(medorder_create_order(valid_session, valid_draft, &valid_order, &error));
  must(medorder_order_text(valid_order, MEDORDER_ORDER_ID, &given_order_id, NULL));
  must(medorder_change_new(MEDORDER_REJECTED, &valid_change, &error));
  must(medorder_events_next(valid_subscription, 1000, &valid_event, &error));
  must(medorder_list_orders(valid_session, &query, &valid_list, &error));
  must(medorder_export_audit(valid_session, &valid_export_handle, &error));
  medorder_keys_file(MEDORDER_TEXT("no such file"), (medorder_keys **)&place, &seen);

  every_null();

  /* NULL without a place for the error is a status all the same. */
  judge(medorder_create_order(NULL, NULL, NULL, NULL) == MEDORDER_VALIDATION_ERROR, "medorder_create_order", "everything");

  medorder_error_free(seen);
  medorder_export_free(valid_export_handle);
  medorder_order_list_free(valid_list);
  medorder_event_free(valid_event);
  medorder_change_free(valid_change);
  medorder_order_free(valid_order);
  medorder_draft_free(valid_draft);
  medorder_subscription_free(valid_subscription);
  medorder_session_free(valid_session);
  medorder_admin_free(valid_admin);
  medorder_actor_free(valid_actor);
  must(medorder_service_close(valid_service, &error));
  medorder_service_free(valid_service);
  medorder_keys_free(valid_keys);
  printf("test result: %s. %u passed; %u failed; 0 ignored\n", bad == 0 ? "ok" : "FAILED", good, bad);
  return bad != 0;
}
