// Regular files: reading a version from the bucket, writing into a staging file, bringing that into the bucket.
//
// Changes to one file take turns (Turns); reads do not wait for them. Thread-safe.
//
// A handle says which content of the inode it was opened on (its epoch). When others replaced or removed that content,
// or won against ours, everything through the handle that reads or writes is ESTALE from then on.
#pragma once

#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "cos/object_store.h"
#include "pailfs/base/stop.h"
#include "runtime/executor.h"
#include "vfs/block_reader.h"
#include "vfs/directories.h"
#include "vfs/object_copy.h"
#include "vfs/staged_content.h"
#include "vfs/tree.h"
#include "vfs/tree_gate.h"
#include "vfs/turns.h"
#include "vfs/upload_notes.h"
#include "vfs/uploader.h"

namespace pail::vfs {

class Files {
 public:
  Files(local::NameStore& names, const Tree& tree, const AttributeView& view, OpenTable& opens, Turns& turns,
        TreeGate& gate, cos::ObjectStore& store, Directories& directories, StagedContent& content, Uploader& uploader,
        UploadNotes& upload_notes, cache::BlockCache& blocks, runtime::MemoryBudget& memory,
        runtime::Counters& counters, const Options& options, runtime::Executor& readers);

  // ---- of an open file; `epoch` is that of the handle, none where there is no handle ----
  using Epoch = std::optional<std::uint64_t>;
  void read(InodeNumber number, std::uint64_t epoch, Extent want, const StopToken& stop, ReadReply reply);
  // The target of a link, of the version that the record has or a copy of ours. Errors: ESTALE others replaced or
  // removed it; EIO it is no path.
  Result<std::string> read_link(const local::InodeRecord& link, const StopToken& stop);
  // Returns the bytes written, as FileSystem::write() does.
  Result<ByteCount> write(InodeNumber number, Epoch epoch, ByteOffset at, std::span<const std::byte> data,
                          const StopToken& stop);
  Result<Unit> truncate(InodeNumber number, Epoch epoch, ByteCount size, const StopToken& stop);
  Result<Unit> reserve(InodeNumber number, Epoch epoch, Extent extent, const StopToken& stop);
  // What was written is in the bucket when it returns without error; nothing to do for a file that was not.
  Result<Unit> store(InodeNumber number, Epoch epoch, Lane lane, const StopToken& stop);
  // Of a file that was made or emptied and has no bytes yet: the content that it is to replace. Nothing of others.
  // Errors: ESTALE as the others.
  Result<std::optional<local::ContentVersion>> unwritten_over(InodeNumber number, Epoch epoch);
  // Stores such a file, unless by now it has bytes, or was stored since it was to replace that content.
  Result<Unit> store_unwritten(InodeNumber number, const local::ContentVersion& over, const StopToken& stop);

  // ---- for other parts; up to preserve() the caller has the inode's turn ----
  Result<Unit> store_in_turn(InodeNumber number, Epoch epoch, Lane lane, const StopToken& stop);
  // Changes attributes and stores them: with the staged content later, or by copying the object onto itself now.
  // `edit` is given the inode as it is and may refuse.
  using Edit = std::function<Result<Unit>(local::InodeRecord&)>;
  Result<Unit> store_attributes(InodeNumber number, const Edit& edit, const StopToken& stop);
  // A copy of the content of an open file that is about to lose its object. Given up when it goes, unless keep() said
  // that the object is gone.
  class Preserved {
   public:
    Preserved() = default;
    Preserved(Files& files, InodeNumber number) : files_(&files), number_(number) {}
    Preserved(Preserved&& other) noexcept : files_(std::exchange(other.files_, nullptr)), number_(other.number_) {}
    Preserved& operator=(Preserved&&) = delete;
    ~Preserved() {
      if (files_ != nullptr) files_->release_preserved(number_);
    }
    void keep() { files_ = nullptr; }

   private:
    Files* files_ = nullptr;
    InodeNumber number_ = 0;
  };
  Result<Preserved> preserve(InodeNumber number, const StopToken& stop);
  // What the object of the inode is now is asked of the store.
  void ask_anew(InodeNumber number);
  bool is_staged(InodeNumber number);
  Result<Unit> set_staged_time(InodeNumber number, WallTime modified);
  // A new, empty, staged file that replaces nothing.
  Result<Unit> stage_empty(InodeNumber number);
  // The names of a staged inode, or of what lies below a directory, have changed.
  void note_staged(InodeNumber number) { content_.note(number); }
  void note_staged_below(InodeNumber directory) { content_.note_below(directory); }
  // The inode is gone: its local data, too.
  void discard(InodeNumber number) { content_.discard(number); }
  void pass_lock() { reader_.pass_lock(); }
  void forget_reader(InodeNumber number) { reader_.forget(number); }

  // Copies an object within the bucket. Errors: as copy_object().
  Result<MadeCopy> copy(const ObjectCopy& copy, const StopToken& stop);
  // Where the bytes of a copy are proven to be those of its original it has the content of that from here on, and they
  // are not read again for it.
  void copied(std::span<const MadeCopy> copies);
  // Stores a small object under a key that must be free. Errors: EEXIST it is not.
  Result<Uploaded> create_object(const std::string& key, const std::string& body, const cos::ObjectHeaders& headers,
                                 const StopToken& stop) {
    return uploader_.create(key, body, headers, stop);
  }

 private:
  void release_preserved(InodeNumber number);
  using Staged = StagedContent::File;

  Result<Staged> begin_staging(InodeNumber number, Epoch epoch, ByteCount most);
  Result<Staged> writable(const Turns::Turn& turn, Epoch epoch, ByteCount most, const StopToken& stop);
  Result<Unit> hydrate(const local::InodeRecord& record, local::StagedFile& file, const StopToken& stop);
  Result<ReadData> compose(const local::InodeRecord& record, const local::StagedFile& file, Extent want,
                           const StopToken& stop);
  Result<cache::ObjectContent> content_of(const local::InodeRecord& record);
  Result<ReadData> fetch_base(const local::InodeRecord& record, Extent want, const StopToken& stop);
  void read_staged(const local::InodeRecord& record, const Staged& file, Extent want, const StopToken& stop,
                   ReadReply reply);
  void read_remote(local::InodeRecord record, Extent want, const StopToken& stop, ReadReply reply);
  Result<Unit> uploaded(const local::InodeRecord& sent, const std::string& key, const Uploaded& outcome,
                        const local::StagedFile& file);
  Result<Unit> keep_conflict(const local::InodeRecord& record, Error why);
  Result<Unit> note_attributes_sent(const local::InodeRecord& draft);
  Result<Unit> put_attributes(local::InodeRecord& draft, const std::string& key, const StopToken& stop);

  local::NameStore& names_;
  const Tree& tree_;
  const AttributeView& view_;
  OpenTable& opens_;
  Turns& turns_;
  TreeGate& gate_;
  cos::ObjectStore& store_;
  Directories& directories_;
  StagedContent& content_;
  Uploader& uploader_;
  UploadNotes& upload_notes_;
  cache::BlockCache& blocks_;
  const Options& options_;
  runtime::Executor& readers_;  // wait for the store in the place of a reader
  BlockReader reader_;
};

}  // namespace pail::vfs
