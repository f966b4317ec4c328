/* Events by a callback, a key service and a directory of the program's own, and what a mistake looks like. */
#define _POSIX_C_SOURCE 200809L
#include <medorder.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* What the listener is given: its name, and where it tells that it has heard something. */
typedef struct ear {
  const char *name;
  int told[2];
} ear;

static void must(int32_t status)
{
  if (status != MEDORDER_OK) {
    fprintf(stderr, "%s\n", medorder_code_name(status));
    exit(1);
  }
}

/* Stands for a machine that keeps keys: it "wraps" by adding a byte, bound to a context by writing that behind. */
static int32_t wrap(void *data, const uint8_t *key, const uint8_t *context, size_t length, uint8_t *blob, size_t *blob_length)
{
  if (*blob_length < 32 + length)
    return MEDORDER_KEY_UNAVAILABLE;
  for (size_t at = 0; at < 32; at++)
    blob[at] = (uint8_t)(key[at] + *(uint8_t *)data);
  memcpy(blob + 32, context, length);
  *blob_length = 32 + length;
  return MEDORDER_OK;
}

static int32_t unwrap(void *data, const uint8_t *blob, size_t blob_length, const uint8_t *context, size_t length, uint8_t *key)
{
  if (blob_length != 32 + length || memcmp(blob + 32, context, length) != 0)
    return MEDORDER_KEY_MISMATCH;
  for (size_t at = 0; at < 32; at++)
    key[at] = (uint8_t)(blob[at] - *(uint8_t *)data);
  return MEDORDER_OK;
}

/* This program has checked before: everybody may order for everybody. */
static int32_t territory_exists(void *data, const char *territory, int32_t *exists)
{
  (void)data, (void)territory;
  *exists = 1;
  return MEDORDER_OK;
}

static int32_t relationship_exists(void *data, const char *patient, const char *provider, const char *territory, int32_t *exists)
{
  (void)data, (void)patient, (void)provider, (void)territory;
  *exists = 1;
  return MEDORDER_OK;
}

/* Runs on the listener's thread, one event at a time. */
static void heard(void *data, const medorder_event *event, const medorder_error *ended)
{
  ear *ear = data;
  int64_t status;
  if (event == NULL) {
    printf("%s: ended with %s\n", ear->name, medorder_code_name(medorder_error_code(ended)));
    return;
  }
  must(medorder_event_number(event, MEDORDER_EVENT_NEW_STATUS, &status));
  printf("%s: %s\n", ear->name, medorder_status_name((int32_t)status));
  must(write(ear->told[1], "!", 1) == 1 ? MEDORDER_OK : MEDORDER_INTERNAL);
}

static void gone(void *data)
{
  printf("%s: let go\n", ((ear *)data)->name);
}

int main(void)
{
  static uint8_t secret = 7;
  ear ear = {"listener", {-1, -1}};
  char told;
  medorder_key_callbacks callbacks = MEDORDER_KEY_CALLBACKS_INIT;
  medorder_options options = MEDORDER_OPTIONS_INIT;
  medorder_keys *keys;
  medorder_service *service;
  medorder_actor *actor;
  medorder_admin *admin;
  medorder_session *session;
  medorder_text *answer;
  medorder_draft *draft;
  medorder_order *order;
  medorder_listener *listener;
  medorder_error *error;
  const char *path, *rule;

  must(pipe(ear.told) == 0 ? MEDORDER_OK : MEDORDER_INTERNAL);
  callbacks.wrap = wrap;
  callbacks.unwrap = unwrap;
  callbacks.user_data = &secret;
  must(medorder_keys_callbacks(&callbacks, &keys, NULL));
  options.directory.territory_exists = territory_exists;
  options.directory.relationship_exists = relationship_exists;
  must(medorder_open(MEDORDER_TEXT("orders.db"), keys, &options, &service, NULL));
  must(medorder_actor_new(MEDORDER_TEXT("u-7"), MEDORDER_TEXT("treatment"), &actor, NULL));
  must(medorder_actor_text(actor, MEDORDER_ACTOR_ROLE, MEDORDER_TEXT("requester"), NULL));
  must(medorder_actor_text(actor, MEDORDER_ACTOR_ROLE, MEDORDER_TEXT("administrator"), NULL));
  must(medorder_actor_text(actor, MEDORDER_ACTOR_TERRITORY, MEDORDER_TEXT("north"), NULL));
  must(medorder_admin_new(service, actor, &admin, NULL));
  must(medorder_admin_call(admin, MEDORDER_TEXT("register_territory"), MEDORDER_TEXT("{\"territory_id\":\"north\"}"), NULL,
                           NULL, &answer, NULL));
  must(medorder_session_new(service, actor, MEDORDER_TEXT("north"), &session, NULL));
  must(medorder_listen(session, MEDORDER_NO_TEXT, MEDORDER_NO_TEXT, heard, &ear, gone, &listener, NULL));

  /* Each fault of a request is named. */
  must(medorder_draft_new(MEDORDER_TEXT("p-1"), MEDORDER_TEXT("npi\t17"), MEDORDER_TEXT(""), &draft, NULL));
  if (medorder_create_order(session, draft, &order, &error) == MEDORDER_VALIDATION_ERROR)
    for (size_t at = 0; medorder_error_fault(error, at, &path, &rule) == MEDORDER_OK; at++)
      printf("fault: %s %s\n", path, rule);
  medorder_error_free(error);
  medorder_draft_free(draft);

  must(medorder_draft_new(MEDORDER_TEXT("p-1"), MEDORDER_TEXT("npi-17"), MEDORDER_TEXT("MRI brain"), &draft, NULL));
  must(medorder_create_order(session, draft, &order, NULL));
  must(read(ear.told[0], &told, 1) == 1 ? MEDORDER_OK : MEDORDER_INTERNAL);
  must(medorder_service_close(service, NULL));
  medorder_listener_free(listener); /* returns when the last callback has */

  medorder_order_free(order);
  medorder_draft_free(draft);
  medorder_text_free(answer);
  medorder_session_free(session);
  medorder_admin_free(admin);
  medorder_actor_free(actor);
  medorder_service_free(service);
  medorder_keys_free(keys);
  close(ear.told[0]);
  close(ear.told[1]);
  return 0;
}
