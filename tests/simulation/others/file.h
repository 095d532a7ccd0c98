// What is known of one file of a mount: what was written to it here, and which version of an object lies below.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/others/versions.h"

namespace pail::simulation::others {

// Bytes of a file, as far as they are known: those that were written and answered, and not cut or written over since.
class KnownBytes {
 public:
  void set(std::uint64_t at, std::string_view bytes);
  void forget(std::uint64_t from, std::uint64_t to);
  void forget_from(std::uint64_t from) { forget(from, bytes_.size()); }
  bool empty() const { return known_ == 0; }

  // Those from `at` on, at most so many.
  KnownBytes slice(std::uint64_t at, std::uint64_t size) const;
  // Those that are the same in both.
  KnownBytes common(const KnownBytes& other) const;
  // Where `content` has not all of them; npos: nowhere.
  static constexpr std::size_t npos = std::string::npos;
  std::size_t first_difference(std::string_view content) const;

 private:
  std::string bytes_;
  std::string is_known_;  // 0 or 1 for each byte
  std::size_t known_ = 0;
};

// All that was ever written to a file, whatever became of it.
class Written {
 public:
  void add(std::uint64_t at, std::string bytes) { writes_.push_back({at, std::move(bytes)}); }
  void resized() { resized_ = true; }
  bool nothing() const { return writes_.empty() && !resized_; }
  // The positions of `content`, which stands at `at` in the file, that no write explains.
  std::vector<std::size_t> unexplained(std::uint64_t at, std::string_view content) const;
  // One whole write of 4 bytes or more is in it.
  bool is_in(std::string_view content) const;

 private:
  struct Write {
    std::uint64_t at;
    std::string bytes;
  };

  std::vector<Write> writes_;
  bool resized_ = false;
};

// The version has these positions of `content`, which stands at `at` in the file. None: no version, which has nothing.
bool explains(const Version* version, std::uint64_t at, std::string_view content,
              const std::vector<std::size_t>& positions);
// It reads so of the version alone, when so much is asked for.
bool reads_as(const Version* version, std::uint64_t at, std::uint64_t size, std::string_view content);

}  // namespace pail::simulation::others
