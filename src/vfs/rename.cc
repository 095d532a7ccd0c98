// Renames. A file is copied by the store and its old object deleted. Of a directory all objects are copied, then the
// index changes in one step, then the old objects go: readers see the old tree or the new one.
#include <fmt/format.h>

#include <algorithm>
#include <future>

#include "base/log.h"
#include "vfs/names.h"

namespace pail::vfs {

using cache::Content;
using cache::DirectoryForm;
using cache::InodeRecord;
using cache::IntentState;

Result<Unit> Names::rename(const Request& request, InodeNumber parent, std::string_view name, InodeNumber new_parent,
                           std::string_view new_name, RenameMode mode) {
  if (mode == RenameMode::exchange) return Error{EINVAL, "exchanging two names is not offered"};
  const Place from{parent, name}, to{new_parent, new_name};
  PAIL_CHECK(key_for(to));
  PAIL_TRY(const Intent earlier, this->earlier(request));
  if (earlier && earlier->state == IntentState::done) return Unit{};
  if (earlier && earlier->state == IntentState::local) {
    const auto split = earlier->detail.find('\0');
    PAIL_CHECK(delete_copied(earlier->detail.substr(0, split), earlier->detail.substr(split + 1), request.stop));
    auto change = index_.write();
    done(*change, request, earlier->subject);
    return change->commit();
  }
  // An earlier attempt may have taken the source out of the bucket already: then the index alone knows it.
  std::optional<InodeRecord> source = earlier ? index_.read()->inode(earlier->subject) : std::nullopt;
  if (!source) {
    PAIL_TRY(source, find(from, request.stop));
  }
  if (!source) return Error{ENOENT, fmt::format("{}: not there", quote(name))};
  PAIL_TRY(auto target, find(to, request.stop));
  if (target && target->number == source->number) return Unit{};
  if (!earlier) PAIL_CHECK(check_rename(*source, target, mode, request.stop));
  PAIL_CHECK(begin(request, earlier, source->number));
  if (source->type == FileType::directory) return rename_directory(request, std::move(*source), target, from, to);
  return rename_file(request, earlier, std::move(*source), std::move(target), from, to);
}

Result<Unit> Names::check_rename(const InodeRecord& source, const std::optional<InodeRecord>& target, RenameMode mode,
                                 const std::stop_token& stop) {
  if (!target) return Unit{};
  if (mode == RenameMode::no_replace) return Error{EEXIST, fmt::format("{}: exists", quote(target->name))};
  const bool from_directory = source.type == FileType::directory, to_directory = target->type == FileType::directory;
  if (to_directory && !from_directory) return Error{EISDIR, fmt::format("{}: a directory", quote(target->name))};
  if (!to_directory && from_directory) return Error{ENOTDIR, fmt::format("{}: not a directory", quote(target->name))};
  if (!to_directory) return Unit{};
  PAIL_TRY(const bool empty, directories_.empty(target->number, stop));
  if (!empty) return Error{ENOTEMPTY, fmt::format("{}: not empty", quote(target->name))};
  return Unit{};
}

// ---- files ----------------------------------------------------------------------------------------------------------

Result<Unit> Names::rename_file(const Request& request, const Intent& earlier, InodeRecord source,
                                std::optional<InodeRecord> target, Place from, Place to) {
  std::vector<InodeNumber> numbers{source.number};
  if (target) numbers.push_back(target->number);
  std::ranges::sort(numbers);
  std::vector<Turns::Turn> turns;
  for (const InodeNumber number : numbers) {
    PAIL_TRY(auto turn, turns_.take(number, request.stop));
    turns.push_back(std::move(turn));
  }
  PAIL_TRY(source, require(*index_.read(), source.number));
  // A new file that is still open has no object yet: its upload goes to the new key. Anything else is stored first.
  const bool local = source.content == Content::staged && source.etag.empty() && source.attempted.empty() &&
                     opens_.maybe_open(source.number);
  if (!local) PAIL_CHECK(files_.store_in_turn(source.number, std::nullopt, request.stop));
  if (target) PAIL_CHECK(files_.preserve(*target, request.stop));

  PAIL_TRY(auto pass, gate_.enter({from.parent, to.parent}, request.stop));
  PAIL_TRY(source, require(*index_.read(), source.number));
  if (target) {
    PAIL_TRY(target, require(*index_.read(), target->number));
  }
  PAIL_TRY(const std::string old_key, key_for(from));
  PAIL_TRY(const std::string new_key, key_for(to));
  if (local) {
    source.etag = target ? target->etag : std::string();  // the upload replaces what is there
  } else {
    PAIL_TRY(const cos::ETag etag, move_object(source, old_key, new_key, earlier, request.stop));
    source.etag = etag.text;
  }
  source.checked = now();
  PAIL_CHECK(rebind(request, source, target, from, to, {}, std::nullopt));
  pass.leave();
  if (target) clean_up(target->number);
  if (!local) keep_directory(from.parent, request.stop);
  return Unit{};
}

Result<cos::ETag> Names::move_object(const InodeRecord& source, const std::string& from, const std::string& to,
                                     const Intent& earlier, const std::stop_token& stop) {
  auto copied = files_.copy(from, to, {source.etag}, source.size, cos::MetadataDirective::copy, {}, stop);
  cos::ETag etag;
  if (copied) {
    etag = copied->etag;
  } else if (earlier && copied.error().fault == Fault::no_key) {
    // Asked again: the copy was made and the old object deleted before the process ended.
    PAIL_TRY(const cos::ObjectInfo info, store_.head_object(options_.bucket, to, stop));
    return info.etag;
  } else {
    return copied.error();
  }
  PAIL_CHECK(store_.delete_object(options_.bucket, from, stop));
  return etag;
}

// ---- the index ------------------------------------------------------------------------------------------------------

// Binds the new name in one step. `moved` are objects below a directory that got another ETag; with `unfinished` the
// intent stays open for the deletes, which it describes.
Result<Unit> Names::rebind(const Request& request, InodeRecord source, const std::optional<InodeRecord>& target,
                           Place from, Place to, const std::vector<Moved>& moved,
                           std::optional<std::string> unfinished) {
  auto change = index_.write();
  const std::uint64_t sequence = change->next_sequence();
  change->unbind(from.parent, from.name, {0, now(), sequence});
  if (target) {
    PAIL_CHECK(detach(*change, target->number));
  }
  change->bind(to.parent, to.name, {source.number, now(), sequence});
  source.parent = to.parent;
  source.name = to.name;
  source.changed = now();
  source.changed_seq = sequence;
  change->put(source);
  for (const InodeNumber parent : {from.parent, to.parent})
    if (auto directory = change->inode(parent)) {
      directory->modified = directory->changed = now();
      change->put(*directory);
    }
  for (const Moved& object : moved) {
    std::optional<InodeRecord> record = source;
    for (std::size_t begin = 0; record && begin < object.below.size();) {
      const auto end = std::min(object.below.find('/', begin), object.below.size());
      const auto dirent = change->dirent(record->number, std::string_view(object.below).substr(begin, end - begin));
      record = dirent ? change->inode(dirent->number) : std::nullopt;
      begin = end + 1;
    }
    if (!record || record->type == FileType::directory) continue;
    record->etag = object.etag.text;
    record->changed_seq = sequence;
    change->put(*record);
  }
  if (unfinished && request.unique != 0) {
    change->put_intent(request.unique, {.state = IntentState::local, .subject = source.number, .detail = *unfinished});
  } else {
    done(*change, request, source.number);
  }
  return change->commit();
}

// ---- directories ----------------------------------------------------------------------------------------------------

Result<Unit> Names::rename_directory(const Request& request, InodeRecord source,
                                     const std::optional<InodeRecord>& target, Place from, Place to) {
  std::string old_prefix, new_prefix;
  {
    PAIL_TRY(auto pass, gate_.close(source.number, request.stop));
    PAIL_TRY(old_prefix, key_for(from));
    PAIL_TRY(new_prefix, key_for(to));
    PAIL_TRY(source, require(*index_.read(), source.number));
    if (source.form == DirectoryForm::plain_marker || source.form == DirectoryForm::folder_marker) {
      const auto marker = files_.create_object(new_prefix + "/", {}, to_headers(source), request.stop);
      if (!marker && marker.error().errnum != EEXIST) return marker.error();
      PAIL_CHECK(store_.delete_object(options_.bucket, Tree::marker_key(old_prefix + "/", source.form), request.stop));
      source.form = DirectoryForm::slash_marker;
    }
    old_prefix += '/';
    new_prefix += '/';
    PAIL_TRY(const auto moved, copy_tree(old_prefix, new_prefix, request.stop));
    PAIL_CHECK(rebind(request, source, target, from, to, moved, old_prefix + '\0' + new_prefix));
    // From here on the new tree is what everybody sees; an interruption must not leave the old objects behind.
    PAIL_CHECK(delete_copied(old_prefix, new_prefix, {}));
    // Some tools write this marker beside the other.
    PAIL_CHECK(store_.delete_object(options_.bucket, Tree::marker_key(old_prefix, DirectoryForm::folder_marker), {}));
  }
  auto change = index_.write();
  done(*change, request, source.number);
  PAIL_CHECK(change->commit());
  if (target) clean_up(target->number);
  keep_directory(from.parent, request.stop);
  return Unit{};
}

// Copies every object below `from`, a page of keys at a time. Returns those whose ETag changed by it.
Result<std::vector<Names::Moved>> Names::copy_tree(const std::string& from, const std::string& to,
                                                   const std::stop_token& stop) {
  std::vector<Moved> moved;
  cos::ListRequest list{.prefix = from};
  do {
    PAIL_TRY(const cos::ListPage page, store_.list_objects(options_.bucket, list, stop));
    std::vector<std::future<Result<cos::CopyResult>>> copies;
    for (const cos::ListedObject& object : page.objects) {
      auto promise = std::make_shared<std::promise<Result<cos::CopyResult>>>();
      copies.push_back(promise->get_future());
      copiers_.run([this, &object, &from, &to, &stop, promise] {
        promise->set_value(files_.copy(object.key, to + object.key.substr(from.size()), object.etag, object.size,
                                       cos::MetadataDirective::copy, {}, stop));
      });
    }
    std::optional<Error> failed;
    for (std::size_t i = 0; i < copies.size(); ++i) {
      auto copied = copies[i].get();
      if (!copied) {
        failed = copied.error();
      } else if (copied->etag != page.objects[i].etag) {
        moved.push_back({page.objects[i].key.substr(from.size()), copied->etag});
      }
    }
    if (failed) return *failed;
    list.continuation = page.continuation;
  } while (!list.continuation.empty());
  return moved;
}

// Deletes the objects below `from` that are there below `to` as well: what somebody else added meanwhile stays.
Result<Unit> Names::delete_copied(const std::string& from, const std::string& to, const std::stop_token& stop) {
  std::string after_old;
  for (;;) {
    PAIL_TRY(const cos::ListPage old_page,
             store_.list_objects(options_.bucket, {.prefix = from, .start_after = after_old}, stop));
    if (old_page.objects.empty()) return Unit{};
    // The copies of this page begin behind the copy of its predecessor.
    const std::string after_new = after_old.empty() ? std::string() : to + after_old.substr(from.size());
    PAIL_TRY(const cos::ListPage new_page,
             store_.list_objects(options_.bucket, {.prefix = to, .start_after = after_new}, stop));
    const std::string last_copied = new_page.objects.empty() ? to : new_page.objects.back().key;
    std::vector<std::string> keys;
    std::string reached;
    for (const cos::ListedObject& object : old_page.objects) {
      const std::string copy = to + object.key.substr(from.size());
      if (copy > last_copied && !new_page.continuation.empty()) break;
      reached = object.key;
      const auto found = std::ranges::lower_bound(new_page.objects, copy, {}, &cos::ListedObject::key);
      const bool there = found != new_page.objects.end() && found->key == copy && found->size == object.size &&
                         found->last_modified >= object.last_modified;
      if (there) keys.push_back(object.key);
    }
    if (!keys.empty()) {
      PAIL_TRY(const auto refused, store_.delete_objects(options_.bucket, keys, stop));
      for (const cos::DeleteRefusal& refusal : refused)
        spdlog::error("{}: renamed, but the old object stays: {} {}", quote(refusal.key), refusal.code,
                      refusal.message);
    }
    if (reached.empty()) reached = old_page.objects.back().key;
    after_old = reached;
  }
}

void Names::finish_interrupted() {
  for (const auto& [unique, intent] : index_.read()->intents()) {
    if (intent.state != IntentState::local) continue;
    const auto split = intent.detail.find('\0');
    const auto finished = delete_copied(intent.detail.substr(0, split), intent.detail.substr(split + 1), {});
    if (!finished)
      spdlog::error("an interrupted rename left objects under {}: {}", quote(intent.detail.substr(0, split)),
                    finished.error().context);
  }
  auto change = index_.write();
  change->clear_intents();
  if (const auto committed = change->commit(); !committed) spdlog::warn("{}", committed.error().context);
}

}  // namespace pail::vfs
