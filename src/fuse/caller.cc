#include "fuse/caller.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace pail::fuse {
namespace {

using SignalSet = std::uint64_t;  // as in /proc: bit n-1 is signal n

constexpr SignalSet bit_of(int signal) {
  return SignalSet{1} << (signal - 1);
}

// What signals do that a program does not handle, besides ending it.
constexpr SignalSet kIgnored = bit_of(SIGCHLD) | bit_of(SIGCONT) | bit_of(SIGURG) | bit_of(SIGWINCH);
constexpr SignalSet kStopping = bit_of(SIGSTOP) | bit_of(SIGTSTP) | bit_of(SIGTTIN) | bit_of(SIGTTOU);

// The union of these sets, each on a line "NAME:\t0000000000000100".
SignalSet signals_in(std::string_view status, std::initializer_list<std::string_view> names) {
  SignalSet all = 0;
  for (const std::string_view name : names) {
    const std::size_t line = status.find(fmt::format("\n{}:\t", name));
    if (line == std::string_view::npos) continue;
    const char* digits = status.data() + line + name.size() + 3;
    SignalSet set = 0;
    std::from_chars(digits, status.data() + status.size(), set, 16);
    all |= set;
  }
  return all;
}

// False where a /proc of another pid namespace is mounted: there a number means another thread.
bool proc_is_ours() {
  std::array<char, 32> link{};
  const ssize_t length = readlink("/proc/self", link.data(), link.size());
  if (length <= 0) return false;
  return std::string_view(link.data(), static_cast<std::size_t>(length)) == std::to_string(getpid());
}

}  // namespace

std::optional<Caller> Caller::find(pid_t thread) {
  static const bool readable = proc_is_ours();
  if (!readable || thread <= 0) return std::nullopt;
  UniqueFd status(open(fmt::format("/proc/{}/status", thread).c_str(), O_RDONLY | O_CLOEXEC));
  if (!status.valid()) return std::nullopt;
  return Caller(std::move(status));
}

bool Caller::dying() const {
  std::array<char, 8192> text;  // about 1,500 bytes are used; more with hundreds of groups
  const ssize_t length = pread(status_.get(), text.data(), text.size(), 0);
  if (length <= 0) return true;  // ESRCH: it is gone
  return deadly_signal_pending({text.data(), static_cast<std::size_t>(length)});
}

// The kernel turns most signals that will end a process into a SIGKILL for each of its threads at
// once. What is left are signals that dump core, and those of a process under a debugger.
bool deadly_signal_pending(std::string_view status) {
  if (status.find("\nSigCgt:\t") == std::string_view::npos) return true;  // cut short: unknown
  const SignalSet pending = signals_in(status, {"SigPnd", "ShdPnd"});
  if ((pending & bit_of(SIGKILL)) != 0) return true;
  const SignalSet taken_care_of = signals_in(status, {"SigBlk", "SigIgn", "SigCgt"});
  return (pending & ~taken_care_of & ~kIgnored & ~kStopping) != 0;
}

}  // namespace pail::fuse
