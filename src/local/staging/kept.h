// Kept files: bytes that could not be brought into the bucket, set aside for people, each with a
// description of what it is. They lie in a state directory and stay until somebody removes them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "local/records.h"
#include "pailfs/base/bytes.h"
#include "pailfs/base/result.h"

namespace pail::local {

enum class KeptReason : std::uint8_t {
  unknown,
  conflict,       // another writer replaced the object that it was based on, or took its key first
  removed,        // another writer removed the object that it was based on
  mount_ended,    // before it was stored, whether it was closed or not
  upload_failed,  // close() or fsync() failed, and so did every later try
  name_lost,      // its name was in an index that was damaged or removed
};
std::string_view name_of(KeptReason reason);  // "conflict", "mount ended" ...

struct KeptDescription {
  KeptReason reason = KeptReason::unknown;
  std::string error;                  // what the last try to upload it was answered; may be empty
  std::string endpoint, bucket, key;  // where it belongs; the key is empty when it is not known
  std::string name;                   // the key's last part, known even where the key is not
  WallTime kept{};                    // when it was set aside
  InodeNumber number = 0;
  std::uint32_t permissions = 0600, uid = 0, gid = 0;
  WallTime modified{}, accessed{};
  std::string headers;    // as InodeRecord::headers
  std::string base_etag;  // of the version that it changes; empty: a new file
  ByteCount size;
  // Bytes of the base that were never fetched and read as zeros; none: it is not known which.
  std::optional<std::vector<Extent>> missing;

  bool complete() const { return missing && missing->empty(); }
};

// JSON, as docs/format.md describes it.
std::string render_kept_description(const KeptDescription& description);
// Errors: EBADMSG not such a text.
Result<KeptDescription> parse_kept_description(std::string_view text);

struct KeptFile {
  std::filesystem::path path;
  ByteCount size;
  std::optional<KeptDescription> description;  // none: it is missing or damaged
};

// Where the bytes and the descriptions of one bucket view lie.
std::filesystem::path kept_folder(const std::filesystem::path& view_directory);
std::filesystem::path kept_description_path(const std::filesystem::path& kept_file);

// By name; none where there is no folder. Errors: it cannot be read, or what lies there cannot be looked at.
Result<std::vector<KeptFile>> kept_files(const std::filesystem::path& view_directory);
// The bytes first: a description alone is a leftover, bytes alone are still bytes.
Result<Unit> remove_kept(const std::filesystem::path& kept_file);

struct KeptSummary {
  std::size_t files = 0;
  ByteCount bytes;
};
// Of a state directory and its siblings, NAME-2, NAME-3 ..., which hold the same bucket view.
KeptSummary kept_summary(const std::filesystem::path& view_directory);

}  // namespace pail::local
