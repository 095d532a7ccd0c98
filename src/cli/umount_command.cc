#include "cli/umount_command.h"
#include "cli/say.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "cli/end_watch.h"
#include "cli/mount_command.h"
#include "cli/mount_records.h"
#include "fuse/mount_table.h"

namespace pail::cli {
namespace {

constexpr auto kWithoutLimit = std::chrono::hours(24 * 365);  // the mount sets itself one

// umount(8) for root, without helpers such as this one; fusermount3(1) for users, who may not unmount by themselves.
std::vector<const char*> unmount_command(const CommandLine& line) {
  std::vector<const char*> words;
  if (::geteuid() == 0) {
    words = {"umount", "-i"};
    if (line.lazy) words.push_back("-l");
    if (line.force) words.push_back("-f");
  } else {
    words = {"fusermount3", line.lazy ? "-uz" : "-u"};
  }
  words.insert(words.end(), {"--", line.directory.c_str(), nullptr});  // a name may begin with a dash
  return words;
}

int unmount(const CommandLine& line) {
  const auto words = unmount_command(line);
  const pid_t child = ::fork();
  if (child == 0) {
    ::execvp(words[0], const_cast<char* const*>(words.data()));
    say("{}: {}", words[0], std::strerror(errno));
    ::_exit(kExitSystem);
  }
  int status = 0;
  while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : kExitSystem;
}

int refuse(std::string_view why) {
  say("{}", why);
  return kExitUsage;
}

bool stored(const std::filesystem::path& place, const fuse::RecordedEnd& end) {
  for (const std::string& sentence : end.stays) say("not stored: {}", sentence);
  if (!end.stays.empty()) {
    say("{}: unmounted, but {} file{} not in the bucket; the next mount of it keeps them, and says how to list them",
        place.string(), end.stays.size(), end.stays.size() == 1 ? " is" : "s are");
  } else if (!end.code) {
    say("{}: its processes were killed; what was not stored stays in the state directory, where the "
        "next mount finds it",
        place.string());
  } else if (*end.code != 0) {
    say("{}: did not end in order; the log says why (journalctl -t pailfs)", place.string());
  }
  return end.stays.empty() && end.code == 0;
}

bool wait_until_stored(const std::filesystem::path& place, fuse::MountRecord& record) {
  Waited waited;
  {
    Progress progress(fmt::format("pailfs: {}: storing what is pending", place.string()));
    waited = wait_for_end(record, kWithoutLimit, progress);
  }
  if (waited == Waited::ended) return stored(place, record.refresh());
  say("{}: unmounted here; it is still in use elsewhere and goes on there", place.string());
  return true;
}

}  // namespace

int run_umount(const CommandLine& line) {
  const auto place = fuse::resolve_mount_point(line.directory);
  if (!place) return refuse(place.error().context);
  const auto mounted = fuse::mounted_at(*place);
  if (!mounted) return refuse(mounted.error().context);
  auto records = records_of(*place);
  if (*mounted && !fuse::is_pailfs(**mounted))
    return refuse(fmt::format("{}: {} is mounted here ({}), no bucket; umount(8) unmounts it", place->string(),
                              quote((*mounted)->source), (*mounted)->type));
  if (!*mounted && records.empty()) return refuse(fmt::format("{}: nothing is mounted there", place->string()));
  if (*mounted)
    if (const int code = unmount(line); code != 0) return code;
  if (line.lazy) return 0;
  if (records.empty()) {
    say("{}: unmounted; whether everything is in the bucket is not known, since its processes had been killed, or "
        "another user mounted it; what was not stored stays in its state directory, where the next mount finds it",
        place->string());
    return kExitMountFailed;
  }
  const auto left = std::ranges::count_if(records, [&](auto& record) { return !wait_until_stored(*place, record); });
  return left == 0 ? 0 : kExitMountFailed;
}

}  // namespace pail::cli
