#include "simulation/life/life.h"

#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/log.h"
#include "cos/bucket_store.h"
#include "fuse/open_table.h"
#include "fuse/stop_clock.h"
#include "pailfs/auth/authorizer.h"
#include "pailfs/cos/client.h"
#include "pailfs/http/client.h"
#include "simulation/life/executor.h"
#include "simulation/life/network.h"

namespace pail::simulation {
namespace {

constexpr std::uint64_t kDiskSize = std::uint64_t{100} << 30;

// Both ends of the pipes, as the scheduler, the network and the log use them.
class Pipes final : public schedule::Outside, public Network {
 public:
  Pipes(int from_parent, int to_parent) : from_(from_parent), to_(to_parent) {}

  schedule::Granted consult(SteadyTime now, std::optional<schedule::Idle> idle) override {
    const auto* scheduler = schedule::Scheduler::current();
    flush();
    const auto wake = idle ? idle->wake : std::nullopt;
    must(
        simulation::send(to_, FromLife(Waiting{now, idle.has_value(), wake, scheduler->steps(), scheduler->digest()})));
    auto received = receive_go(from_);
    if (!received) ::_exit(1);  // the parent is gone
    for (Event& event : received->events) take(std::move(event));
    return {received->now, received->until, received->wall_offset};
  }
  [[noreturn]] void give_up(const std::string& text) override {
    flush();
    (void)simulation::send(to_, FromLife(Ended{text, {}, Ended::How::stuck}));
    ::_exit(1);
  }

  void tell(FromLife message) {
    outgoing_.push_back(std::move(message));
    if (auto* scheduler = schedule::Scheduler::current()) scheduler->look_outside();
  }
  void note(LogLine line) { outgoing_.push_back(std::move(line)); }
  // At once: who dies just then has told it.
  void tell_at_once(FromLife message) {
    outgoing_.push_back(std::move(message));
    flush();
  }
  void send(StoreRequest request) override { tell(std::move(request)); }
  void cancel(std::uint64_t id) override { tell(StoreCancel{id}); }

  [[noreturn]] void end(Ended ended) {
    flush();
    must(simulation::send(to_, FromLife(std::move(ended))));
    ::_exit(0);
  }
  Event next() { return events_.take(); }

 private:
  static void must(const Result<Unit>& sent) {
    if (!sent) ::_exit(1);
  }
  void flush() {
    for (const FromLife& message : outgoing_) must(simulation::send(to_, message));
    outgoing_.clear();
  }
  void take(Event event) {
    if (const auto* explain = std::get_if<Explain>(&event))
      give_up(explain->why + "\n" + schedule::Scheduler::current()->stacks());
    if (auto* answer = std::get_if<StoreAnswer>(&event)) return arrive(std::move(*answer));
    events_.put(std::move(event));
  }

  const int from_, to_;
  std::vector<FromLife> outgoing_;
  schedule::Mailbox<Event> events_;
};

class LifeDisk final : public schedule::Disk {
 public:
  LifeDisk(const DiskTrouble& trouble, Pipes& pipes) : trouble_(trouble), pipes_(pipes) {}

  int fails(const schedule::DiskOperation& operation, schedule::Random& random) override {
    if (!strikes_now() || (trouble_.errnum == ENOSPC && !takes_space(operation.name))) return 0;
    if (trouble_.files == FailingFiles::bytes && !has_bytes(operation.where())) return 0;
    if (!random.one_in(trouble_.one_in)) return 0;
    pipes_.tell_at_once(DiskFailed{std::string(operation.name), trouble_.errnum, operation.where()});
    return trouble_.errnum;
  }
  std::uint64_t size() const override { return kDiskSize; }
  std::uint64_t free() const override {
    if (trouble_.errnum != ENOSPC || !strikes_now()) return kDiskSize / 2;
    pipes_.tell_at_once(DiskFailed{std::string(kAsksForSpace), ENOSPC, {}});
    return 0;
  }

 private:
  static bool takes_space(std::string_view operation) {
    return std::ranges::find(kTakesSpace, operation) != kTakesSpace.end();
  }
  static bool has_bytes(const std::string& path) {
    const auto lies_in = [&path](const char* folder) { return path.find(folder) != std::string::npos; };
    return lies_in("/staging/") || lies_in("/cache/blocks/");
  }
  bool strikes_now() const {
    const std::uint64_t step = schedule::Scheduler::current()->steps();
    return trouble_.errnum != 0 && step >= trouble_.from_step && step < trouble_.to_step;
  }

  const DiskTrouble trouble_;
  Pipes& pipes_;
};

class LogSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit LogSink(Pipes& pipes) : pipes_(pipes) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const auto level = spdlog::level::to_string_view(message.level);
    pipes_.note(
        {std::string(level.data(), level.size()) + ": " + std::string(message.payload.data(), message.payload.size())});
  }
  void flush_() override {}

  Pipes& pipes_;
};

void log_to(Pipes& pipes) {
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("simulation", std::make_shared<LogSink>(pipes)));
  spdlog::set_level(spdlog::level::info);
}

// What serves, each part ended before those above it.
struct Served {
  std::shared_ptr<http::Client> http;
  std::shared_ptr<auth::Authorizer> authorizer;
  std::shared_ptr<fuse::SharedOpenTable> opens;
  std::unique_ptr<vfs::FileSystem> files;
};

Result<Served> open(const LifeSettings& settings, fuse::SharedState& state) {
  Served served;
  PAIL_TRY(served.http, http::Client::create({}));
  served.authorizer =
      auth::make_authorizer(auth::HmacKeys{"key", Secret("secret"), Secret()}, "us-south", *served.http);
  cos::ClientOptions client;
  client.url = settings.url;
  client.dialect_file = settings.directory / "dialect";
  PAIL_TRY(const auto store, cos::Client::create(served.http, served.authorizer, std::move(client)));
  vfs::Options options(system_clock());
  options.bucket = settings.bucket;
  options.state_directory = settings.directory;
  options.cache_directory = LifeSettings::cache_of(settings.directory);
  options.cache_size = {settings.cache_size};
  options.metadata_ttl = settings.metadata_ttl;
  options.part_size = {settings.part_size};
  options.uid = 1000;
  options.gid = 100;
  options.endpoint = settings.url;
  served.opens = std::make_shared<fuse::SharedOpenTable>(state);
  PAIL_TRY(served.files,
           vfs::FileSystem::open(options, cos::open_bucket(*store, settings.bucket), served.opens, settings.start));
  return served;
}

void serve(Pipes& pipes, Served& served) {
  Executor executor(*served.files, *served.opens, [&](Answer answer) { pipes.tell(Answered{std::move(answer)}); });
  for (;;) {
    Event event = pipes.next();
    if (std::holds_alternative<Unmount>(event)) return;
    if (auto* ask = std::get_if<Ask>(&event)) executor.ask(std::move(ask->call));
    if (const auto* interrupt = std::get_if<Interrupt>(&event)) executor.interrupt(interrupt->unique);
  }
}

// As src/fuse/worker.cc does when its mount is told to end.
Ended store_all(Pipes& pipes, vfs::FileSystem& files, fuse::SharedState& state) {
  fuse::StopClock stop_clock(state);
  stop_clock.begin_end();
  Ended ended;
  vfs::Sync how;
  how.stop = stop_clock.time_up();
  how.stays = [&](const vfs::Unstored& file) { ended.stays.push_back(file.kept.string()); };
  const auto stored = files.sync_all(how);
  if (!stored) pipes.note({"not everything is stored: " + stored.error().context});
  return ended;
}

}  // namespace

void live(const LifeSettings& settings, int from_parent, int to_parent, fuse::SharedState& state) {
  static Pipes pipes(from_parent, to_parent);
  static LifeDisk disk(settings.disk, pipes);
  log_to(pipes);
  use(pipes);
  schedule::Scheduler::begin(settings.schedule, pipes, disk);
  state.stop_timeout = LifeSettings::kStopTimeout.count();
  Ended ended;
  {
    auto served = open(settings, state);
    if (!served) pipes.end({"the mount cannot begin: " + served.error().context, {}, Ended::How::cannot_begin});
    state.stage = fuse::Stage::serving;
    serve(pipes, *served);
    ended = store_all(pipes, *served->files, state);
  }
  pipes.end(std::move(ended));
}

}  // namespace pail::simulation
