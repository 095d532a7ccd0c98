#include "local/journal/live_entries.h"

#include <algorithm>
#include <utility>

#include "base/overloaded.h"

namespace pail::local {
namespace {

ByteCount bytes_in(const StagedEntry& entry) {
  const auto* small = std::get_if<SmallFileWritten>(&entry);
  return {small == nullptr ? 0 : small->bytes.size()};
}

}  // namespace

void LiveEntries::put(InodeNumber file, StagedEntry entry) {
  drop(file);
  small_bytes_ = small_bytes_ + bytes_in(entry);
  files_.emplace(file, std::move(entry));
}

void LiveEntries::drop(InodeNumber file) {
  const auto place = files_.find(file);
  if (place == files_.end()) return;
  small_bytes_ = small_bytes_ - bytes_in(place->second);
  files_.erase(place);
}

void LiveEntries::apply(const Record& record) {
  std::visit(Overloaded{[&](const InodeNumbersReserved& it) {
                          reserved_below_ = std::max(reserved_below_, it.below);
                        },
                        [&](const IndexGenerationBegun& it) { index_generation_ = it.generation; },
                        [&](const StagedFileBegun& it) { put(it.file, it); },
                        [&](const SmallFileWritten& it) { put(it.file, it); },
                        [&](const StagedFileEnded& it) { drop(it.file); },
                        [&](const UploadBegun& it) { uploads_.insert_or_assign(it.upload_id, it); },
                        [&](const UploadEnded& it) { uploads_.erase(it.upload_id); },
                        [&](const JobBegun& it) {
                          jobs_.insert_or_assign(it.job, JobEntry{it, {}});
                        },
                        [&](const JobProgressed& it) {
                          if (const auto job = jobs_.find(it.job); job != jobs_.end())
                            job->second.done_to = it.done_to;
                        },
                        [&](const JobEnded& it) { jobs_.erase(it.job); }},
             record);
}

std::vector<Record> LiveEntries::snapshot() const {
  std::vector<Record> records;
  if (reserved_below_ != 0) records.push_back(InodeNumbersReserved{reserved_below_});
  if (index_generation_ != 0) records.push_back(IndexGenerationBegun{index_generation_});
  for (const auto& [file, entry] : files_)
    std::visit([&](const auto& one) { records.push_back(one); }, entry);
  for (const auto& [id, upload] : uploads_) records.push_back(upload);
  for (const auto& [number, job] : jobs_) {
    records.push_back(job.begun);
    if (!job.done_to.empty()) records.push_back(JobProgressed{number, job.done_to});
  }
  return records;
}

}  // namespace pail::local
