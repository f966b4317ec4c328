/* What is closed stays closed, here and in the child of a fork. */
#include "judge.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* One call of each kind of handle; answers how many say that it is closed. */
static int closed_calls(hospital *it, medorder_subscription *feed, medorder_export *pages)
{
  medorder_text *answers[4] = {NULL, NULL, NULL, NULL};
  medorder_event *event = NULL;
  medorder_order_list *list = NULL;
  medorder_order_query query = MEDORDER_ORDER_QUERY_INIT;
  uint8_t key[32];
  int closed = 0;
  closed += order_new(it, NULL) == MEDORDER_CLOSED;
  closed += medorder_list_orders(it->session, &query, &list, NULL) == MEDORDER_CLOSED;
  closed += medorder_session_call(it->session, MEDORDER_TEXT("audit"), MEDORDER_TEXT("{}"), &answers[0], NULL) == MEDORDER_CLOSED;
  closed += medorder_admin_call(it->admin, MEDORDER_TEXT("territories"), MEDORDER_TEXT("{}"), NULL, NULL, &answers[1], NULL) == MEDORDER_CLOSED;
  closed += medorder_service_generation(it->service, &answers[2], NULL) == MEDORDER_CLOSED;
  closed += medorder_service_checkpoint_public_key(it->service, key, NULL) == MEDORDER_CLOSED;
  closed += medorder_events_next(feed, 0, &event, NULL) == MEDORDER_CLOSED;
  closed += medorder_export_next(pages, &answers[3], NULL) == MEDORDER_CLOSED;
  for (int at = 0; at < 4; at++)
    medorder_text_free(answers[at]);
  medorder_order_list_free(list);
  medorder_event_free(event);
  return closed;
}

static void after_close(void)
{
  hospital it = hospital_new(NULL, NULL);
  medorder_subscription *feed = NULL;
  medorder_export *pages = NULL;
  OK(medorder_subscribe(it.session, MEDORDER_NO_TEXT, MEDORDER_NO_TEXT, &feed, &error));
  OK(medorder_export_audit(it.session, &pages, &error));
  CHECK(closed_calls(&it, feed, pages) == 0);
  OK(medorder_service_close(it.service, &error));
  OK(medorder_service_close(it.service, &error));
  CHECK(closed_calls(&it, feed, pages) == 8);
  medorder_export_free(pages);
  medorder_subscription_free(feed);
  hospital_free(&it);
}

/* Handles may be freed in any order, and the engine ends with the last. */
static void freed_in_any_order(void)
{
  hospital it = hospital_new(NULL, NULL);
  medorder_subscription *feed = NULL;
  medorder_event *event = NULL;
  char id[37];
  OK(medorder_subscribe(it.session, MEDORDER_NO_TEXT, MEDORDER_NO_TEXT, &feed, &error));
  medorder_keys_free(it.keys);
  medorder_actor_free(it.actor);
  medorder_service_free(it.service);
  OK(order_new(&it, id));
  medorder_session_free(it.session);
  OK(medorder_events_next(feed, 1000, &event, &error));
  CHECK(event != NULL);
  medorder_event_free(event);
  medorder_admin_free(it.admin);
  medorder_subscription_free(feed);
}

static void unheard(void *data, const medorder_event *event, const medorder_error *end)
{
  (void)data, (void)event, (void)end;
}

static void forked(void)
{
  hospital it = hospital_new(NULL, NULL);
  medorder_subscription *feed = NULL;
  medorder_export *pages = NULL;
  medorder_session *session = NULL;
  medorder_listener *listener = NULL;
  int32_t descriptor;
  int status = -1;
  char id[37];
  OK(medorder_subscribe(it.session, MEDORDER_NO_TEXT, MEDORDER_NO_TEXT, &feed, &error));
  OK(medorder_export_audit(it.session, &pages, &error));
  pid_t child = fork();
  if (child == 0) {
    int wrong = 0;
    alarm(20);
    wrong |= (closed_calls(&it, feed, pages) != 8) << 0;
    wrong |= (medorder_session_new(it.service, it.actor, MEDORDER_TEXT("north"), &session, NULL) != MEDORDER_CLOSED) << 1;
    wrong |= (medorder_service_close(it.service, NULL) != MEDORDER_CLOSED) << 2;
    wrong |= (medorder_events_descriptor(feed, &descriptor, NULL) != MEDORDER_CLOSED) << 3;
    wrong |= (medorder_session_revoke(it.session, NULL) != MEDORDER_CLOSED) << 4;
    wrong |= (medorder_subscription_stop(feed, NULL) != MEDORDER_CLOSED) << 5;
    wrong |= (medorder_listen(it.session, MEDORDER_NO_TEXT, MEDORDER_NO_TEXT, unheard, NULL, NULL, &listener, NULL) != MEDORDER_CLOSED) << 6;
    /* Freeing there touches nothing that is the parent's. */
    medorder_export_free(pages);
    medorder_subscription_free(feed);
    medorder_session_free(it.session);
    medorder_admin_free(it.admin);
    medorder_service_free(it.service);
    /* By another program: what the child must leave alone would be a leak of its own at its end. */
    char command[32];
    snprintf(command, sizeof command, "exit %d", wrong);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(255);
  }
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  OK(order_new(&it, id));
  medorder_export_free(pages);
  medorder_subscription_free(feed);
  hospital_free(&it);
}

static void wrong_keys(void)
{
  hospital it = hospital_new(NULL, NULL);
  medorder_keys *other = NULL, *none = NULL;
  medorder_service *service = NULL;
  int64_t retryable = -1;
  OK(medorder_generate_key_file(MEDORDER_TEXT("other.key"), &error));
  STATUS(MEDORDER_VALIDATION_ERROR, medorder_generate_key_file(MEDORDER_TEXT("other.key"), &error));
  OK(medorder_keys_file(MEDORDER_TEXT("other.key"), &other, &error));
  OK(medorder_service_close(it.service, &error));
  CHECK(medorder_open(MEDORDER_TEXT("orders-1.db"), other, NULL, &service, &error) == MEDORDER_KEY_MISMATCH);
  CHECK(service == NULL);
  CHECK(medorder_error_code(error) == MEDORDER_KEY_MISMATCH);
  CHECK(medorder_error_number(error, MEDORDER_ERROR_RETRYABLE, &retryable) == MEDORDER_OK && retryable == 0);
  medorder_error_free(error);
  error = NULL;
  STATUS(MEDORDER_KEY_UNAVAILABLE, medorder_keys_file(MEDORDER_TEXT("no such file"), &none, &error));
  STATUS(MEDORDER_VALIDATION_ERROR, medorder_keys_variable(MEDORDER_TEXT("A=B"), &none, &error));
  CHECK(none == NULL);
  medorder_keys_free(other);
  hospital_free(&it);
}

const test life[] = {
  {"everything is closed after a close", after_close},
  {"handles are freed in any order", freed_in_any_order},
  {"every handle is closed in the child of a fork", forked},
  {"another key is refused before a row is read", wrong_keys},
  {NULL, NULL},
};
