// Regular files: reading a version from the bucket, writing into a staging file, bringing that into the bucket.
//
// Changes to one file take turns (Turns); reads do not wait for them. Thread-safe.
#pragma once

#include <string>
#include <unordered_map>

#include "base/executor.h"
#include "base/mutex.h"
#include "cache/staging.h"
#include "pailfs/cos/client.h"
#include "vfs/block_reader.h"
#include "vfs/directories.h"
#include "vfs/tree.h"
#include "vfs/tree_gate.h"
#include "vfs/turns.h"
#include "vfs/uploader.h"

namespace pail::vfs {

class Files {
 public:
  Files(cache::Index& index, const Tree& tree, OpenTable& opens, Turns& turns, TreeGate& gate, cos::Client& store,
        Directories& directories, cache::StagingArea& staging, cache::BlockCache& blocks, const Options& options,
        Executor& helpers);

  // ---- of an open file ----
  void read(InodeNumber number, std::uint64_t epoch, Extent want, const std::stop_token& stop, ReadReply reply);
  Result<Unit> write(InodeNumber number, ByteOffset at, std::span<const std::byte> data, const std::stop_token& stop);
  Result<Unit> truncate(InodeNumber number, ByteCount size, const std::stop_token& stop);
  Result<Unit> reserve(InodeNumber number, Extent extent, const std::stop_token& stop);
  // What was written is in the bucket when it returns without error; nothing to do for a file that was not.
  Result<Unit> store(InodeNumber number, const std::stop_token& stop);

  // ---- for other parts; the caller has the inode's turn ----
  Result<Unit> store_in_turn(InodeNumber number, const std::stop_token& stop);
  // Stores changed attributes: with the staged content later, or by copying the object onto itself now.
  Result<Unit> store_attributes(cache::InodeRecord record, const std::stop_token& stop);
  // Keeps the content of an open file that is about to lose its object.
  Result<Unit> preserve(const cache::InodeRecord& record, const std::stop_token& stop);
  bool is_staged(InodeNumber number);
  // It kept its object after all.
  void release_preserved(InodeNumber number);
  // The staged size and time of a record, which it has only in its staging file.
  void refresh(cache::InodeRecord& record);
  Result<Unit> set_staged_time(InodeNumber number, WallTime modified);
  // A new, empty, staged file that replaces nothing.
  Result<Unit> stage_empty(InodeNumber number);
  // The inode is gone: its local data, too.
  void discard(InodeNumber number);
  // Puts what an earlier mount left unfinished out of the way, for people to find.
  void set_aside_leftovers();
  // Removes staging files whose content has reached the bucket.
  void sweep();
  void pass_lock() { reader_.pass_lock(); }
  void forget_reader(InodeNumber number) { reader_.forget(number); }

  // Stores a small object under a key that must be free. Errors: EEXIST it is not.
  Result<cos::ETag> create_object(const std::string& key, const std::string& body, const cos::ObjectHeaders& headers,
                                  const std::stop_token& stop) {
    return uploader_.create(key, body, headers, stop);
  }
  Result<cos::CopyResult> copy(const std::string& from, const std::string& to, const cos::ETag& etag, ByteCount size,
                               cos::MetadataDirective directive, const cos::ObjectHeaders& headers,
                               const std::stop_token& stop);

  std::uint64_t bytes_fetched() const { return reader_.bytes_fetched(); }
  std::uint64_t bytes_uploaded() const { return uploader_.bytes_uploaded(); }

 private:
  using Staged = std::shared_ptr<cache::StagedFile>;

  Result<cos::CopyResult> copy_marker(const std::string& from, const std::string& to, const std::stop_token& stop);
  Result<Staged> staged(InodeNumber number);
  Result<Staged> begin_staging(cache::InodeRecord record, ByteCount kept);
  Result<Staged> writable(InodeNumber number, const std::stop_token& stop);
  Result<Unit> hydrate(const cache::InodeRecord& record, cache::StagedFile& file, Extent extent,
                       const std::stop_token& stop);
  void read_staged(const cache::InodeRecord& record, const Staged& file, Extent want, const std::stop_token& stop,
                   ReadReply reply);
  void read_remote(cache::InodeRecord record, Extent want, const std::stop_token& stop, ReadReply reply);
  Result<Unit> uploaded(cache::InodeRecord record, const std::string& key, const Uploaded& outcome,
                        const cache::StagedFile& file);
  static void forget_name(cache::WriteTransaction& change, const cache::InodeRecord& record);
  cache::KeptDescription describe(const cache::InodeRecord& record, cache::KeptReason reason, std::string error = {});
  cache::KeptDescription describe_nameless() const;
  Result<Unit> keep_conflict(const cache::InodeRecord& record, cache::KeptReason reason, const Error& why);

  cache::Index& index_;
  const Tree& tree_;
  OpenTable& opens_;
  Turns& turns_;
  TreeGate& gate_;
  cos::Client& store_;
  Directories& directories_;
  cache::StagingArea& staging_;
  cache::BlockCache& blocks_;
  const Options& options_;
  Executor& helpers_;
  BlockReader reader_;
  Uploader uploader_;
};

}  // namespace pail::vfs
