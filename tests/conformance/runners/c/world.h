/* One scenario being played: the service and what belongs to it. */
#ifndef WORLD_H
#define WORLD_H

#include <medorder.h>
#include <pthread.h>

#include "value.h"

#define KEPT 64

/* What the functions of the host know; it outlives every service. */
typedef struct host {
  pthread_mutex_t lock;
  int keys_fail, directory_fails;
  size_t count;
  struct {
    uint8_t context[256], key[32];
    size_t length;
  } kept[KEPT];
} host;

typedef struct handle {
  char name[192];
  void *value;
} handle;

/* Handles by name. */
typedef struct handles {
  handle item[64];
  size_t count;
} handles;

typedef struct world {
  json_t *job, *scenario, *actors, *saved;
  char url[1024], keys_name[8];
  medorder_service *service;
  handles sessions, admins, subscriptions;
  host host;
} world;

/* What a call came to: an answer, or an error as the runner compares it. */
typedef struct outcome {
  json_t *answer, *error;
} outcome;

int world_open(world *world, json_t *arguments, outcome *outcome, why *why);
void world_end(world *world);

/* The handle of an actor, made when it is first asked for; NULL if there is none. */
medorder_session *world_session(world *world, const char *actor, const char *territory, outcome *outcome, why *why);
medorder_admin *world_admin(world *world, const char *actor, outcome *outcome, why *why);
medorder_keys *world_keys(world *world, const char *name, outcome *outcome, why *why);
void *handle_find(const handles *handles, const char *name);
int handle_add(handles *handles, const char *name, void *value, why *why);

/* Takes charge of an error; 0 if it is read without a contradiction. */
int failed_with(outcome *outcome, medorder_error *error, why *why);

#endif
