// Finds the journal of a folder, replays it, and makes it fit to be appended to.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>
#include <variant>

#include "local/journal/frame.h"
#include "local/journal/log_directory.h"
#include "local/journal/log_writer.h"
#include "pailfs/base/bytes.h"
#include "pailfs/base/result.h"

namespace pail::local {

// How a journal was found.
struct JournalCreated {};  // there was none
struct JournalWhole {};
struct JournalTorn {  // cut at a record that no sync() had answered for
  ByteOffset at;
};
struct JournalDamaged {  // records are lost that sync() had answered for
  ByteOffset at;
  std::size_t records_behind = 0;  // intact, but not replayed
  std::filesystem::path kept;      // the file as it was found
};
using JournalFinding = std::variant<JournalCreated, JournalWhole, JournalTorn, JournalDamaged>;

// Is given each record in its order. An error ends the opening with it, and the file stays as it
// is.
using JournalReplay = std::function<Result<Unit>(std::uint8_t type, std::string_view payload)>;

struct RecoveredLog {
  LogWriter log;
  JournalSequence last;  // on disk, as all before it
  JournalFinding finding;
};

// Creates the journal where there is none. One that ends in a torn tail is cut there; one that is
// damaged is kept under another name, and what was replayed goes on in a new file.
// Errors: ENOTSUP of a newer version; EBADMSG its header is unreadable; EIO; ENOSPC; what `replay`
// says.
Result<RecoveredLog> recover_log(LogDirectory& directory, const JournalReplay& replay);

}  // namespace pail::local
