#include "simulation/model/expectation.h"

#include <fcntl.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "simulation/model/digest.h"

namespace pail::simulation::model {
namespace {

class Matcher {
 public:
  Matcher(State& state, const Expectation& expected, const Matching& how)
      : state_(state), expected_(expected), how_(how) {}

  bool match(const Answer& answer) {
    if (answer.errnum != 0) return expected_.promise == Promise::errors && expected_.errnums.contains(answer.errnum);
    switch (expected_.promise) {
      case Promise::errors:
        return false;
      case Promise::anything:
      case Promise::done:
        return true;
      case Promise::written:
        return written(std::get_if<Written>(&answer.value));
      case Promise::entry:
        return entry(std::get_if<ShownEntry>(&answer.value));
      case Promise::opened:
      case Promise::created:
        return opened(std::get_if<OpenedFile>(&answer.value));
      case Promise::bytes:
        return bytes(std::get_if<Bytes>(&answer.value));
      case Promise::listing:
        return listing(std::get_if<Listed>(&answer.value));
    }
    return false;
  }

 private:
  // The number of an inode, the same in all answers and never that of another one, also in a later mount. What an
  // abandoned request did may be what another inode of the model was.
  bool bind(Id id, InodeNumber number) {
    const Inode& inode = state_.at(id);
    if (inode.number != 0) return inode.number == number;
    if (number == 0 || number == vfs::kRootInode) return false;
    const bool was_its_own = inode.earlier_number == number || inode.strange;
    if (how_.seen.contains(number) && !was_its_own) return false;
    if (state_.by_number(number) != nullptr) return false;
    state_.edit(id).number = number;
    return true;
  }

  bool trusted_for(std::chrono::nanoseconds ttl) const { return ttl >= std::chrono::nanoseconds(0) && ttl <= how_.ttl; }

  bool is_strange(Id id) const {
    const Inode* inode = state_.find(id);
    return inode != nullptr && inode->strange;
  }

  bool attributes(const Snapshot& shown, FileType type, const ShownEntry& entry) const {
    if (entry.type != type || !trusted_for(entry.name_ttl) || !trusted_for(entry.attributes_ttl)) return false;
    if (shown.permissions && *shown.permissions != entry.permissions) return false;
    if (type == FileType::directory) return true;
    if (shown.bytes.size() != entry.size) return false;
    return !shown.modified || *shown.modified == entry.modified;
  }

  bool entry(const ShownEntry* entry) {
    if (entry == nullptr) return false;
    const bool right = is_strange(expected_.inode) || attributes(*expected_.shown, expected_.type, *entry);
    if (!right) return false;
    if (!bind(expected_.inode, entry->number)) return false;
    Inode& inode = state_.edit(expected_.inode);
    if (inode.strange) inode.type = entry->type;
    inode.shown();
    return true;
  }

  bool written(const Written* written) const { return written != nullptr && written->size == expected_.size; }

  bool opened(const OpenedFile* file) {
    if (file == nullptr) return false;
    const bool created = expected_.promise == Promise::created;
    if (created && !(file->entry && entry(&*file->entry))) return false;
    const auto* open = std::get_if<Open>(&how_.call.question);
    const bool writes = open == nullptr || (open->flags & (O_ACCMODE | O_TRUNC)) != O_RDONLY;
    bool& known_to_write = state_.edit(expected_.inode).handles[file->handle];
    known_to_write = known_to_write || writes;
    return true;
  }

  bool bytes(const Bytes* bytes) {
    if (bytes == nullptr) return false;
    if (is_strange(expected_.inode)) return true;
    const auto& reads = state_.at(expected_.inode).reads;
    const auto reading = reads.find(how_.call.unique);
    if (reading == reads.end()) return bytes->bytes == expected_.shown->bytes.read(expected_.at, expected_.size);
    if (!was_read(reading->second, bytes->bytes)) return false;
    state_.has_read(expected_.inode, expected_.at, bytes->bytes);
    return true;
  }

  // Each byte is that of some moment.
  bool was_read(const Reading& reading, const std::string& bytes) const {
    std::vector<std::string> moments;
    for (const SnapshotPtr& each : reading.contents)
      std::ranges::move(each->bytes.read_all(expected_.at, expected_.size), std::back_inserter(moments));
    if (!ends_right(reading, moments, bytes.size())) return false;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const auto has_it = [&](const std::string& moment) { return i < moment.size() && moment[i] == bytes[i]; };
      if (std::ranges::none_of(moments, has_it)) return false;
    }
    return true;
  }

  // What is cut while it is read ends anywhere between its old and its new end.
  static bool ends_right(const Reading& reading, const std::vector<std::string>& moments, std::size_t size) {
    const auto [shortest, longest] = std::ranges::minmax(moments, {}, &std::string::size);
    if (reading.cut) return shortest.size() <= size && size <= longest.size();
    return std::ranges::any_of(moments, [size](const std::string& moment) { return moment.size() == size; });
  }

  bool listing(const Listed* listed) {
    const auto& question = std::get<ReadDirectory>(how_.call.question);
    if (listed == nullptr || listed->names.size() > question.most) return false;
    const auto found = state_.streams.find({how_.call.process, question.number});
    Stream stream = found != state_.streams.end() ? found->second : Stream{.directory = expected_.inode};
    const bool followed = found != state_.streams.end() && stream.in_order && stream.next_offset == question.offset;
    if (!followed) stream.in_order = false;
    for (const ListedName& name : listed->names)
      if (!listed_name(stream, name)) return false;
    if (followed && listed->names.empty() && !has_listed_all(stream)) return false;
    if (!listed->names.empty()) stream.next_offset = listed->names.back().next_offset;
    if (found != state_.streams.end()) state_.streams[found->first] = std::move(stream);
    return true;
  }

  static bool has_listed_all(const Stream& stream) {
    for (const auto& name : stream.throughout)
      if (!stream.listed.contains(name)) return false;
    return true;
  }

  bool listed_name(Stream& stream, const ListedName& listed) {
    if (listed.name == ".") return listed.number == state_.at(stream.directory).number;
    if (listed.name == "..") return true;
    for (const Id id : those_named(stream, listed.name)) {
      const bool again = stream.in_order && stream.listed.contains({listed.name, id});
      if (again || !is_this(stream, listed, id)) continue;
      if (stream.in_order) stream.listed.insert({listed.name, id});
      return true;
    }
    return false;
  }

  std::set<Id> those_named(const Stream& stream, const std::string& name) const {
    std::set<Id> ids;
    for (auto place = stream.ever.lower_bound({name, 0}); place != stream.ever.end() && place->first == name; ++place)
      ids.insert(place->second);
    if (const Dirent* dirent = state_.dirent(stream.directory, name)) ids.insert(dirent->inode);
    return ids;
  }

  bool is_this(const Stream& stream, const ListedName& listed, Id id) {
    const Inode* inode = state_.find(id);
    if (inode == nullptr) return true;  // it has gone since the stream began
    // What a failed rename may have put there is not known to the mount before a look: it lists what it knew.
    const bool is_not_looked_at = inode->number == 0 && inode->number_before != 0 && !listed.entry;
    if (is_not_looked_at && inode->number_before == listed.number) return true;
    if (listed.type && *listed.type != inode->type && !inode->strange) return false;
    if (listed.entry && !listed_attributes(stream, *listed.entry, listed.number, *inode)) return false;
    if (!bind(id, listed.number)) return false;
    const Dirent* dirent = state_.dirent(stream.directory, listed.name);
    // A listing of what an abandoned request did says what the mount knows of it, as a look-up does; and one of a file
    // whose removal failed what the mount knew before.
    const bool is_known = dirent != nullptr && !dirent->strange && !inode->may_be_stale;
    if (is_known && dirent->inode == id && !dirent->sure) state_.make_sure(stream.directory, listed.name);
    if (listed.entry) state_.edit(id).shown();
    return true;
  }

  bool listed_attributes(const Stream& stream, const ShownEntry& entry, InodeNumber number, const Inode& inode) const {
    if (entry.number != number) return false;
    if (inode.strange) return true;
    if (stream.changed.contains(inode.id)) return entry.type == inode.type;
    if (inode.choices.empty()) return attributes(*inode.now, inode.type, entry);
    for (const SnapshotPtr& choice : inode.choices)
      if (attributes(*choice, inode.type, entry)) return true;
    return false;
  }

  State& state_;
  const Expectation& expected_;
  const Matching& how_;
};

}  // namespace

std::uint64_t Expectation::digest() const {
  ValueDigest digest;
  digest.add(static_cast<std::uint64_t>(promise)).add(inode).add(shown ? shown->digest : 0);
  digest.add(static_cast<std::uint64_t>(type)).add(at).add(size);
  for (const int errnum : errnums) digest.add(static_cast<std::uint64_t>(errnum));
  return digest.value();
}

bool matches(State& state, const Expectation& expected, const Answer& answer, const Matching& how) {
  return Matcher(state, expected, how).match(answer);
}

}  // namespace pail::simulation::model
