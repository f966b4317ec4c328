/* What a call costs through this face: `bench CALLS` prints lines of name and microseconds, the median of calls one
 * after the other. `throughput --faces` compares them with the Rust API. */
#include <medorder.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static medorder_error *error;

static void must(int32_t status)
{
  if (status != MEDORDER_OK) {
    fprintf(stderr, "%s: %s\n", medorder_code_name(status), medorder_error_message(error));
    exit(1);
  }
}

static double now(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
  const double *left = a, *right = b;
  return (*left > *right) - (*left < *right);
}

static void show(const char *name, double *times, size_t count)
{
  qsort(times, count, sizeof *times, compare);
  printf("%s %f\n", name, times[count / 2]);
}

static void make_world(medorder_service *service, const medorder_actor *actor)
{
  medorder_admin *admin = NULL;
  medorder_text *answer = NULL;
  must(medorder_admin_new(service, actor, &admin, &error));
  must(medorder_admin_call(admin, MEDORDER_TEXT("register_territory"), MEDORDER_TEXT("{\"territory_id\":\"north\"}"), NULL,
                           NULL, &answer, &error));
  medorder_text_free(answer);
  must(medorder_admin_call(admin, MEDORDER_TEXT("register_relationship"),
                           MEDORDER_TEXT("{\"territory_id\":\"north\",\"patient_id\":\"p-1\",\"provider_id\":\"npi-1\"}"), NULL,
                           NULL, &answer, &error));
  medorder_text_free(answer);
  medorder_admin_free(admin);
}

static medorder_draft *draft_of(const char *notes)
{
  medorder_draft *draft = NULL;
  must(medorder_draft_new(MEDORDER_TEXT("p-1"), MEDORDER_TEXT("npi-1"), MEDORDER_TEXT("MRI brain series 001"), &draft,
                          &error));
  must(medorder_draft_text(draft, MEDORDER_DRAFT_DIAGNOSIS_CODE, MEDORDER_TEXT("G43.01"), &error));
  must(medorder_draft_text(draft, MEDORDER_DRAFT_DIAGNOSIS_CODE, MEDORDER_TEXT("G43.11"), &error));
  must(medorder_draft_text(draft, MEDORDER_DRAFT_NOTES, MEDORDER_TEXT(notes), &error));
  must(medorder_draft_insurance(draft, MEDORDER_TEXT("Prairie Mutual Health Insurance Company"),
                                MEDORDER_TEXT("POL-00010001"), MEDORDER_TEXT("G001"), &error));
  return draft;
}

int main(int argc, char **argv)
{
  size_t count = argc > 1 ? (size_t)atol(argv[1]) : 4000;
  double *times = calloc(count, sizeof *times);
  char(*ids)[37] = calloc(count, sizeof *ids);
  char folder[] = "/tmp/medorder-bench-XXXXXX", notes[201];
  medorder_options options = MEDORDER_OPTIONS_INIT;
  medorder_keys *keys = NULL;
  medorder_service *service = NULL;
  medorder_actor *actor = NULL;
  medorder_session *session = NULL;

  if (times == NULL || ids == NULL || count == 0 || mkdtemp(folder) == NULL || chdir(folder) != 0)
    return 1;
  for (size_t at = 0; at < 200; at++)
    notes[at] = "claustrophobic, prefers mornings; "[at % 34];
  notes[200] = '\0';
  options.settings = "{\"synchronous\":\"normal\"}";
  options.settings_length = strlen(options.settings);
  must(medorder_generate_key_file(MEDORDER_TEXT("root.key"), &error));
  must(medorder_keys_file(MEDORDER_TEXT("root.key"), &keys, &error));
  must(medorder_open(MEDORDER_TEXT("orders.db"), keys, &options, &service, &error));
  must(medorder_actor_new(MEDORDER_TEXT("u-1"), MEDORDER_TEXT("treatment"), &actor, &error));
  must(medorder_actor_text(actor, MEDORDER_ACTOR_ROLE, MEDORDER_TEXT("requester"), &error));
  must(medorder_actor_text(actor, MEDORDER_ACTOR_ROLE, MEDORDER_TEXT("administrator"), &error));
  must(medorder_actor_text(actor, MEDORDER_ACTOR_TERRITORY, MEDORDER_TEXT("*"), &error));
  make_world(service, actor);
  must(medorder_session_new(service, actor, MEDORDER_TEXT("north"), &session, &error));

  for (size_t at = 0; at < count; at++) {
    medorder_order *order = NULL;
    const char *id;
    double started = now();
    medorder_draft *draft = draft_of(notes);
    must(medorder_create_order(session, draft, &order, &error));
    must(medorder_order_text(order, MEDORDER_ORDER_ID, &id, NULL));
    memcpy(ids[at], id, sizeof ids[at]);
    medorder_order_free(order);
    medorder_draft_free(draft);
    times[at] = now() - started;
  }
  show("create", times, count);
  for (size_t at = 0; at < count; at++) {
    medorder_order *order = NULL;
    double started = now();
    must(medorder_get_order(session, MEDORDER_TEXT(ids[at]), NULL, &order, &error));
    medorder_order_free(order);
    times[at] = now() - started;
  }
  show("get", times, count);

  medorder_session_free(session);
  medorder_actor_free(actor);
  must(medorder_service_close(service, &error));
  medorder_service_free(service);
  medorder_keys_free(keys);
  remove("root.key");
  remove("orders.db");
  free(times);
  free(ids);
  return rmdir(folder) == 0 || chdir("/") != 0 || rmdir(folder) != 0 ? 0 : 1;
}
