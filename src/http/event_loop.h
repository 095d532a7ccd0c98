// One network thread: a curl multi handle, its connections, and the transfers on them.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "base/thread.h"
#include "http/transfer.h"
#include "pailfs/base/stop.h"
#include "runtime/lane_queue.h"

namespace pail::http {

// Thread-safe. Destruction ends all transfers with ECANCELED and joins the thread.
class EventLoop {
 public:
  // `connections_per_host` bounds the transfers that are active at once for each scheme, host and port.
  static Result<std::unique_ptr<EventLoop>> create(const ClientOptions& options, unsigned connections_per_host);
  ~EventLoop();

  void add(std::shared_ptr<Transfer> transfer, const StopToken& stop) PAIL_EXCLUDES(mutex_);

  unsigned load() const { return load_.load(std::memory_order_relaxed); }  // transfers not yet done
  bool is_current_thread() const { return thread_.is_current(); }

 private:
  struct Host {
    unsigned active = 0;
    runtime::LaneQueue<std::shared_ptr<Transfer>> waiting;
  };

  EventLoop(CurlMulti multi, const ClientOptions& options, unsigned connections_per_host);
  void cancel(const std::weak_ptr<Transfer>& transfer) PAIL_EXCLUDES(mutex_);
  void run();

  // The rest runs on the loop's thread only.
  bool take_commands() PAIL_EXCLUDES(mutex_);  // false when it is time to end
  void admit(const std::shared_ptr<Transfer>& transfer);
  void activate(const std::shared_ptr<Transfer>& transfer);
  void end_cancelled(const std::shared_ptr<Transfer>& transfer);
  void reap();
  void expire_silent();
  void finish_active(CURL* easy, Result<Unit> outcome);
  void admit_next(const std::string& origin);
  void finish(Transfer& transfer, Result<Unit> outcome);
  void end_all();
  int poll_timeout_ms() const;

  const ClientOptions options_;
  const unsigned connections_per_host_;
  CurlMulti multi_;  // freed by the loop's thread when it ends
  std::atomic<unsigned> load_ = 0;

  Mutex mutex_;
  std::vector<std::shared_ptr<Transfer>> arrived_ PAIL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Transfer>> cancelled_ PAIL_GUARDED_BY(mutex_);
  bool stopping_ PAIL_GUARDED_BY(mutex_) = false;

  std::unordered_map<CURL*, std::shared_ptr<Transfer>> active_;
  std::unordered_map<std::string, Host> hosts_;
  std::vector<CurlEasy> spare_;
  SteadyTime next_sweep_ = SteadyTime::max();

  Thread thread_;
};

}  // namespace pail::http
