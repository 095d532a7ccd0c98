// What several mounts of one bucket view at a time left in the directories that only the second and later ones used.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "base/thread.h"
#include "pailfs/base/result.h"
#include "vfs/filesystem.h"

namespace pail::cli {

// Opens the file system that lies in a directory as a new mount would, so that its staged files are set aside.
using OpenIn = std::function<Result<std::unique_ptr<vfs::FileSystem>>(const std::filesystem::path& directory)>;

// Moves what was kept or staged in siblings of `own` that no mount holds to the folder `kept` of `own`, with a line in
// the log for each file, and removes them. One that fails stays for the next mount.
// The thread waits until what they left in the bucket is cleared up, where it is not yet, and then removes them. What
// is not cleared up when it is asked to stop stays for the next mount.
Thread sweep_left_siblings(const std::filesystem::path& own, OpenIn open);

// Removes siblings of `own` that no mount holds, of the cache.
void remove_left_caches(const std::filesystem::path& own);

}  // namespace pail::cli
