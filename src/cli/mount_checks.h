// What has to be so before a mount can work.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "cli/mount_options.h"
#include "pailfs/base/result.h"

namespace pail::cli {

// Refuses files and directories that the mount needs itself when the way to them leads through the mount
// point, also by a link or another name of it: every access would wait for the process that makes it.
// `cache_root`: where cache directories lie; `credentials`: the file they were found in, may be empty.
// Errors: EINVAL, naming the option.
Result<Unit> check_outside_mount(const std::filesystem::path& mount_point, const MountOptions& options,
                                 const std::filesystem::path& cache_root, const std::filesystem::path& credentials);

// What to tell when so little is free on the disk of `cache_root`, which need not be there yet, that every write would
// be refused; nothing when there is room.
std::optional<std::string> full_disk_warning(const std::filesystem::path& cache_root);

}  // namespace pail::cli
