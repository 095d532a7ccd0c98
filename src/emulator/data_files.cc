#include "emulator/data_files.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "base/directory.h"
#include "base/file.h"

namespace pail::emulator {

namespace fs = std::filesystem;

fs::path DataFiles::path(std::uint64_t id) const {
  return dir_ / fmt::format("{:02x}", id & 255) / fmt::format("{:016x}", id);
}

Result<std::unique_ptr<DataFiles>> DataFiles::open_directory(const fs::path& dir,
                                                             const std::function<bool(std::uint64_t)>& in_use) {
  std::unique_ptr<DataFiles> files(new DataFiles(dir));
  PAIL_CHECK(make_private_directory(dir));
  std::uint64_t highest = 0;
  for (unsigned folder = 0; folder < 256; ++folder) {
    const fs::path below = dir / fmt::format("{:02x}", folder);
    std::error_code failed;
    if (!fs::exists(below, failed)) continue;  // made with its first file
    PAIL_TRY(const auto paths, list_directory(below));
    for (const fs::path& path : paths) {
      const std::string name = path.filename();
      std::uint64_t id = 0;
      const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id, 16);
      if (error != std::errc{} || end != name.data() + name.size()) continue;
      highest = std::max(highest, id);
      if (!in_use(id)) PAIL_CHECK(remove_file(path));
    }
  }
  files->next_id_ = highest + 1;
  return files;
}

Result<DataFiles::Created> DataFiles::create() {
  const std::uint64_t id = next_id_++;
  PAIL_CHECK(make_private_directory(path(id).parent_path()));
  PAIL_TRY(UniqueFd fd, open_file(path(id), O_RDWR | O_CREAT | O_EXCL));
  return Created{id, std::move(fd)};
}

Result<std::uint64_t> DataFiles::link(std::uint64_t id) {
  const std::uint64_t copy = next_id_++;
  PAIL_CHECK(make_private_directory(path(copy).parent_path()));
  if (::link(path(id).c_str(), path(copy).c_str()) != 0) return errno_error(errno, path(id).string());
  return copy;
}

Result<UniqueFd> DataFiles::open(std::uint64_t id) const {
  return open_file(path(id), O_RDONLY);
}

std::shared_ptr<DataFiles::Pin> DataFiles::pin(const std::function<std::vector<std::uint64_t>()>& find) {
  MutexLock lock(mutex_);
  std::vector<std::uint64_t> ids = find();
  for (const std::uint64_t id : ids) ++pinned_[id].count;
  return std::make_shared<Pin>(*this, std::move(ids));
}

void DataFiles::unpin(std::span<const std::uint64_t> ids) {
  MutexLock lock(mutex_);
  for (const std::uint64_t id : ids) {
    const auto found = pinned_.find(id);
    if (--found->second.count > 0) continue;
    if (found->second.doomed) ::unlink(path(id).c_str());
    pinned_.erase(found);
  }
}

void DataFiles::remove(std::span<const std::uint64_t> ids) {
  MutexLock lock(mutex_);
  for (const std::uint64_t id : ids) {
    if (const auto found = pinned_.find(id); found != pinned_.end()) {
      found->second.doomed = true;
    } else {
      ::unlink(path(id).c_str());
    }
  }
}

}  // namespace pail::emulator
