#include "http/event_loop.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "pailfs/base/stop.h"

namespace pail::http {
namespace {

using std::chrono::milliseconds;

// Deadlines move later as bytes flow, but a change of phase may bring one forward: look at least this often.
constexpr milliseconds kLongestSweepGap{1000};
// If handlers held the thread this long, bytes may wait in sockets unseen: silence then proves nothing.
constexpr milliseconds kLongRound{500};
constexpr milliseconds kIdlePoll{60'000};
constexpr std::size_t kSpareHandles = 64;

SteadyTime now() {
  return system_clock().steady();
}

}  // namespace

Result<std::unique_ptr<EventLoop>> EventLoop::create(const ClientOptions& options, unsigned connections_per_host) {
  CurlMulti multi(curl_multi_init());
  if (!multi) return Error{ENOMEM, "no memory for the network thread"};
  curl_multi_setopt(multi.get(), CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
  // Twice: an idle pool of one host must survive a burst to another (tokens, a tethered endpoint).
  curl_multi_setopt(multi.get(), CURLMOPT_MAXCONNECTS, static_cast<long>(connections_per_host) * 2);
  return std::unique_ptr<EventLoop>(new EventLoop(std::move(multi), options, connections_per_host));
}

EventLoop::EventLoop(CurlMulti multi, const ClientOptions& options, unsigned connections_per_host)
    : options_(options), connections_per_host_(connections_per_host), multi_(std::move(multi)) {
  // Signals belong to the threads of the program that owns us; SIGPIPE from a TLS write to none.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = Thread("pailfs-net", [this] { run(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

EventLoop::~EventLoop() {
  {
    const MutexLock lock(mutex_);  // also over the wake-up: the thread frees what is woken once it sees stopping_
    stopping_ = true;
    curl_multi_wakeup(multi_.get());
  }
  thread_.join();
}

void EventLoop::add(std::shared_ptr<Transfer> transfer, const StopToken& stop) {
  load_.fetch_add(1, std::memory_order_relaxed);
  transfer->watch(stop, [this, weak = std::weak_ptr(transfer)] { cancel(weak); });
  {
    const MutexLock lock(mutex_);
    arrived_.push_back(std::move(transfer));
    if (arrived_.size() > 1) return;  // the thread has been woken and has not looked yet
  }
  curl_multi_wakeup(multi_.get());
}

void EventLoop::cancel(const std::weak_ptr<Transfer>& weak) {
  auto transfer = weak.lock();
  if (!transfer) return;
  {
    const MutexLock lock(mutex_);
    cancelled_.push_back(std::move(transfer));
  }
  curl_multi_wakeup(multi_.get());
}

void EventLoop::run() {
  while (take_commands()) {
    const SteadyTime begin = now();
    int running = 0;
    curl_multi_perform(multi_.get(), &running);
    reap();
    if (now() - begin < kLongRound) expire_silent();
    curl_multi_poll(multi_.get(), nullptr, 0, poll_timeout_ms(), nullptr);
  }
  end_all();
  // Here, where SIGPIPE is blocked: closing a TLS connection writes to it.
  spare_.clear();
  multi_.reset();
}

int EventLoop::poll_timeout_ms() const {
  if (active_.empty()) return static_cast<int>(kIdlePoll.count());
  const auto left = std::chrono::ceil<milliseconds>(next_sweep_ - now());
  return static_cast<int>(std::clamp(left, milliseconds(0), kLongestSweepGap).count());
}

bool EventLoop::take_commands() {
  std::vector<std::shared_ptr<Transfer>> arrived, cancelled;
  {
    const MutexLock lock(mutex_);
    if (stopping_) return false;
    arrived.swap(arrived_);
    cancelled.swap(cancelled_);
  }
  for (const auto& transfer : cancelled) end_cancelled(transfer);
  for (const auto& transfer : arrived) admit(transfer);
  return true;
}

void EventLoop::admit(const std::shared_ptr<Transfer>& transfer) {
  if (transfer->cancelled) return finish(*transfer, transfer->error(ECANCELED, "cancelled"));
  if (auto parsed = transfer->parse(); !parsed) return finish(*transfer, std::move(parsed));
  Host& host = hosts_[transfer->origin()];
  transfer->stage = Transfer::Stage::waiting;
  host.waiting.push(transfer->lane(), transfer);
  admit_next(transfer->origin());
}

void EventLoop::admit_next(const std::string& origin_name) {
  const std::string origin = origin_name;  // the transfer that lent it may go
  for (;;) {
    const auto found = hosts_.find(origin);
    if (found == hosts_.end()) return;
    Host& host = found->second;
    if (host.waiting.empty()) {
      if (host.active == 0) hosts_.erase(found);
      return;
    }
    if (host.active >= connections_per_host_) return;
    ++host.active;
    activate(host.waiting.pop());
  }
}

void EventLoop::activate(const std::shared_ptr<Transfer>& transfer) {
  CurlEasy easy;
  if (spare_.empty()) {
    easy.reset(curl_easy_init());
  } else {
    easy = std::move(spare_.back());
    spare_.pop_back();
  }
  Result<Unit> ready = easy ? transfer->prepare(std::move(easy), options_, now())
                            : Result<Unit>(transfer->error(ENOMEM, "no memory for a transfer"));
  if (ready && curl_multi_add_handle(multi_.get(), transfer->easy()) != CURLM_OK)
    ready = transfer->error(ENOMEM, "no memory for a transfer");
  if (!ready) {
    --hosts_[transfer->origin()].active;
    return finish(*transfer, std::move(ready));
  }
  transfer->stage = Transfer::Stage::active;
  active_.emplace(transfer->easy(), transfer);
  next_sweep_ = std::min(next_sweep_, now() + std::min(kLongestSweepGap, transfer->shortest_patience()));
}

void EventLoop::end_cancelled(const std::shared_ptr<Transfer>& transfer) {
  switch (transfer->stage) {
    case Transfer::Stage::queued:
      transfer->cancelled = true;
      return;
    case Transfer::Stage::waiting: {
      hosts_[transfer->origin()].waiting.erase(transfer->lane(), transfer);
      finish(*transfer, transfer->error(ECANCELED, "cancelled"));
      return admit_next(transfer->origin());
    }
    case Transfer::Stage::active:
      return finish_active(transfer->easy(), transfer->error(ECANCELED, "cancelled"));
    case Transfer::Stage::done:
      return;
  }
}

void EventLoop::reap() {
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* const easy = message->easy_handle;
    const CURLcode code = message->data.result;  // `message` dies with the handle's removal
    const auto found = active_.find(easy);
    if (found != active_.end()) finish_active(easy, found->second->outcome(code));
  }
}

void EventLoop::expire_silent() {
  const SteadyTime time = now();
  if (time < next_sweep_) return;
  SteadyTime next = time + kLongestSweepGap;
  std::vector<std::pair<CURL*, Error>> silent;
  for (const auto& [easy, transfer] : active_) {
    transfer->note_sent();
    auto deadline = transfer->deadline();
    if (deadline && *deadline <= time) {
      if (auto error = transfer->expire(time)) silent.emplace_back(easy, std::move(*error));
      deadline = transfer->deadline();
    }
    if (deadline && *deadline > time) next = std::min(next, *deadline);
  }
  next_sweep_ = next;
  for (auto& [easy, error] : silent) finish_active(easy, std::move(error));
}

void EventLoop::finish_active(CURL* easy, Result<Unit> outcome) {
  const auto found = active_.find(easy);
  const auto transfer = std::move(found->second);
  active_.erase(found);
  curl_multi_remove_handle(multi_.get(), easy);
  CurlEasy handle = transfer->release();
  // A handle whose transfer failed early keeps a buffer that curl refuses to size again (error 43), so it is not
  // reused.
  if (outcome && spare_.size() < kSpareHandles) {
    curl_easy_reset(handle.get());
    spare_.push_back(std::move(handle));
  }
  handle.reset();
  --hosts_[transfer->origin()].active;
  finish(*transfer, std::move(outcome));
  admit_next(transfer->origin());
}

void EventLoop::finish(Transfer& transfer, Result<Unit> outcome) {
  load_.fetch_sub(1, std::memory_order_relaxed);
  transfer.finish(std::move(outcome));
}

void EventLoop::end_all() {
  // A handler may start another request from on_done(): go on until nothing is left.
  for (;;) {
    std::vector<std::shared_ptr<Transfer>> doomed;
    {
      const MutexLock lock(mutex_);
      doomed.swap(arrived_);
      cancelled_.clear();
    }
    for (auto& [origin, host] : hosts_)
      while (!host.waiting.empty()) doomed.push_back(host.waiting.pop());
    hosts_.clear();
    for (const auto& [easy, transfer] : active_) {
      curl_multi_remove_handle(multi_.get(), easy);
      doomed.push_back(transfer);
    }
    active_.clear();
    if (doomed.empty()) return;
    for (const auto& transfer : doomed) finish(*transfer, transfer->error(ECANCELED, "the client is shutting down"));
  }
}

}  // namespace pail::http
