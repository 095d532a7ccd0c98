#include "fuse/connection.h"

#include <pthread.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>

#include "base/file.h"
#include "base/log.h"
#include "fuse/request_buffer.h"

namespace pail::fuse {
namespace {

thread_local CurrentRequest current;
thread_local RequestBuffer request_buffer;

// libfuse ends its threads by cancelling them, which unwinds the stack. Only a wait for the kernel may be cut so.
class CancellableHere {
 public:
  CancellableHere() { pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before_); }
  ~CancellableHere() {
    int ignored;
    pthread_setcancelstate(before_, &ignored);
  }

 private:
  int before_ = 0;
};

class NotCancellable {
 public:
  NotCancellable() { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  ~NotCancellable() {
    int ignored;
    pthread_setcancelstate(before_, &ignored);
  }

 private:
  int before_ = 0;
};

fuse_in_header header_of(std::span<const char> request) {
  fuse_in_header header{};
  std::memcpy(&header, request.data(), sizeof header);
  return header;
}

}  // namespace

const CurrentRequest& current_request() {
  return current;
}

Connection::Connection(int device, SharedState& state, std::function<void()> ended)
    : device_(device), state_(state), ended_(std::move(ended)), attempts_(state) {}

Connection::~Connection() {
  stop_suspects();
}

void Connection::start_suspects(Process process) {
  process_ = std::move(process);
  suspects_thread_ = Thread("pailfs-suspect", [this] { carry_out_suspects(); });
}

void Connection::stop_suspects() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (suspects_thread_.joinable()) suspects_thread_.join();
}

ssize_t Connection::read(void* buffer, std::size_t size) {
  const NotCancellable otherwise;
  const std::span<std::byte> whole(static_cast<std::byte*>(buffer), size);
  request_buffer.make_ready(whole);
  for (;;) {
    ssize_t n;
    {
      const CancellableHere while_waiting;
      n = ::read(device_, buffer, size);
    }
    if (n < 0 && errno == ENODEV) note_end();
    if (n < static_cast<ssize_t>(sizeof(fuse_in_header))) return n;
    const auto used = static_cast<std::size_t>(n);
    if (admit({static_cast<const char*>(buffer), used}) != Verdict::carry_out) continue;
    request_buffer.carry_out(whole, used);
    return n;
  }
}

// libfuse looks at errno behind a read.
void Connection::note_end() {
  if (has_ended_.exchange(true)) return;
  ended_();
  errno = ENODEV;
}

Connection::Verdict Connection::admit(std::span<const char> request) {
  const fuse_in_header header = header_of(request);
  if (closed_) return Verdict::dealt_with;  // the end of the process answers it: ECONNABORTED
  try {
    if (header.opcode == FUSE_INTERRUPT) {
      fuse_interrupt_in interrupt{};
      if (request.size() >= sizeof header + sizeof interrupt) {
        std::memcpy(&interrupt, request.data() + sizeof header, sizeof interrupt);
        in_flight_.interrupt(interrupt.unique & ~kResentBit);
      }
      return Verdict::dealt_with;
    }
    if (header.opcode == FUSE_FORGET || header.opcode == FUSE_BATCH_FORGET) {  // never answered
      current = {};
      return Verdict::carry_out;
    }
    if ((header.unique & kResentBit) != 0) return admit_resent(request, header.unique & ~kResentBit);
    enter(header);
    return Verdict::carry_out;
  } catch (const std::bad_alloc&) {
    answer(header.unique, ENOMEM);
    return Verdict::dealt_with;
  }
}

// A request that kills each worker must not do so for ever. Once suspect, requests go one at a time, so that only the
// guilty one is counted further.
Connection::Verdict Connection::admit_resent(std::span<const char> request, std::uint64_t unique) {
  const unsigned deaths = attempts_.deaths_of(unique);
  if (deaths >= kGuiltyDeaths) {
    spdlog::error("request {} (operation {}, inode {}) ended {} workers: answered with an I/O error", unique,
                  header_of(request).opcode, header_of(request).nodeid, deaths);
    answer(unique | kResentBit, EIO);
    return Verdict::dealt_with;
  }
  if (deaths >= kSuspectDeaths) {
    const MutexLock lock(mutex_);
    suspects_.emplace_back(request.begin(), request.end());
    changed_.notify_all();
    return Verdict::dealt_with;
  }
  attempts_.dispatched(unique);
  enter(header_of(request));
  return Verdict::carry_out;
}

void Connection::enter(const fuse_in_header& header) {
  const std::uint64_t unique = header.unique & ~kResentBit;
  const auto caller = static_cast<pid_t>(header.pid);
  current = {unique, unique != header.unique, in_flight_.begin(unique, caller)};
}

void Connection::carry_out_suspects() {
  for (;;) {
    std::vector<char> request;
    {
      const MutexLock lock(mutex_);
      while (suspects_.empty() && !stopping_) changed_.wait(mutex_);
      if (stopping_) return;
      request = std::move(suspects_.front());
      suspects_.pop_front();
    }
    const fuse_in_header header = header_of(request);
    const std::uint64_t unique = header.unique & ~kResentBit;
    attempts_.dispatched(unique);
    enter(header);
    process_(request);
    in_flight_.wait_for_end(unique);  // another thread may answer it, or die of it
  }
}

ssize_t Connection::write(const iovec* pieces, int count) {
  fuse_out_header header{};
  if (count > 0 && pieces[0].iov_len >= sizeof header) std::memcpy(&header, pieces[0].iov_base, sizeof header);
  const ssize_t n = writev(device_, pieces, count);
  const int error = errno;
  if (header.unique != 0) in_flight_.end(header.unique & ~kResentBit);
  if (n >= 0) state_.replies.fetch_add(1, std::memory_order_relaxed);
  errno = error;
  return n;
}

void Connection::answer(std::uint64_t unique_with_mark, int error) {
  fuse_out_header header{sizeof header, -error, unique_with_mark};
  const iovec piece{&header, sizeof header};
  if (write(&piece, 1) < 0) spdlog::debug("answer {}: {}", unique_with_mark, std::strerror(errno));
}

Result<Unit> Connection::ask_again() {
  fuse_out_header notification{sizeof notification, kNotifyResend, 0};
  if (::write(device_, &notification, sizeof notification) < 0)
    return errno_error(errno, "ask the kernel to send unanswered requests again");
  return Unit{};
}

void Connection::close_for_requests(std::chrono::milliseconds most) {
  closed_ = true;
  if (!in_flight_.wait_until_empty(most)) spdlog::warn("stopping with requests under way: they fail");
}

}  // namespace pail::fuse
