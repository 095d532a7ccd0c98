// What a fresh mount shows, held against the bucket: every file that is there, with its bytes, the target of a link,
// permissions and times that are stored, and nothing else.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "fake_store/bucket.h"
#include "simulation/calls.h"

namespace pail::simulation {

class Audit {
 public:
  // What is counted.
  static constexpr std::string_view kShowsDirectory = "audit: directory", kShowsFile = "audit: file";

  using Ask = std::function<Answer(Question question)>;  // returns with the mount's answer
  using Note = std::function<void(std::string_view happened)>;

  // Those that others change within a second of one's own write may not be noticed.
  enum class Attributes { those_of_the_bucket, any };

  // `bucket` outlives this.
  Audit(const fake::Bucket& bucket, Attributes attributes, Ask ask, Note note);

  // Walks the whole mount. Throws Wrong, or what asking throws.
  void run();

 private:
  void check(InodeNumber directory, const std::string& prefix);
  void check_file(const std::string& key, const ShownEntry& entry);
  void check_permissions(const std::string& key, const ShownEntry& entry) const;
  void check_time(const std::string& key, const ShownEntry& entry) const;
  std::vector<ListedName> names_of(InodeNumber directory);
  std::string read(InodeNumber number, std::uint64_t size);
  std::string target_of(InodeNumber link);

  const fake::Bucket& bucket_;
  const Attributes attributes_;
  const Ask ask_;
  const Note note_;
  std::set<std::string> seen_;  // keys
};

}  // namespace pail::simulation
