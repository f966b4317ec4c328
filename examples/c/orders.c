/* One order from its creation to its end, watched and audited: cc orders.c $(pkg-config --cflags --libs medorder) */
#include <medorder.h>
#include <stdio.h>
#include <stdlib.h>

static medorder_error *error;

/* An example may stop at the first failure. */
static void must(int32_t status)
{
  if (status != MEDORDER_OK) {
    fprintf(stderr, "%s: %s\n", medorder_code_name(status), medorder_error_message(error));
    exit(1);
  }
}

static void move_on(medorder_session *session, const char *id, medorder_change *change)
{
  medorder_order *order = NULL;
  must(medorder_update_status(session, MEDORDER_TEXT(id), change, &order, &error));
  medorder_order_free(order);
  medorder_change_free(change);
}

int main(void)
{
  medorder_keys *keys = NULL;
  medorder_service *service = NULL;
  medorder_actor *actor = NULL;
  medorder_admin *admin = NULL;
  medorder_session *session = NULL;
  medorder_text *answer = NULL;
  medorder_draft *draft = NULL;
  medorder_order *order = NULL;
  medorder_change *change = NULL;
  medorder_subscription *feed = NULL;
  medorder_event *event = NULL;
  medorder_order_list *list = NULL;
  medorder_order_query query = MEDORDER_ORDER_QUERY_INIT;
  const char *id, *notes, *roles[] = {"requester", "verifier", "fulfiller", "auditor", "administrator"};
  int64_t status;

  must(medorder_generate_key_file(MEDORDER_TEXT("root.key"), &error)); /* whoever loses this file loses the data */
  must(medorder_keys_file(MEDORDER_TEXT("root.key"), &keys, &error));
  must(medorder_open(MEDORDER_TEXT("orders.db"), keys, NULL, &service, &error));
  must(medorder_actor_new(MEDORDER_TEXT("u-7"), MEDORDER_TEXT("treatment"), &actor, &error));
  for (size_t at = 0; at < sizeof roles / sizeof roles[0]; at++)
    must(medorder_actor_text(actor, MEDORDER_ACTOR_ROLE, MEDORDER_TEXT(roles[at]), &error));
  must(medorder_actor_text(actor, MEDORDER_ACTOR_TERRITORY, MEDORDER_TEXT("*"), &error));
  must(medorder_admin_new(service, actor, &admin, &error));
  must(medorder_admin_call(admin, MEDORDER_TEXT("register_territory"), MEDORDER_TEXT("{\"territory_id\":\"north\"}"), NULL,
                           NULL, &answer, &error));
  medorder_text_free(answer);
  must(medorder_admin_call(admin, MEDORDER_TEXT("register_relationship"),
                           MEDORDER_TEXT("{\"territory_id\":\"north\",\"patient_id\":\"p-1\",\"provider_id\":\"npi-17\"}"),
                           NULL, NULL, &answer, &error));
  medorder_text_free(answer);
  must(medorder_session_new(service, actor, MEDORDER_TEXT("north"), &session, &error));
  must(medorder_subscribe(session, MEDORDER_NO_TEXT, MEDORDER_NO_TEXT, &feed, &error));

  must(medorder_draft_new(MEDORDER_TEXT("p-1"), MEDORDER_TEXT("npi-17"), MEDORDER_TEXT("MRI brain"), &draft, &error));
  must(medorder_draft_text(draft, MEDORDER_DRAFT_NOTES, MEDORDER_TEXT("anxious"), &error));
  must(medorder_create_order(session, draft, &order, &error));
  must(medorder_order_text(order, MEDORDER_ORDER_ID, &id, NULL));
  must(medorder_change_new(MEDORDER_VERIFIED, &change, &error));
  must(medorder_change_verification(change, MEDORDER_TEXT("u-7"), MEDORDER_TEXT("phone"), &error));
  move_on(session, id, change);
  must(medorder_change_new(MEDORDER_IN_PROGRESS, &change, &error));
  move_on(session, id, change);
  must(medorder_change_new(MEDORDER_COMPLETED, &change, &error));
  move_on(session, id, change);
  medorder_order_free(order);

  while (must(medorder_events_next(feed, 0, &event, &error)), event != NULL) {
    must(medorder_event_number(event, MEDORDER_EVENT_NEW_STATUS, &status));
    printf("event: %s\n", medorder_status_name((int32_t)status));
    medorder_event_free(event);
  }
  must(medorder_list_orders(session, &query, &list, &error));
  for (size_t at = 0; at < medorder_order_list_count(list); at++) {
    const medorder_order *seen;
    must(medorder_order_list_at(list, at, &seen));
    must(medorder_order_text(seen, MEDORDER_ORDER_NOTES, &notes, NULL));
    printf("notes: %s\n", notes);
  }
  must(medorder_session_call(session, MEDORDER_TEXT("verify_audit"), MEDORDER_TEXT("{}"), &answer, &error));
  printf("audit: %.20s\n", medorder_text_data(answer));

  medorder_text_free(answer);
  medorder_order_list_free(list);
  medorder_draft_free(draft);
  medorder_subscription_free(feed);
  medorder_session_free(session);
  medorder_admin_free(admin);
  medorder_actor_free(actor);
  must(medorder_service_close(service, &error));
  medorder_service_free(service);
  medorder_keys_free(keys);
  return 0;
}
