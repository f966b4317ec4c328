#include "calls.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

/* What an accessor cannot say (a member of another type, an unknown one) goes as JSON; see `session_json`. */
#define INEXPRESSIBLE 1

static const char *text_of(json_t *object, const char *name)
{
  return json_string_value(json_object_get(object, name));
}

static size_t length_of(json_t *object, const char *name)
{
  return json_string_length(json_object_get(object, name));
}

/* A text with its length, both of nothing if it is absent. */
#define MEMBER(object, name) text_of(object, name), length_of(object, name)

/* 0 if the members are known and, but for those listed after them, texts; null is absent. */
static int shaped(json_t *object, const char *const *texts, const char *const *others)
{
  const char *name;
  json_t *value;
  if (!json_is_object(object))
    return -1;
  json_object_foreach(object, name, value) {
    size_t at = 0, other = 0;
    while (texts[at] != NULL && strcmp(texts[at], name) != 0)
      at++;
    while (others[other] != NULL && strcmp(others[other], name) != 0)
      other++;
    if (texts[at] == NULL && others[other] == NULL)
      return -1;
    if (texts[at] != NULL && !json_is_string(value) && !json_is_null(value))
      return -1;
  }
  return 0;
}

static const struct {
  const char *name;
  uint32_t bit;
} FIELDS[] = {
  {"service_type", MEDORDER_FIELD_SERVICE_TYPE},
  {"diagnosis_codes", MEDORDER_FIELD_DIAGNOSIS_CODES},
  {"notes", MEDORDER_FIELD_NOTES},
  {"insurance", MEDORDER_FIELD_INSURANCE},
  {"insurance_verification", MEDORDER_FIELD_INSURANCE_VERIFICATION},
};

/* The set that a list of field names is; -1 if it is none. */
static int fields_of(json_t *list, uint32_t *set)
{
  size_t at, field;
  json_t *item;
  if (!json_is_array(list))
    return -1;
  *set = 0;
  json_array_foreach(list, at, item) {
    for (field = 0; field < 5; field++)
      if (json_is_string(item) && strcmp(json_string_value(item), FIELDS[field].name) == 0 && !(*set & FIELDS[field].bit))
        break;
    if (field == 5)
      return -1;
    *set |= FIELDS[field].bit;
  }
  return 0;
}

static int32_t status_of(const char *word)
{
  for (int32_t status = 1; word != NULL && status <= MEDORDER_CANCELLED; status *= 2)
    if (strcmp(medorder_status_name(status), word) == 0)
      return status;
  return 0;
}

static int status_list(json_t *list, uint32_t *set)
{
  size_t at;
  json_t *item;
  *set = 0;
  if (list == NULL || json_is_null(list))
    return 0;
  if (!json_is_array(list))
    return -1;
  json_array_foreach(list, at, item) {
    int32_t status = status_of(json_string_value(item));
    if (status == 0 || (*set & (uint32_t)status))
      return -1;
    *set |= (uint32_t)status;
  }
  return 0;
}

/* Answers as the JSON that scenarios compare with. */

static json_t *order_text(const medorder_order *order, int32_t member)
{
  const char *text = NULL;
  size_t length = 0;
  medorder_order_text(order, member, &text, &length);
  return text == NULL ? json_null() : json_stringn(text, length);
}

static int64_t order_number(const medorder_order *order, int32_t member)
{
  int64_t number = MEDORDER_ABSENT;
  medorder_order_number(order, member, &number);
  return number;
}

static void set_if(json_t *object, const char *name, json_t *value)
{
  if (json_is_null(value))
    json_decref(value);
  else
    json_object_set_new(object, name, value);
}

static json_t *time_or_null(int64_t micros)
{
  return micros == MEDORDER_ABSENT ? json_null() : time_json(micros);
}

static json_t *names_of(int64_t set)
{
  json_t *names = json_array();
  for (size_t at = 0; at < 5; at++)
    if (set & FIELDS[at].bit)
      json_array_append_new(names, json_string(FIELDS[at].name));
  return names;
}

static json_t *plain_json(const medorder_order *order)
{
  json_t *json = json_object();
  json_object_set_new(json, "id", order_text(order, MEDORDER_ORDER_ID));
  json_object_set_new(json, "territory_id", order_text(order, MEDORDER_ORDER_TERRITORY_ID));
  json_object_set_new(json, "patient_id", order_text(order, MEDORDER_ORDER_PATIENT_ID));
  json_object_set_new(json, "provider_id", order_text(order, MEDORDER_ORDER_PROVIDER_ID));
  json_object_set_new(json, "status",
                      json_string(medorder_status_name((int32_t)order_number(order, MEDORDER_ORDER_STATUS))));
  json_object_set_new(json, "version", json_integer(order_number(order, MEDORDER_ORDER_VERSION)));
  json_object_set_new(json, "created_at", time_json(order_number(order, MEDORDER_ORDER_CREATED_AT)));
  json_object_set_new(json, "updated_at", time_json(order_number(order, MEDORDER_ORDER_UPDATED_AT)));
  return json;
}

static json_t *insurance_json(const medorder_order *order)
{
  json_t *carrier = order_text(order, MEDORDER_ORDER_INSURANCE_CARRIER);
  if (json_is_null(carrier))
    return carrier;
  json_t *json = json_object();
  json_object_set_new(json, "carrier", carrier);
  json_object_set_new(json, "policy_number", order_text(order, MEDORDER_ORDER_INSURANCE_POLICY_NUMBER));
  set_if(json, "group_number", order_text(order, MEDORDER_ORDER_INSURANCE_GROUP_NUMBER));
  return json;
}

static json_t *verification_json(const medorder_order *order)
{
  json_t *status = order_text(order, MEDORDER_ORDER_VERIFICATION_STATUS);
  const char *coverage = NULL;
  if (json_is_null(status))
    return status;
  json_t *json = json_object();
  json_object_set_new(json, "status", status);
  medorder_order_text(order, MEDORDER_ORDER_VERIFICATION_COVERAGE_DETAILS, &coverage, NULL);
  if (coverage != NULL)
    json_object_set_new(json, "coverage_details", json_loads(coverage, JSON_DECODE_ANY, NULL));
  set_if(json, "authorization_number", order_text(order, MEDORDER_ORDER_VERIFICATION_AUTHORIZATION_NUMBER));
  set_if(json, "verified_by", order_text(order, MEDORDER_ORDER_VERIFICATION_VERIFIED_BY));
  set_if(json, "verification_method", order_text(order, MEDORDER_ORDER_VERIFICATION_METHOD));
  set_if(json, "verified_at", time_or_null(order_number(order, MEDORDER_ORDER_VERIFICATION_VERIFIED_AT)));
  set_if(json, "valid_until", time_or_null(order_number(order, MEDORDER_ORDER_VERIFICATION_VALID_UNTIL)));
  return json;
}

static json_t *codes_json(const medorder_order *order)
{
  json_t *codes = json_array();
  const char *code;
  size_t length;
  for (size_t at = 0; medorder_order_diagnosis_code(order, at, &code, &length) == MEDORDER_OK; at++)
    json_array_append_new(codes, json_stringn(code, length));
  if ((int64_t)json_array_size(codes) != order_number(order, MEDORDER_ORDER_DIAGNOSIS_CODES))
    json_array_append_new(codes, json_string("the number of codes is another"));
  return codes;
}

static json_t *order_json(const medorder_order *order)
{
  json_t *json = plain_json(order);
  int64_t shown = order_number(order, MEDORDER_ORDER_DISCLOSED);
  if (shown & MEDORDER_FIELD_SERVICE_TYPE)
    json_object_set_new(json, "service_type", order_text(order, MEDORDER_ORDER_SERVICE_TYPE));
  if (shown & MEDORDER_FIELD_DIAGNOSIS_CODES)
    json_object_set_new(json, "diagnosis_codes", codes_json(order));
  if (shown & MEDORDER_FIELD_NOTES)
    json_object_set_new(json, "notes", order_text(order, MEDORDER_ORDER_NOTES));
  if (shown & MEDORDER_FIELD_INSURANCE)
    json_object_set_new(json, "insurance", insurance_json(order));
  if (shown & MEDORDER_FIELD_INSURANCE_VERIFICATION)
    json_object_set_new(json, "insurance_verification", verification_json(order));
  json_object_set_new(json, "disclosed", names_of(shown));
  json_object_set_new(json, "withheld", names_of(order_number(order, MEDORDER_ORDER_WITHHELD)));
  return json;
}

static json_t *event_json(const medorder_event *event)
{
  static const char *const types[] = {"", "ORDER_STATUS_CHANGED", "ORDER_DELETED"};
  const char *id, *territory, *user, *reason, *cursor;
  int64_t type, old, new, at, version;
  medorder_event_text(event, MEDORDER_EVENT_ORDER_ID, &id, NULL);
  medorder_event_text(event, MEDORDER_EVENT_TERRITORY_ID, &territory, NULL);
  medorder_event_text(event, MEDORDER_EVENT_USER_ID, &user, NULL);
  medorder_event_text(event, MEDORDER_EVENT_REASON, &reason, NULL);
  medorder_event_text(event, MEDORDER_EVENT_CURSOR, &cursor, NULL);
  medorder_event_number(event, MEDORDER_EVENT_TYPE, &type);
  medorder_event_number(event, MEDORDER_EVENT_OLD_STATUS, &old);
  medorder_event_number(event, MEDORDER_EVENT_NEW_STATUS, &new);
  medorder_event_number(event, MEDORDER_EVENT_TIMESTAMP, &at);
  medorder_event_number(event, MEDORDER_EVENT_VERSION, &version);
  json_t *context = json_pack("{s:s}", "user_id", user);
  if (reason != NULL)
    json_object_set_new(context, "reason", json_string(reason));
  return json_pack("{s:s, s:s, s:s, s:s?, s:s, s:o, s:o, s:I, s:s}", "type", types[type], "order_id", id, "territory_id",
                   territory, "old_status", medorder_status_name((int32_t)old), "new_status",
                   medorder_status_name((int32_t)new), "timestamp", time_json(at), "context", context, "version",
                   (json_int_t)version, "cursor", cursor);
}

/* Ends a call: an order's plain columns, all of it, or an error. */
static int ended(medorder_order *order, medorder_error *error, int whole, outcome *outcome, why *why)
{
  if (error != NULL)
    return failed_with(outcome, error, why);
  outcome->answer = whole ? order_json(order) : plain_json(order);
  medorder_order_free(order);
  return 0;
}

static int text_ended(medorder_text *text, medorder_error *error, outcome *outcome, why *why)
{
  if (error != NULL)
    return failed_with(outcome, error, why);
  outcome->answer = json_loadb(medorder_text_data(text), medorder_text_length(text), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
  medorder_text_free(text);
  return outcome->answer != NULL ? 0 : because(why, "the answer is no JSON");
}

/* The calls with accessors. Each answers INEXPRESSIBLE before it has done anything. */

static int create_order(medorder_session *session, json_t *with, outcome *outcome, why *why)
{
  static const char *const texts[] = {"patient_id", "provider_id", "service_type", "notes", "idempotency_key", NULL};
  static const char *const others[] = {"diagnosis_codes", "insurance", NULL};
  static const char *const insured[] = {"carrier", "policy_number", "group_number", NULL};
  static const char *const none[] = {NULL};
  json_t *codes = json_object_get(with, "diagnosis_codes"), *insurance = json_object_get(with, "insurance"), *code;
  size_t at;
  int insures = insurance != NULL && !json_is_null(insurance);
  if (shaped(with, texts, others) != 0 || !json_is_array(codes) || text_of(with, "patient_id") == NULL ||
      text_of(with, "provider_id") == NULL || text_of(with, "service_type") == NULL)
    return INEXPRESSIBLE;
  json_array_foreach(codes, at, code) {
    if (!json_is_string(code))
      return INEXPRESSIBLE;
  }
  if (insures && (shaped(insurance, insured, none) != 0 || text_of(insurance, "carrier") == NULL ||
                  text_of(insurance, "policy_number") == NULL))
    return INEXPRESSIBLE;
  medorder_draft *draft = NULL;
  medorder_order *order = NULL;
  medorder_error *error = NULL;
  int32_t status = medorder_draft_new(MEMBER(with, "patient_id"), MEMBER(with, "provider_id"),
                                      MEMBER(with, "service_type"), &draft, &error);
  json_array_foreach(codes, at, code) {
    if (status == MEDORDER_OK)
      status = medorder_draft_text(draft, MEDORDER_DRAFT_DIAGNOSIS_CODE, json_string_value(code),
                                   json_string_length(code), &error);
  }
  if (status == MEDORDER_OK && text_of(with, "notes") != NULL)
    status = medorder_draft_text(draft, MEDORDER_DRAFT_NOTES, MEMBER(with, "notes"), &error);
  if (status == MEDORDER_OK && text_of(with, "idempotency_key") != NULL)
    status = medorder_draft_text(draft, MEDORDER_DRAFT_IDEMPOTENCY_KEY, MEMBER(with, "idempotency_key"), &error);
  if (status == MEDORDER_OK && insures)
    status = medorder_draft_insurance(draft, MEMBER(insurance, "carrier"), MEMBER(insurance, "policy_number"),
                                      MEMBER(insurance, "group_number"), &error);
  if (status == MEDORDER_OK)
    medorder_create_order(session, draft, &order, &error);
  medorder_draft_free(draft);
  return ended(order, error, 0, outcome, why);
}

static int verify(medorder_change *change, json_t *data, medorder_error **error)
{
  int64_t until;
  char *coverage;
  json_t *details = json_object_get(data, "coverage_details");
  int32_t status = medorder_change_verification(change, MEMBER(data, "verified_by"), MEMBER(data, "verification_method"), error);
  if (status == MEDORDER_OK && details != NULL) {
    coverage = json_dumps(details, JSON_ENCODE_ANY | JSON_COMPACT);
    status = medorder_change_text(change, MEDORDER_CHANGE_COVERAGE_DETAILS, MEDORDER_TEXT(coverage), error);
    free(coverage);
  }
  if (status == MEDORDER_OK && text_of(data, "authorization_number") != NULL)
    status = medorder_change_text(change, MEDORDER_CHANGE_AUTHORIZATION_NUMBER, MEMBER(data, "authorization_number"), error);
  if (status == MEDORDER_OK && text_of(data, "insurance_status") != NULL)
    status = medorder_change_text(change, MEDORDER_CHANGE_INSURANCE_STATUS, MEMBER(data, "insurance_status"), error);
  if (status == MEDORDER_OK && text_of(data, "valid_until") != NULL && time_read(text_of(data, "valid_until"), &until) == 0)
    status = medorder_change_number(change, MEDORDER_CHANGE_VALID_UNTIL, until, error);
  return status;
}

static int update_status(medorder_session *session, json_t *with, outcome *outcome, why *why)
{
  static const char *const texts[] = {"order_id", "status", "notes", "reason", "idempotency_key", NULL};
  static const char *const others[] = {"verification_data", "expected_version", NULL};
  static const char *const verified[] = {"verified_by", "verification_method", "authorization_number", "insurance_status", "valid_until", NULL};
  static const char *const details[] = {"coverage_details", NULL};
  static const struct {
    const char *name;
    int32_t member;
  } members[] = {{"notes", MEDORDER_CHANGE_NOTES}, {"reason", MEDORDER_CHANGE_REASON}, {"idempotency_key", MEDORDER_CHANGE_IDEMPOTENCY_KEY}};
  json_t *data = json_object_get(with, "verification_data"), *version = json_object_get(with, "expected_version");
  int verifies = data != NULL && !json_is_null(data), versioned = version != NULL && !json_is_null(version);
  int64_t until;
  if (shaped(with, texts, others) != 0 || text_of(with, "order_id") == NULL || status_of(text_of(with, "status")) == 0 ||
      (versioned && (!json_is_integer(version) || json_integer_value(version) < 0)))
    return INEXPRESSIBLE;
  if (verifies && (shaped(data, verified, details) != 0 || text_of(data, "verified_by") == NULL ||
                   text_of(data, "verification_method") == NULL ||
                   (text_of(data, "valid_until") != NULL && time_read(text_of(data, "valid_until"), &until) != 0)))
    return INEXPRESSIBLE;
  medorder_change *change = NULL;
  medorder_order *order = NULL;
  medorder_error *error = NULL;
  int32_t status = medorder_change_new(status_of(text_of(with, "status")), &change, &error);
  for (size_t at = 0; at < 3; at++)
    if (status == MEDORDER_OK && text_of(with, members[at].name) != NULL)
      status = medorder_change_text(change, members[at].member, MEMBER(with, members[at].name), &error);
  if (status == MEDORDER_OK && versioned)
    status = medorder_change_number(change, MEDORDER_CHANGE_EXPECTED_VERSION, json_integer_value(version), &error);
  if (status == MEDORDER_OK && verifies)
    status = verify(change, data, &error);
  if (status == MEDORDER_OK)
    medorder_update_status(session, MEMBER(with, "order_id"), change, &order, &error);
  medorder_change_free(change);
  return ended(order, error, 0, outcome, why);
}

static int get_order(medorder_session *session, json_t *with, outcome *outcome, why *why)
{
  static const char *const texts[] = {"order_id", NULL};
  static const char *const others[] = {"fields", NULL};
  json_t *fields = json_object_get(with, "fields");
  uint32_t set = 0;
  int some = fields != NULL && !json_is_null(fields);
  if (shaped(with, texts, others) != 0 || text_of(with, "order_id") == NULL || (some && fields_of(fields, &set) != 0))
    return INEXPRESSIBLE;
  medorder_order *order = NULL;
  medorder_error *error = NULL;
  medorder_get_order(session, MEMBER(with, "order_id"), some ? &set : NULL, &order, &error);
  return ended(order, error, 1, outcome, why);
}

static int order_by_key(medorder_session *session, json_t *with, outcome *outcome, why *why)
{
  static const char *const texts[] = {"idempotency_key", NULL};
  static const char *const none[] = {NULL};
  if (shaped(with, texts, none) != 0 || text_of(with, "idempotency_key") == NULL)
    return INEXPRESSIBLE;
  medorder_order *order = NULL;
  medorder_error *error = NULL;
  medorder_get_order_by_key(session, MEMBER(with, "idempotency_key"), &order, &error);
  return ended(order, error, 0, outcome, why);
}

static int delete_order(medorder_session *session, json_t *with, outcome *outcome, why *why)
{
  static const char *const texts[] = {"order_id", "reason", NULL};
  static const char *const others[] = {"expected_version", NULL};
  json_t *version = json_object_get(with, "expected_version");
  int versioned = version != NULL && !json_is_null(version);
  if (shaped(with, texts, others) != 0 || text_of(with, "order_id") == NULL || text_of(with, "reason") == NULL ||
      (versioned && (!json_is_integer(version) || json_integer_value(version) < 0)))
    return INEXPRESSIBLE;
  medorder_order *order = NULL;
  medorder_error *error = NULL;
  medorder_delete_order(session, MEMBER(with, "order_id"), MEMBER(with, "reason"),
                        versioned ? json_integer_value(version) : MEDORDER_ABSENT, &order, &error);
  return ended(order, error, 0, outcome, why);
}

static int list_orders(medorder_session *session, json_t *with, outcome *outcome, why *why)
{
  static const char *const texts[] = {"cursor", NULL};
  static const char *const others[] = {"filter", "limit", "fields", NULL};
  static const char *const filtered[] = {"patient_id", "provider_id", "created_from", "created_to", NULL};
  static const char *const listed[] = {"status", NULL};
  json_t *filter = json_object_get(with, "filter"), *limit = json_object_get(with, "limit");
  json_t *fields = json_object_get(with, "fields");
  medorder_order_query query = MEDORDER_ORDER_QUERY_INIT;
  uint32_t set = 0;
  int some = fields != NULL && !json_is_null(fields);
  if (shaped(with, texts, others) != 0 || (some && fields_of(fields, &set) != 0))
    return INEXPRESSIBLE;
  if (filter != NULL && !json_is_null(filter)) {
    if (shaped(filter, filtered, listed) != 0 || status_list(json_object_get(filter, "status"), &query.statuses) != 0)
      return INEXPRESSIBLE;
    query.patient_id = text_of(filter, "patient_id");
    query.patient_id_length = length_of(filter, "patient_id");
    query.provider_id = text_of(filter, "provider_id");
    query.provider_id_length = length_of(filter, "provider_id");
    if ((text_of(filter, "created_from") != NULL && time_read(text_of(filter, "created_from"), &query.created_from) != 0) ||
        (text_of(filter, "created_to") != NULL && time_read(text_of(filter, "created_to"), &query.created_to) != 0))
      return INEXPRESSIBLE;
  }
  if (limit != NULL && !json_is_null(limit)) {
    if (!json_is_integer(limit) || json_integer_value(limit) < 0)
      return INEXPRESSIBLE;
    query.limit = (size_t)json_integer_value(limit);
  }
  query.cursor = text_of(with, "cursor");
  query.cursor_length = length_of(with, "cursor");
  query.fields = some ? &set : NULL;
  medorder_order_list *list = NULL;
  medorder_error *error = NULL;
  if (medorder_list_orders(session, &query, &list, &error) != MEDORDER_OK)
    return failed_with(outcome, error, why);
  const char *next, *feed;
  const medorder_order *order;
  json_t *orders = json_array();
  for (size_t at = 0; at < medorder_order_list_count(list); at++)
    if (medorder_order_list_at(list, at, &order) == MEDORDER_OK)
      json_array_append_new(orders, order_json(order));
  medorder_order_list_text(list, MEDORDER_LIST_NEXT_CURSOR, &next, NULL);
  medorder_order_list_text(list, MEDORDER_LIST_FEED_CURSOR, &feed, NULL);
  outcome->answer = json_pack("{s:o, s:s?, s:s}", "orders", orders, "next_cursor", next, "feed_cursor", feed);
  medorder_order_list_free(list);
  return 0;
}

static int session_json(medorder_session *session, const char *name, json_t *with, outcome *outcome, why *why)
{
  medorder_text *text = NULL;
  medorder_error *error = NULL;
  char *arguments = json_dumps(with, JSON_COMPACT);
  medorder_session_call(session, MEDORDER_TEXT(name), MEDORDER_TEXT(arguments), &text, &error);
  free(arguments);
  return text_ended(text, error, outcome, why);
}

static int export_audit(medorder_session *session, outcome *outcome, why *why)
{
  medorder_export *pages = NULL;
  medorder_text *page = NULL;
  medorder_error *error = NULL;
  json_t *entries = json_array();
  medorder_export_audit(session, &pages, &error);
  while (error == NULL && medorder_export_next(pages, &page, &error) == MEDORDER_OK && page != NULL) {
    const char *line = medorder_text_data(page);
    for (const char *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
      json_array_append_new(entries, json_loadb(line, (size_t)(end - line), 0, NULL));
    medorder_text_free(page);
  }
  medorder_export_free(pages);
  outcome->answer = json_pack("{s:o}", "entries", entries);
  if (error == NULL)
    return 0;
  json_decref(outcome->answer);
  outcome->answer = NULL;
  return failed_with(outcome, error, why);
}

static int subscribe(world *world, medorder_session *session, json_t *step, json_t *with, outcome *outcome, why *why)
{
  static const char *const known[] = {"order_id", "since", NULL};
  const char *name = text_of(step, "save");
  medorder_subscription *subscription = NULL;
  medorder_error *error = NULL;
  if (only(with, known, "with", why) != 0)
    return -1;
  medorder_subscribe(session, MEMBER(with, "order_id"), MEMBER(with, "since"), &subscription, &error);
  if (error != NULL)
    return failed_with(outcome, error, why);
  outcome->answer = json_null();
  return handle_add(&world->subscriptions, name != NULL ? name : "", subscription, why);
}

static int next_or_cursor(world *world, int next, json_t *with, outcome *outcome, why *why)
{
  static const char *const both[] = {"from", "timeout_ms", NULL}, *const one[] = {"from", NULL};
  const char *from = text_of(with, "from");
  medorder_subscription *subscription = from == NULL ? NULL : handle_find(&world->subscriptions, from);
  medorder_event *event = NULL;
  medorder_text *cursor = NULL;
  medorder_error *error = NULL;
  if (only(with, next ? both : one, "with", why) != 0)
    return -1;
  if (subscription == NULL)
    return because(why, "there is no subscription %s", from == NULL ? "" : from);
  if (next)
    medorder_events_next(subscription, (int32_t)json_integer_value(json_object_get(with, "timeout_ms")), &event, &error);
  else
    medorder_subscription_cursor(subscription, &cursor, &error);
  if (error != NULL)
    return failed_with(outcome, error, why);
  if (next)
    outcome->answer = event == NULL ? json_null() : event_json(event);
  else
    outcome->answer = json_stringn(medorder_text_data(cursor), medorder_text_length(cursor));
  medorder_event_free(event);
  medorder_text_free(cursor);
  return 0;
}

static void progressed(void *data, uint64_t done, uint64_t total)
{
  *(int *)data |= done > total;
}

static int admin_call(world *world, const char *name, const char *actor, json_t *with, outcome *outcome, why *why)
{
  medorder_admin *admin = world_admin(world, actor, outcome, why);
  medorder_text *text = NULL;
  medorder_error *error = NULL;
  int wrong = 0;
  if (admin == NULL)
    return outcome->error != NULL ? 0 : -1;
  if (strcmp(name, "change_root") == 0) {
    static const char *const known[] = {"keys", NULL};
    if (only(with, known, "with", why) != 0)
      return -1;
    medorder_keys *keys = world_keys(world, text_of(with, "keys") != NULL ? text_of(with, "keys") : "", outcome, why);
    if (keys == NULL)
      return outcome->error != NULL ? 0 : -1;
    medorder_admin_change_root(admin, keys, progressed, &wrong, &error);
    medorder_keys_free(keys);
    if (error != NULL)
      return failed_with(outcome, error, why);
    outcome->answer = json_null();
  } else {
    char *arguments = json_dumps(with, JSON_COMPACT);
    medorder_admin_call(admin, MEDORDER_TEXT(name), MEDORDER_TEXT(arguments), progressed, &wrong, &text, &error);
    free(arguments);
    if (text_ended(text, error, outcome, why) != 0)
      return -1;
  }
  return wrong ? because(why, "more was done than there is") : 0;
}

static json_t *error_table(void)
{
  json_t *table = json_array();
  int32_t code;
  for (size_t at = 0; (code = medorder_code_at(at)) != 0; at++)
    json_array_append_new(table, json_pack("{s:s, s:i, s:s, s:b}", "code", medorder_code_name(code), "number", (int)code,
                                           "kind", medorder_code_kind(code), "retryable", (int)medorder_code_retryable(code)));
  return table;
}

static int host_call(world *world, const char *name, json_t *with, outcome *outcome, why *why)
{
  static const char *const what[] = {"what", NULL}, *const engines[] = {"sqlite", "postgresql", NULL};
  outcome->answer = json_null();
  if (strcmp(name, "damage") != 0) {
    const char *which = text_of(with, "what");
    int fails = strcmp(name, "fail") == 0;
    if (only(with, what, "with", why) != 0 || (!fails && strcmp(name, "mend") != 0) || which == NULL)
      return because(why, "host.%s is not known", name);
    pthread_mutex_lock(&world->host.lock);
    if (strcmp(which, "keys") == 0)
      world->host.keys_fail = fails;
    else if (strcmp(which, "directory") == 0)
      world->host.directory_fails = fails;
    else
      because(why, "the host has no %s", which);
    pthread_mutex_unlock(&world->host.lock);
    return why->text[0] == 0 ? 0 : -1;
  }
  char *command[32];
  json_t *words = json_object_get(world->job, "damage"), *word;
  size_t at;
  pid_t child;
  int status;
  const char *sql = text_of(with, text_of(world->job, "engine"));
  if (only(with, engines, "with", why) != 0)
    return -1;
  if (sql == NULL || json_array_size(words) == 0 || json_array_size(words) > 29)
    return because(why, "there is nothing to damage with");
  json_array_foreach(words, at, word) {
    command[at] = (char *)(uintptr_t)json_string_value(word);
  }
  command[at] = world->url;
  command[at + 1] = (char *)(uintptr_t)sql;
  command[at + 2] = NULL;
  if (posix_spawnp(&child, command[0], NULL, NULL, command, environ) != 0 || waitpid(child, &status, 0) != child || status != 0)
    return because(why, "the damage could not be done");
  return 0;
}

static int service_call(world *world, const char *name, json_t *with, outcome *outcome, why *why)
{
  medorder_error *error = NULL;
  if (strcmp(name, "open") == 0)
    return world_open(world, with, outcome, why);
  if (json_object_size(with) > 0)
    return because(why, "service.%s takes no arguments", name);
  if (strcmp(name, "error_table") == 0) {
    outcome->answer = error_table();
    return 0;
  }
  if (strcmp(name, "close") != 0)
    return because(why, "service.%s is not known", name);
  if (medorder_service_close(world->service, &error) != MEDORDER_OK)
    return failed_with(outcome, error, why);
  outcome->answer = json_null();
  return 0;
}

int call(world *world, json_t *step, json_t *with, outcome *outcome, why *why)
{
  static const struct {
    const char *name;
    int (*call)(medorder_session *, json_t *, struct outcome *, struct why *);
  } calls[] = {
    {"create_order", create_order}, {"update_status", update_status}, {"order", get_order},
    {"order_by_key", order_by_key}, {"orders", list_orders},          {"delete_order", delete_order},
  };
  static const char *const by_name[] = {"create_orders", "update_statuses", "allowed_transitions", "relationships", "audit",
                                        "disclosures", "verify_audit", NULL};
  const char *name = text_of(step, "do"), *actor = text_of(step, "as"), *territory = text_of(step, "in");
  medorder_error *error = NULL;
  if (name == NULL)
    return because(why, "nothing to do");
  if (strncmp(name, "service.", 8) == 0)
    return service_call(world, name + 8, with, outcome, why);
  if (strncmp(name, "host.", 5) == 0)
    return host_call(world, name + 5, with, outcome, why);
  if (strcmp(name, "next") == 0 || strcmp(name, "cursor") == 0)
    return next_or_cursor(world, name[0] == 'n', with, outcome, why);
  if (actor == NULL)
    return because(why, "nobody does %s", name);
  if (strncmp(name, "admin.", 6) == 0)
    return admin_call(world, name + 6, actor, with, outcome, why);

  medorder_session *session = world_session(world, actor, territory != NULL ? territory : "north", outcome, why);
  if (session == NULL)
    return outcome->error != NULL ? 0 : -1;
  if (strcmp(name, "subscribe") == 0)
    return subscribe(world, session, step, with, outcome, why);
  if (strcmp(name, "export_audit") == 0)
    return json_object_size(with) > 0 ? because(why, "export_audit takes no arguments") : export_audit(session, outcome, why);
  if (strcmp(name, "revoke") == 0) {
    if (medorder_session_revoke(session, &error) != MEDORDER_OK)
      return failed_with(outcome, error, why);
    outcome->answer = json_null();
    return 0;
  }
  for (size_t at = 0; at < sizeof calls / sizeof calls[0]; at++) {
    if (strcmp(name, calls[at].name) == 0) {
      int done = calls[at].call(session, with, outcome, why);
      return done == INEXPRESSIBLE ? session_json(session, name, with, outcome, why) : done;
    }
  }
  for (size_t at = 0; by_name[at] != NULL; at++)
    if (strcmp(name, by_name[at]) == 0)
      return session_json(session, name, with, outcome, why);
  return because(why, "%s is not known", name);
}
