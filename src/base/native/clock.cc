#include "pailfs/base/clock.h"

#include <ctime>

#include "base/file.h"
#include "base/mutex.h"

namespace pail {
namespace {

class SystemClock final : public Clock {
 public:
  WallTime wall() const override { return std::chrono::system_clock::now(); }
  SteadyTime steady() const override { return std::chrono::steady_clock::now(); }
  SteadyTime boot() const override {
    timespec time{};
    clock_gettime(CLOCK_BOOTTIME, &time);
    return SteadyTime(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
  }
  std::string boot_id() const override {
    auto text = read_file("/proc/sys/kernel/random/boot_id", ByteCount{256});
    if (!text) return {};
    while (!text->empty() && text->back() == '\n') text->pop_back();
    return *std::move(text);
  }
  bool wait_until(CondVar& changed, Mutex& mutex, SteadyTime until) const override PAIL_REQUIRES(mutex) {
    return changed.wait_until(mutex, until);
  }
};

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

}  // namespace pail
