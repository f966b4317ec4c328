/* Plays scenarios through the C face: run JOBS.json. `tests/conformance/README.md` says what is printed. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"

static const char *const SCENARIO[] = {"name", "why", "skip", "directory", "options", "world", "actors", "steps", NULL};
static const char *const STEP[] = {"do", "as", "in", "with", "save", "expect", "error", NULL};

/* Registers what most scenarios begin with. */
static int populate(world *world, why *why)
{
  static const char *const acts[][2] = {
    {"register_territory", "{\"territory_id\":\"north\"}"},
    {"register_territory", "{\"territory_id\":\"south\"}"},
    {"register_relationship", "{\"territory_id\":\"north\",\"patient_id\":\"p-1\",\"provider_id\":\"npi-1\"}"},
    {"register_relationship", "{\"territory_id\":\"north\",\"patient_id\":\"p-2\",\"provider_id\":\"npi-1\"}"},
    {"register_relationship", "{\"territory_id\":\"south\",\"patient_id\":\"p-1\",\"provider_id\":\"npi-1\"}"},
    {"register_relationship", "{\"territory_id\":\"south\",\"patient_id\":\"p-2\",\"provider_id\":\"npi-1\"}"},
  };
  const char *directory = json_string_value(json_object_get(world->scenario, "directory"));
  size_t count = directory != NULL && strcmp(directory, "host") == 0 ? 2 : 6;
  outcome outcome = {NULL, NULL};
  medorder_admin *admin = world_admin(world, "root", &outcome, why);
  json_decref(outcome.error);
  if (admin == NULL)
    return because(why, "root may not administrate");
  for (size_t at = 0; at < count; at++) {
    medorder_text *text = NULL;
    if (medorder_admin_call(admin, MEDORDER_TEXT(acts[at][0]), MEDORDER_TEXT(acts[at][1]), NULL, NULL, &text, NULL) != MEDORDER_OK)
      return because(why, "%s failed", acts[at][0]);
    medorder_text_free(text);
  }
  return 0;
}

/* Does one step and judges it. */
static int play(world *world, json_t *step, why *why)
{
  json_t *wanted = NULL, *expect = json_object_get(step, "expect"), *error = json_object_get(step, "error");
  json_t *given = json_object_get(step, "with"), *save = json_object_get(step, "save");
  outcome outcome = {NULL, NULL};
  int done = -1;
  if (only(step, STEP, "the step", why) != 0)
    return -1;
  json_t *with = given == NULL ? json_object() : resolved(given, world->saved, why);
  if (with != NULL)
    done = call(world, step, with, &outcome, why);
  json_decref(with);
  if (done == 0 && outcome.error != NULL && error == NULL) {
    char *text = json_dumps(outcome.error, JSON_COMPACT);
    done = because(why, "it failed: %.1500s", text);
    free(text);
  } else if (done == 0 && outcome.error == NULL && error != NULL) {
    done = because(why, "it succeeded");
  }
  if (done == 0 && (expect != NULL || error != NULL)) {
    wanted = resolved(error != NULL ? error : expect, world->saved, why);
    done = wanted == NULL ? -1 : error != NULL ? matches(wanted, outcome.error, "the error", why) : matches(wanted, outcome.answer, "the answer", why);
    json_decref(wanted);
  }
  if (done == 0 && save != NULL && outcome.answer != NULL)
    json_object_set(world->saved, json_string_value(save), outcome.answer);
  json_decref(outcome.answer);
  json_decref(outcome.error);
  return done;
}

/* Plays one scenario; answers the step that failed, 0 if none did. */
static size_t scenario(world *world, why *why)
{
  outcome outcome = {NULL, NULL};
  json_t *step;
  size_t at;
  int failed = world_open(world, NULL, &outcome, why);
  if (failed == 0 && outcome.error != NULL) {
    char *text = json_dumps(outcome.error, JSON_COMPACT);
    failed = because(why, "the service does not open: %.1500s", text);
    free(text);
  }
  json_decref(outcome.error);
  if (failed == 0 && !json_is_false(json_object_get(world->scenario, "world")))
    failed = populate(world, why);
  if (failed != 0)
    return 1;
  json_array_foreach(json_object_get(world->scenario, "steps"), at, step) {
    if (play(world, step, why) != 0)
      return at + 1;
  }
  return 0;
}

int main(int count, char **arguments)
{
  json_error_t fault;
  json_t *jobs = count == 2 ? json_load_file(arguments[1], 0, &fault) : NULL, *job;
  size_t at, ran = 0, failed = 0, skipped = 0;
  if (jobs == NULL) {
    fprintf(stderr, "usage: run JOBS.json\n");
    return 2;
  }
  json_array_foreach(json_object_get(jobs, "jobs"), at, job) {
    const char *path = json_string_value(json_object_get(job, "scenario"));
    const char *engine = json_string_value(json_object_get(job, "engine")), *name;
    why why = {""};
    world world = {0};
    size_t step = 1;
    world.job = job;
    world.scenario = json_load_file(path, JSON_ALLOW_NUL, &fault);
    world.actors = json_load_file(json_string_value(json_object_get(job, "actors")), 0, &fault);
    world.saved = json_pack("{s:O}", "paths", json_object_get(job, "paths"));
    pthread_mutex_init(&world.host.lock, NULL);
    snprintf(world.url, sizeof world.url, "%s", json_string_value(json_object_get(job, "url")));
    snprintf(world.keys_name, sizeof world.keys_name, "a");
    name = json_string_value(json_object_get(world.scenario, "name"));
    if (world.scenario == NULL || world.actors == NULL || world.saved == NULL || name == NULL)
      because(&why, "the scenario or the job is not readable: %s", fault.text);
    else if (only(world.scenario, SCENARIO, "the scenario", &why) == 0)
      step = 0;
    json_t *reason = json_object_get(json_object_get(world.scenario, "skip"), engine);
    if (step == 0 && reason != NULL) {
      printf("skipped %s: %s\n", name, json_string_value(reason));
      skipped++;
    } else {
      ran++;
      if (step == 0)
        step = scenario(&world, &why);
      if (step == 0)
        printf("ok %s\n", name);
      else
        printf("failed %s: step %zu: %s\n", name == NULL ? path : name, step, why.text);
      failed += step != 0;
    }
    fflush(stdout);
    world_end(&world);
    json_decref(world.scenario);
    json_decref(world.actors);
  }
  json_decref(jobs);
  printf("ran %zu, failed %zu, skipped %zu\n", ran, failed, skipped);
  return failed == 0 ? 0 : 1;
}
