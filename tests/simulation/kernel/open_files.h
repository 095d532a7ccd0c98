// The open files of programs and the descriptors that name them.
//
// Single-threaded. An open file lives as long as a descriptor or a system call under way holds it; then the mount is
// asked to release it, and nobody waits for that. Each has its inode.
#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include "simulation/kernel/dentries.h"
#include "simulation/kernel/requests.h"
#include "simulation/kernel/system_call.h"

namespace pail::simulation::kernel {

struct OpenFile {
  Process process = 0;  // that opened it
  InodeRef inode;
  std::uint64_t handle = 0;
  int flags = 0;
  bool is_stream = false;    // of a directory: the mount knows no handle of it
  std::uint64_t offset = 0;  // of a stream
};
using FileRef = std::shared_ptr<OpenFile>;

class OpenFiles {
 public:
  // `requests` lives longer than this, and this longer than all open files.
  explicit OpenFiles(Requests& requests) : requests_(requests) {}

  // A new file; the lowest descriptor that the process has free.
  int open(Process process, const InodeRef& inode, std::uint64_t handle, int flags);
  int duplicate(Process process, int descriptor);          // -1: it is none
  FileRef file_of(Process process, int descriptor) const;  // null: none
  void close(Process process, int descriptor);
  // Whether the process has a descriptor for the inode of this file.
  bool has_another(Process process, const OpenFile& file) const;

 private:
  int install(Process process, FileRef file);

  Requests& requests_;
  std::map<Process, std::map<int, FileRef>> descriptors_;
};

}  // namespace pail::simulation::kernel
