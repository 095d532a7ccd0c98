#include "cli/left_siblings.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>

#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "cli/view_directory.h"
#include "local/journal/upkeep.h"
#include "local/staging/kept.h"
#include "local/staging/staging.h"
#include "local/takeover.h"

namespace pail::cli {
namespace {

namespace fs = std::filesystem;

// The place for bytes that are to have this name; another one where the name is taken.
Result<fs::path> move_to_free_name(const fs::path& from, const fs::path& folder) {
  for (unsigned attempt = 0;; ++attempt) {
    const std::string name = from.filename().string();
    fs::path target = folder / (attempt == 0 ? name : fmt::format("{}-{}", name, attempt));
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) == 0) return target;
    if (errno != EEXIST) return errno_error(errno, from.string());
  }
}

Result<Unit> move_kept(const fs::path& from, const fs::path& to) {
  PAIL_TRY(const auto kept, local::kept_files(from));
  for (const local::KeptFile& file : kept) {
    const fs::path folder = local::kept_folder(to);
    PAIL_CHECK(make_private_directory(folder));
    PAIL_TRY(const fs::path target, move_to_free_name(file.path, folder));
    const fs::path description = local::kept_description_path(target);
    PAIL_CHECK(make_private_directory(description.parent_path()));
    if (::rename(local::kept_description_path(file.path).c_str(), description.c_str()) != 0 && errno != ENOENT)
      return errno_error(errno, description.string());
    spdlog::warn("bytes that an earlier mount could not store are kept in {}", target.string());
  }
  return Unit{};
}

// What the disk does not tell is told by who opens it.
bool may_be_there(const fs::path& path) {
  std::error_code unknown;
  return fs::exists(path, unknown) || unknown;
}

// What could not be put aside stays where it is, and the directory with it.
Result<Unit> check_nothing_staged(const fs::path& folder) {
  if (!may_be_there(folder)) return Unit{};
  PAIL_TRY(const auto staging, local::StagingArea::open(folder, {}, system_clock()));
  const std::size_t left = staging->all().size();
  if (left == 0) return Unit{};
  return Error{ENOSPC, fmt::format("{}: {} files that are not stored cannot be put aside; make room on its disk",
                                   folder.string(), left)};
}

Result<Unit> put_aside(const fs::path& sibling, const fs::path& own, const OpenIn& open) {
  if (may_be_there(sibling / "names") || may_be_there(sibling / "staging")) {
    PAIL_TRY(const auto files, open(sibling));
  }
  PAIL_CHECK(check_nothing_staged(sibling / "staging"));
  return move_kept(sibling, own);
}

// What its journal promises is known nowhere else; what is kept there could not be moved.
// Errors: EAGAIN it promises something.
Result<Unit> remove_emptied(const fs::path& sibling) {
  if (may_be_there(sibling / "journal")) {
    PAIL_TRY(const auto journal, local::open_journal(sibling / "journal"));
    const local::LiveEntries left = journal->live();
    if (!left.uploads().empty() || !left.jobs().empty())
      return Error{EAGAIN, fmt::format("{}: {} unfinished uploads and {} renames are left to the next mount",
                                       sibling.string(), left.uploads().size(), left.jobs().size())};
  }
  PAIL_TRY(const auto kept, local::kept_files(sibling));
  if (!kept.empty()) return Unit{};
  std::error_code failed;
  fs::remove_all(sibling, failed);
  if (failed) return errno_error(failed.value(), sibling.string());
  return Unit{};
}

// Does what it promises.
Result<Unit> clear_up(const fs::path& sibling, const OpenIn& open, const StopToken& stop) {
  PAIL_TRY(const auto files, open(sibling));
  files->wait_for_left(stop);
  return Unit{};
}

void warn(const Error& error) {
  spdlog::warn("directory of an earlier mount: {}", error.context);
}

}  // namespace

Thread sweep_left_siblings(const fs::path& own, OpenIn open) {
  auto unfinished = std::make_shared<std::vector<ViewDirectory>>();
  for (ViewDirectory& sibling : take_left_siblings(own)) {
    if (const auto moved = put_aside(sibling.path, own, open); !moved)
      warn(moved.error());
    else if (!remove_emptied(sibling.path))
      unfinished->push_back(std::move(sibling));
  }
  if (unfinished->empty()) return {};
  return Thread("pailfs-sweep", [unfinished, open = std::move(open)](const StopToken& stop) {
    for (const ViewDirectory& sibling : *unfinished) {
      if (stop.stop_requested()) return;
      auto removed = clear_up(sibling.path, open, stop);
      if (removed) removed = remove_emptied(sibling.path);
      if (!removed) warn(removed.error());
    }
  });
}

void remove_left_caches(const fs::path& own) {
  for (const ViewDirectory& sibling : take_left_siblings(own)) {
    const auto old = local::is_of_one_directory(sibling.path);
    if (!old || *old) continue;  // of an older version, for the next mount
    std::error_code failed;
    fs::remove_all(sibling.path, failed);
    if (failed) spdlog::warn("cache of an earlier mount: {}: {}", sibling.path.string(), failed.message());
  }
}

}  // namespace pail::cli
