// What a model has held against what a mount promises, counted: a check that never runs finds nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pail::simulation {

enum class Check : std::uint8_t {
  // Of answers.
  error,
  attributes,
  opened,
  made_and_opened,
  bytes,
  names,
  all_names,
  written,
  done,
  anything,
  excused_by_the_store,
  excused_by_a_full_disk,
  excused_by_a_failing_disk,
  excused_by_a_killed_caller,
  // Of the bucket when a call was answered.
  stored,
  stored_after_an_abandoned_request,
  released,
  made,
  gone,
  directory_gone,
  no_longer_stale,
  known_again,
  // Of the whole bucket and what is kept, in the end.
  object,
  marker,
  kept,
};

// In the order of their values.
inline constexpr auto kCheckNames = std::to_array<std::string_view>({
    "error",
    "attributes",
    "opened",
    "made and opened",
    "bytes",
    "names",
    "all names",
    "written",
    "done",
    "anything",
    "excused by the store",
    "excused by a full disk",
    "excused by a failing disk",
    "excused by a killed caller",
    "stored",
    "stored after an abandoned request",
    "released",
    "made",
    "gone",
    "directory gone",
    "no longer stale",
    "known again",
    "object",
    "marker",
    "kept",
});
static_assert(kCheckNames.size() == static_cast<std::size_t>(Check::kept) + 1);

// How often each was made, by its value.
class CheckCounts {
 public:
  void note(Check check) { ++counts_[static_cast<std::size_t>(check)]; }
  std::uint64_t of(Check check) const { return counts_[static_cast<std::size_t>(check)]; }

 private:
  std::array<std::uint64_t, kCheckNames.size()> counts_{};
};

}  // namespace pail::simulation
