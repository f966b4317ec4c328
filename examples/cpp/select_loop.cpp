// A program that has lived in a select() loop for twenty years watches orders beside what it watched before: here a pipe
// on which another thread, standing for a terminal, asks for orders.
#include <sys/select.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <medorder.hpp>
#include <thread>

using namespace std::chrono_literals;

int main()
try {
  medorder::generate_key_file("root.key");
  // Whoever reaches this program may order for everybody: it has checked before.
  auto yes = [](auto...) { return true; };
  auto service = medorder::service::open("orders.db", medorder::keys::file("root.key"),
                                         {R"({"synchronous":"normal"})", medorder::directory{yes, yes}});
  medorder::actor actor("ward-3", "treatment");
  actor.roles({"requester", "administrator"}).territory("north");
  service.admin(actor).call("register_territory", R"({"territory_id":"north"})");
  auto session = service.session(actor, "north");
  auto feed = session.subscribe();

  int line[2];
  if (pipe(line) != 0)
    return 1;
  std::thread terminal([&] {
    for (const char* patient : {"1", "2", "3", "q"}) {
      if (write(line[1], patient, 1) != 1)
        return;
      std::this_thread::sleep_for(20ms);
    }
  });

  const int events = feed.descriptor();
  int seen = 0;
  for (bool open = true; open || seen < 3;) {
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(line[0], &readable);
    FD_SET(events, &readable);
    if (select(std::max(line[0], events) + 1, &readable, nullptr, nullptr, nullptr) < 0)
      return 1;
    char asked = 0;
    if (FD_ISSET(line[0], &readable) && read(line[0], &asked, 1) == 1) {
      open = asked != 'q';
      if (open)
        session.create_order(medorder::draft(std::string("p-") + asked, "npi-17", "blood count"));
    }
    // Ask until there is none: then the descriptor is silent until something happens.
    if (FD_ISSET(events, &readable))
      for (const auto& event : feed.events(0ms))
        std::cout << "order " << ++seen << ": " << name(event.new_status()) << " by " << event.user_id() << '\n';
  }
  terminal.join();
  close(line[0]);
  close(line[1]);
  service.close();
} catch (const medorder::error& error) {
  std::cerr << error.name() << ": " << error.what() << '\n';
  return 1;
}
