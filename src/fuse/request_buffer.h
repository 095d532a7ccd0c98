// The memory into which a thread of the request loop reads requests: as large as the largest
// write, while most requests are small and many may wait for the store at a time.
//
// One for each thread, used by that thread alone.
#pragma once

#include <cstddef>
#include <span>

namespace pail::fuse {

class RequestBuffer {
 public:
  RequestBuffer() = default;
  RequestBuffer(const RequestBuffer&) = delete;
  RequestBuffer& operator=(const RequestBuffer&) = delete;
  ~RequestBuffer() { hand_back(); }

  // Before a read into `whole`: all of its pages are there. A page fault in the middle of a read,
  // while the process is being killed, would make the kernel fail the request with EIO.
  void make_ready(std::span<std::byte> whole);

  // `whole` begins with a request of `used` bytes that this thread now carries out. When many
  // threads do, most of them wait, and the memory behind the request is given back.
  void carry_out(std::span<std::byte> whole, std::size_t used);

 private:
  void hand_back();

  const std::byte* ready_ = nullptr;  // the buffer whose pages are all there
  bool carrying_out_ = false;
};

}  // namespace pail::fuse
