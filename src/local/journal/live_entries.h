// What the records of a journal come to: what is promised and not done yet.
//
// Every prefix of the records is an acceptable state. So what a record ends may not be there: it
// was ended before. One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "local/journal/records.h"

namespace pail::local {

// A file whose bytes are not in the bucket yet, and where they are.
using StagedEntry = std::variant<StagedFileBegun, SmallFileWritten>;

struct JobEntry {
  JobBegun begun;
  std::string done_to;  // empty: nothing is known to be done
  bool operator==(const JobEntry&) const = default;
};

class LiveEntries {
 public:
  void apply(const Record& record);
  // Records that come to the same entries, in any order that apply() takes them in.
  std::vector<Record> snapshot() const;

  InodeNumber reserved_below() const { return reserved_below_; }        // 0: none
  std::uint64_t index_generation() const { return index_generation_; }  // 0: none
  const std::map<InodeNumber, StagedEntry>& files() const { return files_; }
  const std::map<std::string, UploadBegun>& uploads() const { return uploads_; }  // by upload id
  const std::map<JobNumber, JobEntry>& jobs() const { return jobs_; }
  // What small files hold in memory and in each snapshot.
  ByteCount small_bytes() const { return small_bytes_; }
  bool operator==(const LiveEntries&) const = default;

 private:
  void put(InodeNumber file, StagedEntry entry);
  void drop(InodeNumber file);

  InodeNumber reserved_below_ = 0;
  std::uint64_t index_generation_ = 0;
  std::map<InodeNumber, StagedEntry> files_;
  std::map<std::string, UploadBegun> uploads_;
  std::map<JobNumber, JobEntry> jobs_;
  ByteCount small_bytes_;
};

}  // namespace pail::local
