// How the last process left an index: the file "state" beside it.
//
// Commits are not synced, so a killed process loses nothing, but after a power cut pages of several commits may be
// mixed on disk. The file tells the cases apart: it holds the id of the machine's run (boot id) and whether the index
// was closed in order. It is written in place, which works on a full disk, too.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "pailfs/base/result.h"

namespace pail::local {

enum class LastStop {
  never_used,       // there was no such file
  in_order,         // closed
  process_killed,   // the machine runs on since: every commit is there
  machine_stopped,  // any page may be old or missing
  faulted,          // a memory fault hit the process while it read the index
  damaged,          // the process found what it could not have written
};

class StateFile {
 public:
  // Opens or creates it, and reads how the last process left the index. `boot_id` names the machine's run; empty: not
  // known, and then all look like one.
  static Result<StateFile> open(const std::filesystem::path& directory, std::string boot_id);

  LastStop last_stop() const { return last_stop_; }
  // The number of the last transaction, of an index that was closed in order.
  std::optional<std::uint64_t> last_transaction() const { return last_transaction_; }
  // Written by 0.1.0, whose index has another format.
  bool of_first_format() const { return last_stop_ != LastStop::never_used && !last_transaction_; }

  // On disk when it returns, with the entry in the directory: from then on commits may be.
  Result<Unit> note_open();
  Result<Unit> note_closed(std::uint64_t last_transaction);
  // The last that a process notes; any thread may.
  Result<Unit> note_damaged() const;

  // For a signal handler: what it writes, at offset 0 of the descriptor.
  std::string faulted_text() const { return line("faulted", 0); }
  int descriptor() const { return file_.get(); }

 private:
  StateFile(std::filesystem::path directory, std::string boot_id, UniqueFd file)
      : directory_(std::move(directory)), boot_id_(std::move(boot_id)), file_(std::move(file)) {}
  std::string line(std::string_view word, std::uint64_t transaction) const;
  void parse(std::string_view text);
  Result<Unit> write(std::string_view text);

  std::filesystem::path directory_;
  std::string boot_id_;
  UniqueFd file_;
  LastStop last_stop_ = LastStop::never_used;
  std::optional<std::uint64_t> last_transaction_;
  std::string text_;  // as it is on disk
};

}  // namespace pail::local
