/* Functions of the host: what they are asked, what their failures are, and that what they are given goes once. */
#include "judge.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* A host whose functions can be told to fail, to be slow, or to call back. */
typedef struct host {
  atomic_int destroyed, asked, mode, called_back, kept;
  hospital *it;
  char note[4096];
} host;

enum { WELL, FAILS, SLOW, CALLS_BACK, DENIES };

static int32_t behave(host *host)
{
  medorder_text *text = NULL;
  atomic_fetch_add(&host->asked, 1);
  switch (atomic_load(&host->mode)) {
  case FAILS:
    return MEDORDER_INTERNAL;
  case SLOW:
    rest(9000);
    return MEDORDER_OK;
  case CALLS_BACK:
    atomic_store(&host->called_back, medorder_service_generation(host->it->service, &text, NULL));
    medorder_text_free(text);
    return MEDORDER_OK;
  default:
    return MEDORDER_OK;
  }
}

static void destroy(void *data)
{
  atomic_fetch_add(&((host *)data)->destroyed, 1);
}

static int32_t wrap(void *data, const uint8_t *key, const uint8_t *context, size_t length, uint8_t *blob, size_t *blob_length)
{
  CHECK(*blob_length >= 1024);
  memcpy(blob, key, 32);
  memcpy(blob + 32, context, length);
  *blob_length = 32 + length;
  return behave(data);
}

static int32_t unwrap(void *data, const uint8_t *blob, size_t blob_length, const uint8_t *context, size_t length, uint8_t *key)
{
  if (blob_length != 32 + length || memcmp(blob + 32, context, length) != 0)
    return MEDORDER_KEY_MISMATCH;
  memcpy(key, blob, 32);
  return behave(data);
}

static int32_t territory_exists(void *data, const char *territory, int32_t *exists)
{
  CHECK(strcmp(territory, "north") == 0);
  *exists = 1;
  return behave(data);
}

static int32_t relationship_exists(void *data, const char *patient, const char *provider, const char *territory, int32_t *exists)
{
  host *host = data;
  CHECK(strcmp(patient, "p-1") == 0 && strcmp(provider, "npi-1") == 0 && strcmp(territory, "north") == 0);
  *exists = atomic_load(&host->mode) != DENIES;
  return behave(host);
}

static medorder_keys *keys_of(host *host)
{
  medorder_key_callbacks callbacks = MEDORDER_KEY_CALLBACKS_INIT;
  medorder_keys *keys = NULL;
  callbacks.wrap = wrap;
  callbacks.unwrap = unwrap;
  callbacks.user_data = host;
  callbacks.destroy = destroy;
  OK(medorder_keys_callbacks(&callbacks, &keys, &error));
  return keys;
}

/* No answer of the directory is kept, so that each order asks. */
static const char ALWAYS_ASK[] = "{\"key_cache_ttl_ms\":0,\"synchronous\":\"normal\"}";

static medorder_options directory_of(host *host)
{
  medorder_options options = MEDORDER_OPTIONS_INIT;
  options.settings = ALWAYS_ASK;
  options.settings_length = sizeof ALWAYS_ASK - 1;
  options.directory.territory_exists = territory_exists;
  options.directory.relationship_exists = relationship_exists;
  options.directory.user_data = host;
  options.directory.destroy = destroy;
  return options;
}

static void keys_of_the_host(void)
{
  host host = {0};
  medorder_options options = MEDORDER_OPTIONS_INIT;
  options.settings = ALWAYS_ASK;
  options.settings_length = sizeof ALWAYS_ASK - 1;
  hospital it = hospital_new(&options, keys_of(&host));
  host.it = &it;
  OK(order_new(&it, NULL));
  CHECK(host.asked > 0);
  atomic_store(&host.mode, FAILS);
  CHECK(order_new(&it, NULL) == MEDORDER_KEY_UNAVAILABLE);
  atomic_store(&host.mode, CALLS_BACK);
  OK(order_new(&it, NULL));
  CHECK(host.called_back == MEDORDER_CLOSED);
  atomic_store(&host.mode, WELL);
  OK(order_new(&it, NULL));
  CHECK(host.destroyed == 0);
  hospital_free(&it);
  CHECK(host.destroyed == 1);
}

static void keys_that_are_slow(void)
{
  host host = {0};
  medorder_options options = MEDORDER_OPTIONS_INIT;
  options.settings = ALWAYS_ASK;
  options.settings_length = sizeof ALWAYS_ASK - 1;
  hospital it = hospital_new(&options, keys_of(&host));
  OK(order_new(&it, NULL));
  atomic_store(&host.mode, SLOW);
  int64_t begun = clock_now();
  CHECK(order_new(&it, NULL) == MEDORDER_KEY_UNAVAILABLE);
  CHECK(clock_now() - begun >= 4900 && clock_now() - begun < 8900);
  atomic_store(&host.mode, WELL);
  OK(order_new(&it, NULL));
  hospital_free(&it);
  /* The function that is late still runs, and what it was given lives as long. */
  for (int64_t end = clock_now() + 20000; host.destroyed == 0 && clock_now() < end;)
    rest(10);
  CHECK(host.destroyed == 1);
}

static void a_directory_of_the_host(void)
{
  host host = {0};
  medorder_options options = directory_of(&host);
  hospital it = hospital_new(&options, NULL);
  host.it = &it;
  OK(order_new(&it, NULL));
  CHECK(host.asked > 0);
  atomic_store(&host.mode, DENIES);
  CHECK(order_new(&it, NULL) == MEDORDER_PATIENT_PROVIDER_MISMATCH);
  atomic_store(&host.mode, FAILS);
  CHECK(order_new(&it, NULL) == MEDORDER_STORAGE_UNAVAILABLE);
  atomic_store(&host.mode, CALLS_BACK);
  OK(order_new(&it, NULL));
  CHECK(host.called_back == MEDORDER_CLOSED);
  atomic_store(&host.mode, WELL);
  hospital_free(&it);
  CHECK(host.destroyed == 1);
}

static int32_t keep(void *data, const char *note, size_t length)
{
  host *host = data;
  CHECK(strlen(note) == length && length < sizeof host->note);
  /* Only the chain of the territory is looked at below. */
  if (strstr(note, "/north\n") != NULL)
    memcpy(host->note, note, length + 1);
  atomic_fetch_add(&host->kept, 1);
  return behave(host);
}

static int32_t newest(void *data, const char *chain, char *note, size_t *length)
{
  host *host = data;
  size_t is = strcmp(chain, "north") == 0 ? strlen(host->note) : 0;
  CHECK(is <= *length);
  memcpy(note, host->note, is);
  *length = is;
  return MEDORDER_OK;
}

static void an_anchor_of_the_host(void)
{
  host host = {0};
  medorder_options options = MEDORDER_OPTIONS_INIT;
  medorder_text *answer = NULL;
  options.anchor.keep = keep;
  options.anchor.newest = newest;
  options.anchor.user_data = &host;
  options.anchor.destroy = destroy;
  hospital it = hospital_new(&options, NULL);
  OK(order_new(&it, NULL));
  OK(medorder_admin_call(it.admin, MEDORDER_TEXT("checkpoint"), MEDORDER_TEXT("{}"), NULL, NULL, &answer, &error));
  medorder_text_free(answer);
  CHECK(host.kept == 2 && host.note[0] != 0);
  OK(medorder_session_call(it.session, MEDORDER_TEXT("verify_audit"), MEDORDER_TEXT("{}"), &answer, &error));
  CHECK(strstr(medorder_text_data(answer), "\"verdict\":\"intact\",\"anchored\":true") != NULL);
  medorder_text_free(answer);
  OK(order_new(&it, NULL));
  hospital_free(&it);
  CHECK(host.kept > 2);
  CHECK(host.destroyed == 1);
}

/* What is given away is destroyed once, whatever the call came to. */
static void opens_that_fail(void)
{
  host host = {0};
  medorder_options options = directory_of(&host);
  medorder_service *service = NULL;
  medorder_keys *keys = NULL;
  medorder_key_callbacks half = MEDORDER_KEY_CALLBACKS_INIT;
  hospital it = hospital_new(NULL, NULL);
  STATUS(MEDORDER_VALIDATION_ERROR, medorder_open(NULL, 0, it.keys, &options, &service, &error));
  CHECK(host.destroyed == 1);
  STATUS(MEDORDER_VALIDATION_ERROR, medorder_open(MEDORDER_TEXT("x.db"), NULL, &options, &service, &error));
  CHECK(host.destroyed == 2);
  STATUS(MEDORDER_VALIDATION_ERROR, medorder_open(MEDORDER_TEXT("x.db"), it.keys, &options, NULL, &error));
  CHECK(host.destroyed == 3);
  options.settings = "{";
  options.settings_length = 1;
  STATUS(MEDORDER_VALIDATION_ERROR, medorder_open(MEDORDER_TEXT("x.db"), it.keys, &options, &service, &error));
  CHECK(host.destroyed == 4);
  options.settings = NULL;
  options.settings_length = 3;
  STATUS(MEDORDER_VALIDATION_ERROR, medorder_open(MEDORDER_TEXT("x.db"), it.keys, &options, &service, &error));
  CHECK(host.destroyed == 5);
  options.settings_length = 0;
  STATUS(MEDORDER_SCHEMA_UNSUPPORTED, medorder_open(MEDORDER_TEXT("mysql://x"), it.keys, &options, &service, &error));
  CHECK(host.destroyed == 6);
  options.directory.relationship_exists = NULL;
  STATUS(MEDORDER_VALIDATION_ERROR, medorder_open(MEDORDER_TEXT("x.db"), it.keys, &options, &service, &error));
  CHECK(host.destroyed == 7);
  half.wrap = wrap;
  half.user_data = &host;
  half.destroy = destroy;
  STATUS(MEDORDER_VALIDATION_ERROR, medorder_keys_callbacks(&half, &keys, &error));
  CHECK(host.destroyed == 8);
  half.unwrap = unwrap;
  STATUS(MEDORDER_VALIDATION_ERROR, medorder_keys_callbacks(&half, NULL, &error));
  CHECK(host.destroyed == 9);
  half.struct_size = 1;
  STATUS(MEDORDER_VALIDATION_ERROR, medorder_keys_callbacks(&half, &keys, &error));
  CHECK(host.destroyed == 9);
  CHECK(service == NULL && keys == NULL);
  /* A provider that fails leaves no database behind that nobody can open. */
  atomic_store(&host.mode, FAILS);
  keys = keys_of(&host);
  STATUS(MEDORDER_KEY_UNAVAILABLE, medorder_open(MEDORDER_TEXT("y.db"), keys, NULL, &service, &error));
  medorder_keys_free(keys);
  CHECK(host.destroyed == 10);
  OK(medorder_open(MEDORDER_TEXT("y.db"), it.keys, NULL, &service, &error));
  medorder_service_free(service);
  hospital_free(&it);
}

typedef struct log {
  atomic_int messages, destroyed, wrong;
  char last[256];
} log_;

static void hear(void *data, int32_t level, const char *message)
{
  log_ *log = data;
  /* Ids of orders and codes, never a patient or a provider. */
  if (level < MEDORDER_LOG_ERROR || level > MEDORDER_LOG_WARN || strstr(message, "p-1") != NULL || strstr(message, "npi-1") != NULL)
    atomic_fetch_add(&log->wrong, 1);
  snprintf(log->last, sizeof log->last, "%s", message);
  atomic_fetch_add(&log->messages, 1);
}

static void log_destroyed(void *data)
{
  atomic_fetch_add(&((log_ *)data)->destroyed, 1);
}

static void the_log(void)
{
  static log_ first, second;
  hospital it = hospital_new(NULL, NULL);
  medorder_order *order = NULL;
  OK(medorder_set_logger(MEDORDER_LOG_WARN, hear, &first, log_destroyed, &error));
  OK(medorder_session_revoke(it.session, &error));
  CHECK(medorder_get_order_by_key(it.session, MEDORDER_TEXT("p-1"), &order, NULL) == MEDORDER_ACCESS_DENIED);
  OK(medorder_set_logger(MEDORDER_LOG_ERROR, hear, &second, log_destroyed, &error));
  CHECK(first.messages == 1 && first.destroyed == 1 && first.wrong == 0);
  CHECK(strcmp(first.last, "denied code=ACCESS_DENIED action=view") == 0);
  /* A denial is no error. */
  CHECK(medorder_get_order_by_key(it.session, MEDORDER_TEXT("p-1"), &order, NULL) == MEDORDER_ACCESS_DENIED);
  OK(medorder_set_logger(MEDORDER_LOG_OFF, NULL, NULL, NULL, &error));
  CHECK(second.messages == 0 && second.destroyed == 1);
  STATUS(MEDORDER_VALIDATION_ERROR, medorder_set_logger(9, hear, &second, log_destroyed, &error));
  CHECK(second.destroyed == 2);
  hospital_free(&it);
}

const test callbacks[] = {
  {"keys of the host are asked, fail, and may not call back", keys_of_the_host},
  {"keys of the host have five seconds", keys_that_are_slow},
  {"a directory of the host is asked, fails, and may not call back", a_directory_of_the_host},
  {"an anchor of the host keeps checkpoints", an_anchor_of_the_host},
  {"what an open is given is destroyed once, however it fails", opens_that_fail},
  {"the log comes through a queue and names nobody", the_log},
  {NULL, NULL},
};
