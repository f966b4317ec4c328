/* Many threads on one session. */
#include "judge.h"

#include <pthread.h>
#include <stdlib.h>

#define THREADS 8
#define ORDERS 25

typedef struct worker {
  hospital *it;
  pthread_t thread;
  int wrong, seen;
} worker;

/* Creates orders, moves them on, reads them, and hears of everybody's. */
static void *work(void *data)
{
  worker *worker = data;
  medorder_subscription *feed = NULL;
  medorder_event *event = NULL;
  worker->wrong += medorder_subscribe(worker->it->session, MEDORDER_NO_TEXT, "", 0, &feed, NULL) != MEDORDER_OK;
  for (int at = 0; at < ORDERS; at++) {
    medorder_change *change = NULL;
    medorder_order *order = NULL;
    medorder_error *failed = NULL;
    int64_t version = 0;
    char id[37] = "";
    worker->wrong += order_new(worker->it, id) != MEDORDER_OK;
    worker->wrong += medorder_change_new(MEDORDER_REJECTED, &change, NULL) != MEDORDER_OK;
    worker->wrong += medorder_change_text(change, MEDORDER_CHANGE_REASON, MEDORDER_TEXT("double"), NULL) != MEDORDER_OK;
    worker->wrong += medorder_update_status(worker->it->session, MEDORDER_TEXT(id), change, &order, NULL) != MEDORDER_OK;
    medorder_order_free(order);
    /* Each thread has the error of its own call. */
    worker->wrong += medorder_update_status(worker->it->session, MEDORDER_TEXT(id), change, &order, &failed) != MEDORDER_INVALID_STATUS_TRANSITION;
    const char *about = "";
    medorder_error_text(failed, MEDORDER_ERROR_ORDER_ID, &about, NULL);
    worker->wrong += strcmp(about, id) != 0;
    medorder_error_free(failed);
    worker->wrong += medorder_get_order(worker->it->session, MEDORDER_TEXT(id), NULL, &order, NULL) != MEDORDER_OK;
    medorder_order_number(order, MEDORDER_ORDER_VERSION, &version);
    worker->wrong += version != 2;
    medorder_order_free(order);
    medorder_change_free(change);
  }
  while (worker->seen < THREADS * ORDERS * 2 && medorder_events_next(feed, 20000, &event, NULL) == MEDORDER_OK && event != NULL) {
    medorder_event_free(event);
    worker->seen++;
  }
  medorder_subscription_free(feed);
  return NULL;
}

static void many_threads(void)
{
  medorder_options options = MEDORDER_OPTIONS_INIT;
  medorder_text *report = NULL;
  worker workers[THREADS] = {0};
  options.settings = "{\"synchronous\":\"normal\"}";
  options.settings_length = strlen(options.settings);
  hospital it = hospital_new(&options, NULL);
  for (int at = 0; at < THREADS; at++) {
    workers[at].it = &it;
    CHECK(pthread_create(&workers[at].thread, NULL, work, &workers[at]) == 0);
  }
  for (int at = 0; at < THREADS; at++) {
    CHECK(pthread_join(workers[at].thread, NULL) == 0);
    CHECK(workers[at].wrong == 0);
    CHECK(workers[at].seen == THREADS * ORDERS * 2);
  }
  OK(medorder_session_call(it.session, MEDORDER_TEXT("verify_audit"), MEDORDER_TEXT("{}"), &report, &error));
  CHECK(strstr(medorder_text_data(report), "{\"verdict\":\"intact\"") == medorder_text_data(report));
  medorder_text_free(report);
  hospital_free(&it);
}

static void *close_it(void *data)
{
  hospital *it = data;
  rest(30);
  return medorder_service_close(it->service, NULL) == MEDORDER_OK ? it : NULL;
}

/* A close under load: each call is done or refused, and what was done is there. */
static void closed_under_load(void)
{
  hospital it = hospital_new(NULL, NULL);
  medorder_service *again = NULL;
  medorder_session *session = NULL;
  medorder_order_list *list = NULL;
  medorder_order_query query = MEDORDER_ORDER_QUERY_INIT;
  pthread_t thread;
  void *closed = NULL;
  size_t done = 0, found = 0;
  int32_t status;
  const char *cursor = NULL;
  char next[512];
  CHECK(pthread_create(&thread, NULL, close_it, &it) == 0);
  while ((status = order_new(&it, NULL)) == MEDORDER_OK)
    done++;
  CHECK(status == MEDORDER_CLOSED && done > 0);
  CHECK(pthread_join(thread, &closed) == 0 && closed == &it);
  medorder_session_free(it.session);
  medorder_service_free(it.service);
  it.service = NULL;
  it.session = NULL;
  OK(medorder_open(MEDORDER_TEXT(last_database()), it.keys, NULL, &again, &error));
  OK(medorder_session_new(again, it.actor, MEDORDER_TEXT("north"), &session, &error));
  query.limit = 500;
  do {
    OK(medorder_list_orders(session, &query, &list, &error));
    found += medorder_order_list_count(list);
    OK(medorder_order_list_text(list, MEDORDER_LIST_NEXT_CURSOR, &cursor, &query.cursor_length));
    query.cursor = cursor == NULL ? NULL : memcpy(next, cursor, query.cursor_length + 1);
    medorder_order_list_free(list);
  } while (query.cursor != NULL);
  CHECK(found == done);
  medorder_session_free(session);
  it.service = again;
  hospital_free(&it);
}

const test threads[] = {
  {"eight threads share a session, each with a subscription", many_threads},
  {"a close under load loses nothing that was done", closed_under_load},
  {NULL, NULL},
};
