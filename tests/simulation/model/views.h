// What a model is told of the world around a mount.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "fake_store/bucket.h"
#include "fake_store/content.h"
#include "simulation/calls.h"

namespace pail::simulation {

// Whether anything went wrong with the store or the disk between a question and its answer, or the caller was told to
// give up. A worker that was killed is no trouble: programs see no error of it.
enum class Around { calm, trouble };

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

// The first thing that may not be, for people.
struct Violation {
  std::string text;
};
using Verdict = std::optional<Violation>;

}  // namespace pail::simulation
