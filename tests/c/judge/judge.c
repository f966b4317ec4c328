#include "judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

medorder_error *error;
static int faults;
static char database[64];

const char *last_database(void)
{
  return database;
}

void failed(const char *file, int line, const char *what)
{
  printf("%s:%d: %s\n", file, line, what);
  faults++;
}

void answered(const char *file, int line, const char *what, int32_t wanted, int32_t status)
{
  if (status != wanted) {
    printf("%s:%d: %s answers %d %s, not %d\n", file, line, what, (int)status, medorder_error_message(error), (int)wanted);
    faults++;
  }
  medorder_error_free(error);
  error = NULL;
}

void rest(int milliseconds)
{
  struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
  nanosleep(&time, NULL);
}

int64_t clock_now(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void act(hospital *hospital, const char *name, const char *arguments)
{
  medorder_text *answer = NULL;
  OK(medorder_admin_call(hospital->admin, MEDORDER_TEXT(name), MEDORDER_TEXT(arguments), NULL, NULL, &answer, &error));
  CHECK(strcmp(medorder_text_data(answer), "null") == 0 && medorder_text_length(answer) == 4);
  medorder_text_free(answer);
}

hospital hospital_new(const medorder_options *options, medorder_keys *keys)
{
  static int count;
  static const char *const roles[] = {"requester", "verifier", "fulfiller", "auditor", "administrator"};
  hospital new = {keys, NULL, NULL, NULL, NULL};
  char key[64];
  snprintf(database, sizeof database, "orders-%d.db", ++count);
  snprintf(key, sizeof key, "root-%d.key", count);
  if (new.keys == NULL) {
    OK(medorder_generate_key_file(MEDORDER_TEXT(key), &error));
    OK(medorder_keys_file(MEDORDER_TEXT(key), &new.keys, &error));
  }
  OK(medorder_open(MEDORDER_TEXT(database), new.keys, options, &new.service, &error));
  OK(medorder_actor_new(MEDORDER_TEXT("u-7"), MEDORDER_TEXT("treatment"), &new.actor, &error));
  for (size_t at = 0; at < sizeof roles / sizeof roles[0]; at++)
    OK(medorder_actor_text(new.actor, MEDORDER_ACTOR_ROLE, MEDORDER_TEXT(roles[at]), &error));
  OK(medorder_actor_text(new.actor, MEDORDER_ACTOR_TERRITORY, MEDORDER_TEXT("*"), &error));
  OK(medorder_admin_new(new.service, new.actor, &new.admin, &error));
  act(&new, "register_territory", "{\"territory_id\":\"north\"}");
  act(&new, "register_relationship", "{\"territory_id\":\"north\",\"patient_id\":\"p-1\",\"provider_id\":\"npi-1\"}");
  OK(medorder_session_new(new.service, new.actor, MEDORDER_TEXT("north"), &new.session, &error));
  return new;
}

void hospital_free(hospital *hospital)
{
  medorder_session_free(hospital->session);
  medorder_admin_free(hospital->admin);
  medorder_actor_free(hospital->actor);
  OK(medorder_service_close(hospital->service, &error));
  medorder_service_free(hospital->service);
  medorder_keys_free(hospital->keys);
}

int32_t order_new(hospital *hospital, char *id)
{
  medorder_draft *draft = NULL;
  medorder_order *order = NULL;
  const char *text = "";
  int32_t status = medorder_draft_new(MEDORDER_TEXT("p-1"), MEDORDER_TEXT("npi-1"), MEDORDER_TEXT("MRI"), &draft, NULL);
  if (status == MEDORDER_OK)
    status = medorder_create_order(hospital->session, draft, &order, NULL);
  if (status == MEDORDER_OK && id != NULL) {
    medorder_order_text(order, MEDORDER_ORDER_ID, &text, NULL);
    snprintf(id, 37, "%s", text);
  }
  medorder_order_free(order);
  medorder_draft_free(draft);
  return status;
}

int main(void)
{
  static const test *const suites[] = {texts, life, events, callbacks, threads};
  unsigned good = 0, bad = 0;
  for (size_t suite = 0; suite < sizeof suites / sizeof suites[0]; suite++) {
    for (const test *test = suites[suite]; test->name != NULL; test++) {
      faults = 0;
      test->run();
      printf("test %s ... %s\n", test->name, faults == 0 ? "ok" : "FAILED");
      fflush(stdout);
      if (faults == 0)
        good++;
      else
        bad++;
    }
  }
  printf("test result: %s. %u passed; %u failed; 0 ignored\n", bad == 0 ? "ok" : "FAILED", good, bad);
  return bad != 0;
}
