/* What comes in is looked at before it is used. */
#include "judge.h"

#include <stdlib.h>

/* The one fault of the last error. */
static void one_fault(const char *path, const char *rule)
{
  const char *is_path = "", *is_rule = "";
  int64_t count = 0;
  CHECK(medorder_error_number(error, MEDORDER_ERROR_FAULTS, &count) == MEDORDER_OK && count == 1);
  CHECK(medorder_error_fault(error, 0, &is_path, &is_rule) == MEDORDER_OK);
  CHECK(strcmp(is_path, path) == 0);
  CHECK(strcmp(is_rule, rule) == 0);
  CHECK(medorder_error_fault(error, 1, &is_path, &is_rule) == MEDORDER_VALIDATION_ERROR);
  medorder_error_free(error);
  error = NULL;
}

static void invalid_utf8(void)
{
  static const char *const wrong[] = {"\xff", "a\xc3", "\xed\xa0\x80", "\xc0\x80", "\xf5\x80\x80\x80"};
  hospital it = hospital_new(NULL, NULL);
  medorder_draft *draft = NULL;
  medorder_change *change = NULL;
  medorder_text *answer = NULL;
  medorder_order *order = NULL;
  for (size_t at = 0; at < sizeof wrong / sizeof wrong[0]; at++) {
    const char *text = wrong[at];
    CHECK(medorder_draft_new(MEDORDER_TEXT("p-1"), MEDORDER_TEXT(text), MEDORDER_TEXT("MRI"), &draft, &error) == MEDORDER_VALIDATION_ERROR);
    CHECK(draft == NULL);
    one_fault("provider_id", "utf8");
    CHECK(medorder_get_order(it.session, MEDORDER_TEXT(text), NULL, &order, &error) == MEDORDER_VALIDATION_ERROR);
    one_fault("order_id", "utf8");
    CHECK(medorder_session_call(it.session, MEDORDER_TEXT(text), MEDORDER_TEXT("{}"), &answer, &error) == MEDORDER_VALIDATION_ERROR);
    one_fault("name", "utf8");
    STATUS(MEDORDER_VALIDATION_ERROR, medorder_session_call(it.session, MEDORDER_TEXT("audit"), MEDORDER_TEXT(text), &answer, &error));
    STATUS(MEDORDER_VALIDATION_ERROR, medorder_generate_key_file(MEDORDER_TEXT(text), &error));
  }
  OK(medorder_change_new(MEDORDER_VERIFIED, &change, &error));
  CHECK(medorder_change_verification(change, MEDORDER_TEXT("\xff"), MEDORDER_TEXT("phone"), &error) == MEDORDER_VALIDATION_ERROR);
  one_fault("verification_data.verified_by", "utf8");
  CHECK(medorder_change_text(change, MEDORDER_CHANGE_COVERAGE_DETAILS, MEDORDER_TEXT("{}"), &error) == MEDORDER_VALIDATION_ERROR);
  one_fault("verification_data", "required");
  medorder_change_free(change);
  hospital_free(&it);
}

/* A length that is wrong by far is refused before a byte is read: the texts have no such bytes. */
static void oversized_lengths(void)
{
  static const size_t lengths[] = {(size_t)-1, (size_t)-2, SIZE_MAX / 2, SIZE_MAX / 2 + 1, (size_t)1 << 31, ((size_t)1 << 20) + 1};
  hospital it = hospital_new(NULL, NULL);
  medorder_draft *draft = NULL;
  medorder_text *answer = NULL;
  for (size_t at = 0; at < sizeof lengths / sizeof lengths[0]; at++) {
    CHECK(medorder_draft_new("p-1", lengths[at], MEDORDER_TEXT("npi-1"), MEDORDER_TEXT("MRI"), &draft, &error) == MEDORDER_VALIDATION_ERROR);
    one_fault("patient_id", "too_long");
    if (lengths[at] > (size_t)1 << 30) {
      CHECK(medorder_session_call(it.session, MEDORDER_TEXT("audit"), "{}", lengths[at], &answer, &error) == MEDORDER_VALIDATION_ERROR);
      one_fault("arguments", "too_long");
    }
  }
  CHECK(draft == NULL && answer == NULL);
  hospital_free(&it);
}

/* Lengths count, not NULs; and all faults of a request come at once. */
static void contents(void)
{
  hospital it = hospital_new(NULL, NULL);
  medorder_draft *draft = NULL;
  medorder_order *order = NULL;
  const char *path = NULL, *rule = NULL, *kind = NULL, *json = NULL;
  int64_t count = 0;
  OK(medorder_draft_new("p-1 and more", 3, "npi-1\0x", 7, "", 0, &draft, &error));
  OK(medorder_draft_text(draft, MEDORDER_DRAFT_DIAGNOSIS_CODE, MEDORDER_TEXT("R51.9"), &error));
  OK(medorder_draft_text(draft, MEDORDER_DRAFT_DIAGNOSIS_CODE, MEDORDER_TEXT(""), &error));
  STATUS(MEDORDER_VALIDATION_ERROR, medorder_draft_text(draft, 99, MEDORDER_TEXT("x"), &error));
  CHECK(medorder_create_order(it.session, draft, &order, &error) == MEDORDER_VALIDATION_ERROR);
  static const char *const faults[][2] = {{"provider_id", "control"}, {"service_type", "empty"}, {"diagnosis_codes[1]", "empty"}};
  medorder_error_number(error, MEDORDER_ERROR_FAULTS, &count);
  CHECK(count == 3);
  for (size_t at = 0; at < 3; at++) {
    CHECK(medorder_error_fault(error, at, &path, &rule) == MEDORDER_OK);
    CHECK(strcmp(path, faults[at][0]) == 0 && strcmp(rule, faults[at][1]) == 0);
  }
  medorder_error_text(error, MEDORDER_ERROR_KIND, &kind, NULL);
  medorder_error_text(error, MEDORDER_ERROR_JSON, &json, NULL);
  CHECK(strcmp(kind, "invalid") == 0);
  CHECK(strstr(json, "{\"status\":\"error\",\"error\":{\"code\":\"VALIDATION_ERROR\"") == json);
  medorder_error_free(error);
  error = NULL;
  medorder_draft_free(draft);
  hospital_free(&it);
}

/* What the actor's roles may not see is absent, and what has no value is told apart from it. */
static void withheld_and_empty(void)
{
  hospital it = hospital_new(NULL, NULL);
  medorder_actor *actor = NULL;
  medorder_session *session = NULL;
  medorder_order *order = NULL;
  const char *text = "x";
  size_t length = 9;
  int64_t number = 0;
  uint32_t none = 0, wrong = 32, notes = MEDORDER_FIELD_NOTES;
  char id[37];
  OK(order_new(&it, id));
  OK(medorder_actor_new(MEDORDER_TEXT("u-8"), MEDORDER_TEXT("payment"), &actor, &error));
  OK(medorder_actor_text(actor, MEDORDER_ACTOR_ROLE, MEDORDER_TEXT("verifier"), &error));
  OK(medorder_actor_text(actor, MEDORDER_ACTOR_TERRITORY, MEDORDER_TEXT("north"), &error));
  OK(medorder_session_new(it.service, actor, MEDORDER_TEXT("north"), &session, &error));
  OK(medorder_get_order(session, MEDORDER_TEXT(id), NULL, &order, &error));
  OK(medorder_order_text(order, MEDORDER_ORDER_NOTES, &text, &length));
  CHECK(text == NULL && length == 0);
  OK(medorder_order_number(order, MEDORDER_ORDER_DISCLOSED, &number));
  CHECK(number == (MEDORDER_FIELD_SERVICE_TYPE | MEDORDER_FIELD_DIAGNOSIS_CODES | MEDORDER_FIELD_INSURANCE | MEDORDER_FIELD_INSURANCE_VERIFICATION));
  OK(medorder_order_number(order, MEDORDER_ORDER_VERIFICATION_VERIFIED_AT, &number));
  CHECK(number == MEDORDER_ABSENT);
  CHECK(medorder_order_number(order, 1, &number) == MEDORDER_VALIDATION_ERROR && number == MEDORDER_ABSENT);
  CHECK(medorder_order_text(order, 101, &text, &length) == MEDORDER_VALIDATION_ERROR && text == NULL);
  medorder_order_free(order);
  OK(medorder_get_order(session, MEDORDER_TEXT(id), &notes, &order, &error));
  OK(medorder_order_number(order, MEDORDER_ORDER_WITHHELD, &number));
  CHECK(number == MEDORDER_FIELD_NOTES);
  medorder_order_free(order);
  OK(medorder_get_order(it.session, MEDORDER_TEXT(id), &notes, &order, &error));
  OK(medorder_order_text(order, MEDORDER_ORDER_NOTES, &text, &length));
  CHECK(text != NULL && *text == 0 && length == 0);
  medorder_order_free(order);
  OK(medorder_get_order(it.session, MEDORDER_TEXT(id), &none, &order, &error));
  OK(medorder_order_text(order, MEDORDER_ORDER_SERVICE_TYPE, &text, NULL));
  CHECK(text == NULL);
  medorder_order_free(order);
  CHECK(medorder_get_order(it.session, MEDORDER_TEXT(id), &wrong, &order, &error) == MEDORDER_VALIDATION_ERROR);
  one_fault("fields", "one_of");
  medorder_session_free(session);
  medorder_actor_free(actor);
  hospital_free(&it);
}

/* A struct of a program that was compiled with another header. */
static void other_versions(void)
{
  hospital it = hospital_new(NULL, NULL);
  medorder_order_list *list = NULL;
  medorder_service *service = NULL;
  medorder_keys *keys = NULL;
  struct {
    medorder_order_query query;
    uint64_t newer;
  } longer = {MEDORDER_ORDER_QUERY_INIT, 0};
  medorder_options options = MEDORDER_OPTIONS_INIT;
  medorder_key_callbacks none = MEDORDER_KEY_CALLBACKS_INIT;
  longer.query.struct_size = sizeof longer;
  OK(medorder_list_orders(it.session, &longer.query, &list, &error));
  medorder_order_list_free(list);
  longer.newer = 1;
  CHECK(medorder_list_orders(it.session, &longer.query, &list, &error) == MEDORDER_VALIDATION_ERROR);
  one_fault("query.struct_size", "format");
  longer.query.struct_size = 0;
  CHECK(medorder_list_orders(it.session, &longer.query, &list, &error) == MEDORDER_VALIDATION_ERROR);
  one_fault("query.struct_size", "format");
  options.struct_size = 4;
  CHECK(medorder_open(MEDORDER_TEXT("never.db"), it.keys, &options, &service, &error) == MEDORDER_VALIDATION_ERROR);
  one_fault("options.struct_size", "format");
  options.struct_size = sizeof options;
  options.settings = "{\"colour\":1}";
  options.settings_length = strlen(options.settings);
  CHECK(medorder_open(MEDORDER_TEXT("never.db"), it.keys, &options, &service, &error) == MEDORDER_VALIDATION_ERROR);
  one_fault("colour", "unknown");
  CHECK(medorder_keys_callbacks(&none, &keys, &error) == MEDORDER_VALIDATION_ERROR);
  one_fault("callbacks.wrap", "required");
  hospital_free(&it);
}

static void the_error_table(void)
{
  size_t count = 0;
  int32_t before = 0, code;
  for (; (code = medorder_code_at(count)) != 0; count++, before = code) {
    CHECK(code > before);
    CHECK(medorder_code_name(code) != NULL && medorder_code_kind(code) != NULL);
  }
  CHECK(count == 20);
  CHECK(strcmp(medorder_code_name(MEDORDER_CLOSED), "CLOSED") == 0);
  CHECK(strcmp(medorder_code_kind(MEDORDER_KEY_MISMATCH), "data") == 0);
  CHECK(medorder_code_retryable(MEDORDER_KEY_UNAVAILABLE) == 1 && medorder_code_retryable(MEDORDER_OUTCOME_UNKNOWN) == 0);
  CHECK(medorder_code_name(MEDORDER_OK) == NULL && medorder_code_at((size_t)-1) == 0);
}

const test texts[] = {
  {"text that is not UTF-8 is refused", invalid_utf8},
  {"a length that is too long is refused before a byte is read", oversized_lengths},
  {"lengths count, and every fault is named", contents},
  {"what is withheld is told apart from what is empty", withheld_and_empty},
  {"structs of other versions are read or refused", other_versions},
  {"the table of errors is there", the_error_table},
  {NULL, NULL},
};
