// The renames of directories, as they outlive the process that carries them out: the journal says how far each is, a
// file of each what was copied (vfs/rename_job.h).
//
// A job is begun, then it deletes, then it has ended. One that had not begun to delete leaves everything where it is:
// its list of copies need not be on disk, and what was written to them since is nobody's to judge.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "local/journal/journal_state.h"
#include "pailfs/base/result.h"
#include "vfs/rename_job.h"

namespace pail::vfs {

// Thread-safe; one job is one thread's at a time.
class RenameJobs {
 public:
  // The files lie in the folder "renames" of `state_directory`. `journal` outlives it.
  RenameJobs(const std::filesystem::path& state_directory, local::JournalState& journal)
      : directory_(state_directory / "renames"), journal_(journal) {}

  std::filesystem::path path_of(std::uint64_t job) const { return directory_ / std::to_string(job); }

  // On disk when it returns, but for what is added to it. Errors: ENOSPC, EIO; nothing is left of it.
  Result<RenameJob> begin(std::uint64_t job, const RenamedKeys& keys);
  // All is copied, and the names have changed: from here on a power cut does not end it. On disk when it returns.
  // Errors: ENOSPC, EIO of the journal.
  Result<Unit> deletes_begin(std::uint64_t job, const RenamedKeys& keys);
  // Where the journal takes no record the next mount finds the job once more.
  void end(std::uint64_t job);
  void remove_file(std::uint64_t job);
  void end_with_file(std::uint64_t job);
  // Those with these keys that have not begun to delete: earlier ones are of a process that was killed while it copied.
  std::vector<std::uint64_t> copying(const RenamedKeys& keys) const;

  struct Job {
    std::uint64_t number = 0;
    RenamedKeys keys;
  };
  struct Left {
    std::vector<Job> copying, deleting;
  };
  // What the journal has of earlier mounts, but for those that the names know as well: `known`. For a mount that begins
  // nothing itself yet: files that are of no use to these jobs are removed.
  Left left_but(const std::vector<std::uint64_t>& known);

 private:
  void remove_files_but(const std::vector<std::uint64_t>& needed);

  const std::filesystem::path directory_;
  local::JournalState& journal_;
};

}  // namespace pail::vfs
