// http::Client over the simulated network: a thread of its own calls the handlers, as curl's does.
#include "pailfs/http/client.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "base/thread.h"
#include "schedule/scheduler.h"
#include "simulation/life/network.h"

namespace pail::simulation {
namespace {

struct Transfer {
  http::Request request;
  std::shared_ptr<http::ResponseHandler> handler;
  StopToken stop;
  std::optional<StopCallback> on_stop;
  SteadyTime deadline = SteadyTime::max();
};
struct Begun {
  std::uint64_t id;
  std::shared_ptr<Transfer> transfer;
};
struct Cancelled {
  std::uint64_t id;
};
struct Ending {};
using Command = std::variant<Begun, Cancelled, StoreAnswer, Ending>;

Network* the_network = nullptr;
// One client a process: what comes in while there is none is for nobody.
schedule::Mailbox<Command>* commands_of_the_client = nullptr;
std::uint64_t last_id = 0;

constexpr std::size_t kPiece = 16 << 10;

}  // namespace

void use(Network& network) {
  the_network = &network;
}

void arrive(StoreAnswer answer) {
  if (commands_of_the_client != nullptr) commands_of_the_client->put(std::move(answer));
}

}  // namespace pail::simulation

namespace pail::http {

using simulation::StoreAnswer;
using simulation::StoreRequest;
using simulation::Transfer;

class Client::Impl {
 public:
  Impl() {
    simulation::commands_of_the_client = &commands_;
    thread_ = Thread("pailfs-net", [this] { run(); });
  }
  ~Impl() {
    commands_.put(simulation::Ending{});
    thread_.join();
    simulation::commands_of_the_client = nullptr;
  }

  void start(Request request, std::shared_ptr<ResponseHandler> handler, const StopToken& stop) {
    const std::uint64_t id = ++simulation::last_id;
    const auto transfer = std::make_shared<Transfer>();
    transfer->request = std::move(request);
    transfer->handler = std::move(handler);
    transfer->stop = stop;
    transfer->on_stop.emplace(stop, [this, id] { commands_.put(simulation::Cancelled{id}); });
    commands_.put(simulation::Begun{id, transfer});
  }
  bool on_network_thread() const { return thread_.is_current(); }

 private:
  void run() {
    for (;;) {
      const auto command = commands_.take_until(next_deadline());
      expire();
      if (!command) continue;
      if (std::holds_alternative<simulation::Ending>(*command)) break;
      carry_out(*command);
    }
    while (!transfers_.empty()) end(transfers_.begin()->first, cancelled());
  }

  void carry_out(const simulation::Command& command) {
    if (const auto* begun = std::get_if<simulation::Begun>(&command)) begin(*begun);
    if (const auto* cancelled_one = std::get_if<simulation::Cancelled>(&command))
      give_up(cancelled_one->id, cancelled());
    if (const auto* answer = std::get_if<StoreAnswer>(&command)) deliver(*answer);
  }

  void begin(const simulation::Begun& begun) {
    Transfer& transfer = *(transfers_[begun.id] = begun.transfer);
    const Request& request = transfer.request;
    if (transfer.stop.stop_requested()) return end(begun.id, cancelled());  // before it was known here
    auto body = body_of(request);
    if (!body) return end(begun.id, body.error());
    auto deadline = system_clock().steady() + request.deadlines.first_byte;
    if (request.budget) deadline = std::min(deadline, request.budget->end());
    transfer.deadline = deadline;
    simulation::the_network->send({begun.id, request.method, request.url, request.headers, *std::move(body),
                                   request.deadlines.first_byte, request.deadlines.stall});
  }

  static Result<std::string> body_of(const Request& request) {
    std::string body(request.body ? request.body->size().n : 0, '\0');
    for (std::size_t at = 0; at < body.size();) {
      const auto out = std::as_writable_bytes(std::span(body)).subspan(at, std::min(kReadAtOnce, body.size() - at));
      PAIL_TRY(const std::size_t got, request.body->read_at({at}, out));
      if (got == 0) return Error{EIO, "a body ended before its size"};
      at += got;
    }
    return body;
  }

  // What the client makes of an answer while it comes.
  void deliver(const StoreAnswer& answer) {
    const auto found = transfers_.find(answer.id);
    if (found == transfers_.end()) return;
    const Transfer& transfer = *found->second;
    if (transfer.request.budget && transfer.request.body) transfer.request.budget->sent(transfer.request.body->size());
    const std::uint64_t arriving =
        answer.broken != 0 ? std::min<std::uint64_t>(answer.arriving, answer.body.size()) : answer.body.size();
    if (answer.status != 0 && !hand_over(transfer, answer, arriving)) return give_up(answer.id, cancelled());
    if (answer.broken == 0) return end(answer.id, Unit{});
    end(answer.id, error(transfer.request, answer.broken, "the transfer broke"));
  }

  // False: the handler wants no more.
  static bool hand_over(const Transfer& transfer, const StoreAnswer& answer, std::uint64_t arriving) {
    if (!transfer.handler->on_head(answer.status, answer.headers)) return false;
    const auto bytes = std::as_bytes(std::span(answer.body)).first(arriving);
    for (std::size_t at = 0; at < bytes.size(); at += simulation::kPiece) {
      if (!transfer.handler->on_data(bytes.subspan(at, std::min(simulation::kPiece, bytes.size() - at)))) return false;
      if (transfer.request.budget) transfer.request.budget->received({at});
    }
    return true;
  }

  std::optional<SteadyTime> next_deadline() const {
    std::optional<SteadyTime> next;
    for (const auto& [id, transfer] : transfers_)
      if (transfer->deadline != SteadyTime::max() && (!next || transfer->deadline < *next)) next = transfer->deadline;
    return next;
  }

  void expire() {
    const SteadyTime now = system_clock().steady();
    std::vector<std::uint64_t> late;
    for (const auto& [id, transfer] : transfers_)
      if (transfer->deadline <= now) late.push_back(id);
    for (const std::uint64_t id : late) give_up(id, error(transfers_.at(id)->request, ETIMEDOUT, "no answer in time"));
  }

  void give_up(std::uint64_t id, Error why) {
    if (!transfers_.contains(id)) return;
    simulation::the_network->cancel(id);
    end(id, std::move(why));
  }

  void end(std::uint64_t id, Result<Unit> outcome) {
    const auto ended = transfers_.extract(id);
    ended.mapped()->on_stop.reset();
    ended.mapped()->handler->on_done(std::move(outcome));
  }

  static Error cancelled() { return {ECANCELED, "cancelled"}; }
  static Error error(const Request& request, int errnum, const char* text) {
    return {errnum, request.method + " " + request.url.substr(0, request.url.find('?')) + ": " + text};
  }

  static constexpr std::size_t kReadAtOnce = 64 << 10;

  schedule::Mailbox<simulation::Command> commands_;
  std::map<std::uint64_t, std::shared_ptr<Transfer>> transfers_;  // of the thread
  Thread thread_;
};

Result<std::unique_ptr<Client>> Client::create(ClientOptions) {
  return std::unique_ptr<Client>(new Client(std::make_unique<Impl>()));
}

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::~Client() = default;

void Client::start(Request request, std::shared_ptr<ResponseHandler> handler, StopToken stop) {
  impl_->start(std::move(request), std::move(handler), stop);
}

bool Client::on_network_thread() const {
  return impl_->on_network_thread();
}

}  // namespace pail::http
