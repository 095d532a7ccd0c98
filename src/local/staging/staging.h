// Staging files: the bytes of files that are being written and are not in the bucket yet.
//
// One sparse file for each, named by inode number, beside a log of which extents it holds. What write() returned for is
// found again by the next process after a kill -9. Thread-safe.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "local/records.h"
#include "local/staging/kept.h"
#include "pailfs/base/bytes.h"
#include "pailfs/base/clock.h"
#include "pailfs/base/result.h"

namespace pail::local {

// A file with a base: an object version of which some bytes may not have been fetched yet. Those are "missing".
class StagedFile {
 public:
  virtual ~StagedFile() = default;

  virtual ByteCount size() const = 0;
  // Written bytes are present, and the file grows as needed; a gap before them reads as zeros and is present too, but
  // for what of it lies within the base. Returns how many were written, from the first on: fewer than all where the
  // disk was full, or failed, behind them. Errors: ENOSPC, EFBIG, and then none; EIO.
  virtual Result<ByteCount> write(ByteOffset at, std::span<const std::byte> data) = 0;
  // Growth reads as zeros and is present. Bytes cut off are gone, also from the base.
  virtual Result<Unit> truncate(ByteCount size) = 0;
  // Reserves disk space so that later writes within `extent` do not fail with ENOSPC.
  virtual Result<Unit> reserve(Extent extent) = 0;

  // The extents within `within` (cut at size()) whose bytes must still come from the base, in order.
  virtual std::vector<Extent> missing(Extent within) const = 0;
  // Base bytes that were fetched. Only what is missing is taken from `data`; written bytes are never replaced.
  virtual Result<Unit> fill(ByteOffset at, std::span<const std::byte> data) = 0;

  // Reads present bytes; stops at the end of the file or at a missing byte. Returns the bytes read.
  virtual Result<std::size_t> read(ByteOffset at, std::span<std::byte> out) const = 0;

  // When it was last written, truncated or made, by the clock of the area, or what was set since. Bytes
  // that are filled in and reserved space change nothing. Survives a kill as the bytes do.
  virtual WallTime modified() const = 0;
  virtual Result<Unit> set_modified(WallTime modified) = 0;

  // Returns when all that calls returned for before survives a power loss. After an error it never
  // succeeds again: what the kernel has dropped is not known. Errors: EIO, ENOSPC.
  virtual Result<Unit> sync() = 0;

  // A descriptor of the data, for reading; valid while this object lives.
  virtual int descriptor() const = 0;
  virtual const std::filesystem::path& path() const = 0;
};

class StagingArea {
 public:
  // Uses `directory` (0700, created where missing). `min_free`: writes fail with ENOSPC when less would be left free.
  // `clock`: for modification times; outlives the area and its files.
  static Result<std::unique_ptr<StagingArea>> open(const std::filesystem::path& directory, ByteCount min_free,
                                                   const Clock& clock);
  virtual ~StagingArea() = default;

  // A new staging file over a base of `base_size` bytes, all of them missing. Replaces one that is there.
  virtual Result<std::shared_ptr<StagedFile>> create(InodeNumber number, ByteCount base_size) = 0;
  // The one that is there, shared with whoever has it open; null: there is none. Errors: EBADMSG its log is damaged.
  virtual Result<std::shared_ptr<StagedFile>> open(InodeNumber number) = 0;
  // Where its bytes lie, also of one that cannot be opened now; nothing: there is none.
  virtual std::optional<std::filesystem::path> place_of(InodeNumber number) const = 0;
  // Nothing to do where there is none.
  virtual Result<Unit> remove(InodeNumber number) = 0;
  // Remembers why its content could not be brought into the bucket, for the description of a kept file.
  virtual void note_failure(InodeNumber number, std::string_view why) = 0;
  // Moves the data out of the way, for people to find, under a name made from that of the description; returns its new
  // path. The caller has the file for itself. Fills in number, time, size, missing extents and a failure that was
  // noted. The description is written first; that it cannot be written is logged and keeps nothing from being moved.
  virtual Result<std::filesystem::path> set_aside(InodeNumber number, KeptDescription description) = 0;
  virtual std::vector<InodeNumber> all() const = 0;
};

}  // namespace pail::local
