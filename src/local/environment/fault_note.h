// A note that outlives a crash: when a memory fault hits the map of an index, whose file was cut or whose pages lead
// elsewhere, the process ends as it would, but the next one knows why.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace pail::local {

// While one lives, a SIGBUS or SIGSEGV at an address within `map` writes `text` to the start of `file` before the
// process ends. At most 16 at a time; further ones do nothing. Thread-safe.
class FaultNote {
 public:
  FaultNote(std::span<const std::byte> map, int file, std::string text);
  ~FaultNote();
  FaultNote(const FaultNote&) = delete;
  FaultNote& operator=(const FaultNote&) = delete;

 private:
  const std::string text_;
  std::size_t slot_;
};

}  // namespace pail::local
