// What a store can of that in which stores differ, as its own answers have proven.
//
// Known for 30 days, then learnt anew. With a file it is known to the next process, too; what that
// says of another endpoint is not believed. Requests are made by who asks (adapted_store.h,
// operations/listing.h): here is only what came out.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "pailfs/base/clock.h"
#include "runtime/executor.h"

namespace pail::cos {

enum class Ability : std::uint8_t {
  put_if_match,       // If-Match on a PUT
  put_if_absent,      // If-None-Match: * on a PUT
  upload_begin,       // conditions where a multipart upload begins
  upload_end,         // conditions where it is completed
  list_v2,            // listings by version 2
  marker_copy,        // copies of directory markers
  copy_source_match,  // x-amz-copy-source-if-match
};
inline constexpr std::size_t kAbilities = 7;

// Of a content that nobody knows: no object has it. For conditions that must fail.
inline constexpr std::string_view kNobodysETag = "\"00000000000000000000000000000000\"";

// What is known of an ability.
enum class Known : std::uint8_t { unknown, there, missing };

// Thread-safe. No lock is held while the file is written, which a thread of its own does.
class Dialect {
 public:
  static constexpr std::chrono::days kValid{30};
  static constexpr std::chrono::hours kProofPause{1};

  // Reads `file`; empty: nothing is kept. One that cannot be read or is damaged is as none, and the
  // log says so. One of a newer version stays as it is, and nothing is kept. `clock` is borrowed.
  Dialect(std::string endpoint, std::filesystem::path file, const Clock& clock);

  Known known(Ability ability) const PAIL_EXCLUDES(mutex_);
  // Whether it is for the caller to prove this: it is not known, and nobody was told so for an hour.
  bool take_proof(Ability ability) PAIL_EXCLUDES(mutex_);
  // Who was told so proved nothing, because there was no occasion: the next caller is told.
  void give_back_proof(Ability ability) PAIL_EXCLUDES(mutex_);
  // There was proof. What is new is kept, and the log warns of what is missing.
  void proven_there(Ability ability) { note(ability, Known::there); }
  void proven_missing(Ability ability) { note(ability, Known::missing); }
  // The write of `key` was carried out again where that had to fail. Others who remove the object each time can bring
  // that about as well: it is proof when it happened to two keys. After the first the next caller is told to prove it.
  void seems_missing(Ability ability, std::string_view key) PAIL_EXCLUDES(mutex_);

 private:
  struct Fact {
    Known known = Known::unknown;
    WallTime proven{};                      // in whole seconds
    std::optional<SteadyTime> proven_here;  // so, since this process knows it: no matter how the calendar is set
    std::optional<SteadyTime> next_proof;   // not before
    std::string seems_missing_to;           // the key whose write was repeated though that had to fail; empty: none
  };
  using Facts = std::array<Fact, kAbilities>;

  void note(Ability ability, Known known) PAIL_EXCLUDES(mutex_);
  void set(Fact& fact, Known known) PAIL_REQUIRES(mutex_);
  void tell(Ability ability, Known known) PAIL_EXCLUDES(mutex_);  // the log and the file
  Known known_of(const Fact& fact) const;
  // False: the file is not ours to replace.
  bool load() PAIL_EXCLUDES(mutex_);
  void save() PAIL_EXCLUDES(mutex_);
  std::string text() const PAIL_EXCLUDES(mutex_);
  // None: damaged. Those of another endpoint are all unknown.
  std::optional<Facts> facts_of(std::string_view text) const;

  const std::string endpoint_;
  const std::filesystem::path file_;
  const Clock& clock_;
  mutable Mutex mutex_;
  Facts facts_ PAIL_GUARDED_BY(mutex_);
  std::optional<runtime::Executor> writer_;  // where the file is ours to replace; last, it uses the others
};

}  // namespace pail::cos
