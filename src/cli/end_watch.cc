#include "cli/end_watch.h"
#include "base/thread.h"
#include "cli/say.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace pail::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLook(20);         // between two looks at the record
constexpr milliseconds kQuiet(500);       // what ends so soon needs no words
constexpr milliseconds kOnTerminal(200);  // between two of them
constexpr milliseconds kInLog(5000);
// A worker sees at once that its mount is gone. One that says nothing for so long has it elsewhere, too.
constexpr milliseconds kToNotice(10'000);

bool has_pending(const fuse::RecordedEnd& now) {
  return now.pending && now.pending->files > 0;
}

std::string pending_text(const fuse::RecordedEnd& now) {
  if (!has_pending(now)) return "finishing";
  return fmt::format("{} file{} left, {:.1f} MB", now.pending->files, now.pending->files == 1 ? "" : "s",
                     static_cast<double>(now.pending->bytes.n) / 1e6);
}

}  // namespace

Progress::Progress(std::string what)
    : what_(std::move(what)), terminal_(::isatty(STDERR_FILENO) == 1), next_(system_clock().steady() + kQuiet) {}

Progress::~Progress() {
  if (shown_ && terminal_) print_error("\r\033[K");
}

void Progress::show(const fuse::RecordedEnd& now) {
  if (system_clock().steady() < next_ || (!terminal_ && !has_pending(now))) return;
  next_ = system_clock().steady() + (terminal_ ? kOnTerminal : kInLog);
  shown_ = true;
  print_error(fmt::format("{}{}: {}{}", terminal_ ? "\r" : "", what_, pending_text(now), terminal_ ? "\033[K" : "\n"));
}

Waited wait_for_end(fuse::MountRecord& record, milliseconds most, Progress& progress) {
  const auto begun = system_clock().steady();
  for (;;) {
    const bool held = record.held();
    const fuse::RecordedEnd& now = record.refresh();  // after the look at the lock: the last line is in it
    if (!held) return Waited::ended;
    const auto waited = system_clock().steady() - begun;
    if (!now.ending && waited > std::min(kToNotice, most)) return Waited::in_use;
    if (waited > most) return Waited::timed_out;
    progress.show(now);
    (void)sleep_for(kLook);
  }
}

}  // namespace pail::cli
