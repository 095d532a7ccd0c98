// What the name store is told and what it answers: facts as values. None of them is a record.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "local/records.h"
#include "pailfs/base/result.h"

namespace pail::local {

// A name in a directory, whether it leads to an inode or not.
struct Place {
  InodeNumber parent = 0;
  std::string name;
  auto operator<=>(const Place&) const = default;
};

// What became of a fact.
enum class Taken {
  taken,  // the store shows it from now on
  kept,   // our side changed it since, changes it or has bytes that are not stored, or a later question told all of it
  stale,  // something newer is known by now: read again
  moved,  // it did not lie at one place all the time: the answer is about something else, ask again
  at_work,  // of a name that leads nowhere: what is to have it is being made, or what had it is being taken away
};

// ---- requests ----

// The number of a request, the same when it is asked again; 0 where nobody asks again.
using RequestNumber = std::uint64_t;

// How far a request came.
struct Begun {  // the bucket may have changed
  InodeNumber subject = 0;
  InodeNumber replaced = 0;  // whose object may be another one by now; 0: none
};
struct DeletesLeft {          // the names have changed; `job` says which old objects are to be deleted
  RequestNumber request = 0;  // under which that is noted
  InodeNumber subject = 0;
  std::string job;  // of the layer above
};
struct Answered {  // only the answer may be missing
  InodeNumber subject = 0;
  std::optional<Error> failure;
};
using Attempt = std::variant<Begun, DeletesLeft, Answered>;
InodeNumber subject_of(const Attempt& attempt);

// ---- what our side did ----

// Attributes of an inode that is to be made.
struct NewInode {
  FileType type = FileType::regular;
  std::uint32_t permissions = 0, uid = 0, gid = 0;
};

// The object of an inode that was made.
struct MadeObject {
  std::string etag;                    // empty: not said, or of a directory's marker
  std::optional<WriteWindow> written;  // none: it was found made already, by an attempt of ours
  ByteCount size;
  std::string link_target;
  WallTime modified{};   // as it was stored
  WallTime confirmed{};  // when it was asked for: others may have changed it since
  WallTime free{};       // directories: View::last_free() of the name, read before it was made
};

// A name that leads to `source` from now on. `replaced`: the inode that had the new name, 0: none.
struct Rename {
  Place from, to;
  InodeNumber source = 0, replaced = 0;
};

// The object of a renamed file.
struct MovedObject {
  std::string etag;
  WallTime stored{};
  WallTime confirmed{};  // when its copy was asked for
};

// An object that got another ETag when its directory was copied.
struct CopiedContent {
  std::string below;  // the names that lead to it from the directory, with '/' between them
  std::string before, after;
};
// One after the other, from a local file; nothing at the end. Called within the event, so that what becomes known while
// the file is read is not missed.
using CopiedContents = std::function<Result<std::optional<CopiedContent>>()>;

// What the deletes of a directory's old objects left under the old name.
enum class OldObjects {
  gone,
  some,      // they are to be seen under the old name again
  told_all,  // the caller was told that nothing was renamed: the directory has its old name again
};

// The content of an inode: that of another ETag is another one.
struct ContentVersion {
  std::string etag;
  ByteCount size;
  std::uint64_t generation = 0;
  bool operator==(const ContentVersion&) const = default;
};

// An inode as somebody saw it who is going to change it.
struct InodeVersion {
  InodeNumber number = 0;
  std::uint64_t sequence = 0;  // of our own last change
  ContentVersion content;
};
InodeVersion version_of(const InodeRecord& inode);
ContentVersion content_of(const InodeRecord& inode);

// Attributes that were changed; those without a value stay.
struct AttributePatch {
  std::optional<std::uint32_t> permissions, uid, gid;
  std::optional<std::string> headers;
  std::optional<WallTime> accessed, modified, changed;
};

// The object that holds changed attributes by now.
struct AttributeObject {
  DirectoryForm form = DirectoryForm::implicit;
  std::string etag;
  WallTime confirmed{};  // when they were sent
  WallTime stored{};
  std::optional<WriteWindow> written;
};

// Staged bytes that are in the bucket by now, with the attributes they were sent with.
struct StoredContent {
  std::string etag;
  ByteCount size;
  WallTime modified{}, changed{};
  WallTime confirmed{};  // when it was sent
  WriteWindow written;
};

// ---- what the object store said ----

// An object as its headers describe it.
struct ObjectFacts {
  FileType type = FileType::regular;
  std::uint32_t permissions = 0, uid = 0, gid = 0;
  ByteCount size;
  WallTime accessed{}, modified{};
  WallTime stored{};  // when it was written, by the store's clock
  std::string etag;
  std::string headers;  // the others, encoded by the layer above
};

// What the store said of one name.
struct NoSuchName {};
struct SomeDirectory {};  // keys lie below it
using NameAnswer = std::variant<NoSuchName, SomeDirectory, ObjectFacts>;

// One page of a directory's listing.
struct ListedFile {
  ByteCount size;
  std::string etag;
  WallTime stored{};
};
struct ListedDirectory {
  DirectoryForm form = DirectoryForm::implicit;
  WallTime stored{};  // of its marker; epoch: no marker is in this listing
};
struct ListedName {
  std::string name;
  std::variant<ListedFile, ListedDirectory> what;
};
struct ListedPage {
  std::vector<ListedName> names;   // in byte order, each once
  std::optional<WallTime> marker;  // of the directory itself: when it was stored
};

}  // namespace pail::local
