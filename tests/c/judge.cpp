// The C++ header, thrown errors or results: the same checks compile both ways.
#include <array>
#include <atomic>
#include <cstdio>
#include <medorder.hpp>
#include <mutex>
#include <thread>
#include <type_traits>

using namespace std::chrono_literals;
using medorder::change;
using medorder::draft;
using medorder::status;

namespace {

int faults;

void check(bool good, const char* what, int line)
{
  if (!good) {
    std::printf("judge.cpp:%d: %s\n", line, what);
    faults++;
  }
}
#define CHECK(condition) check(condition, #condition, __LINE__)

// The value of a call that must not fail, and the code of one that must.
#ifdef MEDORDER_NO_EXCEPTIONS
template <class T> T must(medorder::result<T> got)
{
  if (!got)
    std::printf("%s\n", got.error().what()), std::abort();
  return std::move(*got);
}
void must(medorder::result<void> got)
{
  if (!got)
    std::printf("%s\n", got.error().what()), std::abort();
}
template <class Call> std::optional<medorder::error> fails(Call call)
{
  auto got = call();
  return got ? std::nullopt : std::optional<medorder::error>(got.error());
}
#else
#define must(...) (__VA_ARGS__)
template <class Call> std::optional<medorder::error> fails(Call call)
{
  try {
    call();
    return std::nullopt;
  } catch (const medorder::error& error) {
    return error;
  }
}
#endif

template <class Call> std::int32_t code(Call call)
{
  auto error = fails(call);
  return error ? error->code() : MEDORDER_OK;
}

struct hospital {
  medorder::service service;
  medorder::admin admin;
  medorder::session session;
};

hospital open_hospital(medorder::options options = {})
{
  static int count;
  const std::string at = std::to_string(++count);
  must(medorder::generate_key_file("root-" + at + ".key"));
  auto service = must(medorder::service::open("orders-" + at + ".db", must(medorder::keys::file("root-" + at + ".key")), std::move(options)));
  medorder::actor actor("u-7", "treatment");
  actor.roles({"requester", "verifier", "fulfiller", "auditor", "administrator"}).territory("*").request_id("r-1").source("ward");
  auto admin = must(service.admin(actor));
  must(admin.call("register_territory", R"({"territory_id":"north"})"));
  must(admin.call("register_relationship", R"({"territory_id":"north","patient_id":"p-1","provider_id":"npi-1"})"));
  auto session = must(service.session(actor, "north"));
  return {std::move(service), std::move(admin), std::move(session)};
}

void a_life()
{
  auto it = open_hospital();
  auto feed = must(it.session.subscribe());
  draft request("p-1", "npi-1", "MRI");
  request.diagnosis_code("R51.9").notes("anxious").insurance("Acme", "P-1").idempotency_key("k-1");
  auto order = must(it.session.create_order(request));
  CHECK(order.status() == status::pending_verification && order.version() == 1 && !order.notes());
  const std::string id(order.id());
  const auto until = std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now() + 1h);
  change verified(status::verified);
  verified.verification("u-7", "phone").coverage_details(R"({"copay":20})").insurance_status("confirmed").valid_until(until);
  must(it.session.update_status(id, verified));
  must(it.session.update_status(id, change(status::in_progress).expected_version(2)));
  order = must(it.session.order(id));
  CHECK(order.notes() == "anxious" && order.diagnosis_codes().size() == 1 && order.diagnosis_codes()[0] == "R51.9");
  CHECK(order.text(MEDORDER_ORDER_VERIFICATION_COVERAGE_DETAILS) == R"({"copay":20})");
  CHECK(order.text(MEDORDER_ORDER_INSURANCE_CARRIER) == "Acme" && !order.text(MEDORDER_ORDER_INSURANCE_GROUP_NUMBER));
  CHECK(order.time_of(MEDORDER_ORDER_VERIFICATION_VALID_UNTIL) == until);
  CHECK(contains(order.disclosed(), medorder::fields::notes) && order.withheld() == medorder::fields::none);
  CHECK(!must(it.session.order(id, medorder::fields::service_type)).notes());
  CHECK(must(it.session.order_by_key("k-1")).id() == id);

  std::string seen;
  auto of_one = must(it.session.subscribe(id, ""));
  for (const auto& event : of_one.events(0ms))
    seen += std::string(event.old_status() ? name(*event.old_status()) : "nothing") + ">" + std::string(name(event.new_status())) + " ";
  CHECK(seen == "nothing>pending_verification pending_verification>verified verified>in_progress ");
  CHECK(must(feed.next(0ms)).has_value());
  const auto cursor = must(feed.cursor());
  int rest = 0;
  auto resumed = must(it.session.subscribe({}, cursor));
  for (const auto& event : resumed.events(0ms))
    rest += event.user_id() == "u-7";
  CHECK(rest == 2);

  must(it.session.create_order(draft("p-1", "npi-1", "CT")));
  medorder::query query;
  query.statuses = {status::in_progress, status::completed};
  query.fields = medorder::fields::none;
  auto list = must(it.session.orders(query));
  CHECK(list.size() == 1 && !list.next_cursor());
  query = {};
  query.limit = 1;
  list = must(it.session.orders(query));
  CHECK(list.size() == 1 && (*list.begin()).service_type() == "CT" && list.next_cursor());
  query.cursor = *list.next_cursor();
  for (medorder::order_view older : must(it.session.orders(query)))
    CHECK(older.id() == id);
  CHECK(must(it.session.delete_order(id, "made twice", 3)).status() == status::in_progress);
  std::size_t lines = 0;
  must(it.session.export_audit([&](std::string_view page) {
    for (char letter : page)
      lines += letter == '\n';
  }));
  CHECK(lines > 10);
  CHECK(must(it.session.call("verify_audit", "{}")).view().substr(0, 19) == R"({"verdict":"intact")");
  must(it.service.close());
}

void failures()
{
  auto it = open_hospital();
  auto invalid = fails([&] { return it.session.create_order(draft("p-1", "npi\t1", "").diagnosis_code("\xff")); });
  CHECK(invalid && invalid->code() == MEDORDER_VALIDATION_ERROR && invalid->faults().size() == 1);
  CHECK(invalid && invalid->faults()[0].path == "text" && invalid->faults()[0].rule == "utf8");
  auto both = fails([&] { return it.session.create_order(draft("p-1", "npi\t1", "")); });
  CHECK(both && both->faults().size() == 2 && both->name() == "VALIDATION_ERROR" && both->kind() == "invalid" && !both->retryable());
  auto order = must(it.session.create_order(draft("p-1", "npi-1", "MRI")));
  auto stale = fails([&] { return it.session.update_status(order.id(), change(status::rejected).reason("double").expected_version(7)); });
  CHECK(stale && stale->code() == MEDORDER_VERSION_CONFLICT && stale->current_version() == 1 && stale->order_id() == order.id());
  auto early = fails([&] { return it.session.update_status(order.id(), change(status::completed)); });
  CHECK(early && early->why() == "state" && early->current_status() == status::pending_verification);
  CHECK(code([&] { return it.session.update_status(order.id(), change(status::verified).insurance_status("x")); }) == MEDORDER_VALIDATION_ERROR);
  CHECK(code([&] { return it.session.order("no id"); }) == MEDORDER_VALIDATION_ERROR);
  CHECK(code([&] { return it.service.session(medorder::actor("u-1", "fun"), "north"); }) == MEDORDER_VALIDATION_ERROR);
  CHECK(code([&] { return it.service.session(medorder::actor("u-1", "treatment").role("No Role"), "north"); }) == MEDORDER_VALIDATION_ERROR);
  // What failed to be said stays failed: a retry must not send the rest alone.
  draft unsaid("p-1", "npi-1", "MRI");
  unsaid.notes("\xff").diagnosis_code("R51.9");
  change guarded(status::rejected);
  guarded.reason("double").expected_version(-1);
  medorder::actor nobody("u-1", "treatment");
  nobody.role("No Role");
  for (int attempt = 0; attempt < 2; attempt++) {
    CHECK(code([&] { return it.session.create_order(unsaid); }) == MEDORDER_VALIDATION_ERROR);
    CHECK(code([&] { return it.session.update_status(order.id(), guarded); }) == MEDORDER_VALIDATION_ERROR);
    CHECK(code([&] { return it.service.session(nobody, "north"); }) == MEDORDER_VALIDATION_ERROR);
    CHECK(code([&] { return it.service.admin(nobody); }) == MEDORDER_VALIDATION_ERROR);
  }
  draft moved(std::move(unsaid));
  auto same = fails([&] { return it.session.create_order(moved); });
  CHECK(same && same->faults().size() == 1 && same->faults()[0].rule == "utf8");
  CHECK(must(it.session.orders()).size() == 1);
  // An id that somebody forgot to fill in is no wish for everything.
  const std::string forgotten;
  medorder::query query;
  query.patient_id = forgotten;
  CHECK(code([&] { return it.session.subscribe(forgotten); }) == MEDORDER_VALIDATION_ERROR);
  CHECK(code([&] { return it.session.listen({}, forgotten); }) == MEDORDER_VALIDATION_ERROR);
  CHECK(code([&] { return it.session.orders(query); }) == MEDORDER_VALIDATION_ERROR);
  query.patient_id = "p-1";
  CHECK(must(it.session.orders(query)).size() == 1);
  auto feed = must(it.session.subscribe());
  it.session.revoke();
  CHECK(code([&] { return feed.next(1s); }) == MEDORDER_ACCESS_DENIED);
#ifdef MEDORDER_NO_EXCEPTIONS
  auto events = feed.events(0ms);
  for (const auto& event : events)
    CHECK(event.deleted());
  CHECK(events.failure() && events.failure()->code() == MEDORDER_ACCESS_DENIED);
#else
  static_assert(std::is_base_of_v<std::runtime_error, medorder::error>);
#endif
}

void functions_of_the_program()
{
  std::atomic<int> asked{0};
  bool denies = false;
  medorder::directory directory;
  directory.territory_exists = [](std::string_view territory) { return territory == "north"; };
  directory.relationship_exists = [&](std::string_view patient, std::string_view, std::string_view) {
    asked++;
#ifdef __cpp_exceptions
    if (patient == "p-9")
      throw std::runtime_error("no answer");
#endif
    return patient == "p-1" && !denies;
  };
  auto it = open_hospital({R"({"key_cache_ttl_ms":0})", std::move(directory)});
  must(it.session.create_order(draft("p-1", "anybody", "MRI")));
  CHECK(asked > 0);
  denies = true;
  CHECK(code([&] { return it.session.create_order(draft("p-1", "anybody", "MRI")); }) == MEDORDER_PATIENT_PROVIDER_MISMATCH);
#ifdef __cpp_exceptions
  CHECK(code([&] { return it.session.create_order(draft("p-9", "anybody", "MRI")); }) == MEDORDER_STORAGE_UNAVAILABLE);
#endif

  medorder::key_service service;
  service.wrap = [](const std::uint8_t* key, std::string_view context) {
    return std::string(reinterpret_cast<const char*>(key), 32) + std::string(context);
  };
  service.unwrap = [](std::string_view blob, std::string_view context, std::uint8_t* key) {
    if (blob.size() < 32 || blob.substr(32) != context)
      return false;
    std::memcpy(key, blob.data(), 32);
    return true;
  };
  std::uint64_t rewrapped = 0;
  must(it.admin.change_root(must(medorder::keys::service(service)), [&](std::uint64_t done, std::uint64_t) { rewrapped = done; }));
  CHECK(rewrapped > 0);
  denies = false;
  must(it.session.create_order(draft("p-1", "anybody", "MRI")));
  CHECK(must(it.service.generation()).size() == 36);
}

void an_anchor_and_a_log()
{
  std::mutex lock;
  std::string kept;
  medorder::anchor anchor;
  anchor.keep = [&](std::string_view note) {
    std::lock_guard<std::mutex> held(lock);
    if (note.find("/north\n") != std::string_view::npos)
      kept = note;
  };
  anchor.newest = [&](std::string_view chain) {
    std::lock_guard<std::mutex> held(lock);
    return chain == "north" ? kept : std::string();
  };
  auto it = open_hospital({{}, {}, std::move(anchor)});
  must(it.admin.call("checkpoint"));
  CHECK(must(it.session.call("verify_audit", "{}")).view().find(R"("verdict":"intact","anchored":true)") != std::string_view::npos);
  std::atomic<int> heard{0};
  auto alive = std::make_shared<int>(0);
  auto hear = [&, alive](std::int32_t level, std::string_view message) {
    heard += level == MEDORDER_LOG_WARN && message == "denied code=ACCESS_DENIED action=view";
#ifdef __cpp_exceptions
    throw 7;
#endif
  };
  must(medorder::set_logger(MEDORDER_LOG_WARN, std::move(hear)));
  it.session.revoke();
  CHECK(code([&] { return it.session.order_by_key("k"); }) == MEDORDER_ACCESS_DENIED);
  CHECK(alive.use_count() == 2);
  must(medorder::set_logger(MEDORDER_LOG_OFF, {}));
  CHECK(heard == 1 && alive.use_count() == 1);
  CHECK(code([&] { return medorder::set_logger(9, [alive](std::int32_t, std::string_view) {}); }) == MEDORDER_VALIDATION_ERROR);
  CHECK(alive.use_count() == 1);
}

void listening()
{
  auto it = open_hospital();
  std::atomic<int> heard{0}, ended{0};
  auto alive = std::make_shared<int>(0);
  {
    auto hear = [&, alive](const medorder::event_view* event, std::int32_t code) {
      if (event != nullptr)
        heard++;
      else
        ended = code;
#ifdef __cpp_exceptions
      throw 7;
#endif
    };
    auto listener = must(it.session.listen(std::move(hear)));
    must(it.session.create_order(draft("p-1", "npi-1", "MRI")));
    for (int at = 0; at < 5000 && heard == 0; at++)
      std::this_thread::sleep_for(1ms);
    CHECK(alive.use_count() == 2);
  }
  CHECK(heard == 1 && ended == MEDORDER_CLOSED && alive.use_count() == 1);
  auto feed = must(it.session.subscribe());
  std::thread stopper([&] {
    std::this_thread::sleep_for(30ms);
    feed.stop();
  });
  CHECK(code([&] { return feed.next(-1ms); }) == MEDORDER_CLOSED);
  stopper.join();
  CHECK(must(feed.descriptor()) >= 0);
}

}  // namespace

int main()
{
  struct test {
    const char* name;
    void (*run)();
  };
  const std::array<test, 5> tests{{{"an order from its creation to its end", a_life},
                                   {"failures are errors with all they know", failures},
                                   {"functions of the program are asked, and what they throw stays there", functions_of_the_program},
                                   {"an anchor keeps checkpoints, and the log is heard", an_anchor_and_a_log},
                                   {"a listener hears, ends and lets go", listening}}};
  int bad = 0;
  for (const auto& test : tests) {
    faults = 0;
    test.run();
    std::printf("test %s ... %s\n", test.name, faults == 0 ? "ok" : "FAILED");
    bad += faults != 0;
  }
  std::printf("test result: %s. %d passed; %d failed; 0 ignored\n", bad == 0 ? "ok" : "FAILED", int(tests.size()) - bad, bad);
  return bad != 0;
}
