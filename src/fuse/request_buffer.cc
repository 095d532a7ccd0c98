#include "fuse/request_buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace pail::fuse {
namespace {

// So many threads keep their whole buffer, of 1 MiB, while they carry out a request. To give it
// back and fetch it again takes about as long as a request that is answered at once.
constexpr int kBuffersKept = 16;

std::atomic<int> carrying_out{0};  // threads, in this process

const std::uintptr_t kPage = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));

// The pages from the one that holds `begin` up to, not including, the one that holds `end`.
std::span<std::byte> pages(std::byte* begin, std::byte* end) {
  const auto down = [](std::byte* at) { return at - reinterpret_cast<std::uintptr_t>(at) % kPage; };
  return {down(begin), down(end)};
}

void fetch(std::span<std::byte> whole) {
  const auto all = pages(whole.data(), whole.data() + whole.size() + kPage - 1);
  if (madvise(all.data(), all.size(), MADV_POPULATE_WRITE) == 0) return;
  for (std::size_t at = 0; at < whole.size(); at += kPage) whole[at] = std::byte{0};  // before 5.14
  whole.back() = std::byte{0};
}

}  // namespace

void RequestBuffer::hand_back() {
  if (carrying_out_) --carrying_out;
  carrying_out_ = false;
}

void RequestBuffer::make_ready(std::span<std::byte> whole) {
  hand_back();
  if (ready_ == whole.data() || whole.empty()) return;
  fetch(whole);
  ready_ = whole.data();
}

void RequestBuffer::carry_out(std::span<std::byte> whole, std::size_t used) {
  carrying_out_ = true;
  if (++carrying_out <= kBuffersKept) return;
  const auto unused = pages(whole.data() + used + kPage - 1, whole.data() + whole.size());
  if (used + kPage >= whole.size()) return;
  if (madvise(unused.data(), unused.size(), MADV_DONTNEED) == 0) ready_ = nullptr;
}

}  // namespace pail::fuse
