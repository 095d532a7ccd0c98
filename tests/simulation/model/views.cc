#include "simulation/model/views.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "local/journal/journal_state.h"
#include "local/journal/log_directory.h"
#include "local/staging/kept.h"
#include "vfs/object_metadata.h"

namespace pail::simulation {
namespace {

// What src/cos makes of a request that failed: of a connection that breaks, an answer that is none of a store, a
// passing refusal and a redirect (EIO), silence, a port that nobody has, a host that cannot be reached, a 409, and a
// proxy's 403 to what is not a look at an object.
constexpr auto kOfTheStore = std::to_array({EIO, ETIMEDOUT, ECONNREFUSED, EHOSTUNREACH, EBUSY, EACCES});

local::LiveEntries journal_of(const std::filesystem::path& state_directory) {
  auto files = local::open_log_directory(state_directory / "journal");
  if (!files) throw std::runtime_error(files.error().context);
  const auto journal = local::JournalState::open(*std::move(files));
  if (!journal) throw std::runtime_error(journal.error().context);
  return journal->state->live();
}

}  // namespace

bool Around::excuses(int errnum) const {
  if (store && std::ranges::find(kOfTheStore, errnum) != kOfTheStore.end()) return true;
  if (full_disk && errnum == ENOSPC) return true;
  if (failing_disk && errnum == EIO) return true;
  return killed_caller && errnum == EINTR;
}

BucketView bucket_view(const fake::Bucket& bucket) {
  return {
      [&bucket](const std::string& key) -> std::optional<StoredObject> {
        auto found = bucket.look(key);
        if (!found) return std::nullopt;
        const local::ObjectFacts facts = vfs::object_facts(found->info, key.ends_with('/'), {});
        return StoredObject{std::move(found->content), facts.permissions, Owner{facts.uid, facts.gid}, facts.modified};
      },
      [&bucket] { return bucket.keys(); }};
}

KeptView kept_view(const std::filesystem::path& state_directory) {
  const auto files = local::kept_files(state_directory);
  if (!files) throw std::runtime_error(files.error().context);
  KeptView kept;
  for (const local::KeptFile& file : *files) {
    std::ifstream in(file.path, std::ios::binary);
    kept.emplace_back(std::string(std::istreambuf_iterator<char>(in), {}));
    if (!in) throw std::runtime_error("cannot read " + file.path.string());
  }
  return kept;
}

std::optional<std::string> left_behind(const std::filesystem::path& state_directory) {
  for (const char* folder : {"staging", "renames"}) {
    std::error_code missing;
    for (const auto& left : std::filesystem::recursive_directory_iterator(state_directory / folder, missing))
      if (!left.is_directory()) return left.path().string();
  }
  const local::LiveEntries live = journal_of(state_directory);
  if (live.files().empty() && live.uploads().empty() && live.jobs().empty()) return std::nullopt;
  return fmt::format("records in the journal of {} files, {} uploads and {} jobs", live.files().size(),
                     live.uploads().size(), live.jobs().size());
}

std::map<std::string, std::string> noted_uploads(const std::filesystem::path& state_directory) {
  const local::LiveEntries live = journal_of(state_directory);
  std::map<std::string, std::string> keys;
  for (const auto& [id, upload] : live.uploads()) keys[id] = upload.key;
  return keys;
}

}  // namespace pail::simulation
