#include "fuse/directory_stream.h"

#include <algorithm>

#include "fuse/convert.h"

namespace pail::fuse {
namespace {

// Bytes of an entry with a name of 16 bytes: what fits is asked for in one call, and little is thrown away.
constexpr std::size_t kTypicalEntry = 40;
constexpr std::size_t kTypicalEntryPlus = 168;

// Adds entries until the room is used up.
class Listing {
 public:
  Listing(fuse_req_t request, std::size_t size, vfs::WithAttributes with)
      : request_(request), buffer_(size), with_(with) {}

  // False when it does not fit.
  bool add(const char* name, const fuse_entry_param& entry, off_t next) {
    char* at = buffer_.data() + used_;
    const std::size_t room = buffer_.size() - used_;
    const std::size_t needed = with_ == vfs::WithAttributes::yes
                                   ? fuse_add_direntry_plus(request_, at, room, name, &entry, next)
                                   : fuse_add_direntry(request_, at, room, name, &entry.attr, next);
    if (needed > room) return false;
    used_ += needed;
    return true;
  }

  std::vector<char> take() && {
    buffer_.resize(used_);
    return std::move(buffer_);
  }

 private:
  fuse_req_t request_;
  std::vector<char> buffer_;
  std::size_t used_ = 0;
  vfs::WithAttributes with_;
};

// Number and type alone; inode 0 tells the kernel that attributes are not given.
fuse_entry_param bare(vfs::InodeNumber number, mode_t type) {
  fuse_entry_param out{};
  out.attr.st_ino = number;
  out.attr.st_mode = type;
  return out;
}

fuse_entry_param param_of(const vfs::DirectoryEntry& entry) {
  if (entry.entry) return to_entry(*entry.entry);
  return bare(entry.number, entry.type ? to_mode(*entry.type) : 0);
}

}  // namespace

Result<std::vector<char>> fill_listing(fuse_req_t request, vfs::FileSystem& files, const vfs::Request& asked,
                                       const ListingRequest& wanted) {
  const std::size_t typical = wanted.with == vfs::WithAttributes::yes ? kTypicalEntryPlus : kTypicalEntry;
  PAIL_TRY(const auto entries, files.read_directory(asked, wanted.directory, static_cast<std::uint64_t>(wanted.offset),
                                                    std::max<std::size_t>(wanted.size / typical, 1), wanted.with));
  Listing listing(request, wanted.size, wanted.with);
  for (const vfs::DirectoryEntry& entry : entries)
    if (!listing.add(entry.name.c_str(), param_of(entry), static_cast<off_t>(entry.next_offset))) break;
  return std::move(listing).take();
}

}  // namespace pail::fuse
