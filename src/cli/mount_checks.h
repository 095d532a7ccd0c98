// What has to be so before a mount can work.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "cli/mount_options.h"
#include "cli/view_directory.h"
#include "pailfs/base/result.h"

namespace pail::cli {

// Refuses files and directories that the mount needs itself when the way to them leads through the mount
// point, also by a link or another name of it: every access would wait for the process that makes it.
// `roots`: where its own directories lie; `credentials`: the file they were found in, may be empty.
// Errors: EINVAL, naming the option.
Result<Unit> check_outside_mount(const std::filesystem::path& mount_point, const MountOptions& options,
                                 const Roots& roots, const std::filesystem::path& credentials);

// What to tell when so little is free on the disk of `state_root`, which need not be there yet, that every write would
// be refused; nothing when there is room.
std::optional<std::string> full_disk_warning(const std::filesystem::path& state_root);

}  // namespace pail::cli
