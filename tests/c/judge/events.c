/* Events: pulled, polled for, and by callback; and how each wait ends. */
#include "judge.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/select.h>

/* 1 if the descriptor can be read from now, or within the time. */
static int readable(int descriptor, int milliseconds)
{
  fd_set set;
  struct timeval time = {milliseconds / 1000, milliseconds % 1000 * 1000};
  FD_ZERO(&set);
  FD_SET(descriptor, &set);
  return select(descriptor + 1, &set, NULL, NULL, &time) == 1;
}

/* How many events there are now. */
static int drained(medorder_subscription *feed)
{
  medorder_event *event = NULL;
  int count = 0;
  for (;;) {
    OK(medorder_events_next(feed, 0, &event, &error));
    if (event == NULL)
      return count;
    medorder_event_free(event);
    count++;
  }
}

/* How many events there are until the descriptor is silent. It may be readable without an event now and then, when
   something else was committed, but a loop that asks each time comes to rest. */
static int until_silent(medorder_subscription *feed, int descriptor)
{
  int count = drained(feed);
  for (int64_t end = clock_now() + 5000; readable(descriptor, 100); count += drained(feed)) {
    if (clock_now() > end) {
      CHECK(!"the descriptor is never silent");
      return -1;
    }
  }
  return count;
}

static void pulled(void)
{
  hospital it = hospital_new(NULL, NULL);
  medorder_subscription *feed = NULL, *again = NULL;
  medorder_event *event = NULL;
  medorder_text *cursor = NULL;
  const char *text = NULL;
  int64_t number, begun;
  char id[37];
  OK(medorder_subscribe(it.session, MEDORDER_NO_TEXT, MEDORDER_NO_TEXT, &feed, &error));
  begun = clock_now();
  OK(medorder_events_next(feed, 60, &event, &error));
  CHECK(event == NULL && clock_now() - begun >= 55);
  OK(order_new(&it, id));
  OK(medorder_events_next(feed, -1, &event, &error));
  CHECK(event != NULL);
  OK(medorder_event_text(event, MEDORDER_EVENT_ORDER_ID, &text, NULL));
  CHECK(strcmp(text, id) == 0);
  OK(medorder_event_text(event, MEDORDER_EVENT_REASON, &text, NULL));
  CHECK(text == NULL);
  OK(medorder_event_number(event, MEDORDER_EVENT_OLD_STATUS, &number));
  CHECK(number == 0);
  OK(medorder_event_number(event, MEDORDER_EVENT_TYPE, &number));
  CHECK(number == MEDORDER_STATUS_CHANGED);
  OK(medorder_subscription_cursor(feed, &cursor, &error));
  OK(medorder_event_text(event, MEDORDER_EVENT_CURSOR, &text, NULL));
  CHECK(strcmp(text, medorder_text_data(cursor)) == 0);
  medorder_event_free(event);
  /* From the cursor there is nothing, from the start the one event. */
  OK(medorder_subscribe(it.session, MEDORDER_NO_TEXT, medorder_text_data(cursor), medorder_text_length(cursor), &again, &error));
  CHECK(drained(again) == 0);
  medorder_subscription_free(again);
  OK(medorder_subscribe(it.session, MEDORDER_NO_TEXT, "", 0, &again, &error));
  CHECK(drained(again) == 1);
  medorder_subscription_free(again);
  STATUS(MEDORDER_INVALID_CURSOR, medorder_subscribe(it.session, MEDORDER_NO_TEXT, MEDORDER_TEXT("junk"), &again, &error));
  CHECK(again == NULL);
  medorder_text_free(cursor);
  medorder_subscription_free(feed);
  hospital_free(&it);
}

static void polled(void)
{
  hospital it = hospital_new(NULL, NULL);
  medorder_subscription *feed = NULL;
  medorder_event *event = NULL;
  int32_t descriptor = -1, same = -1;
  OK(medorder_subscribe(it.session, MEDORDER_NO_TEXT, MEDORDER_NO_TEXT, &feed, &error));
  OK(medorder_events_descriptor(feed, &descriptor, &error));
  OK(medorder_events_descriptor(feed, &same, &error));
  CHECK(descriptor >= 0 && same == descriptor);
  CHECK(readable(descriptor, 0));
  CHECK(until_silent(feed, descriptor) == 0);
  OK(order_new(&it, NULL));
  CHECK(readable(descriptor, 10000));
  OK(order_new(&it, NULL));
  OK(medorder_events_next(feed, 0, &event, &error));
  CHECK(event != NULL);
  medorder_event_free(event);
  CHECK(readable(descriptor, 0));
  CHECK(until_silent(feed, descriptor) == 1);
  /* A wait with a timeout is as good: it leaves the descriptor silent. */
  OK(medorder_events_next(feed, 20, &event, &error));
  CHECK(event == NULL && !readable(descriptor, 0));
  for (int at = 0; at < 300; at++)
    OK(order_new(&it, NULL));
  CHECK(readable(descriptor, 10000));
  CHECK(until_silent(feed, descriptor) == 300);
  medorder_session_revoke(it.session, NULL);
  CHECK(readable(descriptor, 10000));
  STATUS(MEDORDER_ACCESS_DENIED, medorder_events_next(feed, 0, &event, &error));
  medorder_subscription_free(feed);
  hospital_free(&it);
}

typedef struct waiter {
  medorder_subscription *feed;
  atomic_int began;
  int32_t status;
  int64_t ended;
} waiter;

static void *wait_for_ever(void *data)
{
  waiter *waiter = data;
  medorder_event *event = NULL;
  atomic_store(&waiter->began, 1);
  waiter->status = medorder_events_next(waiter->feed, -1, &event, NULL);
  waiter->ended = clock_now();
  medorder_event_free(event);
  return NULL;
}

static void waked_by(int how, int32_t wanted)
{
  hospital it = hospital_new(NULL, NULL);
  waiter waiter = {NULL, 0, -1, 0};
  medorder_event *event = NULL;
  pthread_t thread;
  int64_t begun;
  OK(medorder_subscribe(it.session, MEDORDER_NO_TEXT, MEDORDER_NO_TEXT, &waiter.feed, &error));
  CHECK(pthread_create(&thread, NULL, wait_for_ever, &waiter) == 0);
  while (!atomic_load(&waiter.began))
    rest(1);
  rest(300);
  /* A second thread is told so, and takes nothing from the first. */
  STATUS(MEDORDER_CLOSED, medorder_events_next(waiter.feed, 0, &event, &error));
  begun = clock_now();
  if (how == 0)
    OK(medorder_service_close(it.service, &error));
  else if (how == 1)
    OK(medorder_subscription_stop(waiter.feed, &error));
  else if (how == 2)
    OK(medorder_session_revoke(it.session, &error));
  else
    OK(order_new(&it, NULL));
  CHECK(pthread_join(thread, NULL) == 0);
  CHECK(waiter.status == wanted);
  CHECK(waiter.ended - begun < 10000);
  if (how < 2)
    STATUS(MEDORDER_CLOSED, medorder_events_next(waiter.feed, -1, &event, &error));
  medorder_subscription_free(waiter.feed);
  hospital_free(&it);
}

static void waked_by_close(void) { waked_by(0, MEDORDER_CLOSED); }
static void waked_by_stop(void) { waked_by(1, MEDORDER_CLOSED); }
static void waked_by_revoke(void) { waked_by(2, MEDORDER_ACCESS_DENIED); }
static void waked_by_event(void) { waked_by(3, MEDORDER_OK); }

typedef struct ear {
  atomic_int heard, ended, destroyed, inside, code;
  hospital *it;
  medorder_listener *_Atomic listener;
  int ends_itself;
} ear;

static void hear(void *data, const medorder_event *event, const medorder_error *end)
{
  ear *ear = data;
  medorder_text *text = NULL;
  /* Never two at once, and a callback may call the service. */
  if (atomic_fetch_add(&ear->inside, 1) != 0)
    atomic_store(&ear->code, -1);
  if (event != NULL) {
    int32_t status = medorder_service_generation(ear->it->service, &text, NULL);
    medorder_text_free(text);
    if (status != MEDORDER_OK)
      atomic_store(&ear->code, -2);
    atomic_fetch_add(&ear->heard, 1);
    if (ear->ends_itself) {
      while (atomic_load(&ear->listener) == NULL)
        rest(1);
      medorder_listener_free(atomic_load(&ear->listener));
    }
  } else {
    atomic_fetch_add(&ear->ended, 1);
    atomic_store(&ear->code, medorder_error_code(end));
  }
  atomic_fetch_sub(&ear->inside, 1);
}

static void destroy(void *data)
{
  atomic_fetch_add(&((ear *)data)->destroyed, 1);
}

static void until(atomic_int *number, int wanted)
{
  for (int64_t end = clock_now() + 10000; atomic_load(number) < wanted && clock_now() < end;)
    rest(1);
  CHECK(atomic_load(number) == wanted);
}

static void by_callback(void)
{
  hospital it = hospital_new(NULL, NULL);
  ear ear = {.it = &it};
  medorder_listener *listener = NULL;
  OK(medorder_listen(it.session, MEDORDER_NO_TEXT, MEDORDER_NO_TEXT, hear, &ear, destroy, &listener, &error));
  for (int at = 0; at < 20; at++)
    OK(order_new(&it, NULL));
  until(&ear.heard, 20);
  CHECK(ear.destroyed == 0 && ear.ended == 0);
  medorder_listener_free(listener);
  CHECK(ear.destroyed == 1 && ear.ended == 1 && ear.code == MEDORDER_CLOSED);
  OK(order_new(&it, NULL));
  rest(20);
  CHECK(ear.heard == 20);
  hospital_free(&it);
}

/* The end comes by itself, and only once; or the callback frees its own listener. */
static void ends_of_callbacks(void)
{
  hospital it = hospital_new(NULL, NULL);
  ear revoked = {.it = &it}, itself = {.it = &it, .ends_itself = 1};
  medorder_listener *listener = NULL, *own = NULL;
  OK(medorder_listen(it.session, MEDORDER_NO_TEXT, MEDORDER_NO_TEXT, hear, &itself, destroy, &own, &error));
  atomic_store(&itself.listener, own);
  OK(order_new(&it, NULL));
  until(&itself.destroyed, 1);
  CHECK(itself.heard == 1 && itself.ended == 1);
  OK(medorder_listen(it.session, MEDORDER_NO_TEXT, MEDORDER_NO_TEXT, hear, &revoked, destroy, &listener, &error));
  OK(medorder_session_revoke(it.session, &error));
  until(&revoked.destroyed, 1);
  CHECK(revoked.code == MEDORDER_ACCESS_DENIED && revoked.ended == 1);
  medorder_listener_free(listener);
  CHECK(revoked.destroyed == 1);
  hospital_free(&it);
}

/* What is given away is destroyed once, also if the call fails, however it fails. */
static void listeners_that_fail(void)
{
  hospital it = hospital_new(NULL, NULL);
  ear ear = {.it = &it};
  medorder_listener *listener = NULL;
  STATUS(MEDORDER_VALIDATION_ERROR, medorder_listen(NULL, MEDORDER_NO_TEXT, MEDORDER_NO_TEXT, hear, &ear, destroy, &listener, &error));
  CHECK(ear.destroyed == 1);
  STATUS(MEDORDER_VALIDATION_ERROR, medorder_listen(it.session, MEDORDER_NO_TEXT, MEDORDER_NO_TEXT, NULL, &ear, destroy, &listener, &error));
  CHECK(ear.destroyed == 2);
  STATUS(MEDORDER_VALIDATION_ERROR, medorder_listen(it.session, MEDORDER_NO_TEXT, MEDORDER_NO_TEXT, hear, &ear, destroy, NULL, &error));
  CHECK(ear.destroyed == 3);
  STATUS(MEDORDER_VALIDATION_ERROR, medorder_listen(it.session, MEDORDER_TEXT("no id"), MEDORDER_NO_TEXT, hear, &ear, destroy, &listener, &error));
  CHECK(ear.destroyed == 4);
  STATUS(MEDORDER_INVALID_CURSOR, medorder_listen(it.session, MEDORDER_NO_TEXT, MEDORDER_TEXT("junk"), hear, &ear, destroy, &listener, &error));
  CHECK(ear.destroyed == 5);
  OK(medorder_service_close(it.service, &error));
  STATUS(MEDORDER_CLOSED, medorder_listen(it.session, MEDORDER_NO_TEXT, MEDORDER_NO_TEXT, hear, &ear, destroy, &listener, &error));
  CHECK(ear.destroyed == 6 && ear.heard == 0 && ear.ended == 0 && listener == NULL);
  hospital_free(&it);
}

const test events[] = {
  {"events are pulled, with a timeout and from a cursor", pulled},
  {"the descriptor is readable while it is worth asking", polled},
  {"a close wakes who waits", waked_by_close},
  {"a stop wakes who waits", waked_by_stop},
  {"a revocation wakes who waits", waked_by_revoke},
  {"an event wakes who waits", waked_by_event},
  {"events come to a callback, one at a time, and then no more", by_callback},
  {"a callback hears of the end once, and may end itself", ends_of_callbacks},
  {"what a listener is given is destroyed once, however it fails", listeners_that_fail},
  {NULL, NULL},
};
