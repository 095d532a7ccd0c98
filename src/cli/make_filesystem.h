// Where the layers meet: options in, a file system over a bucket out.
#pragma once

#include <memory>

#include "base/thread.h"
#include "cli/handover.h"
#include "pailfs/base/result.h"
#include "vfs/filesystem.h"

namespace pail::cli {

struct MadeFileSystem {
  std::unique_ptr<vfs::FileSystem> files;
  Thread siblings;  // clears up what others left, beside the mount; see left_siblings.h
};

// For a worker process; starts threads. The credentials' files are read again where they can be, so that a process that
// follows another has the newest; else those of the mount serve. Sends nothing by itself.
// Errors: as connect() and vfs::FileSystem::open().
Result<MadeFileSystem> make_filesystem(const WorkerTask& task, WorkerSecrets secrets,
                                       std::shared_ptr<vfs::OpenTable> opens, vfs::Start start);

}  // namespace pail::cli
