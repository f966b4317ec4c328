#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Keys: the host keeps pairs of context and key, and a blob is the place of one. */

static int32_t host_wrap(void *data, const uint8_t *key, const uint8_t *context, size_t length, uint8_t *blob, size_t *blob_length)
{
  host *host = data;
  int32_t status = MEDORDER_KEY_UNAVAILABLE;
  pthread_mutex_lock(&host->lock);
  if (!host->keys_fail && host->count < KEPT && length <= sizeof host->kept[0].context && *blob_length >= 8) {
    memcpy(host->kept[host->count].context, context, length);
    memcpy(host->kept[host->count].key, key, 32);
    host->kept[host->count].length = length;
    memset(blob, 0, 8);
    blob[7] = (uint8_t)host->count++;
    *blob_length = 8;
    status = MEDORDER_OK;
  }
  pthread_mutex_unlock(&host->lock);
  return status;
}

static int32_t host_unwrap(void *data, const uint8_t *blob, size_t blob_length, const uint8_t *context, size_t length, uint8_t *key)
{
  host *host = data;
  int32_t status = MEDORDER_KEY_MISMATCH;
  pthread_mutex_lock(&host->lock);
  if (host->keys_fail)
    status = MEDORDER_KEY_UNAVAILABLE;
  else if (blob_length == 8 && blob[7] < host->count && host->kept[blob[7]].length == length &&
           memcmp(host->kept[blob[7]].context, context, length) == 0) {
    memcpy(key, host->kept[blob[7]].key, 32);
    status = MEDORDER_OK;
  }
  pthread_mutex_unlock(&host->lock);
  return status;
}

/* The directory: north and south, p-1 and p-2 with any provider. */

static int32_t host_answers(host *host)
{
  pthread_mutex_lock(&host->lock);
  int32_t status = host->directory_fails ? MEDORDER_STORAGE_UNAVAILABLE : MEDORDER_OK;
  pthread_mutex_unlock(&host->lock);
  return status;
}

static int32_t host_territory(void *data, const char *territory, int32_t *exists)
{
  *exists = strcmp(territory, "north") == 0 || strcmp(territory, "south") == 0;
  return host_answers(data);
}

static int32_t host_relationship(void *data, const char *patient, const char *provider, const char *territory, int32_t *exists)
{
  (void)provider;
  (void)territory;
  *exists = strcmp(patient, "p-1") == 0 || strcmp(patient, "p-2") == 0;
  return host_answers(data);
}

static int is(json_t *object, const char *member, const char *word)
{
  const char *text = json_string_value(json_object_get(object, member));
  return text != NULL && strcmp(text, word) == 0;
}

medorder_keys *world_keys(world *world, const char *name, outcome *outcome, why *why)
{
  medorder_keys *keys = NULL;
  medorder_error *error = NULL;
  if (strcmp(name, "host") == 0) {
    medorder_key_callbacks callbacks = MEDORDER_KEY_CALLBACKS_INIT;
    callbacks.wrap = host_wrap;
    callbacks.unwrap = host_unwrap;
    callbacks.user_data = &world->host;
    medorder_keys_callbacks(&callbacks, &keys, &error);
  } else {
    const char *path = json_string_value(json_object_get(json_object_get(world->job, "keys"), name));
    if (path == NULL) {
      because(why, "there is no key file %s", name);
      return NULL;
    }
    medorder_keys_file(MEDORDER_TEXT(path), &keys, &error);
  }
  if (keys == NULL)
    failed_with(outcome, error, why);
  return keys;
}

static void forget(world *world)
{
  for (size_t at = 0; at < world->sessions.count; at++)
    medorder_session_free(world->sessions.item[at].value);
  for (size_t at = 0; at < world->admins.count; at++)
    medorder_admin_free(world->admins.item[at].value);
  world->sessions.count = world->admins.count = 0;
  medorder_service_free(world->service);
  world->service = NULL;
}

int world_open(world *world, json_t *arguments, outcome *outcome, why *why)
{
  static const char *const known[] = {"keys", "url", "options", NULL};
  if (arguments != NULL && only(arguments, known, "with", why) != 0)
    return -1;
  const char *url = json_string_value(json_object_get(arguments, "url"));
  const char *name = json_string_value(json_object_get(arguments, "keys"));
  json_t *settings = json_object_get(arguments, "options");
  if (url != NULL)
    snprintf(world->url, sizeof world->url, "%s", url);
  if (name != NULL)
    snprintf(world->keys_name, sizeof world->keys_name, "%s", name);
  forget(world);
  medorder_keys *keys = world_keys(world, world->keys_name, outcome, why);
  if (keys == NULL)
    return outcome->error != NULL ? 0 : -1;
  if (settings == NULL)
    settings = json_object_get(world->scenario, "options");
  if (settings != NULL && (settings = resolved(settings, world->saved, why)) == NULL) {
    medorder_keys_free(keys);
    return -1;
  }
  char *text = settings == NULL ? NULL : json_dumps(settings, JSON_COMPACT);
  json_decref(settings);
  medorder_options options = MEDORDER_OPTIONS_INIT;
  medorder_error *error = NULL;
  options.settings = text;
  options.settings_length = text == NULL ? 0 : strlen(text);
  if (is(world->scenario, "directory", "host")) {
    options.directory.territory_exists = host_territory;
    options.directory.relationship_exists = host_relationship;
    options.directory.user_data = &world->host;
  }
  if (medorder_open(MEDORDER_TEXT(world->url), keys, &options, &world->service, &error) == MEDORDER_OK)
    outcome->answer = json_null();
  free(text);
  medorder_keys_free(keys);
  return error == NULL ? 0 : failed_with(outcome, error, why);
}

void world_end(world *world)
{
  for (size_t at = 0; at < world->subscriptions.count; at++)
    medorder_subscription_free(world->subscriptions.item[at].value);
  if (world->service != NULL)
    medorder_service_close(world->service, NULL);
  forget(world);
  json_decref(world->saved);
  pthread_mutex_destroy(&world->host.lock);
}

void *handle_find(const handles *handles, const char *name)
{
  for (size_t at = 0; at < handles->count; at++)
    if (strcmp(handles->item[at].name, name) == 0)
      return handles->item[at].value;
  return NULL;
}

int handle_add(handles *handles, const char *name, void *value, why *why)
{
  if (handles->count == sizeof handles->item / sizeof handles->item[0] || strlen(name) >= sizeof handles->item[0].name)
    return because(why, "too many handles");
  snprintf(handles->item[handles->count].name, sizeof handles->item[0].name, "%s", name);
  handles->item[handles->count++].value = value;
  return 0;
}

/* An actor as the scenario describes it. */
static medorder_actor *actor_of(world *world, const char *name, outcome *outcome, why *why)
{
  static const char *const known[] = {"user_id", "roles", "territories", "purpose", "expires_at", "request_id", "source", NULL};
  json_t *given = json_object_get(json_object_get(world->scenario, "actors"), name), *item;
  medorder_actor *actor = NULL;
  medorder_error *error = NULL;
  size_t at;
  int32_t status;
  int64_t time;
  if (given == NULL)
    given = json_object_get(world->actors, name);
  if (given == NULL) {
    because(why, "there is no actor %s", name);
    return NULL;
  }
  if (only(given, known, name, why) != 0)
    return NULL;
  const char *user = json_string_value(json_object_get(given, "user_id"));
  const char *purpose = json_string_value(json_object_get(given, "purpose"));
  status = medorder_actor_new(user, user ? strlen(user) : 0, purpose, purpose ? strlen(purpose) : 0, &actor, &error);
  json_array_foreach(json_object_get(given, "roles"), at, item) {
    if (status == MEDORDER_OK)
      status = medorder_actor_text(actor, MEDORDER_ACTOR_ROLE, MEDORDER_TEXT(json_string_value(item)), &error);
  }
  json_t *territories = json_object_get(given, "territories");
  json_t *list = json_is_string(territories) ? json_pack("[O]", territories) : json_incref(territories);
  json_array_foreach(list, at, item) {
    if (status == MEDORDER_OK)
      status = medorder_actor_text(actor, MEDORDER_ACTOR_TERRITORY, MEDORDER_TEXT(json_string_value(item)), &error);
  }
  json_decref(list);
  static const struct {
    const char *name;
    int32_t member;
  } texts[] = {{"request_id", MEDORDER_ACTOR_REQUEST_ID}, {"source", MEDORDER_ACTOR_SOURCE}};
  for (at = 0; at < 2; at++) {
    const char *text = json_string_value(json_object_get(given, texts[at].name));
    if (text != NULL && status == MEDORDER_OK)
      status = medorder_actor_text(actor, texts[at].member, MEDORDER_TEXT(text), &error);
  }
  const char *expires = json_string_value(json_object_get(given, "expires_at"));
  if (expires != NULL && status == MEDORDER_OK) {
    if (time_read(expires, &time) == 0)
      status = medorder_actor_expires_at(actor, time, &error);
    else
      because(why, "the actor %s ends at no time", name);
  }
  if (status == MEDORDER_OK && why->text[0] == 0)
    return actor;
  medorder_actor_free(actor);
  if (error != NULL)
    failed_with(outcome, error, why);
  return NULL;
}

medorder_session *world_session(world *world, const char *actor_name, const char *territory, outcome *outcome, why *why)
{
  char name[192];
  snprintf(name, sizeof name, "%s %s", actor_name, territory);
  medorder_session *session = handle_find(&world->sessions, name);
  medorder_error *error = NULL;
  if (session != NULL)
    return session;
  if (world->service == NULL) {
    because(why, "the service is not open");
    return NULL;
  }
  medorder_actor *actor = actor_of(world, actor_name, outcome, why);
  if (actor == NULL)
    return NULL;
  if (medorder_session_new(world->service, actor, MEDORDER_TEXT(territory), &session, &error) != MEDORDER_OK)
    failed_with(outcome, error, why);
  else if (handle_add(&world->sessions, name, session, why) != 0)
    session = NULL;
  medorder_actor_free(actor);
  return session;
}

medorder_admin *world_admin(world *world, const char *actor_name, outcome *outcome, why *why)
{
  medorder_admin *admin = handle_find(&world->admins, actor_name);
  medorder_error *error = NULL;
  if (admin != NULL)
    return admin;
  if (world->service == NULL) {
    because(why, "the service is not open");
    return NULL;
  }
  medorder_actor *actor = actor_of(world, actor_name, outcome, why);
  if (actor == NULL)
    return NULL;
  if (medorder_admin_new(world->service, actor, &admin, &error) != MEDORDER_OK)
    failed_with(outcome, error, why);
  else if (handle_add(&world->admins, actor_name, admin, why) != 0)
    admin = NULL;
  medorder_actor_free(actor);
  return admin;
}

/* Sets a member if the error has it. */
static void detail(json_t *details, const char *name, const medorder_error *error, int32_t member)
{
  const char *text = NULL;
  int64_t number = MEDORDER_ABSENT;
  if (member < 100) {
    medorder_error_text(error, member, &text, NULL);
    if (text != NULL)
      json_object_set_new(details, name, json_string(text));
    return;
  }
  medorder_error_number(error, member, &number);
  if (number == MEDORDER_ABSENT)
    return;
  if (member == MEDORDER_ERROR_CURRENT_VERSION || member == MEDORDER_ERROR_SEQ) {
    json_object_set_new(details, name, json_integer(number));
  } else if (member == MEDORDER_ERROR_ALLOWED) {
    json_t *allowed = json_array();
    for (int32_t status = 1; status <= MEDORDER_CANCELLED; status *= 2)
      if (number & status)
        json_array_append_new(allowed, json_string(medorder_status_name(status)));
    json_object_set_new(details, name, allowed);
  } else {
    json_object_set_new(details, name, json_string(medorder_status_name((int32_t)number)));
  }
}

int failed_with(outcome *outcome, medorder_error *error, why *why)
{
  static const struct {
    const char *name;
    int32_t member;
  } members[] = {
    {"order_id", MEDORDER_ERROR_ORDER_ID},
    {"current_status", MEDORDER_ERROR_CURRENT_STATUS},
    {"requested_status", MEDORDER_ERROR_REQUESTED_STATUS},
    {"allowed", MEDORDER_ERROR_ALLOWED},
    {"why", MEDORDER_ERROR_WHY},
    {"current_version", MEDORDER_ERROR_CURRENT_VERSION},
    {"seq", MEDORDER_ERROR_SEQ},
  };
  const char *name = NULL, *kind = NULL, *text = NULL;
  int64_t faults = 0, retryable = 0;
  int agrees;
  if (error == NULL)
    return because(why, "a call failed without an error");
  json_t *details = json_object(), *list = json_array();
  medorder_error_text(error, MEDORDER_ERROR_NAME, &name, NULL);
  medorder_error_text(error, MEDORDER_ERROR_KIND, &kind, NULL);
  medorder_error_text(error, MEDORDER_ERROR_JSON, &text, NULL);
  medorder_error_number(error, MEDORDER_ERROR_RETRYABLE, &retryable);
  medorder_error_number(error, MEDORDER_ERROR_FAULTS, &faults);
  for (int64_t at = 0; at < faults; at++) {
    const char *path = NULL, *rule = NULL;
    medorder_error_fault(error, (size_t)at, &path, &rule);
    json_array_append_new(list, json_pack("{s:s, s:s}", "path", path, "rule", rule));
  }
  if (faults > 0)
    json_object_set(details, "errors", list);
  json_decref(list);
  for (size_t at = 0; at < sizeof members / sizeof members[0]; at++)
    detail(details, members[at].name, error, members[at].member);
  /* The accessors and the JSON of one error must say the same. */
  json_t *whole = json_loads(text, 0, NULL);
  agrees = json_equal(details, json_object_get(json_object_get(whole, "error"), "details"));
  json_decref(whole);
  outcome->error = json_pack("{s:s, s:i, s:s, s:b, s:o}", "code", name, "number", (int)medorder_error_code(error), "kind",
                             kind, "retryable", (int)retryable, "details", details);
  medorder_error_free(error);
  return agrees ? 0 : because(why, "the accessors of an error and its JSON differ");
}
