// One order from its creation to its end, watched and audited: c++ orders.cpp $(pkg-config --cflags --libs medorder)
#include <iostream>
#include <medorder.hpp>

using namespace std::chrono_literals;
using medorder::status;

int main()
try {
  medorder::generate_key_file("root.key");  // whoever loses this file loses the data
  auto service = medorder::service::open("orders.db", medorder::keys::file("root.key"));
  medorder::actor actor("u-7", "treatment");  // whom the program has authenticated
  actor.roles({"requester", "verifier", "fulfiller", "auditor", "administrator"}).territory("*");
  auto admin = service.admin(actor);
  admin.call("register_territory", R"({"territory_id":"north"})");
  admin.call("register_relationship", R"({"territory_id":"north","patient_id":"p-1","provider_id":"npi-17"})");

  auto session = service.session(actor, "north");
  auto feed = session.subscribe();
  auto order = session.create_order(medorder::draft("p-1", "npi-17", "MRI brain").notes("anxious"));
  session.update_status(order.id(), medorder::change(status::verified).verification("u-7", "phone"));
  session.update_status(order.id(), medorder::change(status::in_progress));
  session.update_status(order.id(), medorder::change(status::completed));

  for (const auto& event : feed.events(0ms))
    std::cout << "event: " << name(event.new_status()) << '\n';
  for (medorder::order_view seen : session.orders())
    std::cout << "notes: " << seen.notes().value_or("(withheld)") << '\n';
  std::cout << "audit: " << session.call("verify_audit", "{}").view().substr(0, 20) << '\n';

  try {
    session.update_status(order.id(), medorder::change(status::cancelled).reason("too late"));
  } catch (const medorder::error& error) {
    std::cout << "refused: " << error.name() << ", " << error.why().value_or("") << ", the order is "
              << name(error.current_status().value_or(status::cancelled)) << '\n';
  }
  service.close();
} catch (const medorder::error& error) {
  std::cerr << error.name() << ": " << error.what() << '\n';
  return 1;
}
