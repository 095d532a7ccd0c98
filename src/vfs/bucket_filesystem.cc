#include "vfs/bucket_filesystem.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/falloc.h>
#include <sys/stat.h>

#include "base/log.h"
#include "pailfs/base/stop.h"
#include "vfs/object_metadata.h"
#include "vfs/store_all.h"
#include "vfs/xattrs.h"

namespace pail::vfs {

using local::Content;
using local::InodeRecord;
using local::Knowledge;

namespace {

constexpr unsigned kBlocksShare = 2;  // of `memory`: a half; threads, connections and parts being sent need the other
constexpr unsigned kQueueShare = 4;   // of that, at most, for blocks that wait for the disk

bool changes_content(int flags) {
  return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
}

// A handle says which content it was opened on and whether it may change it, and nothing else: any process can serve
// it.
std::uint64_t make_handle(std::uint64_t epoch, int flags) {
  return epoch << 1 | (changes_content(flags) ? 1 : 0);
}
std::uint64_t epoch_of(std::uint64_t handle) {
  return handle >> 1;
}
bool writes(std::uint64_t handle) {
  return (handle & 1) != 0;
}

}  // namespace

BucketFileSystem::BucketFileSystem(Options options, std::shared_ptr<cos::ObjectStore> store,
                                   std::shared_ptr<OpenTable> opens, Local local)
    : options_(std::move(options)),
      store_(std::move(store)),
      opens_(std::move(opens)),
      local_(std::move(local)),
      tree_(options_, *local_.names),
      turns_(*local_.turns),
      gate_(*local_.names, *local_.names_at_work),
      helpers_(std::max(4u, options_.parallel)),
      readers_(std::max(4u, options_.parallel)),
      view_(*local_.names, *local_.staging),
      staged_notes_(*local_.journal, *local_.names, tree_, options_.bucket),
      aside_(*local_.names, tree_, view_, *local_.staging, options_),
      upload_notes_(*local_.journal),
      uploader_(*local_.names, upload_notes_, *store_, *options_.clock, options_.part_size,
                std::max(1u, options_.parallel / 2), *local_.counters),
      content_(*local_.names, *local_.staging, staged_notes_, aside_, uploader_),
      leftovers_(*local_.names, *local_.staging, staged_notes_, aside_, content_, options_.state_directory),
      directories_(*local_.names, tree_, view_, *store_, helpers_),
      files_(*local_.names, tree_, view_, *opens_, turns_, gate_, *store_, directories_, content_, uploader_,
             upload_notes_, *local_.blocks, *local_.memory, *local_.counters, options_, readers_),
      names_(*local_.names, tree_, *opens_, turns_, gate_, *store_, directories_, files_, options_, *local_.journal),
      read_(local_.counters->counter("read_bytes")),
      written_(local_.counters->counter("written_bytes")),
      timer_(*options_.clock) {}

// What helpers still do uses the parts that are destroyed before them.
BucketFileSystem::~BucketFileSystem() {
  background_stop_.request_stop();
  background_.finish();
  readers_.finish();
  helpers_.finish();
}

Result<Unit> BucketFileSystem::begin(Start start) {
  if (start == Start::fresh) {
    PAIL_CHECK(clear_up());
  } else {
    leftovers_.sweep();
    uploader_.let_go_unrecorded();
  }
  if (!options_.read_only) uploader_.aborts().begin();
  PAIL_CHECK(leftovers_.bring_notes_in_line());
  if (start == Start::resume) go_on();
  return Unit{};
}

Result<Unit> BucketFileSystem::clear_up() {
  uploader_.let_go_left();
  leftovers_.sweep();
  if (!options_.read_only) names_.finish_interrupted();
  PAIL_CHECK(leftovers_.set_aside_unstored());
  for (const InodeNumber number : local_.names->view().orphans()) {
    content_.discard(number);
    PAIL_CHECK(local_.names->let_go(number));
  }
  return Unit{};
}

void BucketFileSystem::go_on() {
  names_.keep_turns();
  if (!options_.read_only) names_.go_on_deleting();
  constexpr std::chrono::seconds kAskedAgain(10);  // the kernel does that at once
  timer_.run_after(kAskedAgain, timer_.announce(), [this] { names_.drop_turns(); });
  // One that the process before this one was about to store; others are not kept waiting by it.
  for (const InodeNumber number : local_.names->view().staged()) {
    const auto over = files_.unwritten_over(number, std::nullopt);
    if (over && *over) store_soon(number, **over, std::chrono::milliseconds(100));
  }
}

Result<Unit> BucketFileSystem::check_writable() const {
  if (options_.read_only) return Error{EROFS, "mounted read-only"};
  return Unit{};
}

Result<Entry> BucketFileSystem::shown(Directories::Found found) {
  PAIL_TRY(const InodeRecord record, view_.shown(std::move(found.record)));
  const Entry entry = tree_.entry(record, found.confirmed);
  MutexLock lock(mutex_);
  note_shown(entry);
  return entry;
}

void BucketFileSystem::note_shown(const Entry& entry) {
  if (entry.attributes.type == FileType::regular) in_kernel_[entry.attributes.number].shown = entry.epoch;
}

bool BucketFileSystem::was_shown(const InodeRecord& record) {
  MutexLock lock(mutex_);
  const auto known = in_kernel_.find(record.number);
  return known != in_kernel_.end() && known->second.shown == record.epoch;
}

// ---- attributes -----------------------------------------------------------------------------------------------------

Result<Entry> BucketFileSystem::lookup(const Request& request, InodeNumber parent, std::string_view name) {
  if (name == ".") return getattr(request, parent);
  if (name == "..") {
    PAIL_TRY(const InodeRecord record, local_.names->inode(parent));
    return getattr(request, parent == kRootInode ? kRootInode : record.parent);
  }
  PAIL_CHECK(check_name(name));
  for (;;) {
    PAIL_TRY(auto found, directories_.resolve(parent, name, request.stop));
    const InodeNumber number = found.record.number;
    auto entry = shown(std::move(found));
    if (entry || local_.names->view().inode(number)) return entry;  // else it was removed since
  }
}

void BucketFileSystem::forget(InodeNumber number) {
  {
    MutexLock lock(mutex_);
    in_kernel_.erase(number);
  }
  const auto record = local_.names->view().inode(number);
  if (record && record->unlinked()) names_.clean_up(number);
}

Result<Entry> BucketFileSystem::getattr(const Request& request, InodeNumber number) {
  PAIL_TRY(auto found, directories_.current(number, request.stop));
  return shown(std::move(found));
}

Result<Entry> BucketFileSystem::change_attributes(const Request& request, InodeNumber number, const Files::Edit& edit) {
  PAIL_TRY(const auto turn, turns_.take(number, request.stop));
  for (int attempt = 0;; ++attempt) {
    PAIL_TRY(const Directories::Found before, directories_.current(number, request.stop, &turn));
    auto stored = files_.store_attributes(number, edit, request.stop);
    if (stored) return getattr(request, number);
    if (stored.error().fault != Fault::precondition) return stored.error();
    PAIL_TRY(const auto found, directories_.look_after_refusal(before.record, request.stop, &turn));
    if (attempt > 0) return cos::after_look(stored.error(), found);
  }
}

Result<Entry> BucketFileSystem::setattr(const Request& request, InodeNumber number, const AttributeChange& change) {
  PAIL_CHECK(check_writable());
  if (change.size) {
    const Files::Epoch epoch = change.handle ? Files::Epoch(epoch_of(*change.handle)) : std::nullopt;
    PAIL_CHECK(files_.truncate(number, epoch, *change.size, request.stop));
    // truncate(2) has no close() that would store it.
    if (!opens_->maybe_open(number)) PAIL_CHECK(files_.store(number, epoch, Lane::demand, request.stop));
  }
  const bool others = change.permissions || change.uid || change.gid || change.accessed || change.modified;
  if (!others) return getattr(request, number);
  return change_attributes(request, number, [&](InodeRecord& record) -> Result<Unit> {
    if (change.permissions) record.permissions = *change.permissions & 07777;
    if (change.uid) record.uid = *change.uid;
    if (change.gid) record.gid = *change.gid;
    if (change.accessed) record.accessed = *change.accessed;
    if (change.modified) record.modified = *change.modified;
    if (record.content == Content::staged && change.modified) return files_.set_staged_time(number, *change.modified);
    return Unit{};
  });
}

Result<std::string> BucketFileSystem::readlink(const Request& request, InodeNumber number) {
  for (int attempt = 0;; ++attempt) {
    PAIL_TRY(const auto found, directories_.current(number, request.stop));
    if (found.record.type != FileType::symlink) return Error{EINVAL, "not a symbolic link"};
    if (!found.record.link_target.empty()) return found.record.link_target;
    PAIL_TRY(const local::AskedInode asked, local_.names->ask(number, local::Asker::anybody));
    auto target = files_.read_link(asked.inode(), request.stop);
    const Fault fault = target ? Fault::none : target.error().fault;
    const bool is_replaced = fault == Fault::precondition || fault == Fault::no_key;
    if (is_replaced && attempt == 0) continue;
    if (target) PAIL_CHECK(local_.names->link_learned(asked, *target));
    return target;
  }
}

// ---- names ----------------------------------------------------------------------------------------------------------

Result<Entry> BucketFileSystem::make(const Request& request, InodeNumber parent, std::string_view name, FileType type,
                                     mode_t mode, std::string_view target) {
  PAIL_TRY(InodeRecord record, names_.settle(request, names_.make(request, parent, name, type, mode, target)));
  const WallTime confirmed = record.checked;
  return shown({std::move(record), confirmed});
}

Result<Entry> BucketFileSystem::mknod(const Request& request, InodeNumber parent, std::string_view name, mode_t mode,
                                      std::uint64_t) {
  PAIL_CHECK(check_writable());
  const auto type = (mode & S_IFMT) == 0 ? FileType::regular : type_of_mode(mode).value_or(FileType::block_device);
  if (type != FileType::regular && type != FileType::fifo && type != FileType::socket)
    return Error{EPERM, "device nodes are not kept in a bucket"};
  return make(request, parent, name, type, mode, {});
}

Result<Entry> BucketFileSystem::mkdir(const Request& request, InodeNumber parent, std::string_view name, mode_t mode) {
  PAIL_CHECK(check_writable());
  return make(request, parent, name, FileType::directory, mode, {});
}

Result<Entry> BucketFileSystem::symlink(const Request& request, InodeNumber parent, std::string_view name,
                                        std::string_view target) {
  PAIL_CHECK(check_writable());
  if (target.size() > kLongestLink.n) return Error{ENAMETOOLONG, "the target of the link is too long"};
  return make(request, parent, name, FileType::symlink, 0777, target);
}

Result<Unit> BucketFileSystem::unlink(const Request& request, InodeNumber parent, std::string_view name) {
  PAIL_CHECK(check_writable());
  return names_.settle(request, names_.unlink(request, parent, name));
}

Result<Unit> BucketFileSystem::rmdir(const Request& request, InodeNumber parent, std::string_view name) {
  PAIL_CHECK(check_writable());
  return names_.settle(request, names_.rmdir(request, parent, name));
}

Result<Unit> BucketFileSystem::rename(const Request& request, InodeNumber parent, std::string_view name,
                                      InodeNumber new_parent, std::string_view new_name, RenameMode mode) {
  PAIL_CHECK(check_writable());
  return names_.settle(request, names_.rename(request, parent, name, new_parent, new_name, mode));
}

// ---- open files -----------------------------------------------------------------------------------------------------

OpenResult BucketFileSystem::opened(const InodeRecord& record, int flags) {
  MutexLock lock(mutex_);
  auto& opened = in_kernel_[record.number].opened;
  const bool same = opened == record.epoch;
  opened = record.epoch;
  return {make_handle(record.epoch, flags), same};
}

Result<OpenResult> BucketFileSystem::open_file(const Request& request, InodeNumber number, int flags) {
  if (changes_content(flags)) PAIL_CHECK(check_writable());
  PAIL_TRY(auto found, directories_.current(number, request.stop));
  if (found.record.type == FileType::directory) return Error{EISDIR, "a directory"};
  if (found.record.binding == local::Binding::vanished)
    return Error{ESTALE, fmt::format("{}: was removed by another writer", quote(found.record.name))};
  // The kernel opens it by the size that it knows, and appends there: it is made to look the name up again.
  if ((flags & O_TRUNC) == 0 && !was_shown(found.record))
    return Error{ESTALE, fmt::format("{}: its size is to be looked up before it is opened", quote(found.record.name))};
  if ((flags & O_TRUNC) != 0) PAIL_CHECK(files_.truncate(number, found.record.epoch, {}, request.stop));
  return opened(found.record, flags);
}

Result<std::pair<Entry, OpenResult>> BucketFileSystem::create(const Request& request, InodeNumber parent,
                                                              std::string_view name, mode_t mode, int flags) {
  PAIL_CHECK(check_writable());
  const Existing existing = (flags & O_EXCL) != 0 ? Existing::refuse : Existing::accept;
  PAIL_TRY(InodeRecord record, names_.create(request, parent, name, mode, existing));
  if ((flags & O_TRUNC) != 0) PAIL_CHECK(files_.truncate(record.number, record.epoch, {}, request.stop));
  const OpenResult result = opened(record, O_RDWR);      // its first close stores it, whatever it was opened for
  PAIL_TRY(record, local_.names->inode(record.number));  // it may have been emptied
  PAIL_TRY(Entry entry, shown({std::move(record), tree_.moment()}));
  return std::pair(std::move(entry), result);
}

void BucketFileSystem::read(const Request& request, InodeNumber number, std::uint64_t handle, ByteOffset at,
                            ByteCount size, ReadReply reply) {
  files_.read(number, epoch_of(handle), {at, at + size}, request.stop,
              [this, reply = std::move(reply)](Result<ReadData> data) {
                if (data)
                  for (const auto piece : data->pieces) read_.add(piece.size());
                reply(std::move(data));
              });
}

Result<ByteCount> BucketFileSystem::write(const Request& request, InodeNumber number, std::uint64_t handle,
                                          ByteOffset at, std::span<const std::byte> data) {
  PAIL_CHECK(check_writable());
  PAIL_TRY(const ByteCount written, files_.write(number, epoch_of(handle), at, data, request.stop));
  written_.add(written.n);
  return written;
}

Result<Unit> BucketFileSystem::allocate(const Request& request, InodeNumber number, std::uint64_t handle, int mode,
                                        Extent extent) {
  PAIL_CHECK(check_writable());
  if (mode != 0) return Error{EOPNOTSUPP, "only plain space reservation is offered"};
  return files_.reserve(number, epoch_of(handle), extent, request.stop);
}

Result<Unit> BucketFileSystem::flush(const Request& request, InodeNumber number, std::uint64_t handle) {
  if (!writes(handle)) return Unit{};
  PAIL_TRY(const auto over, files_.unwritten_over(number, epoch_of(handle)));
  const bool waits = over && request.has_another_descriptor && request.has_another_descriptor(number);
  if (!waits) return files_.store(number, epoch_of(handle), Lane::demand, request.stop);
  store_soon(number, *over, std::chrono::milliseconds(100));
  return Unit{};
}

// Whoever made or emptied a file and writes nothing finds it in the bucket a little later all the same. One that was
// stored meanwhile, and emptied again, is somebody else's.
void BucketFileSystem::store_soon(InodeNumber number, const local::ContentVersion& over,
                                  std::chrono::milliseconds pause) {
  timer_.run_after(pause, timer_.announce(), [this, number, over, pause] {
    const StopToken stop = background_stop_.token();
    const auto store = [this, number, over, pause, stop] {
      const auto stored = files_.store_unwritten(number, over, stop);
      if (stored || stop.stop_requested() || !files_.is_staged(number)) return;
      spdlog::warn("inode {}: not stored yet: {}", number, stored.error().context);
      constexpr std::chrono::milliseconds kLongest(30'000);
      store_soon(number, over, std::min(10 * pause, kLongest));
    };
    background_.run(Lane::background, store, stop);
  });
}

Result<Unit> BucketFileSystem::fsync(const Request& request, InodeNumber number, std::uint64_t handle) {
  return files_.store(number, epoch_of(handle), Lane::demand, request.stop);
}

void BucketFileSystem::release(const Request& request, InodeNumber number, std::uint64_t) {
  if (opens_->maybe_open(number)) return;
  files_.forget_reader(number);
  const auto record = local_.names->view().inode(number);
  if (!record) return;
  if (record->unlinked()) return forget(number);
  if (record->content != Content::staged) return;
  // Written through a mapping after the last close, or a close whose error the program was told.
  const auto stored = files_.store(number, std::nullopt, Lane::demand, request.stop);
  // It may have been removed meanwhile, or have lost against others, which was said then.
  if (!stored && files_.is_staged(number))
    spdlog::error("{}: not stored yet, kept here: {}", quote(record->name), stored.error().context);
}

// ---- directories and the whole --------------------------------------------------------------------------------------

Result<std::vector<DirectoryEntry>> BucketFileSystem::read_directory(const Request& request, InodeNumber number,
                                                                     std::uint64_t offset, std::size_t most,
                                                                     WithAttributes with) {
  PAIL_TRY(auto entries, directories_.read(number, offset, most, with, request.stop));
  MutexLock lock(mutex_);
  for (const DirectoryEntry& child : entries)
    if (child.entry) note_shown(*child.entry);
  return entries;
}

Result<Unit> BucketFileSystem::fsync_directory(const Request&, InodeNumber) {
  return Unit{};
}

Result<Statistics> BucketFileSystem::statfs(const Request&) {
  // A bucket has no size. 1 PiB stays below what installers and scripts compute with exactly.
  constexpr ByteCount kShown{1ull << 50};
  return Statistics{kShown, kShown, 0, 1ull << 32, 255};
}

Result<Unit> BucketFileSystem::setxattr(const Request& request, InodeNumber number, std::string_view name,
                                        std::span<const std::byte> value, XattrMode mode) {
  PAIL_CHECK(check_writable());
  PAIL_CHECK(check_xattr_name(name));
  PAIL_CHECK(change_attributes(request, number,
                               [&](InodeRecord& record) { return set_xattr(record, name, value, mode, request); }));
  return Unit{};
}

Result<std::string> BucketFileSystem::getxattr(const Request& request, InodeNumber number, std::string_view name) {
  if (!check_xattr_name(name)) return no_such_attribute(name);
  PAIL_TRY(const auto found, directories_.current(number, request.stop));
  return xattr(found.record, name);
}

Result<std::vector<std::string>> BucketFileSystem::listxattr(const Request& request, InodeNumber number) {
  PAIL_TRY(const auto found, directories_.current(number, request.stop));
  return xattr_names(found.record);
}

Result<Unit> BucketFileSystem::removexattr(const Request& request, InodeNumber number, std::string_view name) {
  PAIL_CHECK(check_writable());
  PAIL_CHECK(
      change_attributes(request, number, [&](InodeRecord& record) { return remove_xattr(record, name, request); }));
  return Unit{};
}

std::map<InodeNumber, BucketFileSystem::PendingFile> BucketFileSystem::pending_files() {
  std::vector<std::pair<InodeRecord, std::string>> staged;
  {
    const local::View view = local_.names->view();
    for (const InodeNumber number : view.staged()) {
      auto record = view.inode(number);
      if (!record || record->binding == local::Binding::removed) continue;
      const auto key = tree_.key_of(view, number);
      std::string shown_key = key ? *key : record->name;
      staged.emplace_back(std::move(*record), std::move(shown_key));
    }
  }
  std::map<InodeNumber, PendingFile> files;
  for (auto& [record, key] : staged) {
    const InodeNumber number = record.number;
    const auto shown = view_.shown(record);
    files.emplace(number, PendingFile{std::move(key), shown ? shown->size : record.size});
  }
  return files;
}

Unstored BucketFileSystem::unstored(InodeNumber number, const PendingFile& file, const Error& why,
                                    const StopToken& stop) {
  Unstored out{.key = file.key, .why = why.context, .kept = options_.state_directory / "kept", .given_up = true};
  if (const auto place = local_.staging->place_of(number); place && files_.is_staged(number)) {
    out.kept = *place;
    out.given_up = false;
  }
  if (stop.stop_requested() && why.fault == Fault::stopped) out.why = "there was not enough time to store it";
  return out;
}

Result<Unit> BucketFileSystem::sync_all(const Sync& how) {
  const StopCallback end_background(how.stop, [this] { background_stop_.request_stop(); });
  auto left = pending_files();
  std::vector<InodeNumber> files;
  for (const auto& [number, file] : left) files.push_back(number);
  std::uint64_t counted = uploader_.bytes_uploaded();  // up to here the bytes are those of files that ended
  const auto tell = [&] {
    if (!how.pending) return;
    Pending pending{left.size(), {}};
    for (const auto& [number, file] : left) pending.bytes.n += file.size.n;
    const std::uint64_t sent = uploader_.bytes_uploaded() - std::min(counted, uploader_.bytes_uploaded());
    pending.bytes.n -= std::min(pending.bytes.n, sent);
    how.pending(pending);
  };
  std::optional<Error> first;
  const auto ended = [&](InodeNumber number, const Result<Unit>& stored) {
    const PendingFile file = std::move(left.extract(number).mapped());
    if (stored) counted += file.size.n;
    if (stored) return;
    if (!first) first = stored.error();
    if (how.stays) how.stays(unstored(number, file, stored.error(), how.stop));
  };
  tell();
  StoreAll([this, &how](InodeNumber number) { return files_.store(number, std::nullopt, Lane::background, how.stop); },
           std::max(1u, options_.parallel / 2), *options_.clock)
      .run(files, ended, tell);
  names_.wait_for_deletes(how.stop);
  if (first) return *first;
  return local_.names->sync();
}

void BucketFileSystem::wait_for_left(const StopToken& stop) {
  names_.wait_for_deletes(stop);
  uploader_.aborts().wait(stop);
}

std::vector<runtime::Counters::Value> BucketFileSystem::counters() {
  turns_.pass_lock();
  gate_.pass_lock();
  directories_.pass_lock();
  files_.pass_lock();
  { MutexLock lock(mutex_); }
  return local_.counters->values();
}

Result<std::unique_ptr<FileSystem>> FileSystem::open(Options options, std::shared_ptr<cos::ObjectStore> store,
                                                     std::shared_ptr<OpenTable> opens, Start start) {
  BucketFileSystem::Local local;
  const std::string identity = options.bucket + "/" + options.prefix;
  PAIL_TRY(local.journal, local::open_journal(options.state_directory / "journal"));
  local.upkeep = std::make_unique<local::JournalUpkeep>(*local.journal, *options.clock);
  local.turns = std::make_unique<Turns>();
  local.names_at_work = std::make_unique<NamesAtWork>();
  local.uses = std::make_unique<InodeUses>(*opens, *local.turns, *local.names_at_work);
  PAIL_TRY(local.names, local::NameStore::open(options.state_directory / "names",
                                               {.identity = identity,
                                                .defaults = default_attributes(options),
                                                .journal = *local.journal,
                                                .clock = *options.clock},
                                               *local.uses));
  PAIL_TRY(local.staging, local::StagingArea::open(options.state_directory / "staging", kFreeFloor, *options.clock));
  local.counters = std::make_unique<runtime::Counters>();
  local.memory = std::make_unique<runtime::MemoryBudget>(ByteCount{options.memory.n / kBlocksShare}, *local.counters);
  PAIL_TRY(local.blocks,
           cache::BlockCache::open(options.cache_directory, identity,
                                   {.capacity = options.cache_size, .queue = {local.memory->bound().n / kQueueShare}},
                                   *options.clock, *local.counters));
  auto filesystem =
      std::make_unique<BucketFileSystem>(std::move(options), std::move(store), std::move(opens), std::move(local));
  PAIL_CHECK(filesystem->begin(start));
  return std::unique_ptr<FileSystem>(std::move(filesystem));
}

}  // namespace pail::vfs
