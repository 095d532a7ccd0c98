#include "base/owner.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <cerrno>

namespace pail {

std::string describe_user(uid_t user) {
  const passwd* entry = ::getpwuid(user);
  return entry != nullptr ? fmt::format("{} (user {})", entry->pw_name, user) : fmt::format("user {}", user);
}

std::string advice_on_file(std::string_view file, uid_t owner, unsigned mode, std::string_view own) {
  const uid_t self = ::geteuid();
  if (self == 0 || self == owner) return fmt::format("run chmod {:o} {}", mode, file);
  if (owner == 0) return fmt::format("it belongs to {}: {}, or ask the administrator", describe_user(owner), own);
  return fmt::format("it belongs to {}: run this as that user, or as root chown {} {} and chmod {:o} on it",
                     describe_user(owner), self, file, mode);
}

Result<Unit> check_own_directory(const std::filesystem::path& directory, const struct stat& status) {
  const std::string name = directory.string();
  const uid_t self = ::geteuid();
  if (status.st_uid != self)  // and may use it: to give it away would help neither
    return Error{EACCES,
                 fmt::format("{}: must belong to you, {}, but belongs to {}; use another directory, or run this "
                             "as that user",
                             name, describe_user(self), describe_user(status.st_uid))};
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) == 0) return Unit{};
  return Error{EACCES, fmt::format("{}: others may write to it (mode {:o}); run chmod 700 {}, or use another directory",
                                   name, status.st_mode & 07777, name)};
}

}  // namespace pail
