// One event in the making: what changes in the index and what is remembered beside it, in one commit.
//
// Waits for the event before it to end. Without commit() nothing happens. Belongs to one thread.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "local/names/absent_names.h"
#include "local/names/asked.h"
#include "local/names/facts.h"
#include "local/names/index.h"
#include "local/names/name_store.h"

namespace pail::local {

// An object as an answer showed it.
struct SeenObject {
  std::string_view etag;
  WallTime stored;
};

class NameChange {
 public:
  // Who says that something is not there. The store says so of a time: what our side changed after it stays, what a
  // later question showed, and what somebody works on. kOurs: our side took it away, or the answer was weighed.
  using Since = std::optional<Asking>;
  static constexpr std::nullopt_t kOurs = std::nullopt;

  explicit NameChange(NameStore& store);
  ~NameChange();
  NameChange(const NameChange&) = delete;
  NameChange& operator=(const NameChange&) = delete;

  WriteTransaction& records() { return *records_; }
  // Of this event; what was asked before it has a lower one.
  std::uint64_t sequence();
  WallTime moment() const { return store_.moment(); }
  WallTime wall() const { return store_.settings_.clock.wall(); }
  const DefaultAttributes& defaults() const { return store_.settings_.defaults; }

  // Errors: ESTALE it no longer exists.
  Result<InodeRecord> require(InodeNumber number);
  // The inode that a name leads to.
  std::optional<InodeRecord> inode_at(const Place& place);
  // Whose change to the binding of the name was the last, by our side: its sequence; 0: the store's alone.
  std::uint64_t sequence_of(const Place& place);
  // The latest question whose answer told of the name: that it leads to this inode, or nowhere. Absence from a complete
  // listing is told by the directory's record.
  WallTime last_told(const Place& place, const std::optional<InodeRecord>& inode);
  WallTime last_free(const Place& place);
  bool leads_to(const Place& place, InodeNumber number);

  // An inode for a name that leads nowhere yet.
  InodeRecord new_inode(const Place& place, InodeNumber number, FileType type);
  // The store showed an inode under its name. `sequence` is that of our own last change to the name.
  void show(const InodeRecord& inode, WallTime checked, std::uint64_t sequence);
  // A name that our side made or gave to an inode.
  void bind(const Place& place, InodeNumber number, WallTime confirmed);
  // A name that our side took away, and one that the store does not have.
  void unbind(const Place& place);
  // Our request took the object of an inode away, and with it its name. Where an answer gave that name to another inode
  // meanwhile, the store is asked about it.
  void take_away(const Place& place, InodeNumber number);
  void note_absent(const Place& place, const Absence& absence);
  // What the store was asked about the name before this event says nothing.
  void void_answers(const Place& place) { voided_.push_back(place); }
  // The store is to be asked about the inode, and what it was asked before says nothing.
  void doubt(InodeRecord inode);
  // What an attempt replaces may be another object by now, which a listing does not tell from one of the same second.
  void doubt_replaced(const Begun& begun);
  // Somebody works on an inode, which stays as it is whatever the store answers. Where the answer was another object
  // than that of a file, or none, each look asks again until the work is done.
  void doubt_at_work(InodeRecord inode, const std::optional<SeenObject>& seen);
  // That alone, with its commit.
  Result<Taken> keep_at_work(InodeRecord inode, const std::optional<SeenObject>& seen);
  // The store is to be asked about the name: nor does a listing that is still trusted, or under way, say that it is
  // absent. An inode that has the name keeps it until then.
  void doubt_name(const Place& place);
  // The names in a directory changed. One that is gone by now needs no note.
  void touch(InodeNumber directory);

  // Others removed the inode, or put something else under its name: it and everything below it leave the index. What
  // is open lives on as vanished. False: it stays, as its bytes are staged, or it was changed or shown since, or
  // somebody works on it; so do the directories above such a one.
  [[nodiscard]] bool vanish(InodeRecord inode, Since since);
  // Our side took this name of an inode: it lives for as long as somebody holds it. One that has another name by now
  // keeps that.
  void detach(const Place& place, InodeNumber number);
  // Somebody else's inode has a name that our side gives to another one. Errors: EEXIST it is being written.
  Result<Unit> displace(const Place& place, InodeNumber expected);
  // The one place in which an inode takes a content that others stored: with the number it has, or with a new one where
  // somebody has the old content open. The caller describes it and shows it. Nothing: the old one stays.
  std::optional<InodeRecord> take_content(InodeRecord inode, const std::string& etag, Since since);
  // So, of an object that was looked at: a copy of ours is the content that the inode has. A number keeps its type.
  std::optional<InodeRecord> take_object(InodeRecord inode, const ObjectFacts& object, Since since);
  // Whether an object of this size may be a copy of ours that has another ETag; a look tells.
  bool may_be_own_copy(const InodeRecord& inode, ByteCount size);

  // Whether our side has what the store cannot know: then its answer says nothing of the inode.
  bool is_ours(const InodeRecord& inode, Since since) const;
  // Whether a call is about to change what lies under the name.
  bool at_work(const Place& place) const;
  bool still_lies(const Spot& spot) { return store_.still_lies(*records_, spot); }
  bool still_counts(const AskedListing& asked) { return store_.still_counts(*records_, asked); }

  void note_attempt(RequestNumber request, const Attempt& attempt);
  // Attributes are on their way to the object of an inode; what became of them is known. A death between the two leaves
  // the inode in doubt.
  void note_attributes_sent(InodeNumber number);
  // So, by a copy of the object with its headers: those of `copy`.
  void note_copy_sent(const InodeRecord& copy);
  void forget_attributes_sent(InodeNumber number);
  // The inodes that an earlier process left so.
  std::vector<InodeNumber> attributes_left();
  // What was asked about the directory before this event, or about anything below it, is void.
  void note_move(InodeNumber directory) { moved_.push_back(directory); }
  Result<Unit> commit();

 private:
  bool vanish_children(InodeNumber directory, Since since);
  void forget_names_in(InodeNumber directory);
  std::optional<InodeRecord> copy_sent(const InodeRecord& inode);
  // For another inode under the name of this one.
  std::optional<InodeRecord> make_room(InodeRecord inode, Since since);

  NameStore& store_;
  std::unique_lock<Mutex> turn_;
  std::unique_ptr<WriteTransaction> records_;
  std::uint64_t sequence_ = 0;  // 0: none was needed yet
  // What is remembered when the commit succeeds.
  std::vector<InodeNumber> moved_, emptied_;
  std::vector<Place> voided_;
  std::vector<InodeNumber> doubtful_;
  std::vector<std::pair<Place, std::optional<Absence>>> names_;
};

}  // namespace pail::local
