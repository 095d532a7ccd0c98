#include "cli/descriptors.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "base/directory.h"

namespace pail::cli {
namespace {

std::vector<int> open_descriptors() {
  std::vector<int> numbers;
  for (const auto& path : list_readable("/proc/self/fd")) numbers.push_back(std::atoi(path.filename().c_str()));
  return numbers;
}

}  // namespace

void open_missing_standard_descriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    // The lowest free number is this one. Where there is no /dev, a directory keeps the place.
    if (::open("/dev/null", O_RDWR) < 0 && ::open("/", O_RDONLY | O_DIRECTORY) < 0) ::_exit(1);
  }
}

void close_descriptors_but(std::span<const int> ours) {
  // Not close_range(2): filters of older containers refuse it.
  for (const int fd : open_descriptors())
    if (fd > STDERR_FILENO && std::ranges::find(ours, fd) == ours.end()) ::close(fd);
}

}  // namespace pail::cli
