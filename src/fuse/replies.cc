#include "fuse/replies.h"

#include <sys/uio.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/log.h"
#include "fuse/connection.h"
#include "fuse/convert.h"

namespace pail::fuse {
namespace {

constexpr int kErrnoLimit = 512;  // the kernel refuses an answer with a larger one, and its caller would wait for ever
constexpr int kWarningsAPeriod = 10;
constexpr std::chrono::seconds kPeriod(10);

// Failures that no program expects and a person should see; ENOENT and the like are the daily round.
bool alarming(std::string_view operation, int errnum) {
  switch (errnum) {
    case ESTALE:
      return operation != "open";  // the kernel looks the name up and opens what is there
    case EIO:
    case EBADMSG:
    case EREMOTEIO:
    case ETIMEDOUT:
    case ENOMEM:
    case ENOSPC:
    case EDQUOT:
    case EPROTO:
      return true;
    default:
      return false;
  }
}

// Lets a few warnings a period pass. Thread-safe; two threads may let one more pass.
class RateLimit {
 public:
  bool pass() {
    const std::int64_t now = system_clock().steady().time_since_epoch() / kPeriod;
    if (period_.exchange(now) != now) passed_ = 0;
    return passed_++ < kWarningsAPeriod;
  }

 private:
  std::atomic<std::int64_t> period_{0};
  std::atomic<int> passed_{0};
};

// The kernel asks for security.capability before each write: that a file has no such attribute is no failure.
bool is_failure(std::string_view operation, int errnum) {
  return operation != "getxattr" || errnum != ENODATA;
}

void log_failure(std::string_view operation, const Error& error) {
  if (!is_failure(operation, error.errnum)) return;
  static RateLimit limit;
  const bool warn = alarming(operation, error.errnum) && limit.pass();
  spdlog::log(warn ? spdlog::level::warn : spdlog::level::debug, "{}: {} ({})", operation, error.context,
              std::strerror(error.errnum));
}

// One read's answer.
class ReadAnswer {
 public:
  explicit ReadAnswer(fuse_req_t request) : request_(request) {}
  ReadAnswer(const ReadAnswer&) = delete;
  ReadAnswer& operator=(const ReadAnswer&) = delete;
  ~ReadAnswer() {
    if (request_ != nullptr) reply_error(request_, "read", Error{EIO, "read was dropped without an answer"});
  }

  void give(const Result<vfs::ReadData>& data) {
    fuse_req_t request = std::exchange(request_, nullptr);
    if (request == nullptr) return;
    if (!data) return reply_error(request, "read", data.error());
    if (data->pieces.size() == 1) {
      const auto& piece = data->pieces.front();
      fuse_reply_buf(request, reinterpret_cast<const char*>(piece.data()), piece.size());
      return;
    }
    std::vector<iovec> pieces;
    pieces.reserve(data->pieces.size());
    for (const auto& piece : data->pieces) pieces.push_back({const_cast<std::byte*>(piece.data()), piece.size()});
    fuse_reply_iov(request, pieces.data(), static_cast<int>(pieces.size()));
  }

 private:
  fuse_req_t request_;
};

}  // namespace

vfs::FileSystem& file_system_of(fuse_req_t request) {
  return static_cast<Served*>(fuse_req_userdata(request))->files;
}

SharedOpenTable& open_table_of(fuse_req_t request) {
  return static_cast<Served*>(fuse_req_userdata(request))->opens;
}

vfs::Request request_of(fuse_req_t request) {
  const fuse_ctx* caller = fuse_req_ctx(request);
  const CurrentRequest& current = current_request();
  return {caller->uid, caller->gid, caller->pid, caller->umask, current.unique, current.resent, current.stop};
}

void reply_error(fuse_req_t request, std::string_view operation, const Error& error) {
  log_failure(operation, error);
  fuse_reply_err(request, error.errnum > 0 && error.errnum < kErrnoLimit ? error.errnum : EIO);
}

void reply(fuse_req_t request, std::string_view operation, const Result<Unit>& done) {
  if (!done) return reply_error(request, operation, done.error());
  fuse_reply_err(request, 0);
}

void reply_entry(fuse_req_t request, std::string_view operation, const Result<vfs::Entry>& entry) {
  if (!entry) return reply_error(request, operation, entry.error());
  vfs::FileSystem& files = file_system_of(request);
  const fuse_entry_param param = to_entry(*entry);
  if (fuse_reply_entry(request, &param) == -ENOENT) forget(files, param.ino);
}

void reply_attributes(fuse_req_t request, std::string_view operation, const Result<vfs::Entry>& entry) {
  if (!entry) return reply_error(request, operation, entry.error());
  const struct stat attributes = to_stat(entry->attributes);
  fuse_reply_attr(request, &attributes, to_seconds(entry->attributes_ttl));
}

void reply_xattr(fuse_req_t request, std::string_view operation, const Result<std::string>& value, std::size_t size) {
  if (!value) return reply_error(request, operation, value.error());
  if (size == 0) {
    fuse_reply_xattr(request, value->size());
  } else if (value->size() > size) {
    fuse_reply_err(request, ERANGE);
  } else {
    fuse_reply_buf(request, value->data(), value->size());
  }
}

void forget(vfs::FileSystem& files, vfs::InodeNumber number) {
  const auto done = shielded([&]() -> Result<Unit> {
    files.forget(number);
    return Unit{};
  });
  if (!done) log_failure("forget", done.error());
}

void release(vfs::FileSystem& files, vfs::InodeNumber number, std::uint64_t handle) {
  const auto done = shielded([&]() -> Result<Unit> {
    files.release(vfs::Request{}, number, handle);
    return Unit{};
  });
  if (!done) log_failure("release", done.error());
}

vfs::ReadReply read_reply(fuse_req_t request) {
  return [answer = std::make_shared<ReadAnswer>(request)](const Result<vfs::ReadData>& data) { answer->give(data); };
}

}  // namespace pail::fuse
