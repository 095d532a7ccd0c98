#include "vfs/rename_jobs.h"

#include <algorithm>
#include <string>

#include "base/directory.h"
#include "base/log.h"

namespace pail::vfs {

Result<RenameJob> RenameJobs::begin(std::uint64_t job, const RenamedKeys& keys) {
  auto begun = RenameJob::create(path_of(job), keys);
  const local::JobBegun entry{job, local::JobBegun::Kind::rename_directory, {keys.from, keys.to}};
  const auto noted = begun ? journal_.commit(entry) : Result<Unit>(begun.error());
  if (noted) return begun;
  end_with_file(job);
  return noted.error();
}

Result<Unit> RenameJobs::deletes_begin(std::uint64_t job, const RenamedKeys& keys) {
  return journal_.commit(local::JobProgressed{job, keys.to});
}

void RenameJobs::end(std::uint64_t job) {
  const auto noted = journal_.record(local::JobEnded{job});
  if (!noted) spdlog::debug("the next mount looks at a rename that has ended: {}", noted.error().context);
}

void RenameJobs::remove_file(std::uint64_t job) {
  std::error_code failed;
  std::filesystem::remove(path_of(job), failed);
  if (failed) spdlog::warn("{}: {}", path_of(job).string(), failed.message());
}

void RenameJobs::end_with_file(std::uint64_t job) {
  end(job);
  remove_file(job);
}

std::vector<std::uint64_t> RenameJobs::copying(const RenamedKeys& keys) const {
  std::vector<std::uint64_t> found;
  const local::LiveEntries live = journal_.live();
  for (const auto& [job, entry] : live.jobs())
    if (entry.begun.keys == std::vector{keys.from, keys.to} && entry.done_to.empty()) found.push_back(job);
  return found;
}

RenameJobs::Left RenameJobs::left_but(const std::vector<std::uint64_t>& known) {
  Left left;
  std::vector<std::uint64_t> needed = known;
  const local::LiveEntries live = journal_.live();
  for (const auto& [job, entry] : live.jobs()) {
    const bool ours = entry.begun.kind == local::JobBegun::Kind::rename_directory && entry.begun.keys.size() == 2;
    if (!ours || std::ranges::find(known, job) != known.end()) continue;
    const Job found{job, {entry.begun.keys.front(), entry.begun.keys.back()}};
    if (entry.done_to.empty()) {
      left.copying.push_back(found);
    } else if (std::error_code unknown; std::filesystem::exists(path_of(job), unknown) || unknown) {
      left.deleting.push_back(found);
      needed.push_back(job);
    } else {
      end(job);  // it had ended, and the journal was not flushed any more
    }
  }
  remove_files_but(needed);
  return left;
}

void RenameJobs::remove_files_but(const std::vector<std::uint64_t>& needed) {
  for (const auto& path : list_readable(directory_)) {
    const bool used = std::ranges::any_of(needed, [&](std::uint64_t job) { return path_of(job) == path; });
    std::error_code refused;
    if (!used && !std::filesystem::remove(path, refused)) spdlog::warn("{}: {}", path.string(), refused.message());
  }
}

}  // namespace pail::vfs
