// What the rename of a directory has copied, on disk: the old objects it may delete, and no others.
//
// A tree may have more objects than memory, and the deletes may be finished by a process that knows nothing else of
// the rename. docs/format.md describes the file, renames/NUMBER in the state directory.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "pailfs/base/result.h"
#include "pailfs/cos/types.h"
#include "vfs/object_copy.h"

namespace pail::vfs {

// One object as a listing showed it when it was copied, and what its copy is.
struct CopiedObject {
  std::string below;  // the old key behind that of the directory: "/file", "/"; "" and "_$folder$" for its markers
  ByteCount size;
  cos::ETag etag;
  WallTime modified{};  // epoch: there is no old object, a marker was made under the new name
  cos::ETag copy;       // the ETag of the copy; that of the object when it is a marker made anew
  WallTime copied{};    // the time of the copy as the store answered it; epoch: not known
};

// The keys of a directory without a trailing '/', before and after.
struct RenamedKeys {
  std::string from, to;
};

// Not thread-safe.
class RenameJob {
 public:
  // Makes the file anew, and its folder where missing. Errors: ENOSPC; EIO, also where the directory above the folder
  // is gone.
  static Result<RenameJob> create(const std::filesystem::path& path, const RenamedKeys& keys);

  // Room on the disk for what add() will be given of these. Errors: ENOSPC, EIO.
  Result<Unit> prepare(const std::vector<cos::ListedObject>& page);
  // Objects of one listing page, all copied. Pages come in the order of their keys. `contents`: of all of
  // the copies. Errors: ENOSPC, EIO.
  Result<Unit> add(const std::vector<CopiedObject>& page, Contents contents = Contents::same);
  // What was added is on disk when it returns, with the name of the file. Errors: EIO, ENOSPC.
  Result<Unit> sync();
  // Some copy has another ETag than its object.
  bool etags_changed() const { return etags_changed_; }
  bool in_doubt() const { return in_doubt_; }

 private:
  RenameJob(UniqueFd file, std::filesystem::path path) : file_(std::move(file)), path_(std::move(path)) {}
  Result<Unit> append(const std::string& payload);

  UniqueFd file_;
  std::filesystem::path path_;
  ByteOffset end_{};
  bool etags_changed_ = false;
  bool in_doubt_ = false;
};

// Reads a job from its beginning. What is cut off or damaged ends it: nothing behind it is known to be copied.
class RenameJobReader {
 public:
  // Errors: ENOENT; EBADMSG the file does not begin as a job does.
  static Result<RenameJobReader> open(const std::filesystem::path& path);

  const RenamedKeys& keys() const { return keys_; }
  // The next page; empty at the end. Errors: EBADMSG damaged from here on.
  Result<std::vector<CopiedObject>> next();

 private:
  explicit RenameJobReader(UniqueFd file) : file_(std::move(file)) {}
  Result<std::string> payload();

  UniqueFd file_;
  ByteOffset at_{};
  RenamedKeys keys_;
};

// One object after the other, over all pages.
class RenameJobCursor {
 public:
  explicit RenameJobCursor(RenameJobReader reader) : reader_(std::move(reader)) {}
  // The object under the cursor; null at the end. Errors: EBADMSG.
  Result<const CopiedObject*> get();
  void advance() { ++position_; }

 private:
  RenameJobReader reader_;
  std::vector<CopiedObject> page_;
  std::size_t position_ = 0;
  bool ended_ = false;
};

}  // namespace pail::vfs
