// Everything one emulator knows, shared by all its connections.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "base/unique_fd.h"
#include "emulator/byte_budget.h"
#include "emulator/emulator.h"
#include "emulator/iam.h"
#include "emulator/store.h"
#include "emulator/verifier.h"

namespace pail::emulator {

// The machine's clock, moved by tests.
class MovableClock final : public Clock {
 public:
  WallTime wall() const override { return system_clock().wall() + std::chrono::nanoseconds(offset_); }
  SteadyTime steady() const override { return system_clock().steady() + std::chrono::nanoseconds(offset_); }
  bool wait_until(CondVar& changed, Mutex& mutex, SteadyTime until) const override {
    return system_clock().wait_until(changed, mutex, until - std::chrono::nanoseconds(offset_));
  }
  void advance(std::chrono::nanoseconds by) { offset_ += by.count(); }

 private:
  std::atomic<std::int64_t> offset_{0};
};

// What is written down of an answered request.
struct AccessRecord {
  std::string_view operation;
  std::string method, bucket, key, range, code, request_id;
  int status = 0;  // 0: the connection ended without an answer
  std::uint64_t bytes_in = 0, bytes_out = 0;
};

// Counts requests and appends a JSON line for each to the access log. Thread-safe.
class AccessBook {
 public:
  Result<Unit> open_log(const std::filesystem::path& path);
  void write(const AccessRecord& record, WallTime now);
  std::map<std::string, OperationCount> counts() const;
  void reset();

 private:
  mutable Mutex mutex_;
  std::map<std::string, OperationCount> counts_ PAIL_GUARDED_BY(mutex_);
  UniqueFd log_;
};

struct State {
  Options options;
  ServiceCredentials credentials;
  std::unique_ptr<Store> store;
  std::unique_ptr<Verifier> verifier;
  std::unique_ptr<Iam> iam;
  FaultPlan faults;
  AccessBook book;
  MovableClock clock;
  std::atomic<std::int64_t> latency_ns{0};
  std::atomic<std::uint64_t> bandwidth{0};  // bytes a second, 0: no limit
  std::atomic<std::int64_t> header_patience_ns{0}, progress_patience_ns{0}, idle_patience_ns{0};
  std::atomic<unsigned> connections{0};
  // Of headers that are not complete, so that nobody knows whose they are.
  ByteBudget unproven{8 << 20};

  std::int64_t now_ns() const { return clock.wall().time_since_epoch().count(); }
};

// Reads a service credential, or makes one with random keys when `path` is empty (DIR/credentials.json).
Result<ServiceCredentials> load_credentials(const std::filesystem::path& directory, const std::filesystem::path& path);
// Writes the token endpoint into a credential that load_credentials() made.
Result<Unit> write_token_endpoint(const ServiceCredentials& credentials, const std::string& url);

// Answers /-/control/ requests. `body` is the whole body.
Response control(State& state, const Request& request, const std::string& body);

}  // namespace pail::emulator
