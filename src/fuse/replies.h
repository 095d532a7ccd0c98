// Answers to the kernel. Each call answers `request` and ends its life. No lock may be held: the kernel may go on to
// forget the inode before the call returns. An error is logged here, so that an operation need not.
#pragma once

#include <fuse3/fuse_lowlevel.h>

#include <exception>
#include <new>
#include <string_view>

#include "fuse/open_table.h"
#include "vfs/filesystem.h"

namespace pail::fuse {

// What a session serves: its user data.
struct Served {
  vfs::FileSystem& files;
  SharedOpenTable& opens;
};

SharedOpenTable& open_table_of(fuse_req_t request);
vfs::FileSystem& file_system_of(fuse_req_t request);
vfs::Request request_of(fuse_req_t request);

void reply_error(fuse_req_t request, std::string_view operation, const Error& error);
void reply(fuse_req_t request, std::string_view operation, const Result<Unit>& done);
// The kernel takes a reference to the inode; when its caller is gone it does not, and the file system is told.
void reply_entry(fuse_req_t request, std::string_view operation, const Result<vfs::Entry>& entry);
void reply_attributes(fuse_req_t request, std::string_view operation, const Result<vfs::Entry>& entry);
// A list or value of an extended attribute: `size` is the room the caller has, 0 asks for the size alone.
void reply_xattr(fuse_req_t request, std::string_view operation, const Result<std::string>& value, std::size_t size);

// The function to give to FileSystem::read(): it answers once, on any thread; dropped without a call it answers EIO.
vfs::ReadReply read_reply(fuse_req_t request);

// What the kernel will not ask for, as its caller was gone when the answer came, or asks without waiting.
void forget(vfs::FileSystem& files, vfs::InodeNumber number);
void release(vfs::FileSystem& files, vfs::InodeNumber number, std::uint64_t handle);

// Calls into the file system, which returns a Result. An exception must not reach libfuse, which is C.
template <class Call>
auto shielded(Call call) -> decltype(call()) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return Error{ENOMEM, "out of memory"};
  } catch (const std::exception& unexpected) {
    return Error{EIO, unexpected.what()};
  }
}

}  // namespace pail::fuse
