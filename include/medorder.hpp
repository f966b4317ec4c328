// medorder for C++17: the functions of medorder.h as classes that free what they hold. Header only.
//
// Texts come in as std::string_view, and go out as views into the object they were read from. Each class can be moved;
// what the C header says of threads, forks and callbacks holds here. No exception may leave a callback of C, so what
// leaves a function that is given here becomes "could not answer" (keys, directory, anchor) or is dropped (events, log).
//
// A failure is thrown as medorder::error. With -fno-exceptions, or MEDORDER_NO_EXCEPTIONS defined before this file,
// a call answers medorder::result<T> instead: `if (auto order = session.order(id)) use(*order); else show(order.error())`.
#ifndef MEDORDER_HPP
#define MEDORDER_HPP

#include <chrono>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "medorder.h"

#if !defined(MEDORDER_NO_EXCEPTIONS) && !defined(__cpp_exceptions)
#define MEDORDER_NO_EXCEPTIONS
#endif
#ifndef MEDORDER_NO_EXCEPTIONS
#include <stdexcept>
#endif

namespace medorder {

// Microseconds since 1970 UTC, as the engine keeps them.
using time = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;

enum class status : std::int32_t {
  pending_verification = MEDORDER_PENDING_VERIFICATION,
  verified = MEDORDER_VERIFIED,
  rejected = MEDORDER_REJECTED,
  in_progress = MEDORDER_IN_PROGRESS,
  completed = MEDORDER_COMPLETED,
  cancelled = MEDORDER_CANCELLED
};

// The word of a status, like "in_progress".
inline std::string_view name(status value)
{
  const char* text = medorder_status_name(static_cast<std::int32_t>(value));
  return text != nullptr ? text : "";
}

// A set of PHI fields.
enum class fields : std::uint32_t {
  none = 0,
  service_type = MEDORDER_FIELD_SERVICE_TYPE,
  diagnosis_codes = MEDORDER_FIELD_DIAGNOSIS_CODES,
  notes = MEDORDER_FIELD_NOTES,
  insurance = MEDORDER_FIELD_INSURANCE,
  insurance_verification = MEDORDER_FIELD_INSURANCE_VERIFICATION
};
constexpr fields operator|(fields a, fields b)
{
  return static_cast<fields>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}
constexpr bool contains(fields set, fields one)
{
  return (static_cast<std::uint32_t>(set) & static_cast<std::uint32_t>(one)) != 0;
}

inline std::string_view version() { return medorder_version(); }

namespace detail {

template <class T, void (*Free)(T*)> struct freed {
  void operator()(T* value) const { Free(value); }
};
template <class T, void (*Free)(T*)> using owned = std::unique_ptr<T, freed<T, Free>>;

// Reads a text of a handle; none if it has no value.
template <class T>
std::optional<std::string_view> text(std::int32_t (*read)(const T*, std::int32_t, const char**, std::size_t*), const T* handle,
                                     std::int32_t member)
{
  const char* text = nullptr;
  std::size_t length = 0;
  if (read(handle, member, &text, &length) != MEDORDER_OK || text == nullptr)
    return std::nullopt;
  return std::string_view(text, length);
}

template <class T>
std::optional<std::int64_t> number(std::int32_t (*read)(const T*, std::int32_t, std::int64_t*), const T* handle, std::int32_t member)
{
  std::int64_t number = MEDORDER_ABSENT;
  if (read(handle, member, &number) != MEDORDER_OK || number == MEDORDER_ABSENT)
    return std::nullopt;
  return number;
}

inline time moment(std::int64_t micros) { return time(std::chrono::microseconds(micros)); }

}  // namespace detail

// One fault of a request: where, and which rule it breaks.
struct fault {
  std::string path, rule;
};

// Why a call failed. It holds no PHI.
class error
#ifndef MEDORDER_NO_EXCEPTIONS
    : public std::runtime_error
#endif
{
public:
#ifndef MEDORDER_NO_EXCEPTIONS
  explicit error(medorder_error* taken) : std::runtime_error(medorder_error_message(taken)), handle_(taken, medorder_error_free) {}
#else
  explicit error(medorder_error* taken) : handle_(taken, medorder_error_free) {}
  const char* what() const { return medorder_error_message(handle_.get()); }
#endif
  // A number of the error table, like MEDORDER_ORDER_NOT_FOUND, and its name.
  std::int32_t code() const { return medorder_error_code(handle_.get()); }
  std::string_view name() const { return text(MEDORDER_ERROR_NAME).value_or(""); }
  std::string_view kind() const { return text(MEDORDER_ERROR_KIND).value_or(""); }
  bool retryable() const { return number(MEDORDER_ERROR_RETRYABLE) == 1; }
  std::optional<std::string_view> order_id() const { return text(MEDORDER_ERROR_ORDER_ID); }
  std::optional<std::string_view> why() const { return text(MEDORDER_ERROR_WHY); }
  std::optional<std::int64_t> current_version() const { return number(MEDORDER_ERROR_CURRENT_VERSION); }
  std::optional<status> current_status() const
  {
    auto bit = number(MEDORDER_ERROR_CURRENT_STATUS);
    return bit ? std::optional<status>(static_cast<status>(*bit)) : std::nullopt;
  }
  // {"status":"error","error":{"code","message","details"}}
  std::string_view json() const { return text(MEDORDER_ERROR_JSON).value_or(""); }
  std::vector<fault> faults() const
  {
    std::vector<fault> list;
    const char *path = nullptr, *rule = nullptr;
    for (std::size_t at = 0; medorder_error_fault(handle_.get(), at, &path, &rule) == MEDORDER_OK; at++)
      list.push_back({path, rule});
    return list;
  }

private:
  std::optional<std::string_view> text(std::int32_t member) const { return detail::text(medorder_error_text, handle_.get(), member); }
  std::optional<std::int64_t> number(std::int32_t member) const { return detail::number(medorder_error_number, handle_.get(), member); }

  // Shared: what is thrown is copied.
  std::shared_ptr<medorder_error> handle_;
};

#ifndef MEDORDER_NO_EXCEPTIONS
template <class T> using result = T;
#else
// A value or an error; to read the one that is not there is a fault of the program.
template <class T> class result {
public:
  result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  result(medorder::error failed) : state_(std::in_place_index<1>, std::move(failed)) {}
  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  T& value() { return *std::get_if<0>(&state_); }
  const T& value() const { return *std::get_if<0>(&state_); }
  T& operator*() { return value(); }
  T* operator->() { return &value(); }
  const medorder::error& error() const { return *std::get_if<1>(&state_); }

private:
  std::variant<T, medorder::error> state_;
};
template <> class result<void> {
public:
  result() = default;
  result(medorder::error failed) : error_(std::move(failed)) {}
  bool has_value() const { return !error_; }
  explicit operator bool() const { return has_value(); }
  const medorder::error& error() const { return *error_; }

private:
  std::optional<medorder::error> error_;
};
#endif

namespace detail {

#ifndef MEDORDER_NO_EXCEPTIONS
template <class T, class Make> T answer(medorder_error* failed, Make make)
{
  if (failed != nullptr)
    throw error(failed);
  return make();
}
// The same of a call whose arguments may have failed before.
template <class T, class Make> T answer(const std::optional<error>& earlier, medorder_error* failed, Make make)
{
  if (earlier)
    throw error(*earlier);
  return answer<T>(failed, make);
}
#else
template <class T, class Make> result<T> answer(medorder_error* failed, Make make)
{
  if (failed != nullptr)
    return result<T>(error(failed));
  if constexpr (std::is_void_v<T>) {
    make();
    return result<void>();
  } else {
    return result<T>(make());
  }
}
template <class T, class Make> result<T> answer(const std::optional<error>& earlier, medorder_error* failed, Make make)
{
  return earlier ? result<T>(error(*earlier)) : answer<T>(failed, make);
}
#endif

// Runs a function of the program for C; `otherwise` if an exception leaves it.
template <class Call> std::int32_t guarded(std::int32_t otherwise, Call call) noexcept
{
  // Also where calls answer results: what the program gives may throw all the same.
#ifdef __cpp_exceptions
  try {
    return call();
  } catch (...) {
    return otherwise;
  }
#else
  (void)otherwise;
  return call();
#endif
}

template <class T> void destroyed(void* data) { delete static_cast<T*>(data); }

// What is filled in step by step. The first step that fails is the answer of every call it is used for: half filled in it
// is never sent.
template <class T, void (*Free)(T*)> class built {
public:
  const T* get() const { return handle_.get(); }
  const std::optional<error>& failed() const { return failed_; }
  built(built&& other) noexcept : handle_(std::move(other.handle_)), failed_(other.failed_) {}
  built& operator=(built&& other) noexcept
  {
    handle_.swap(other.handle_);
    failed_.swap(other.failed_);
    return *this;
  }

protected:
  built() = default;
  T* raw() { return handle_.get(); }
  void made(T* handle, medorder_error* failed)
  {
    handle_.reset(handle);
    step(failed);
  }
  void step(medorder_error* failed)
  {
    if (failed_)
      medorder_error_free(failed);
    else if (failed != nullptr)
      failed_.emplace(failed);
  }

private:
  owned<T, Free> handle_;
  std::optional<error> failed_;
};

}  // namespace detail

// A text of the library: JSON. It is zeroed when it goes.
class text {
public:
  explicit text(medorder_text* taken) : handle_(taken) {}
  std::string_view view() const { return {medorder_text_data(handle_.get()), medorder_text_length(handle_.get())}; }
  operator std::string_view() const { return view(); }

private:
  detail::owned<medorder_text, medorder_text_free> handle_;
};

// An order to read; it belongs to an `order` or an `order_list`.
class order_view {
public:
  explicit order_view(const medorder_order* order) : order_(order) {}
  std::string_view id() const { return text(MEDORDER_ORDER_ID).value_or(""); }
  std::string_view territory_id() const { return text(MEDORDER_ORDER_TERRITORY_ID).value_or(""); }
  std::string_view patient_id() const { return text(MEDORDER_ORDER_PATIENT_ID).value_or(""); }
  std::string_view provider_id() const { return text(MEDORDER_ORDER_PROVIDER_ID).value_or(""); }
  medorder::status status() const { return static_cast<medorder::status>(number(MEDORDER_ORDER_STATUS)); }
  std::int64_t version() const { return number(MEDORDER_ORDER_VERSION); }
  time created_at() const { return detail::moment(number(MEDORDER_ORDER_CREATED_AT)); }
  time updated_at() const { return detail::moment(number(MEDORDER_ORDER_UPDATED_AT)); }
  fields disclosed() const { return static_cast<fields>(number(MEDORDER_ORDER_DISCLOSED)); }
  fields withheld() const { return static_cast<fields>(number(MEDORDER_ORDER_WITHHELD)); }
  // PHI; none if it is not disclosed or has no value.
  std::optional<std::string_view> service_type() const { return text(MEDORDER_ORDER_SERVICE_TYPE); }
  std::optional<std::string_view> notes() const { return text(MEDORDER_ORDER_NOTES); }
  std::vector<std::string_view> diagnosis_codes() const
  {
    std::vector<std::string_view> codes;
    const char* code = nullptr;
    std::size_t length = 0;
    for (std::size_t at = 0; medorder_order_diagnosis_code(order_, at, &code, &length) == MEDORDER_OK; at++)
      codes.emplace_back(code, length);
    return codes;
  }
  // Any text by its number, like MEDORDER_ORDER_INSURANCE_CARRIER.
  std::optional<std::string_view> text(std::int32_t member) const { return detail::text(medorder_order_text, order_, member); }
  // A time by its number, like MEDORDER_ORDER_VERIFICATION_VALID_UNTIL.
  std::optional<medorder::time> time_of(std::int32_t member) const
  {
    auto micros = detail::number(medorder_order_number, order_, member);
    return micros ? std::optional<medorder::time>(detail::moment(*micros)) : std::nullopt;
  }

private:
  std::int64_t number(std::int32_t member) const { return detail::number(medorder_order_number, order_, member).value_or(0); }

  const medorder_order* order_;
};

// An order. What it holds is zeroed when it goes.
class order : public order_view {
public:
  explicit order(medorder_order* taken) : order_view(taken), handle_(taken) {}

private:
  detail::owned<medorder_order, medorder_order_free> handle_;
};

// A page of orders, newest first: `for (medorder::order_view order : list)`.
class order_list {
public:
  class iterator {
  public:
    using iterator_category = std::input_iterator_tag;
    using value_type = order_view;
    using difference_type = std::ptrdiff_t;
    using pointer = const order_view*;
    using reference = order_view;
    iterator(const medorder_order_list* list, std::size_t at) : list_(list), at_(at) {}
    order_view operator*() const
    {
      const medorder_order* order = nullptr;
      medorder_order_list_at(list_, at_, &order);
      return order_view(order);
    }
    iterator& operator++()
    {
      at_++;
      return *this;
    }
    void operator++(int) { at_++; }
    bool operator==(const iterator& other) const { return at_ == other.at_; }
    bool operator!=(const iterator& other) const { return at_ != other.at_; }

  private:
    const medorder_order_list* list_;
    std::size_t at_;
  };
  explicit order_list(medorder_order_list* taken) : handle_(taken) {}
  std::size_t size() const { return medorder_order_list_count(handle_.get()); }
  iterator begin() const { return {handle_.get(), 0}; }
  iterator end() const { return {handle_.get(), size()}; }
  // None on the last page.
  std::optional<std::string_view> next_cursor() const
  {
    return detail::text(medorder_order_list_text, static_cast<const medorder_order_list*>(handle_.get()), MEDORDER_LIST_NEXT_CURSOR);
  }
  std::string_view feed_cursor() const
  {
    return detail::text(medorder_order_list_text, static_cast<const medorder_order_list*>(handle_.get()), MEDORDER_LIST_FEED_CURSOR)
        .value_or("");
  }

private:
  detail::owned<medorder_order_list, medorder_order_list_free> handle_;
};

// A change that is durable, to read; it belongs to an `event`, or to the library while a callback runs.
class event_view {
public:
  explicit event_view(const medorder_event* event) : event_(event) {}
  std::string_view order_id() const { return text(MEDORDER_EVENT_ORDER_ID).value_or(""); }
  std::string_view territory_id() const { return text(MEDORDER_EVENT_TERRITORY_ID).value_or(""); }
  std::string_view user_id() const { return text(MEDORDER_EVENT_USER_ID).value_or(""); }
  std::optional<std::string_view> reason() const { return text(MEDORDER_EVENT_REASON); }
  std::string_view cursor() const { return text(MEDORDER_EVENT_CURSOR).value_or(""); }
  bool deleted() const { return number(MEDORDER_EVENT_TYPE) == MEDORDER_DELETED; }
  // None when the order was created.
  std::optional<status> old_status() const
  {
    auto bit = number(MEDORDER_EVENT_OLD_STATUS);
    return bit != 0 ? std::optional<status>(static_cast<status>(bit)) : std::nullopt;
  }
  status new_status() const { return static_cast<status>(number(MEDORDER_EVENT_NEW_STATUS)); }
  std::int64_t version() const { return number(MEDORDER_EVENT_VERSION); }
  time timestamp() const { return detail::moment(number(MEDORDER_EVENT_TIMESTAMP)); }

private:
  std::optional<std::string_view> text(std::int32_t member) const { return detail::text(medorder_event_text, event_, member); }
  std::int64_t number(std::int32_t member) const { return detail::number(medorder_event_number, event_, member).value_or(0); }

  const medorder_event* event_;
};

class event : public event_view {
public:
  explicit event(medorder_event* taken) : event_view(taken), handle_(taken) {}

private:
  detail::owned<medorder_event, medorder_event_free> handle_;
};

// Who is calling, as the program has authenticated it.
class actor : public detail::built<medorder_actor, medorder_actor_free> {
public:
  actor(std::string_view user_id, std::string_view purpose)
  {
    medorder_actor* handle = nullptr;
    medorder_error* failed = nullptr;
    medorder_actor_new(user_id.data(), user_id.size(), purpose.data(), purpose.size(), &handle, &failed);
    made(handle, failed);
  }
  actor& role(std::string_view name) { return with(MEDORDER_ACTOR_ROLE, name); }
  actor& roles(std::initializer_list<std::string_view> names)
  {
    for (auto one : names)
      role(one);
    return *this;
  }
  // "*" is all, also those registered later.
  actor& territory(std::string_view id) { return with(MEDORDER_ACTOR_TERRITORY, id); }
  actor& request_id(std::string_view id) { return with(MEDORDER_ACTOR_REQUEST_ID, id); }
  actor& source(std::string_view source) { return with(MEDORDER_ACTOR_SOURCE, source); }
  actor& expires_at(time end)
  {
    medorder_error* failed = nullptr;
    medorder_actor_expires_at(raw(), end.time_since_epoch().count(), &failed);
    step(failed);
    return *this;
  }

private:
  actor& with(std::int32_t member, std::string_view text)
  {
    medorder_error* failed = nullptr;
    medorder_actor_text(raw(), member, text.data(), text.size(), &failed);
    step(failed);
    return *this;
  }
};

// An order that is not yet sent.
class draft : public detail::built<medorder_draft, medorder_draft_free> {
public:
  draft(std::string_view patient_id, std::string_view provider_id, std::string_view service_type)
  {
    medorder_draft* handle = nullptr;
    medorder_error* failed = nullptr;
    medorder_draft_new(patient_id.data(), patient_id.size(), provider_id.data(), provider_id.size(), service_type.data(),
                       service_type.size(), &handle, &failed);
    made(handle, failed);
  }
  draft& diagnosis_code(std::string_view code) { return with(MEDORDER_DRAFT_DIAGNOSIS_CODE, code); }
  draft& notes(std::string_view notes) { return with(MEDORDER_DRAFT_NOTES, notes); }
  // The program's own number of the order: a second request with it makes no second order.
  draft& idempotency_key(std::string_view key) { return with(MEDORDER_DRAFT_IDEMPOTENCY_KEY, key); }
  draft& insurance(std::string_view carrier, std::string_view policy_number, std::string_view group_number = {})
  {
    medorder_error* failed = nullptr;
    medorder_draft_insurance(raw(), carrier.data(), carrier.size(), policy_number.data(), policy_number.size(), group_number.data(),
                             group_number.size(), &failed);
    step(failed);
    return *this;
  }

private:
  draft& with(std::int32_t member, std::string_view text)
  {
    medorder_error* failed = nullptr;
    medorder_draft_text(raw(), member, text.data(), text.size(), &failed);
    step(failed);
    return *this;
  }
};

// A change of status that is not yet sent.
class change : public detail::built<medorder_change, medorder_change_free> {
public:
  explicit change(status to)
  {
    medorder_change* handle = nullptr;
    medorder_error* failed = nullptr;
    medorder_change_new(static_cast<std::int32_t>(to), &handle, &failed);
    made(handle, failed);
  }
  // Only with `verified`, which needs it, and `rejected`; before the four that follow.
  change& verification(std::string_view by, std::string_view method)
  {
    medorder_error* failed = nullptr;
    medorder_change_verification(raw(), by.data(), by.size(), method.data(), method.size(), &failed);
    step(failed);
    return *this;
  }
  change& coverage_details(std::string_view json) { return with(MEDORDER_CHANGE_COVERAGE_DETAILS, json); }
  change& authorization_number(std::string_view number) { return with(MEDORDER_CHANGE_AUTHORIZATION_NUMBER, number); }
  change& insurance_status(std::string_view word) { return with(MEDORDER_CHANGE_INSURANCE_STATUS, word); }
  change& valid_until(time end) { return with(MEDORDER_CHANGE_VALID_UNTIL, end.time_since_epoch().count()); }
  change& notes(std::string_view notes) { return with(MEDORDER_CHANGE_NOTES, notes); }
  // Operational text, NOT PHI: it outlives a delete and shows in events and in the audit.
  change& reason(std::string_view reason) { return with(MEDORDER_CHANGE_REASON, reason); }
  change& idempotency_key(std::string_view key) { return with(MEDORDER_CHANGE_IDEMPOTENCY_KEY, key); }
  change& expected_version(std::int64_t version) { return with(MEDORDER_CHANGE_EXPECTED_VERSION, version); }

private:
  change& with(std::int32_t member, std::string_view text)
  {
    medorder_error* failed = nullptr;
    medorder_change_text(raw(), member, text.data(), text.size(), &failed);
    step(failed);
    return *this;
  }
  change& with(std::int32_t member, std::int64_t number)
  {
    medorder_error* failed = nullptr;
    medorder_change_number(raw(), member, number, &failed);
    step(failed);
    return *this;
  }
};

// Which orders a list holds; what is not set is not asked.
struct query {
  std::vector<medorder::status> statuses = {};
  std::optional<std::string_view> patient_id = {}, provider_id = {};
  // Empty is the first page.
  std::string_view cursor = {};
  std::optional<time> created_from = {}, created_to = {};
  std::size_t limit = 50;
  std::optional<medorder::fields> fields = {};
};

// Events, to ask for: `for (const medorder::event& event : subscription.events(1s))`.
class subscription {
public:
  // Events until none comes within the timeout; without exceptions also until a failure, which `failure` has then.
  class range {
  public:
    class iterator {
    public:
      using iterator_category = std::input_iterator_tag;
      using value_type = event;
      using difference_type = std::ptrdiff_t;
      using pointer = const event*;
      using reference = const event&;
      explicit iterator(range* from) : from_(from) { ++*this; }
      const event& operator*() const { return *event_; }
      const event* operator->() const { return &*event_; }
      iterator& operator++()
      {
        event_ = from_->next();
        return *this;
      }
      void operator++(int) { ++*this; }
      bool operator==(std::nullptr_t) const { return !event_; }
      bool operator!=(std::nullptr_t) const { return event_.has_value(); }

    private:
      range* from_;
      std::optional<event> event_;
    };
    range(const subscription* of, std::chrono::milliseconds timeout) : of_(of), timeout_(timeout) {}
    iterator begin() { return iterator(this); }
    std::nullptr_t end() const { return nullptr; }
    const std::optional<error>& failure() const { return failure_; }

  private:
    std::optional<event> next()
    {
#ifndef MEDORDER_NO_EXCEPTIONS
      return of_->next(timeout_);
#else
      auto got = of_->next(timeout_);
      if (!got) {
        failure_ = got.error();
        return std::nullopt;
      }
      return std::move(*got);
#endif
    }

    const subscription* of_;
    std::chrono::milliseconds timeout_;
    std::optional<error> failure_;
  };

  explicit subscription(medorder_subscription* taken) : handle_(taken) {}
  // The next event; none if none came in time. Less than 0 waits without end.
  result<std::optional<event>> next(std::chrono::milliseconds timeout) const
  {
    medorder_event* event = nullptr;
    medorder_error* failed = nullptr;
    auto wait = timeout.count() < 0 ? -1 : timeout.count() > 0x7fffffff ? 0x7fffffff : timeout.count();
    medorder_events_next(handle_.get(), static_cast<std::int32_t>(wait), &event, &failed);
    return detail::answer<std::optional<medorder::event>>(failed, [&] {
      return event != nullptr ? std::optional<medorder::event>(medorder::event(event)) : std::nullopt;
    });
  }
  range events(std::chrono::milliseconds timeout) const& { return {this, timeout}; }
  // A subscription that nobody keeps would be gone before the first event.
  range events(std::chrono::milliseconds timeout) const&& = delete;
  // For select, poll or epoll: while it is readable, ask with a timeout of 0 until there is no event.
  result<int> descriptor() const
  {
    std::int32_t descriptor = -1;
    medorder_error* failed = nullptr;
    medorder_events_descriptor(handle_.get(), &descriptor, &failed);
    return detail::answer<int>(failed, [&] { return descriptor; });
  }
  // Where a later subscription resumes.
  result<std::string> cursor() const
  {
    medorder_text* cursor = nullptr;
    medorder_error* failed = nullptr;
    medorder_subscription_cursor(handle_.get(), &cursor, &failed);
    return detail::answer<std::string>(failed, [&] { return std::string(text(cursor).view()); });
  }
  // From any thread: whoever waits gets MEDORDER_CLOSED.
  void stop() const { medorder_subscription_stop(handle_.get(), nullptr); }

private:
  detail::owned<medorder_subscription, medorder_subscription_free> handle_;
};

// Calls a function for each event, on a thread of its own, until it goes.
class listener {
public:
  explicit listener(medorder_listener* taken) : handle_(taken) {}

private:
  detail::owned<medorder_listener, medorder_listener_free> handle_;
};

// What one actor may do in one territory.
class session {
public:
  // Gets each event; once and last, none and the number of the error that ended it.
  using on_event = std::function<void(const event_view*, std::int32_t)>;

  explicit session(medorder_session* taken) : handle_(taken) {}
  // A change and a create answer the plain columns.
  result<medorder::order> create_order(const draft& draft) const
  {
    return ordered(draft.failed(), [&](auto** order, auto** failed) { medorder_create_order(handle_.get(), draft.get(), order, failed); });
  }
  result<medorder::order> update_status(std::string_view id, const change& change) const
  {
    return ordered(change.failed(), [&](auto** order, auto** failed) {
      medorder_update_status(handle_.get(), id.data(), id.size(), change.get(), order, failed);
    });
  }
  // The audit has the disclosure before this returns.
  result<medorder::order> order(std::string_view id, std::optional<fields> which = std::nullopt) const
  {
    auto set = static_cast<std::uint32_t>(which.value_or(fields::none));
    return ordered(std::nullopt, [&](auto** order, auto** failed) {
      medorder_get_order(handle_.get(), id.data(), id.size(), which ? &set : nullptr, order, failed);
    });
  }
  result<medorder::order> order_by_key(std::string_view key) const
  {
    return ordered(std::nullopt, [&](auto** order, auto** failed) {
      medorder_get_order_by_key(handle_.get(), key.data(), key.size(), order, failed);
    });
  }
  result<medorder::order> delete_order(std::string_view id, std::string_view reason, std::optional<std::int64_t> version = std::nullopt) const
  {
    return ordered(std::nullopt, [&](auto** order, auto** failed) {
      medorder_delete_order(handle_.get(), id.data(), id.size(), reason.data(), reason.size(), version.value_or(MEDORDER_ABSENT), order,
                            failed);
    });
  }
  result<order_list> orders(const query& asked = {}) const
  {
    medorder_order_query query = MEDORDER_ORDER_QUERY_INIT;
    auto set = static_cast<std::uint32_t>(asked.fields.value_or(fields::none));
    for (auto one : asked.statuses)
      query.statuses |= static_cast<std::uint32_t>(one);
    given(asked.patient_id, &query.patient_id, &query.patient_id_length);
    given(asked.provider_id, &query.provider_id, &query.provider_id_length);
    if (!asked.cursor.empty())
      given(asked.cursor, &query.cursor, &query.cursor_length);
    query.created_from = asked.created_from ? asked.created_from->time_since_epoch().count() : MEDORDER_ABSENT;
    query.created_to = asked.created_to ? asked.created_to->time_since_epoch().count() : MEDORDER_ABSENT;
    query.limit = asked.limit;
    query.fields = asked.fields ? &set : nullptr;
    medorder_order_list* list = nullptr;
    medorder_error* failed = nullptr;
    medorder_list_orders(handle_.get(), &query, &list, &failed);
    return detail::answer<order_list>(failed, [&] { return order_list(list); });
  }
  // A call by its name with JSON, as the table at medorder_session_call says.
  result<text> call(std::string_view name, std::string_view arguments) const
  {
    medorder_text* answer = nullptr;
    medorder_error* failed = nullptr;
    medorder_session_call(handle_.get(), name.data(), name.size(), arguments.data(), arguments.size(), &answer, &failed);
    return detail::answer<text>(failed, [&] { return text(answer); });
  }
  // Every entry of the audit, a page of lines of JSON at a time.
  result<void> export_audit(const std::function<void(std::string_view)>& each) const
  {
    medorder_export* pages = nullptr;
    medorder_text* page = nullptr;
    medorder_error* failed = nullptr;
    medorder_export_audit(handle_.get(), &pages, &failed);
    detail::owned<medorder_export, medorder_export_free> kept(pages);
    while (failed == nullptr && medorder_export_next(pages, &page, &failed) == MEDORDER_OK && page != nullptr)
      each(text(page).view());
    return detail::answer<void>(failed, [] {});
  }
  // Of one order, or of all if there is no `order_id`. `since`: none, from now; empty, from the start; or a cursor.
  result<medorder::subscription> subscribe(std::optional<std::string_view> order_id = std::nullopt,
                                           std::optional<std::string_view> since = std::nullopt) const
  {
    medorder_subscription* made = nullptr;
    medorder_error* failed = nullptr;
    medorder_subscribe(handle_.get(), start(order_id), order_id ? order_id->size() : 0, start(since), since ? since->size() : 0,
                       &made, &failed);
    return detail::answer<medorder::subscription>(failed, [&] { return medorder::subscription(made); });
  }
  result<medorder::listener> listen(on_event callback, std::optional<std::string_view> order_id = std::nullopt,
                                    std::optional<std::string_view> since = std::nullopt) const
  {
    medorder_listener* made = nullptr;
    medorder_error* failed = nullptr;
    auto call = [](void* data, const medorder_event* event, const medorder_error* ended) {
      event_view view(event);
      detail::guarded(0, [&] {
        (*static_cast<on_event*>(data))(event != nullptr ? &view : nullptr, medorder_error_code(ended));
        return 0;
      });
    };
    medorder_listen(handle_.get(), start(order_id), order_id ? order_id->size() : 0, start(since),
                    since ? since->size() : 0, call, new on_event(std::move(callback)), detail::destroyed<on_event>, &made, &failed);
    return detail::answer<medorder::listener>(failed, [&] { return medorder::listener(made); });
  }
  // Ends the session and its subscriptions.
  void revoke() const { medorder_session_revoke(handle_.get(), nullptr); }

private:
  template <class Call> static result<medorder::order> ordered(const std::optional<error>& earlier, Call call)
  {
    medorder_order* order = nullptr;
    medorder_error* failed = nullptr;
    if (!earlier)
      call(&order, &failed);
    return detail::answer<medorder::order>(earlier, failed, [&] { return medorder::order(order); });
  }
  static void given(const std::optional<std::string_view>& text, const char** data, std::size_t* length)
  {
    *data = start(text);
    *length = text ? text->size() : 0;
  }
  // A view of nothing is a text all the same, where none would mean something else.
  static const char* start(const std::optional<std::string_view>& text)
  {
    return !text ? nullptr : text->empty() ? "" : text->data();
  }

  detail::owned<medorder_session, medorder_session_free> handle_;
};

class keys;

// Administrative acts of one actor.
class admin {
public:
  using on_progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

  explicit admin(medorder_admin* taken) : handle_(taken) {}
  // An act by its name with JSON, as the table at medorder_admin_call says.
  result<text> call(std::string_view name, std::string_view arguments = "{}", const on_progress& progress = {}) const
  {
    medorder_text* answer = nullptr;
    medorder_error* failed = nullptr;
    medorder_admin_call(handle_.get(), name.data(), name.size(), arguments.data(), arguments.size(), told, data(progress), &answer,
                        &failed);
    return detail::answer<text>(failed, [&] { return text(answer); });
  }
  inline result<void> change_root(const keys& to, const on_progress& progress = {}) const;

private:
  static void told(void* data, std::uint64_t done, std::uint64_t total)
  {
    detail::guarded(0, [&] {
      const auto& progress = *static_cast<const on_progress*>(data);
      if (progress)
        progress(done, total);
      return 0;
    });
  }
  static void* data(const on_progress& progress) { return const_cast<on_progress*>(&progress); }

  detail::owned<medorder_admin, medorder_admin_free> handle_;
};

// Makes a key file. Losing it loses the data.
inline result<void> generate_key_file(std::string_view path)
{
  medorder_error* failed = nullptr;
  medorder_generate_key_file(path.data(), path.size(), &failed);
  return detail::answer<void>(failed, [] {});
}

// Hears the log of the library up to `level`, like MEDORDER_LOG_WARN, on a thread of its own; an empty function ends that.
inline result<void> set_logger(std::int32_t level, std::function<void(std::int32_t level, std::string_view message)> hear)
{
  using on_message = decltype(hear);
  medorder_error* failed = nullptr;
  if (!hear) {
    medorder_set_logger(level, nullptr, nullptr, nullptr, &failed);
  } else {
    auto call = [](void* data, std::int32_t of, const char* message) {
      detail::guarded(0, [&] {
        (*static_cast<on_message*>(data))(of, message);
        return 0;
      });
    };
    medorder_set_logger(level, call, new on_message(std::move(hear)), detail::destroyed<on_message>, &failed);
  }
  return detail::answer<void>(failed, [] {});
}

// A key service of the program. Both functions are called from any thread and have 5 seconds; an exception is "cannot be
// asked now".
struct key_service {
  // The 32 bytes of the key, bound to the context, as a blob of at most 8,192 bytes.
  std::function<std::string(const std::uint8_t* key, std::string_view context)> wrap;
  // Writes the 32 bytes; false if the blob is not of this service and this context.
  std::function<bool(std::string_view blob, std::string_view context, std::uint8_t* key)> unwrap;
};

// Where the root key is.
class keys {
public:
  explicit keys(medorder_keys* taken) : handle_(taken) {}
  static result<keys> file(std::string_view path)
  {
    return make([&](auto** made, auto** failed) { medorder_keys_file(path.data(), path.size(), made, failed); });
  }
  static result<keys> variable(std::string_view name)
  {
    return make([&](auto** made, auto** failed) { medorder_keys_variable(name.data(), name.size(), made, failed); });
  }
  static result<keys> service(key_service service)
  {
    medorder_key_callbacks callbacks = MEDORDER_KEY_CALLBACKS_INIT;
    callbacks.wrap = wrapped;
    callbacks.unwrap = unwrapped;
    callbacks.user_data = new key_service(std::move(service));
    callbacks.destroy = detail::destroyed<key_service>;
    return make([&](auto** made, auto** failed) { medorder_keys_callbacks(&callbacks, made, failed); });
  }
  const medorder_keys* get() const { return handle_.get(); }

private:
  template <class Call> static result<keys> make(Call call)
  {
    medorder_keys* made = nullptr;
    medorder_error* failed = nullptr;
    call(&made, &failed);
    return detail::answer<keys>(failed, [&] { return keys(made); });
  }
  static std::string_view view(const std::uint8_t* bytes, std::size_t length)
  {
    return {reinterpret_cast<const char*>(bytes), length};
  }
  static std::int32_t wrapped(void* data, const std::uint8_t* key, const std::uint8_t* context, std::size_t context_length,
                              std::uint8_t* blob, std::size_t* blob_length)
  {
    return detail::guarded(MEDORDER_KEY_UNAVAILABLE, [&]() -> std::int32_t {
      const std::string made = static_cast<key_service*>(data)->wrap(key, view(context, context_length));
      if (made.empty() || made.size() > *blob_length)
        return MEDORDER_KEY_UNAVAILABLE;
      std::memcpy(blob, made.data(), made.size());
      *blob_length = made.size();
      return MEDORDER_OK;
    });
  }
  static std::int32_t unwrapped(void* data, const std::uint8_t* blob, std::size_t blob_length, const std::uint8_t* context,
                                std::size_t context_length, std::uint8_t* key)
  {
    return detail::guarded(MEDORDER_KEY_UNAVAILABLE, [&]() -> std::int32_t {
      auto* service = static_cast<key_service*>(data);
      return service->unwrap(view(blob, blob_length), view(context, context_length), key) ? MEDORDER_OK : MEDORDER_KEY_MISMATCH;
    });
  }

  detail::owned<medorder_keys, medorder_keys_free> handle_;
};

inline result<void> admin::change_root(const keys& to, const on_progress& progress) const
{
  medorder_error* failed = nullptr;
  medorder_admin_change_root(handle_.get(), to.get(), told, data(progress), &failed);
  return detail::answer<void>(failed, [] {});
}

// The hospital's own directory. Both functions are called from any thread and have 5 seconds; an exception is "cannot
// tell", which fails the call.
struct directory {
  std::function<bool(std::string_view territory)> territory_exists;
  std::function<bool(std::string_view patient, std::string_view provider, std::string_view territory)> relationship_exists;
};

// A place for signed checkpoints outside the database. Both functions are called from any thread and have 5 seconds; an
// exception is "not kept" or "cannot tell", which fails the call.
struct anchor {
  // Keeps a note durably; the same may come twice.
  std::function<void(std::string_view note)> keep;
  // The newest note of a chain (a territory, or empty for the system chain), empty if there is none.
  std::function<std::string(std::string_view chain)> newest;
};

struct options {
  // JSON, as medorder_options says.
  std::string_view settings = {};
  // Without one the registry in the database is asked.
  std::optional<medorder::directory> directory = {};
  // Without one there is none, or the file of the setting `anchor_file`.
  std::optional<medorder::anchor> anchor = {};
};

// The engine on one database.
class service {
public:
  explicit service(medorder_service* taken) : handle_(taken) {}
  static result<service> open(std::string_view url, const keys& keys, options given = {})
  {
    medorder_options options = MEDORDER_OPTIONS_INIT;
    options.settings = given.settings.empty() ? nullptr : given.settings.data();
    options.settings_length = given.settings.size();
    if (given.directory) {
      options.directory.territory_exists = [](void* data, const char* territory, std::int32_t* exists) {
        return detail::guarded(MEDORDER_STORAGE_UNAVAILABLE, [&] {
          *exists = static_cast<directory*>(data)->territory_exists(territory);
          return MEDORDER_OK;
        });
      };
      options.directory.relationship_exists = [](void* data, const char* patient, const char* provider, const char* territory,
                                                 std::int32_t* exists) {
        return detail::guarded(MEDORDER_STORAGE_UNAVAILABLE, [&] {
          *exists = static_cast<directory*>(data)->relationship_exists(patient, provider, territory);
          return MEDORDER_OK;
        });
      };
      options.directory.user_data = new directory(std::move(*given.directory));
      options.directory.destroy = detail::destroyed<directory>;
    }
    if (given.anchor) {
      options.anchor.keep = [](void* data, const char* note, std::size_t length) {
        return detail::guarded(MEDORDER_STORAGE_UNAVAILABLE, [&] {
          static_cast<anchor*>(data)->keep({note, length});
          return MEDORDER_OK;
        });
      };
      options.anchor.newest = [](void* data, const char* chain, char* note, std::size_t* length) {
        return detail::guarded(MEDORDER_STORAGE_UNAVAILABLE, [&]() -> std::int32_t {
          const std::string newest = static_cast<anchor*>(data)->newest(chain);
          if (newest.size() > *length)
            return MEDORDER_STORAGE_UNAVAILABLE;
          std::memcpy(note, newest.data(), newest.size());
          *length = newest.size();
          return MEDORDER_OK;
        });
      };
      options.anchor.user_data = new anchor(std::move(*given.anchor));
      options.anchor.destroy = detail::destroyed<anchor>;
    }
    medorder_service* made = nullptr;
    medorder_error* failed = nullptr;
    medorder_open(url.data(), url.size(), keys.get(), &options, &made, &failed);
    return detail::answer<service>(failed, [&] { return service(made); });
  }
  result<medorder::session> session(const actor& actor, std::string_view territory) const
  {
    medorder_session* made = nullptr;
    medorder_error* failed = nullptr;
    if (!actor.failed())
      medorder_session_new(handle_.get(), actor.get(), territory.data(), territory.size(), &made, &failed);
    return detail::answer<medorder::session>(actor.failed(), failed, [&] { return medorder::session(made); });
  }
  result<medorder::admin> admin(const actor& actor) const
  {
    medorder_admin* made = nullptr;
    medorder_error* failed = nullptr;
    if (!actor.failed())
      medorder_admin_new(handle_.get(), actor.get(), &made, &failed);
    return detail::answer<medorder::admin>(actor.failed(), failed, [&] { return medorder::admin(made); });
  }
  // The random identity of the database.
  result<std::string> generation() const
  {
    medorder_text* generation = nullptr;
    medorder_error* failed = nullptr;
    medorder_service_generation(handle_.get(), &generation, &failed);
    return detail::answer<std::string>(failed, [&] { return std::string(text(generation).view()); });
  }
  // Ends what runs and lets go of the database; whoever waits for events gets MEDORDER_CLOSED.
  result<void> close() const
  {
    medorder_error* failed = nullptr;
    medorder_service_close(handle_.get(), &failed);
    return detail::answer<void>(failed, [] {});
  }

private:
  detail::owned<medorder_service, medorder_service_free> handle_;
};

}  // namespace medorder

#endif
