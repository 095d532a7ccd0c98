// What a model is told of the world around a mount.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fake_store/bucket.h"
#include "fake_store/content.h"
#include "simulation/calls.h"

namespace pail::simulation {

// What went wrong around a mount between a question and its answer. A worker that was killed is no trouble: programs
// see no error of it.
struct Around {
  bool store = false;         // it refused, lost or damaged something, or was slow
  bool full_disk = false;     // it failed with ENOSPC
  bool failing_disk = false;  // it failed with EIO
  bool killed_caller = false;
  bool failing_cut = false;  // the disk failed so when a file was to become shorter

  // Whether an answer with this error may come of it. Errors that say something of the names and files that a program
  // gave do not: ESTALE neither, for a refusal that a look at the object does not bear out is EIO.
  bool excuses(int errnum) const;
  bool operator==(const Around&) const = default;

  static const Around calm;
};
inline constexpr Around Around::calm{};

struct StoredObject {
  fake::Content content;
  std::optional<std::uint32_t> permissions;  // none of these: its headers say nothing of it
  std::optional<Owner> owner;
  std::optional<WallTime> modified;
};

// The store as it is at this moment. The functions are called before the call that was given the view returns.
struct BucketView {
  std::function<std::optional<StoredObject>(const std::string& key)> look;
  std::function<std::vector<std::string>()> keys;  // in byte order
};

// `bucket` outlives the view.
BucketView bucket_view(const fake::Bucket& bucket);

// The contents of the files in the folder of kept files.
using KeptView = std::vector<fake::Content>;
// Of a mount's state directory. Throws std::runtime_error where it cannot be read.
KeptView kept_view(const std::filesystem::path& state_directory);

// What the directories of an ended mount hold that is to be done yet: staged files, jobs, records of files and uploads
// in the journal; for people. None: nothing. Throws std::runtime_error where it cannot be read.
std::optional<std::string> left_behind(const std::filesystem::path& state_directory);

// By id, the keys of the uploads in the bucket that the next mount has to abort, as its journal says. Throws
// std::runtime_error where it cannot be read.
std::map<std::string, std::string> noted_uploads(const std::filesystem::path& state_directory);

// The first thing that may not be, for people.
struct Violation {
  std::string text;
};
using Verdict = std::optional<Violation>;

}  // namespace pail::simulation
