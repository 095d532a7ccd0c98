#include "simulation/kernel/open_files.h"

#include <algorithm>
#include <utility>

namespace pail::simulation::kernel {

int OpenFiles::open(Process process, const InodeRef& inode, std::uint64_t handle, int flags) {
  const auto release = [this](OpenFile* closed) {
    const std::unique_ptr<OpenFile> owned(closed);
    if (!owned->is_stream) requests_.ask(owned->process, Release{owned->inode->number, owned->handle}, nullptr);
  };
  return install(process, FileRef(new OpenFile{process, inode, handle, flags, inode->is_directory(), 0}, release));
}

int OpenFiles::duplicate(Process process, int descriptor) {
  FileRef file = file_of(process, descriptor);
  return file ? install(process, std::move(file)) : -1;
}

int OpenFiles::install(Process process, FileRef file) {
  auto& descriptors = descriptors_[process];
  int free = 0;
  while (descriptors.contains(free)) ++free;
  descriptors.emplace(free, std::move(file));
  return free;
}

FileRef OpenFiles::file_of(Process process, int descriptor) const {
  const auto descriptors = descriptors_.find(process);
  if (descriptors == descriptors_.end()) return nullptr;
  const auto found = descriptors->second.find(descriptor);
  return found == descriptors->second.end() ? nullptr : found->second;
}

void OpenFiles::close(Process process, int descriptor) {
  descriptors_[process].erase(descriptor);
}

bool OpenFiles::has_another(Process process, const OpenFile& file) const {
  const auto descriptors = descriptors_.find(process);
  return descriptors != descriptors_.end() &&
         std::any_of(descriptors->second.begin(), descriptors->second.end(),
                     [&](const auto& other) { return other.second->inode == file.inode; });
}

}  // namespace pail::simulation::kernel
