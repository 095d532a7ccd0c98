// The emulator as a process of its own, which may die or be killed.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace pail::emulator {

class Child {
 public:
  // Runs emulator_server on `directory` with one bucket, named bucket. `prepare` runs in the child
  // first; what it returns, when not 0, is the child's exit status.
  explicit Child(
      const std::filesystem::path& directory, std::vector<std::string> more = {},
      const std::function<int()>& prepare = [] { return 0; });
  ~Child() { kill_at_once(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void kill_at_once();
  bool runs() const { return port_ != 0; }
  std::uint16_t port() const { return port_; }
  std::size_t resident_bytes() const;

 private:
  pid_t pid_ = 0;
  std::uint16_t port_ = 0;  // 0: it ended before it listened
};

}  // namespace pail::emulator
