#include "base/directory.h"

#include "base/file.h"

namespace pail {
namespace {

std::error_code add_entries(const std::filesystem::path& directory, std::vector<std::filesystem::path>& paths) {
  std::error_code failed;
  std::filesystem::directory_iterator entry(directory, failed);
  for (const std::filesystem::directory_iterator end; !failed && entry != end; entry.increment(failed))
    paths.push_back(entry->path());
  return failed;
}

}  // namespace

Result<std::vector<std::filesystem::path>> list_directory(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> paths;
  if (const auto failed = add_entries(directory, paths)) return errno_error(failed.value(), directory.string());
  return paths;
}

std::vector<std::filesystem::path> list_readable(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> paths;
  (void)add_entries(directory, paths);
  return paths;
}

}  // namespace pail
