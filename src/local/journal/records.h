// What the journal says: promises that were given before the bucket has what they are about.
//
// docs/format.md has the bytes. A record names what happened; LiveEntries knows what follows.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "local/journal/journal.h"
#include "local/records.h"
#include "pailfs/base/bytes.h"
#include "pailfs/base/clock.h"
#include "pailfs/base/result.h"

namespace pail::local {

// No number at or above `below` was handed out, unless a later record raises it.
struct InodeNumbersReserved {
  InodeNumber below = 0;
  bool operator==(const InodeNumbersReserved&) const = default;
};

// The index of names was made anew; handles of another generation are stale.
struct IndexGenerationBegun {
  std::uint64_t generation = 0;
  bool operator==(const IndexGenerationBegun&) const = default;
};

// Where the bytes of a file belong, and what they are based on.
struct ObjectTarget {
  std::string bucket, key;  // no key: the file was removed, they are for those who have it open
  std::string base_etag;    // with quotes, of the version that they replace; empty: a new object
  bool operator==(const ObjectTarget&) const = default;
};

struct FileAttributes {
  std::uint32_t permissions = 0;  // the lower 12 bits of st_mode
  std::uint32_t uid = 0, gid = 0;
  WallTime modified{}, accessed{};
  std::string headers;  // as InodeRecord::headers
  bool operator==(const FileAttributes&) const = default;
};

// A staging file holds bytes for an object. A second one of a file replaces the first: another key,
// other attributes.
struct StagedFileBegun {
  InodeNumber file = 0;  // that the staging file is named by
  ObjectTarget target;
  FileAttributes attributes;
  bool operator==(const StagedFileBegun&) const = default;
};

// A file as small as a record: its bytes are in the journal, and in no staging file.
struct SmallFileWritten {
  InodeNumber file = 0;
  ObjectTarget target;
  FileAttributes attributes;
  std::string bytes;
  bool operator==(const SmallFileWritten&) const = default;
};

// Of either kind.
struct StagedFileEnded {
  enum class How : std::uint8_t { stored, dropped };
  InodeNumber file = 0;
  How how = How::stored;
  bool operator==(const StagedFileEnded&) const = default;
};

// A multipart upload that the store knows of. One that nobody completes or aborts is billed
// storage.
struct UploadBegun {
  InodeNumber file = 0;
  std::string key, upload_id;
  bool operator==(const UploadBegun&) const = default;
};
struct UploadEnded {
  std::string upload_id;
  bool operator==(const UploadEnded&) const = default;
};

// Work in the bucket that takes many requests.
using JobNumber = std::uint64_t;
struct JobBegun {
  enum class Kind : std::uint8_t { rename_directory, remove };
  JobNumber job = 0;
  Kind kind = Kind::rename_directory;
  std::vector<std::string> keys;  // of a rename: the old and the new one
  bool operator==(const JobBegun&) const = default;
};
struct JobProgressed {
  JobNumber job = 0;
  // All keys up to this one are done. Of a rename: the new key, all is copied and the old objects
  // are being deleted.
  std::string done_to;
  bool operator==(const JobProgressed&) const = default;
};
struct JobEnded {
  JobNumber job = 0;
  bool operator==(const JobEnded&) const = default;
};

// The order is that of the type bytes on disk, from 1 on: new ones come last.
using Record =
    std::variant<InodeNumbersReserved, IndexGenerationBegun, StagedFileBegun, SmallFileWritten,
                 StagedFileEnded, UploadBegun, UploadEnded, JobBegun, JobProgressed, JobEnded>;

JournalRecord encode(const Record& record);
// None: bytes that no record of this version has.
std::optional<Record> decode_journal_record(std::uint8_t type, std::string_view payload);

}  // namespace pail::local
