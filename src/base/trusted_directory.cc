#include "base/trusted_directory.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"
#include "base/owner.h"
#include "base/path_walk.h"

namespace pail {
namespace {

constexpr mode_t kOtherWriters = S_IWGRP | S_IWOTH;

// Whoever owns "/" can change every path anyway. In a user namespace that need not be user 0.
uid_t owner_of_root() {
  struct stat root {};
  return ::stat("/", &root) == 0 ? root.st_uid : 0;
}

Result<Unit> check_step(const std::filesystem::path& where, const struct stat& status, uid_t superuser) {
  const bool trusted = status.st_uid == 0 || status.st_uid == superuser || status.st_uid == ::geteuid();
  if (S_ISLNK(status.st_mode))
    return trusted ? Result<Unit>(Unit{})
                   : Error{EACCES, fmt::format("{}: is a link of {}, which is not followed; use the "
                                               "path that it leads to",
                                               where.string(), describe_user(status.st_uid))};
  if (!S_ISDIR(status.st_mode)) return errno_error(ENOTDIR, where.string());
  if (!trusted)
    return Error{EACCES, fmt::format("{}: belongs to {}, who can exchange what lies below it; run this as that user, "
                                     "or use a directory of your own whose parents belong to root or to you",
                                     where.string(), describe_user(status.st_uid))};
  if ((status.st_mode & kOtherWriters) != 0 && (status.st_mode & S_ISVTX) == 0)
    return Error{EACCES,
                 fmt::format("{}: others than its owner, {}, may write to it and exchange what lies "
                             "below it (mode {:o}); run chmod go-w {}, or use another directory",
                             where.string(), describe_user(status.st_uid), status.st_mode & 07777, where.string())};
  return Unit{};
}

Result<Unit> check_last(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return errno_error(errno, path.string());
  return check_own_directory(path, status);
}

Result<std::filesystem::path> walk_to(const std::filesystem::path& path, PathWalk::Missing missing) {
  PathWalk walk(missing, [superuser = owner_of_root()](const auto& where, const struct stat& status) {
    return check_step(where, status, superuser);
  });
  return walk.follow(path);
}

Result<std::filesystem::path> reach(const std::filesystem::path& path, PathWalk::Missing missing) {
  PAIL_TRY(auto reached, walk_to(path, missing));
  PAIL_CHECK(check_last(reached));
  return reached;
}

}  // namespace

Result<std::filesystem::path> make_trusted_directory(const std::filesystem::path& path) {
  return reach(path, PathWalk::Missing::make);
}

Result<std::filesystem::path> find_trusted_directory(const std::filesystem::path& path) {
  return reach(path, PathWalk::Missing::refuse);
}

Result<Unit> check_trusted_directory(const std::filesystem::path& path) {
  PAIL_TRY(const auto reached, walk_to(path, PathWalk::Missing::stop));
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) PAIL_CHECK(check_own_directory(reached, status));
  if (::access(reached.c_str(), W_OK | X_OK) != 0) return errno_error(errno, reached.string());
  return Unit{};
}

}  // namespace pail
