// A limit on the bytes that all connections together may hold of something.
#pragma once

#include <atomic>
#include <cstddef>

namespace pail::emulator {

// Thread-safe.
class ByteBudget {
 public:
  explicit ByteBudget(std::size_t most) : most_(most) {}

  // What one connection holds of it, given back at the end. One thread at a time.
  class Share {
   public:
    explicit Share(ByteBudget& budget) : budget_(budget) {}
    ~Share() { release(); }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // Holds `size` bytes and not less than before; false, and nothing changed, when there are not enough.
    bool grow_to(std::size_t size) {
      if (size <= held_) return true;
      const std::size_t more = size - held_;
      if (budget_.used_.fetch_add(more) + more > budget_.most_) {
        budget_.used_ -= more;
        return false;
      }
      held_ = size;
      return true;
    }
    void release() {
      budget_.used_ -= held_;
      held_ = 0;
    }

   private:
    ByteBudget& budget_;
    std::size_t held_ = 0;
  };

 private:
  const std::size_t most_;
  std::atomic<std::size_t> used_{0};
};

}  // namespace pail::emulator
