// Follows a path as the kernel does, one name at a time, and shows each step before it is taken.
#pragma once

#include <sys/stat.h>

#include <deque>
#include <filesystem>
#include <functional>
#include <string>

#include "base/unique_fd.h"
#include "pailfs/base/result.h"

namespace pail {

// One thread at a time.
class PathWalk {
 public:
  // Sees every directory, link and file on the way, the root first. An error ends the walk.
  using Step = std::function<Result<Unit>(const std::filesystem::path& where, const struct stat& status)>;
  enum class Missing {
    make,    // directories with mode 0700
    stop,    // the walk ends in front of what is not there
    refuse,  // ENOENT
  };

  PathWalk(Missing missing, Step step) : missing_(missing), step_(std::move(step)) {}

  // Returns where the path leads, free of links. Errors: those of the step; ENOENT, ENOTDIR,
  // EACCES, ELOOP.
  Result<std::filesystem::path> follow(const std::filesystem::path& path);

 private:
  enum class Arrival { there, missing };

  Result<Unit> enter_root();
  Result<Arrival> take(const std::string& name);
  Result<UniqueFd> open_or_make(const std::string& name, const std::filesystem::path& where);
  Result<Unit> follow_link(int link, const std::filesystem::path& where);
  void queue(const std::filesystem::path& path);

  const Missing missing_;
  const Step step_;
  UniqueFd here_;
  std::filesystem::path where_;
  std::deque<std::string> rest_;
  unsigned links_ = 0;
};

}  // namespace pail
