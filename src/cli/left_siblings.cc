#include "cli/left_siblings.h"

#include <fcntl.h>
#include <stdio.h>

#include <cerrno>
#include <system_error>

#include "base/file.h"
#include "base/log.h"
#include "cli/cache_directory.h"

namespace pail::cli {
namespace {

namespace fs = std::filesystem;

// A name that is taken stays where it is: the sibling is then not removed.
Result<Unit> move_kept(const fs::path& from, const fs::path& to) {
  std::error_code failed;
  for (const auto& item : fs::directory_iterator(from, failed)) {
    PAIL_CHECK(make_private_directory(to));
    const fs::path target = to / item.path().filename();
    if (::renameat2(AT_FDCWD, item.path().c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) != 0)
      return errno_error(errno, item.path().string());
    spdlog::warn("bytes that an earlier mount could not store are kept in {}", target.string());
  }
  if (failed && failed != std::errc::no_such_file_or_directory) return errno_error(failed.value(), from.string());
  return Unit{};
}

Result<Unit> sweep(const fs::path& sibling, const fs::path& own, const OpenIn& open) {
  if (fs::exists(sibling / "index") || fs::exists(sibling / "staging")) {
    PAIL_TRY(const auto files, open(sibling));
  }
  PAIL_CHECK(move_kept(sibling / "kept", own / "kept"));
  std::error_code failed;
  fs::remove_all(sibling, failed);
  if (failed) return errno_error(failed.value(), sibling.string());
  return Unit{};
}

}  // namespace

void sweep_left_siblings(const fs::path& own, const OpenIn& open) {
  for (const CacheDirectory& sibling : take_left_siblings(own))
    if (const auto swept = sweep(sibling.path, own, open); !swept)
      spdlog::warn("cache directory of an earlier mount: {}", swept.error().context);
}

}  // namespace pail::cli
