#include "vfs/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/file.h"
#include "base/log.h"

namespace pail::vfs {

using cache::Content;
using cache::InodeRecord;
using cache::Knowledge;

namespace {

constexpr ByteCount kFillPiece{8ull << 20};
constexpr ByteCount kCopyPart{1ull << 30};

timespec to_timespec(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return {static_cast<time_t>(seconds.time_since_epoch().count()), static_cast<long>((time - seconds).count())};
}

WallTime from_timespec(const timespec& time) {
  return WallTime(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

WallTime modification_time(int fd) {
  struct stat st {};
  return fstat(fd, &st) == 0 ? from_timespec(st.st_mtim) : now();
}

Result<Unit> set_modification_time(int fd, WallTime time) {
  const timespec times[2] = {{0, UTIME_OMIT}, to_timespec(time)};
  if (futimens(fd, times) != 0) return errno_error(errno, "staging file");
  return Unit{};
}

}  // namespace

Files::Files(cache::Index& index, const Tree& tree, OpenTable& opens, Turns& turns, TreeGate& gate, cos::Client& store,
             Directories& directories, cache::StagingArea& staging, cache::BlockCache& blocks, const Options& options,
             Executor& helpers)
    : index_(index),
      tree_(tree),
      opens_(opens),
      turns_(turns),
      gate_(gate),
      store_(store),
      directories_(directories),
      staging_(staging),
      blocks_(blocks),
      options_(options),
      helpers_(helpers),
      reader_(store, options.bucket, blocks, {options.memory.n / 2}),
      uploader_(index, store, options.bucket, options.part_size, std::max(1u, options.parallel / 2)) {}

// ---- reading --------------------------------------------------------------------------------------------------------

void Files::read(InodeNumber number, std::uint64_t epoch, Extent want, const std::stop_token& stop, ReadReply reply) {
  auto record = require(*index_.read(), number);
  if (!record) return reply(record.error());
  if (record->epoch != epoch)
    return reply(
        Error{ESTALE, fmt::format("{}: was replaced by another writer while it was open", quote(record->name))});
  if (record->content == Content::remote) return read_remote(std::move(*record), want, stop, std::move(reply));
  const auto file = staged(number);
  if (!file) {
    // Its upload may have ended just now.
    auto again = require(*index_.read(), number);
    if (again && again->content == Content::remote) return read_remote(std::move(*again), want, stop, std::move(reply));
    return reply(file.error());
  }
  read_staged(*record, *file, want, stop, std::move(reply));
}

void Files::read_staged(const InodeRecord& record, const Staged& file, Extent want, const std::stop_token& stop,
                        ReadReply reply) {
  auto answer = [file, want, reply] {
    auto bytes = std::make_shared<std::vector<std::byte>>(want.size().n);
    const auto got = file->read(want.begin, *bytes);
    if (!got) return reply(got.error());
    ReadData data;
    if (*got > 0) data.pieces.emplace_back(bytes->data(), *got);
    data.owner = std::move(bytes);
    reply(std::move(data));
  };
  if (file->missing(want).empty()) return answer();
  helpers_.run([this, record, file, want, stop, reply, answer] {
    const auto filled = hydrate(record, *file, want, stop);
    filled ? answer() : reply(filled.error());
  });
}

void Files::read_remote(InodeRecord record, Extent want, const std::stop_token& stop, ReadReply reply) {
  auto version = tree_.version_of(*index_.read(), record);
  if (!version) return reply(version.error());
  auto checked = [this, record, version = *version, want, stop, reply](Result<ReadData> data) {
    const int errnum = errnum_of(data);
    if (errnum != ESTALE && errnum != ENOENT) return reply(std::move(data));
    // Not this version any more: renamed or rewritten by ourselves, or changed by somebody else.
    helpers_.run([this, record, version, want, stop, reply, why = data.error()] {
      auto known = require(*index_.read(), record.number);
      if (!known) return reply(why);
      const auto latest = tree_.version_of(*index_.read(), *known);
      const bool moved = latest && known->epoch == record.epoch && known->content == Content::remote &&
                         (latest->key != version.key || latest->etag != version.etag);
      if (moved) return reader_.read(*latest, record.number, want, stop, reply);
      const auto confirmed = directories_.confirm(record.number, stop);
      if (!confirmed) spdlog::debug("{}", confirmed.error().context);
      reply(Error{ESTALE, why.context});
    });
  };
  reader_.read(*version, record.number, want, stop, std::move(checked));
}

// ---- writing --------------------------------------------------------------------------------------------------------

Result<Files::Staged> Files::staged(InodeNumber number) {
  return staging_.open(number);
}

// Makes the record one of a staged file that keeps the first `kept` bytes of its object. In its turn.
Result<Files::Staged> Files::begin_staging(InodeRecord record, ByteCount kept) {
  PAIL_TRY(Staged file, staging_.create(record.number, kept));
  auto change = index_.write();
  PAIL_TRY(record, require(*change, record.number));
  record.content = Content::staged;
  record.changed_seq = change->next_sequence();
  change->put(record);
  PAIL_CHECK(change->commit());
  return file;
}

// The staging file to write to. In its turn.
Result<Files::Staged> Files::writable(InodeNumber number, const std::stop_token& stop) {
  bool uploading = false;
  InodeRecord record;
  {
    const auto view = index_.read();
    PAIL_TRY(record, require(*view, number));
    uploading = record.content == Content::staged && view->upload(number).has_value();
  }
  if (uploading) uploader_.abandon(number);  // its parts would mix old and new bytes
  if (record.content == Content::staged) return staged(number);
  if (record.knowledge != Knowledge::exact) {
    PAIL_TRY(auto found, directories_.current(number, stop));
    record = std::move(found.record);
  }
  return begin_staging(record, record.size);
}

Result<Unit> Files::write(InodeNumber number, ByteOffset at, std::span<const std::byte> data,
                          const std::stop_token& stop) {
  if (at.n + data.size() > cos::kMaxObjectSize.n) return Error{EFBIG, "an object has at most 10 TB"};
  PAIL_TRY(const auto turn, turns_.take(number, stop));
  PAIL_TRY(const Staged file, writable(number, stop));
  return file->write(at, data);
}

Result<Unit> Files::truncate(InodeNumber number, ByteCount size, const std::stop_token& stop) {
  if (size > cos::kMaxObjectSize) return Error{EFBIG, "an object has at most 10 TB"};
  PAIL_TRY(const auto turn, turns_.take(number, stop));
  InodeRecord record;
  {
    const auto view = index_.read();
    PAIL_TRY(record, require(*view, number));
  }
  if (record.content == Content::remote && record.size == size) return Unit{};
  if (size.n == 0 && record.content == Content::remote) {
    PAIL_TRY(const Staged file, begin_staging(std::move(record), {}));
    return Unit{};
  }
  PAIL_TRY(const Staged file, writable(number, stop));
  return file->truncate(size);
}

Result<Unit> Files::reserve(InodeNumber number, Extent extent, const std::stop_token& stop) {
  PAIL_TRY(const auto turn, turns_.take(number, stop));
  PAIL_TRY(const Staged file, writable(number, stop));
  PAIL_CHECK(file->reserve(extent));
  if (file->size() < ByteCount{extent.end.n}) return file->truncate({extent.end.n});
  return Unit{};
}

// Fetches what is missing of `extent` from the version the staging file is based on.
Result<Unit> Files::hydrate(const InodeRecord& record, cache::StagedFile& file, Extent extent,
                            const std::stop_token& stop) {
  const auto missing = file.missing(extent);
  if (missing.empty()) return Unit{};
  PAIL_TRY(const auto version, tree_.version_of(*index_.read(), record));
  const WallTime modified = modification_time(file.descriptor());
  for (const Extent& gap : missing)
    for (ByteOffset at = gap.begin; at < gap.end; at = at + kFillPiece) {
      const Extent piece = intersect(gap, {at, at + kFillPiece});
      PAIL_TRY(const ReadData data, reader_.read_now(version, record.number, piece, stop));
      ByteOffset position = piece.begin;
      for (const auto bytes : data.pieces) {
        PAIL_CHECK(file.fill(position, bytes));
        position = position + ByteCount{bytes.size()};
      }
    }
  return set_modification_time(file.descriptor(), modified);
}

// ---- into the bucket ------------------------------------------------------------------------------------------------

Result<Unit> Files::store(InodeNumber number, const std::stop_token& stop) {
  PAIL_TRY(const auto turn, turns_.take(number, stop));
  return store_in_turn(number, stop);
}

Result<Unit> Files::store_in_turn(InodeNumber number, const std::stop_token& stop) {
  PAIL_TRY(const auto pass, gate_.enter({number}, stop));
  InodeRecord record;
  std::string key;
  {
    const auto view = index_.read();
    PAIL_TRY(record, require(*view, number));
    if (record.content == Content::remote || record.unlinked) return Unit{};
    PAIL_TRY(key, tree_.key_of(*view, number));
  }
  PAIL_TRY(const Staged file, staged(number));
  const auto whole = hydrate(record, *file, {{}, {file->size().n}}, stop);
  const int missing = errnum_of(whole);  // the version it is based on is gone: replaced or removed
  if (missing == ESTALE || missing == ENOENT) {
    const auto reason = missing == ENOENT ? cache::KeptReason::removed : cache::KeptReason::conflict;
    return keep_conflict(record, reason, {ESTALE, whole.error().context});
  }
  if (!whole) return whole.error();
  InodeRecord current = record;
  refresh(current);
  const UploadJob job{.number = number,
                      .key = key,
                      .descriptor = file->descriptor(),
                      .size = file->size(),
                      .headers = to_headers(current),
                      .replaces = {record.etag}};
  const auto outcome = uploader_.upload(job, stop);
  if (!outcome && outcome.error().errnum == ESTALE)
    return keep_conflict(record, cache::KeptReason::conflict, outcome.error());
  if (!outcome) {
    if (outcome.error().errnum != EINTR) staging_.note_failure(number, outcome.error().context);
    return outcome.error();
  }
  return uploaded(std::move(current), key, *outcome, *file);
}

Result<Unit> Files::uploaded(InodeRecord record, const std::string& key, const Uploaded& outcome,
                             const cache::StagedFile& file) {
  record.content = Content::remote;
  record.etag = outcome.etag.text;
  record.checked = now();
  record.knowledge = Knowledge::exact;
  auto change = index_.write();
  record.changed_seq = change->next_sequence();
  change->put(record);
  PAIL_CHECK(change->commit());
  // From here on the bucket has it; the local copy serves as cache where there is room.
  if (record.size.n > 0) blocks_.adopt({key, record.etag, record.size}, file.path(), outcome.checksums);
  const auto removed = staging_.remove(record.number);
  if (!removed) spdlog::warn("{}", removed.error().context);
  return Unit{};
}

// Nothing is known of the name any more: nor does a listing that is still trusted say that it is absent.
void Files::forget_name(cache::WriteTransaction& change, const InodeRecord& record) {
  change.forget(record.parent, record.name);
  auto parent = change.inode(record.parent);
  if (!parent) return;
  parent->listed = {};
  change.put(*parent);
}

// Of a file whose record is gone.
cache::KeptDescription Files::describe_nameless() const {
  cache::KeptDescription description;
  description.reason = cache::KeptReason::name_lost;
  description.endpoint = options_.endpoint;
  description.bucket = options_.bucket;
  description.name = "unknown";
  description.permissions = options_.file_permissions;
  description.uid = options_.uid;
  description.gid = options_.gid;
  description.modified = description.accessed = now();
  return description;
}

// What people need to know of a file that is set aside, and `pailfs recover` to store it.
cache::KeptDescription Files::describe(const InodeRecord& record, cache::KeptReason reason, std::string error) {
  InodeRecord shown = record;
  refresh(shown);
  cache::KeptDescription description;
  description.reason = reason;
  description.error = std::move(error);
  description.endpoint = options_.endpoint;
  description.bucket = options_.bucket;
  if (auto key = tree_.key_of(*index_.read(), record.number)) description.key = *std::move(key);
  description.name = shown.name;
  description.permissions = shown.permissions;
  description.uid = shown.uid;
  description.gid = shown.gid;
  description.modified = shown.modified;
  description.accessed = shown.accessed;
  description.headers = std::move(shown.headers);
  description.base_etag = std::move(shown.etag);
  return description;
}

// Somebody else wrote the object first. Their version stays; ours is kept for people to find.
Result<Unit> Files::keep_conflict(const InodeRecord& record, cache::KeptReason reason, const Error& why) {
  PAIL_TRY(const auto path, staging_.set_aside(record.number, describe(record, reason, why.context)));
  spdlog::error("{}: changed by another writer since it was read here; what was written here is kept in {}",
                quote(record.name), path.string());
  auto change = index_.write();
  PAIL_TRY(InodeRecord changed, require(*change, record.number));
  changed.content = Content::remote;
  changed.knowledge = Knowledge::listed;
  changed.checked = {};
  ++changed.epoch;
  change->put(changed);
  if (changed.etag.empty()) {  // it never was in the bucket: the name now leads to somebody else's object
    forget_name(*change, changed);
    remove_tree(*change, opens_, std::move(changed));
  }
  PAIL_CHECK(change->commit());
  return why;
}

// ---- attributes -----------------------------------------------------------------------------------------------------

void Files::refresh(InodeRecord& record) {
  if (record.content != Content::staged) return;
  const auto file = staged(record.number);
  if (!file) return;
  record.size = (*file)->size();
  record.modified = modification_time((*file)->descriptor());
  record.changed = std::max(record.changed, record.modified);
}

Result<Unit> Files::set_staged_time(InodeNumber number, WallTime modified) {
  PAIL_TRY(const Staged file, staged(number));
  return set_modification_time(file->descriptor(), modified);
}

Result<Unit> Files::store_attributes(InodeRecord record, const std::stop_token& stop) {
  PAIL_TRY(const auto pass, gate_.enter({record.number}, stop));
  std::string key;
  {
    const auto view = index_.read();
    PAIL_TRY(key, record.type == FileType::directory ? tree_.prefix_of(*view, record.number)
                                                     : tree_.key_of(*view, record.number));
  }
  const bool in_bucket =
      record.content == Content::remote && !record.unlinked && !key.empty() && record.number != cache::kRootInode;
  // A recorded upload was begun with the headers of before.
  if (record.content == Content::staged && index_.read()->upload(record.number)) uploader_.abandon(record.number);
  if (in_bucket && record.type == FileType::directory) {
    if (record.form != cache::DirectoryForm::plain_marker) record.form = cache::DirectoryForm::slash_marker;
    PAIL_TRY(const auto put,
             store_.put_object(options_.bucket,
                               {.key = Tree::marker_key(key, record.form), .headers = to_headers(record)}, stop));
  } else if (in_bucket) {
    PAIL_TRY(const auto copied,
             copy(key, key, {record.etag}, record.size, cos::MetadataDirective::replace, to_headers(record), stop));
    record.etag = copied.etag.text;
  }
  auto change = index_.write();
  PAIL_TRY(const InodeRecord known, require(*change, record.number));
  record.listed = known.listed;  // a listing may have ended in the meantime
  if (record.content == Content::staged) record.size = known.size;
  if (in_bucket) record.stored = {};
  record.checked = now();
  record.knowledge = Knowledge::exact;
  record.changed_seq = change->next_sequence();
  change->put(record);
  return change->commit();
}

Result<cos::CopyResult> Files::copy(const std::string& from, const std::string& to, const cos::ETag& etag,
                                    ByteCount size, cos::MetadataDirective directive, const cos::ObjectHeaders& headers,
                                    const std::stop_token& stop) {
  cos::CopyRequest request{.source_bucket = {},
                           .source_key = from,
                           .key = to,
                           .directive = directive,
                           .headers = headers,
                           .source_if_match = etag,
                           .conditions = {}};
  if (size <= cos::kMaxSinglePut) {
    auto copied = store_.copy_object(options_.bucket, request, stop);
    const bool refused = !copied && copied.error().errnum == EINVAL;
    if (refused && size.n == 0 && to.ends_with('/')) return copy_marker(from, to, stop);
    return copied;
  }
  // Larger ones are copied by the store in parts, which do not carry the headers along.
  cos::ObjectHeaders kept = headers;
  if (directive == cos::MetadataDirective::copy) {
    PAIL_TRY(const cos::ObjectInfo info, store_.head_object(options_.bucket, from, stop));
    kept = info.headers;
  }
  PAIL_TRY(const cos::UploadId id, store_.create_upload(options_.bucket, to, kept, {}, stop));
  auto run = [&]() -> Result<cos::PutResult> {
    std::vector<cos::CompletedPart> parts;
    const ByteCount part_size{std::max(kCopyPart.n, (size.n + cos::kMaxParts - 1) / cos::kMaxParts)};
    for (ByteOffset at{}; at.n < size.n; at = at + part_size) {
      const Extent range{at, {std::min(at.n + part_size.n, size.n)}};
      PAIL_TRY(cos::CompletedPart part,
               store_.upload_part_copy(options_.bucket, to, id, static_cast<unsigned>(parts.size() + 1), request, range,
                                       stop));
      parts.push_back(std::move(part));
    }
    return store_.complete_upload(options_.bucket, to, id, parts, {}, stop);
  };
  auto outcome = run();
  if (!outcome) {
    const auto aborted = store_.abort_upload(options_.bucket, to, id);
    if (!aborted) spdlog::warn("an unfinished copy stays in the bucket: {}", aborted.error().context);
    return outcome.error();
  }
  return cos::CopyResult{outcome->etag, now()};
}

// For stores such as versitygw that copy no directory markers. A marker is nothing but its headers.
Result<cos::CopyResult> Files::copy_marker(const std::string& from, const std::string& to,
                                           const std::stop_token& stop) {
  PAIL_TRY(const cos::ObjectInfo info, store_.head_object(options_.bucket, from, stop));
  PAIL_TRY(const auto put, store_.put_object(options_.bucket, {.key = to, .headers = info.headers}, stop));
  return cos::CopyResult{put.etag, now()};
}

// ---- beginnings and ends --------------------------------------------------------------------------------------------

Result<Unit> Files::stage_empty(InodeNumber number) {
  PAIL_TRY(const Staged file, staging_.create(number, {}));
  return Unit{};
}

Result<Unit> Files::preserve(const InodeRecord& record, const std::stop_token& stop) {
  if (record.type != FileType::regular || record.content == Content::staged || !opens_.maybe_open(record.number))
    return Unit{};
  if (record.size.n > options_.cache_size.n / 2) {
    spdlog::warn("{}: removed while it is open; too large to keep a copy for whoever reads it", quote(record.name));
    return Unit{};
  }
  PAIL_TRY(const Staged file, begin_staging(record, record.size));
  return hydrate(record, *file, {{}, {record.size.n}}, stop);
}

bool Files::is_staged(InodeNumber number) {
  const auto record = index_.read()->inode(number);
  return record && record->content == Content::staged;
}

void Files::release_preserved(InodeNumber number) {
  auto change = index_.write();
  auto record = change->inode(number);
  if (!record) return;
  record->content = Content::remote;
  change->put(*record);
  if (const auto committed = change->commit(); !committed) return spdlog::warn("{}", committed.error().context);
  change.reset();
  discard(number);
}

void Files::discard(InodeNumber number) {
  if (index_.read()->upload(number)) uploader_.abandon(number);
  const auto removed = staging_.remove(number);
  if (!removed && removed.error().errnum != ENOENT) spdlog::warn("{}", removed.error().context);
}

void Files::set_aside_leftovers() {
  for (const InodeNumber number : index_.read()->staged()) {
    auto record = index_.read()->inode(number);
    if (!record) continue;
    if (!record->unlinked) {
      const auto path = staging_.set_aside(number, describe(*record, cache::KeptReason::never_closed));
      if (path)
        spdlog::warn("{}: was being written when the last mount ended and was never closed; its bytes are kept in {}",
                     quote(record->name), path->string());
    }
    if (index_.read()->upload(number)) uploader_.abandon(number);
    auto change = index_.write();
    if (record->etag.empty() || record->unlinked) {
      if (!record->unlinked) forget_name(*change, *record);
      change->erase(number);
    } else {  // the object it was based on is what the name leads to
      record->content = Content::remote;
      record->knowledge = Knowledge::listed;
      record->checked = {};
      ++record->epoch;
      change->put(*record);
    }
    if (const auto committed = change->commit(); !committed) spdlog::warn("{}", committed.error().context);
  }
}

void Files::sweep() {
  const auto staged_numbers = index_.read()->staged();
  auto is_staged = [&](InodeNumber number) {
    return std::ranges::find(staged_numbers, number) != staged_numbers.end();
  };
  for (const InodeNumber number : staging_.all()) {
    if (is_staged(number)) continue;
    const auto file = staged(number);
    const bool lost = !index_.read()->inode(number) && (!file || (*file)->size().n > 0);
    if (!lost) {
      discard(number);
    } else if (const auto path = staging_.set_aside(number, describe_nameless())) {
      spdlog::warn("bytes of a file whose name was lost with a damaged index are kept in {}", path->string());
    }
  }
  for (const InodeNumber number : index_.read()->uploads())
    if (!is_staged(number)) uploader_.abandon(number);
}

}  // namespace pail::vfs
