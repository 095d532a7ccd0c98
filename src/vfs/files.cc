#include "vfs/files.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/promise.h"
#include "cos/refusal.h"
#include "pailfs/base/stop.h"
#include "vfs/object_copy.h"
#include "vfs/object_metadata.h"
#include "vfs/own_write.h"
#include "vfs/staged_read.h"

namespace pail::vfs {

using local::Content;
using local::InodeRecord;
using local::Knowledge;

namespace {

constexpr ByteCount kFillPiece{8ull << 20};

// The store itself said that the version asked for is not there any more: it was replaced or removed.
bool is_gone(const Error& error) {
  return error.fault == Fault::precondition || error.fault == Fault::no_key || error.fault == Fault::no_version;
}

// What an edit changed: others may have changed the rest meanwhile.
local::AttributePatch patch_of(const InodeRecord& before, const InodeRecord& edited) {
  local::AttributePatch patch{.permissions = edited.permissions,
                              .uid = edited.uid,
                              .gid = edited.gid,
                              .headers = edited.headers,
                              .changed = edited.changed};
  if (edited.accessed != before.accessed) patch.accessed = edited.accessed;
  if (edited.modified != before.modified) patch.modified = edited.modified;
  return patch;
}

Error stale_if_gone(Error error) {
  if (is_gone(error)) error.errnum = ESTALE;
  return error;
}

// A handle of another content than the present one may neither read nor write.
Result<Unit> check_epoch(const InodeRecord& record, Files::Epoch epoch) {
  const bool gone = record.binding == local::Binding::vanished;
  if (!gone && (!epoch || *epoch == record.epoch)) return Unit{};
  return Error{ESTALE,
               fmt::format("{}: was replaced or removed by another writer while it was open", quote(record.name))};
}

}  // namespace

Files::Files(local::NameStore& names, const Tree& tree, const AttributeView& view, OpenTable& opens, Turns& turns,
             TreeGate& gate, cos::ObjectStore& store, Directories& directories, StagedContent& content,
             Uploader& uploader, UploadNotes& upload_notes, cache::BlockCache& blocks, runtime::MemoryBudget& memory,
             runtime::Counters& counters, const Options& options, runtime::Executor& readers)
    : names_(names),
      tree_(tree),
      view_(view),
      opens_(opens),
      turns_(turns),
      gate_(gate),
      store_(store),
      directories_(directories),
      content_(content),
      uploader_(uploader),
      upload_notes_(upload_notes),
      blocks_(blocks),
      options_(options),
      readers_(readers),
      reader_(store, blocks, memory, counters) {}

// ---- reading --------------------------------------------------------------------------------------------------------

void Files::read(InodeNumber number, std::uint64_t epoch, Extent want, const StopToken& stop, ReadReply reply) {
  auto record = names_.inode(number);
  for (;;) {
    if (!record) return reply(record.error());
    if (const auto current = check_epoch(*record, epoch); !current) return reply(current.error());
    if (record->content == Content::remote) return read_remote(std::move(*record), want, stop, std::move(reply));
    const auto file = content_.file(number);
    // Its upload may have ended just now, and the file be one that was begun since, on another base.
    auto again = names_.inode(number);
    const bool same =
        again && again->content == Content::staged && local::content_of(*again) == local::content_of(*record);
    if (same && !file) return reply(file.error());
    if (same) return read_staged(*record, *file, want, stop, std::move(reply));
    record = std::move(again);
  }
}

void Files::read_staged(const InodeRecord& record, const Staged& file, Extent want, const StopToken& stop,
                        ReadReply reply) {
  if (file->missing(want).empty()) return reply(compose(record, *file, want, stop));
  readers_.run(Lane::demand, [this, record, file, want, stop, reply] { reply(compose(record, *file, want, stop)); });
}

Result<ReadData> Files::compose(const InodeRecord& record, const local::StagedFile& file, Extent want,
                                const StopToken& stop) {
  return read_with_base(file, want, [&](Extent gap) -> Result<ReadData> {
    auto fetched = fetch_base(record, gap, stop);
    if (!fetched) return stale_if_gone(fetched.error());
    return fetched;
  });
}

Result<cache::ObjectContent> Files::content_of(const InodeRecord& record) {
  PAIL_TRY(auto version, tree_.version_of(names_.view(), record));
  const auto id = blocks_.identify(version);
  return cache::ObjectContent{id, std::move(version)};
}

// Bytes of the object that a staging file is based on. It moves when a directory above is renamed: what was not found
// at its old place is asked for at its new one.
Result<ReadData> Files::fetch_base(const InodeRecord& record, Extent want, const StopToken& stop) {
  PAIL_TRY(auto content, content_of(record));
  for (;;) {
    auto fetched = reader_.read_now(content, record.number, want, stop);
    if (fetched || !is_gone(fetched.error())) return fetched;
    PAIL_TRY(const InodeRecord known, names_.inode(record.number));
    PAIL_TRY(auto latest, content_of(known));
    if (known.epoch != record.epoch || latest.version.key == content.version.key)
      return cos::after_look(store_, content.version.key, cos::ETag{content.version.etag}, fetched.error(), stop);
    content = std::move(latest);
  }
}

void Files::read_remote(InodeRecord record, Extent want, const StopToken& stop, ReadReply reply) {
  const auto content = content_of(record);
  if (!content) return reply(content.error());
  auto checked = [this, record, version = content->version, want, stop, reply](Result<ReadData> data) {
    if (data || !is_gone(data.error())) return reply(std::move(data));
    // Not this version any more: renamed, rewritten or removed by ourselves, or changed by somebody else.
    readers_.run(Lane::demand, [this, record, version, want, stop, reply, why = data.error()] {
      // Whoever renames it or changes its attributes is between the store's step and ours: looked at when that is done.
      const auto turn = turns_.take_to_look(record.number, stop);
      if (!turn) return reply(turn.error());
      auto known = names_.inode(record.number);
      if (!known) return reply(why);
      const bool is_staged = known->content == Content::staged && known->epoch == record.epoch;
      if (is_staged) return read(record.number, record.epoch, want, stop, reply);
      const auto has_moved = [&](const InodeRecord& now) {
        const auto latest = tree_.version_of(names_.view(), now);
        return latest && now.epoch == record.epoch && now.content == Content::remote &&
               (latest->key != version.key || latest->etag != version.etag);
      };
      if (has_moved(*known)) return read_remote(std::move(*known), want, stop, reply);
      const auto found = directories_.look_after_refusal(*known, stop, &*turn);
      known = names_.inode(record.number);  // by now perhaps with the ETag of a copy of ours
      if (found && known && has_moved(*known)) return read_remote(std::move(*known), want, stop, reply);
      if (!found && found.error().fault != Fault::no_key) return reply(found.error());
      reply(stale_if_gone(cos::after_look(why, found ? *found : cos::Found::nothing)));
    });
  };
  reader_.read(*content, record.number, want, stop, std::move(checked));
}

Result<std::string> Files::read_link(const InodeRecord& link, const StopToken& stop) {
  const auto no_path = [&link] { return Error{EIO, fmt::format("{}: its object holds no path", quote(link.name))}; };
  if (link.size.n == 0 || link.size > kLongestLink) return no_path();
  const Promise<Result<ReadData>> answer;
  read_remote(link, {{}, {link.size.n}}, stop, [answer](Result<ReadData> data) { answer.set(std::move(data)); });
  const auto data = answer.wait();
  reader_.forget(link.number);  // which nobody opens and releases
  if (!data) return data.error();
  std::string target;
  for (const auto piece : data->pieces) target.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  return target.find('\0') == std::string::npos ? Result<std::string>(std::move(target)) : no_path();
}

// ---- writing --------------------------------------------------------------------------------------------------------

// Makes the inode one of a staged file that keeps at most the first `most` bytes of its object. The disk space of all
// it keeps is reserved, since all of it goes up again. In its turn.
Result<Files::Staged> Files::begin_staging(InodeNumber number, Epoch epoch, ByteCount most) {
  PAIL_CHECK(content_.check_usable());
  for (;;) {
    PAIL_TRY(const InodeRecord base, names_.inode(number));
    if (const auto current = check_epoch(base, epoch); !current) {
      content_.discard(number);  // of a round before
      return current.error();
    }
    const ByteCount kept = std::min(base.size, most);
    PAIL_TRY(Staged file, content_.create(number, kept));
    auto ready = kept.n > 0 ? file->reserve({{}, {kept.n}}) : Result<Unit>(Unit{});
    if (ready) ready = file->set_modified(base.modified);  // nothing is written yet
    if (!ready) {
      content_.discard(number);
      return ready.error();
    }
    // Size and version come from one reading: others may have replaced the object since.
    const auto taken = names_.staged(number, local::content_of(base));
    if (taken && *taken == local::Taken::taken) return file;
    if (taken) continue;
    content_.discard(number);
    return taken.error();
  }
}

// The staging file to write to, with at most the first `most` bytes of what the file has now.
Result<Files::Staged> Files::writable(const Turns::Turn& turn, Epoch epoch, ByteCount most, const StopToken& stop) {
  const InodeNumber number = turn.number();
  PAIL_TRY(const InodeRecord record, names_.view().require(number));
  PAIL_CHECK(check_epoch(record, epoch));
  if (record.content == Content::staged) return content_.file(number);
  if (record.knowledge != Knowledge::exact) PAIL_CHECK(directories_.current(number, stop, &turn));
  PAIL_TRY(Staged file, begin_staging(number, epoch, most));
  content_.note(number);
  return file;
}

Result<ByteCount> Files::write(InodeNumber number, Epoch epoch, ByteOffset at, std::span<const std::byte> data,
                               const StopToken& stop) {
  if (at.n + data.size() > cos::kMaxObjectSize.n) return Error{EFBIG, "an object has at most 10 TB"};
  PAIL_TRY(const auto turn, turns_.take(number, stop));
  PAIL_TRY(const Staged file, writable(turn, epoch, cos::kMaxObjectSize, stop));
  return file->write(at, data);
}

Result<Unit> Files::truncate(InodeNumber number, Epoch epoch, ByteCount size, const StopToken& stop) {
  if (size > cos::kMaxObjectSize) return Error{EFBIG, "an object has at most 10 TB"};
  PAIL_TRY(const auto turn, turns_.take(number, stop));
  PAIL_TRY(const InodeRecord record, names_.inode(number));
  PAIL_CHECK(check_epoch(record, epoch));
  if (record.content == Content::remote && record.size == size) return Unit{};
  PAIL_TRY(const Staged file, writable(turn, epoch, size, stop));
  return file->truncate(size);
}

Result<Unit> Files::reserve(InodeNumber number, Epoch epoch, Extent extent, const StopToken& stop) {
  PAIL_TRY(const auto turn, turns_.take(number, stop));
  PAIL_TRY(const Staged file, writable(turn, epoch, cos::kMaxObjectSize, stop));
  PAIL_CHECK(file->reserve(extent));
  if (file->size() < ByteCount{extent.end.n}) return file->truncate({extent.end.n});
  return Unit{};
}

// Fetches what is missing from the version the staging file is based on.
Result<Unit> Files::hydrate(const InodeRecord& record, local::StagedFile& file, const StopToken& stop) {
  const auto missing = file.missing({{}, {file.size().n}});
  if (missing.empty()) return Unit{};
  for (const Extent& gap : missing)
    for (ByteOffset at = gap.begin; at < gap.end; at = at + kFillPiece) {
      const Extent piece = intersect(gap, {at, at + kFillPiece});
      PAIL_TRY(const ReadData data, fetch_base(record, piece, stop));
      ByteOffset position = piece.begin;
      for (const auto bytes : data.pieces) {
        PAIL_CHECK(file.fill(position, bytes));
        position = position + ByteCount{bytes.size()};
      }
    }
  return Unit{};
}

// ---- into the bucket ------------------------------------------------------------------------------------------------

Result<Unit> Files::store(InodeNumber number, Epoch epoch, Lane lane, const StopToken& stop) {
  PAIL_TRY(const auto turn, turns_.take(number, stop));
  return store_in_turn(number, epoch, lane, stop);
}

Result<std::optional<local::ContentVersion>> Files::unwritten_over(InodeNumber number, Epoch epoch) {
  std::optional<local::ContentVersion> over;
  PAIL_TRY(const InodeRecord record, names_.inode(number));
  PAIL_CHECK(check_epoch(record, epoch));
  if (record.content != Content::staged) return over;
  const auto file = content_.file(number);
  if (file && (*file)->size().n == 0) over = local::content_of(record);
  return over;
}

Result<Unit> Files::store_unwritten(InodeNumber number, const local::ContentVersion& over, const StopToken& stop) {
  PAIL_TRY(const auto turn, turns_.take(number, stop));
  PAIL_TRY(const auto now, unwritten_over(number, std::nullopt));
  return now == over ? store_in_turn(number, std::nullopt, Lane::background, stop) : Result<Unit>(Unit{});
}

Result<Unit> Files::store_in_turn(InodeNumber number, Epoch epoch, Lane lane, const StopToken& stop) {
  PAIL_TRY(const auto pass, gate_.enter({number}, stop));
  InodeRecord record;
  std::string key;
  {
    const local::View view = names_.view();
    PAIL_TRY(record, view.require(number));
    PAIL_CHECK(check_epoch(record, epoch));
    if (record.content == Content::remote || record.binding == local::Binding::removed) return Unit{};
    PAIL_TRY(key, tree_.key_of(view, number));
  }
  PAIL_TRY(const Staged file, content_.file(number));
  const auto whole = hydrate(record, *file, stop);
  if (!whole && is_gone(whole.error())) return keep_conflict(record, whole.error());
  if (!whole) return whole.error();
  PAIL_TRY(const InodeRecord current, view_.shown(record));
  const UploadJob job{.number = number,
                      .key = key,
                      .descriptor = file->descriptor(),
                      .size = file->size(),
                      .headers = to_headers(current),
                      .replaces = {record.etag},
                      .attempted = {record.attempted},
                      .lane = lane};
  const auto outcome = uploader_.upload(job, stop);
  if (!outcome && is_gone(outcome.error())) return keep_conflict(record, outcome.error());
  if (!outcome) {
    if (outcome.error().fault != Fault::stopped) content_.note_failure(number, outcome.error().context);
    return outcome.error();
  }
  return uploaded(current, key, *outcome, *file);
}

Result<Unit> Files::uploaded(const InodeRecord& sent, const std::string& key, const Uploaded& outcome,
                             const local::StagedFile& file) {
  PAIL_CHECK(names_.stored(sent.number, {.etag = outcome.etag.text,
                                         .size = sent.size,
                                         .modified = sent.modified,
                                         .changed = sent.changed,
                                         .confirmed = outcome.confirmed,
                                         .written = outcome.window}));
  content_.note_stored(sent.number);
  // From here on the bucket has it; the local copy serves as cache where there is room.
  const cache::ObjectVersion version{key, outcome.etag.text, sent.size};
  if (sent.size.n > 0) blocks_.adopt({blocks_.identify(version), version}, file.path(), outcome.checksums);
  content_.remove_file(sent.number);
  return Unit{};
}

// Somebody else wrote the object first, or removed it. Their version stays; ours is kept for people to find.
Result<Unit> Files::keep_conflict(const InodeRecord& record, Error why) {
  const auto reason = why.fault == Fault::no_key ? local::KeptReason::removed : local::KeptReason::conflict;
  why.errnum = ESTALE;
  PAIL_TRY(const auto path, content_.keep(record, reason, why.context));
  spdlog::error("{}: {} by another writer since it was read here; what was written here is kept in {}",
                quote(record.name), reason == local::KeptReason::removed ? "removed" : "changed", path.string());
  return why;
}

// ---- attributes -----------------------------------------------------------------------------------------------------

Result<Unit> Files::set_staged_time(InodeNumber number, WallTime modified) {
  PAIL_TRY(const Staged file, content_.file(number));
  return file->set_modified(modified);
}

Result<Unit> Files::store_attributes(InodeNumber number, const Edit& edit, const StopToken& stop) {
  PAIL_TRY(const auto pass, gate_.enter({number}, stop));
  InodeRecord draft;
  std::string key;
  {
    const local::View view = names_.view();
    PAIL_TRY(draft, view.require(number));
    PAIL_TRY(key, draft.type == FileType::directory ? tree_.prefix_of(view, number) : tree_.key_of(view, number));
  }
  const local::InodeVersion decided_on = local::version_of(draft);
  PAIL_TRY(draft, view_.shown(std::move(draft)));
  const InodeRecord before = draft;
  draft.changed = tree_.now();
  PAIL_CHECK(edit(draft));
  const bool in_bucket =
      draft.content == Content::remote && !draft.unlinked() && !key.empty() && number != local::kRootInode;
  std::optional<local::AttributeObject> object;
  if (in_bucket) {
    PAIL_CHECK(note_attributes_sent(draft));
    const WallTime confirmed = tree_.moment();
    if (const auto put = put_attributes(draft, key, stop); !put) {
      // The store may have proven meanwhile that it keeps to the version that is copied.
      if (const auto noted = note_attributes_sent(draft); !noted) spdlog::warn("{}", noted.error().context);
      ask_anew(number);
      return put;
    }
    object = local::AttributeObject{draft.form, draft.etag, confirmed, draft.stored, draft.written};
  }
  PAIL_TRY(const auto taken, names_.attributes_changed(decided_on, patch_of(before, draft), object));
  if (taken == local::Taken::taken && draft.content == Content::staged) content_.note(number);
  if (taken == local::Taken::taken) return Unit{};
  ask_anew(number);
  return Error{ESTALE, fmt::format("{}: was changed by others meanwhile", quote(draft.name)), Fault::precondition};
}

// What the object holds under another ETag is what it held before, where the store keeps to the version that is copied:
// then the new attributes tell that it was us.
Result<Unit> Files::note_attributes_sent(const InodeRecord& draft) {
  const bool is_copied = draft.type != FileType::directory && store_.keeps_to_source_version();
  return is_copied ? names_.copy_sent(draft) : names_.attributes_sent(draft.number);
}

// A request that failed may have been carried out all the same: what the object is now is asked of the store.
void Files::ask_anew(InodeNumber number) {
  if (const auto noted = names_.doubted(number); !noted) spdlog::warn("{}", noted.error().context);
}

// Writes the attributes of a draft to its object: a marker anew, a file by a copy onto itself. What the store answers
// is noted in the draft.
Result<Unit> Files::put_attributes(InodeRecord& draft, const std::string& key, const StopToken& stop) {
  const WallTime sent = tree_.now();
  draft.stored = {};
  if (draft.type == FileType::directory) {
    if (draft.form != local::DirectoryForm::plain_marker) draft.form = local::DirectoryForm::slash_marker;
    PAIL_TRY(const auto put,
             store_.put_object({.key = Tree::marker_key(key, draft.form), .headers = to_headers(draft)}, stop));
    draft.written = write_window({sent, tree_.now()}, put.date);
    return Unit{};
  }
  const ObjectCopy onto_itself{key, key, {draft.etag}, draft.size, to_headers(draft)};
  PAIL_TRY(const MadeCopy made, copy(onto_itself, stop));
  if (made.contents() == Contents::in_doubt)
    return Error{ESTALE, fmt::format("{}: may have been changed by others", quote(draft.name)), Fault::precondition};
  copied({&made, 1});
  draft.etag = made.object.etag.text;
  draft.stored = made.object.last_modified;
  draft.written.reset();
  if (draft.stored == WallTime{}) draft.written = local::WriteWindow{sent, tree_.now()};
  return Unit{};
}

Result<MadeCopy> Files::copy(const ObjectCopy& copy, const StopToken& stop) {
  PAIL_TRY(auto object, copy_object(store_, upload_notes_, uploader_.aborts(), copy, stop));
  return MadeCopy{copy, std::move(object)};
}

void Files::copied(std::span<const MadeCopy> copies) {
  std::vector<cache::Copy> same;
  for (const auto& copy : copies) {
    const auto& [of, object] = copy;
    if (copy.has_same_bytes()) same.push_back({{of.from, of.etag.text, of.size}, {of.to, object.etag.text, of.size}});
  }
  blocks_.copied(same);
}

// ---- beginnings and ends --------------------------------------------------------------------------------------------

Result<Unit> Files::stage_empty(InodeNumber number) {
  PAIL_CHECK(content_.check_usable());
  PAIL_TRY(const Staged file, content_.create(number, {}));
  return Unit{};
}

Result<Files::Preserved> Files::preserve(InodeNumber number, const StopToken& stop) {
  PAIL_TRY(const InodeRecord record, names_.inode(number));
  if (record.type != FileType::regular || !opens_.maybe_open(record.number)) return Preserved();
  if (record.size.n > options_.cache_size.n / 2) {
    spdlog::warn("{}: removed while it is open; too large to keep a copy for whoever reads it", quote(record.name));
    return Preserved();
  }
  // Of a file that is being changed, what was not fetched yet.
  const bool staged = record.content == Content::staged;
  const auto file = staged ? content_.file(number) : begin_staging(number, std::nullopt, record.size);
  Preserved copy = file && !staged ? Preserved(*this, number) : Preserved();
  const auto whole = file ? hydrate(record, **file, stop) : Result<Unit>(file.error());
  if (whole) return copy;
  if (whole.error().fault == Fault::stopped) return whole.error();
  spdlog::warn("{}: removed while it is open; whoever has it open cannot read it any more: {}", quote(record.name),
               whole.error().context);
  return Preserved();
}

bool Files::is_staged(InodeNumber number) {
  const auto record = names_.view().inode(number);
  return record && record->content == Content::staged;
}

void Files::release_preserved(InodeNumber number) {
  if (const auto noted = names_.unstaged(number); !noted) return spdlog::warn("{}", noted.error().context);
  content_.discard(number);
}

}  // namespace pail::vfs
