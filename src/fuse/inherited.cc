#include "fuse/inherited.h"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>

#include "base/file.h"
#include "fuse/mount.h"

namespace pail::fuse {
namespace {

constexpr std::size_t kMaxOutcome = 16 * 1024;  // bytes of an explanation

}  // namespace

std::string to_text(const Inherited& fds) {
  return fmt::format("{} {} {} {} {}", fds.connection, fds.memory, fds.secrets, fds.ready, fds.record);
}

std::optional<Inherited> parse_inherited(std::string_view text) {
  Inherited fds;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (int* fd : {&fds.connection, &fds.memory, &fds.secrets, &fds.ready, &fds.record}) {
    if (at != text.data() && (at == end || *at++ != ' ')) return std::nullopt;
    const auto [rest, error] = std::from_chars(at, end, *fd);
    if (error != std::errc() || *fd < -1) return std::nullopt;
    at = rest;
  }
  if (at != end || fds.connection < 0 || fds.memory < 0) return std::nullopt;
  return fds;
}

const std::optional<Inherited>& inherited() {
  static const std::optional<Inherited> fds = []() -> std::optional<Inherited> {
    const char* text = std::getenv(kInheritedVariable);
    return text == nullptr ? std::nullopt : parse_inherited(text);
  }();
  return fds;
}

bool is_worker() {
  return inherited().has_value();
}

Result<Secret> worker_secrets() {
  const auto& fds = inherited();
  if (!fds || fds->secrets < 0) return Secret();
  struct stat status {};
  if (fstat(fds->secrets, &status) != 0) return errno_error(errno, "secrets from the supervisor");
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  PAIL_TRY(const std::size_t n, read_at(fds->secrets, {}, std::as_writable_bytes(std::span(text))));
  if (n != text.size()) return Error{EIO, "secrets from the supervisor are cut short"};
  return Secret(std::move(text));
}

void tell_outcome(int ready, std::string_view error) {
  if (ready < 0) return;
  const std::string_view message = error.empty() ? std::string_view("\0", 1) : error.substr(0, kMaxOutcome);
  for (std::size_t done = 0; done < message.size();) {
    const ssize_t n = ::write(ready, message.data() + done, message.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // nobody waits any more
    done += static_cast<std::size_t>(n);
  }
}

Result<Unit> read_outcome(int ready) {
  std::string text;
  std::array<char, 1024> buffer;
  while (text.size() < kMaxOutcome) {
    const ssize_t n = ::read(ready, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(errno, "wait for the mount");
    if (n == 0) break;
    if (text.empty() && buffer[0] == '\0') return Unit{};
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
  return Error{EIO, text.empty() ? "the mount process ended without a word; its log may say why" : text};
}

void protect_process_memory() {
  prctl(PR_SET_DUMPABLE, 0);
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
}

}  // namespace pail::fuse
