#include "base/path_walk.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "base/file.h"

namespace pail {
namespace {

constexpr unsigned kMostLinks = 40;  // as the kernel follows

}  // namespace

Result<std::filesystem::path> PathWalk::follow(const std::filesystem::path& path) {
  links_ = 0;
  rest_.clear();
  queue(std::filesystem::absolute(path));
  PAIL_CHECK(enter_root());
  while (!rest_.empty()) {
    const std::string name = std::move(rest_.front());
    rest_.pop_front();
    if (name.empty() || name == "." || name == "/") continue;
    PAIL_TRY(const Arrival arrival, take(name));
    if (arrival == Arrival::missing) break;
  }
  return where_;
}

// Names in front of those that are still to be taken.
void PathWalk::queue(const std::filesystem::path& path) {
  std::deque<std::string> names;
  for (const auto& name : path.relative_path()) names.push_back(name.string());
  rest_.insert(rest_.begin(), names.begin(), names.end());
}

Result<Unit> PathWalk::enter_root() {
  PAIL_TRY(here_, open_file("/", O_PATH | O_DIRECTORY));
  where_ = "/";
  struct stat status {};
  if (::fstat(here_.get(), &status) != 0) return errno_error(errno, "/");
  return step_(where_, status);
}

Result<PathWalk::Arrival> PathWalk::take(const std::string& name) {
  const std::filesystem::path where = name == ".." ? where_.parent_path() : where_ / name;
  auto opened = open_or_make(name, where);
  const bool stops = missing_ == Missing::stop && errnum_of(opened) == ENOENT;
  if (stops) return Arrival::missing;
  if (!opened) return opened.error();
  struct stat status {};
  if (::fstat(opened->get(), &status) != 0) return errno_error(errno, where.string());
  PAIL_CHECK(step_(where, status));
  if (S_ISLNK(status.st_mode)) {
    PAIL_CHECK(follow_link(opened->get(), where));
    return Arrival::there;
  }
  here_ = *std::move(opened);
  where_ = where;
  return Arrival::there;
}

// The descriptor is of the link itself where there is one: what the step saw is what is then followed.
Result<UniqueFd> PathWalk::open_or_make(const std::string& name, const std::filesystem::path& where) {
  constexpr int kFlags = O_PATH | O_NOFOLLOW | O_CLOEXEC;
  UniqueFd opened(::openat(here_.get(), name.c_str(), kFlags));
  if (!opened.valid() && errno == ENOENT && missing_ == Missing::make) {
    if (::mkdirat(here_.get(), name.c_str(), 0700) != 0 && errno != EEXIST) return errno_error(errno, where.string());
    opened = UniqueFd(::openat(here_.get(), name.c_str(), kFlags));
  }
  if (!opened.valid()) return errno_error(errno, where.string());
  return opened;
}

Result<Unit> PathWalk::follow_link(int link, const std::filesystem::path& where) {
  if (++links_ > kMostLinks) return errno_error(ELOOP, where.string());
  std::array<char, PATH_MAX> target;
  const ssize_t size = ::readlinkat(link, "", target.data(), target.size());
  if (size < 0) return errno_error(errno, where.string());
  const std::filesystem::path to(std::string(target.data(), static_cast<std::size_t>(size)));
  queue(to);
  return to.is_absolute() ? enter_root() : Result<Unit>(Unit{});
}

}  // namespace pail
