// What a mount may answer, and may do to the bucket, when others change the same objects: docs/semantics.md, "Others
// write the same object".
//
// Checked:
// - an object that the mount writes, and what it answers to the reads of one open file, come from one version of an
//   object and what was written here to one file; a file that nobody wrote to here reads exactly as one version;
// - what was written through an open file is read there until it is cut or written over;
// - no write of the mount replaces a version of others of which it was not told, nor one that is newer than what the
//   file was opened with, unless a rename names the key; no copy replaces one without a rename;
// - a version of others is deleted for a call only that names its key, or by the rename of a directory above it, which
//   copied it; and not when it is newer than the call, or than the end of the mount that cut it off; but a call that
//   was cut off or interrupted goes on, and may delete one that came between the look that decides and the delete;
// - where flush or fsync succeed, the bucket had what was written under the file's name since the last change;
// - once flush or fsync were ESTALE the handle neither reads nor writes, and what it had written is kept;
// - an inode number has one type for ever, and another name only after a rename;
// - a file or its absence that the bucket had for longer than the metadata time is shown by a look-up in calm weather,
//   and its size, permissions and time as well, but while attributes of it are being stored, or where the same content
//   was there with others that were stored in the same second.
//
// Not checked:
// - errors: any call may fail with any of them;
// - sizes and attributes of what was changed here and is not stored or is being stored, listings, symbolic links;
// - the time of an object that says nothing of it, owners;
// - the sizes of files that were cut or grown, or the zeros in them;
// - names for which a rename or removal failed in trouble, until they are shown as the bucket has them.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "simulation/judge.h"
#include "simulation/others/attempts.h"
#include "simulation/others/file.h"
#include "simulation/others/names.h"
#include "simulation/others/versions.h"

namespace pail::simulation::others {

class Checker final : public Judge {
 public:
  explicit Checker(std::chrono::nanoseconds metadata_ttl) : ttl_(metadata_ttl), names_(1) {}

  void asked(const Call& call, SteadyTime now) override;
  Verdict answered(const Answer& answer, Around around, const BucketView& bucket, SteadyTime now) override;
  Verdict changed(const Effect& effect) override;
  void sent(const HttpRequest& request) override { attempts_.sent(request); }
  void delivered(const Asked& asked, const HttpAnswer& answer, int broken) override {
    attempts_.answered(asked, answer, broken);
  }
  void told(const std::string& key, const std::string& etag) override { told_.emplace(key, etag); }
  void resumed() override;
  void remounted(const BucketView&) override { begin_anew(); }
  void unmounted(Around around, const BucketView& bucket) override;
  Verdict settled(const BucketView& bucket, const KeptView& kept) override;
  bool too_uncertain() const override { return false; }

 private:
  static constexpr SteadyTime kNever = SteadyTime::max();

  struct Handle {
    bool writes = false;
    std::optional<std::uint64_t> refused;  // the order in which flush() was ESTALE
  };
  struct File {
    Written written;
    KnownBytes known;                       // while it is open
    KnownBytes unstored;                    // of these, what was written since the file was stored
    SteadyTime changed_at{}, written_at{};  // when the last change of it was asked for, and the last write
    bool has_unstored = false;
    bool differs = false;           // from the bucket: it was made or changed here, and not stored since
    std::uint64_t last_change = 0;  // the order of the question or answer
    std::uint64_t last_store = 0;   // the order of the answer
    std::uint64_t cuts = 0;         // that began or ended
    unsigned changing = 0;          // calls under way that cut it
    // A worker died that may have been about to store it when it was empty, and noted that before it sent anything.
    bool may_be_attempted = false;
    std::map<std::uint64_t, Handle> handles;
    SteadyTime open_asked{}, open_since{};         // of the first of them
    std::optional<std::vector<VersionPtr>> below;  // what its reads so far may come from; with null: of none
  };
  // A call that removes or replaces names.
  struct NameCall {
    Question question;
    std::size_t mount;
    SteadyTime asked, answered = kNever;
    bool failed = false;                  // in trouble: what it did is not known
    std::set<std::string> shown_since{};  // paths of which it is known again
    // Its mount ended before the answer, or nobody waits for its deletes: it is gone on with, also by the next mounts.
    bool goes_on = false;
  };
  struct Pending {
    Call call;
    SteadyTime asked;
    std::uint64_t order;                    // of all questions and answers
    std::uint64_t cuts = 0;                 // of its file so far
    std::uint64_t name_changes;             // that had been asked for or answered
    KnownBytes known;                       // of the file: of a Read where it reads, else all
    SteadyTime changed_at{}, written_at{};  // of the file then
    std::optional<std::string> path;
    NameCall* name_call = nullptr;
  };

  Names& names() { return names_.back(); }
  const Names& names() const { return names_.back(); }

  // ---- questions ----
  void note(Pending& pending, const Write& write);
  void note(Pending& pending, const SetAttributes& set);
  void note(Pending& pending, const Open& open);
  void note(Pending& pending, const Create& create);
  void note(Pending& pending, const Read& read);
  void note(Pending& pending, const Flush& flush) { begin_store(pending, flush.number); }
  void note(Pending& pending, const Sync& sync) { begin_store(pending, sync.number); }
  void note(Pending& pending, const Release& release);
  void note(Pending& pending, const MakeSymlink& make);
  void note(Pending& pending, const Unlink& unlink);
  void note(Pending& pending, const RemoveDirectory& remove);
  void note(Pending& pending, const Rename& rename);
  template <class Other>
  void note(Pending&, const Other&) {}
  void begin_store(Pending& pending, InodeNumber number);
  void begin_names(Pending& pending);

  void begin_anew();

  // ---- answers ----
  Verdict take(const Pending& pending, const Write& write, const Answer& answer);
  Verdict take(const Pending& pending, const SetAttributes& set, const Answer& answer);
  Verdict take(const Pending& pending, const GetAttributes& get, const Answer& answer);
  Verdict take(const Pending& pending, const Open& open, const Answer& answer);
  Verdict take(const Pending& pending, const Create& create, const Answer& answer);
  Verdict take(const Pending& pending, const Read& read, const Answer& answer);
  Verdict take(const Pending& pending, const Flush& flush, const Answer& answer);
  Verdict take(const Pending& pending, const Sync& sync, const Answer& answer);
  Verdict take(const Pending& pending, const Lookup& lookup, const Answer& answer);
  Verdict take(const Pending& pending, const MakeDirectory& make, const Answer& answer);
  Verdict take(const Pending& pending, const MakeSymlink& make, const Answer& answer);
  Verdict take(const Pending& pending, const Unlink& unlink, const Answer& answer);
  Verdict take(const Pending& pending, const RemoveDirectory& remove, const Answer& answer);
  Verdict take(const Pending& pending, const Rename& rename, const Answer& answer);
  Verdict take(const Pending& pending, const ReadDirectory& reading, const Answer& answer);
  template <class Other>
  Verdict take(const Pending&, const Other&, const Answer&) {
    return {};
  }
  void end_names(const Pending& pending, bool failed);
  void cut(InodeNumber number, bool ends);
  Verdict stored(const Pending& pending, InodeNumber number, std::uint64_t handle, const Answer& answer);
  void end_difference_by_its_writer(const Pending& pending, InodeNumber number, std::uint64_t handle);
  void begin_difference(File& file) const {
    file.differs = true;
    file.last_change = order_;
  }
  bool is_written(InodeNumber number) const;
  bool is_created(const Place& place) const;
  bool is_or_was_stored(const Pending& pending, InodeNumber number) const;
  void opened(const Pending& pending, InodeNumber number, std::uint64_t handle, int flags);
  Verdict shown(const Pending& pending, const Place& place, const ShownEntry& entry);
  Verdict has_type(InodeNumber number, vfs::FileType type);
  Verdict same_version(const Read& read, File& file, const std::string& bytes) const;
  Verdict up_to_date(const Pending& pending, const Place& place, const Answer& answer) const;
  SteadyTime trusted_since(const Pending& pending, std::chrono::nanoseconds trusted) const;
  bool attributes_were_being_set(const Pending& pending, InodeNumber number) const;
  Verdict is_absent(const std::string& path, SteadyTime since) const;
  Verdict is_there(const std::string& path, SteadyTime since) const;
  Verdict has_attributes(const std::string& path, SteadyTime since, const ShownEntry& entry) const;
  bool may_move(const std::string& path, SteadyTime since) const;
  bool is_moving(const std::string& path) const;
  bool may_be_under_way(const NameCall& call, const std::string& path, SteadyTime since) const;
  std::optional<std::string> path_at(const Place& place) const;
  bool is_as_in_the_bucket(const std::string& path, const Answer& answer) const;
  void shown_in_calm(const Pending& pending, const Place& place, const Answer& answer);
  static bool was_stored(SteadyTime since, const KnownBytes& known, const std::vector<VersionPtr>& as);
  bool is_refused(const Pending& pending, InodeNumber number, std::uint64_t handle) const;

  // ---- the bucket ----
  Verdict removed(const Effect& effect, const Version& before) const;
  Verdict replaced(const Effect& effect, const Version& before, const std::string& bytes) const;
  Verdict made(const Effect& effect, const std::string& bytes) const;
  void note_stored(const std::string& key, const std::string& bytes);
  bool is_whole(const std::string& bytes) const;
  bool may_be_its_own(const File& file, const Version& version) const;
  bool was_opened_before(const Version& before, const std::string& bytes) const;
  bool was_copied(const std::string& bytes, SteadyTime since) const;
  bool names_key(const NameCall& call, const std::string& key) const;
  bool names_above(const NameCall& call, const std::string& key) const;
  bool names_path(const NameCall& call, const std::string& path) const;
  bool is_target(const NameCall& call, const std::string& key) const;

  const std::chrono::nanoseconds ttl_;
  SteadyTime now_{};
  Around around_ = Around::calm;  // the answer that is looked at
  std::uint64_t order_ = 0, name_changes_ = 0;
  SteadyTime last_rename_ = SteadyTime::min();  // that was answered
  unsigned cutting_creates_ = 0;                // under way: which file they cut is told by their answer
  std::set<Place> failed_creates_;              // an empty file may be there, which the bucket does not have
  Versions versions_;
  Attempts attempts_;
  std::set<std::pair<std::string, std::string>> told_;
  std::deque<Names> names_;  // of each mount
  std::deque<NameCall> renames_and_removals_;
  std::set<std::string> symlink_targets_;
  std::vector<std::pair<std::string, KnownBytes>> owed_;  // with a description: to be found in a kept file

  // ---- of this mount ----
  std::map<std::uint64_t, Pending> pending_;
  std::map<InodeNumber, File> files_;
  std::map<InodeNumber, std::uint64_t> attributes_set_;  // the order of the last answer to that
  std::map<InodeNumber, vfs::FileType> types_;
  bool a_rename_failed_ = false;
};

}  // namespace pail::simulation::others
