/* A small harness, and a service to judge. */
#ifndef JUDGE_H
#define JUDGE_H

#include <medorder.h>
#include <stdint.h>

/* Fails the test that runs, with the place. */
#define CHECK(condition) ((condition) ? (void)0 : failed(__FILE__, __LINE__, #condition))
/* Fails it unless the call answers the status; an error must be left for a failure and none for a success. */
#define STATUS(wanted, call) answered(__FILE__, __LINE__, #call, wanted, (call))
#define OK(call) STATUS(MEDORDER_OK, call)

typedef struct test {
  const char *name;
  void (*run)(void);
} test;

/* Each ends with a test without a name. */
extern const test texts[], life[], events[], callbacks[], threads[];

/* The error of the last call that was given it; freed by the next STATUS. */
extern medorder_error *error;

void failed(const char *file, int line, const char *what);
void answered(const char *file, int line, const char *what, int32_t wanted, int32_t status);

/* A service on a new database, with an actor who may do everything everywhere, a session in north, and p-1 with npi-1. */
typedef struct hospital {
  medorder_keys *keys;
  medorder_service *service;
  medorder_actor *actor;
  medorder_admin *admin;
  medorder_session *session;
} hospital;

hospital hospital_new(const medorder_options *options, medorder_keys *keys);
/* The database of the newest hospital. */
const char *last_database(void);
void hospital_free(hospital *hospital);
/* An order of p-1; answers its status and leaves its id, 37 bytes. */
int32_t order_new(hospital *hospital, char *id);
/* Sleeps for a moment. */
void rest(int milliseconds);
/* Milliseconds since some moment. */
int64_t clock_now(void);

#endif
