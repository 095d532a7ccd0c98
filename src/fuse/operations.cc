#include "fuse/operations.h"
#include "fuse/caller_descriptors.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "fuse/connection.h"
#include "fuse/convert.h"
#include "fuse/directory_stream.h"
#include "fuse/page_write.h"
#include "fuse/replies.h"

namespace pail::fuse {
namespace {

Extent extent_at(off_t offset, off_t length) {
  const ByteOffset begin{static_cast<std::uint64_t>(offset)};
  return {begin, begin + ByteCount{static_cast<std::uint64_t>(length)}};
}

// ---- the connection

// The kernel keeps the first worker's answer and ignores those of later ones, so nothing here may depend on the worker:
// only on what the kernel offered. Without FUSE_CAP_ASYNC_DIO: with it not even SIGKILL ends an O_DIRECT read.
void op_init(void*, fuse_conn_info* connection) {
  constexpr unsigned kWanted = FUSE_CAP_ASYNC_READ | FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_EXPORT_SUPPORT |
                               FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO |
                               FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_CACHE_SYMLINKS;
  connection->want = kWanted & connection->capable;
  connection->max_write = 1 << 20;
  // Reads ahead and other requests that nobody waits for. Each that waits for the store counts, and
  // at the limit the kernel keeps back those that could be answered from the cache.
  connection->max_background = 4096;
  connection->congestion_threshold = 3072;
  connection->time_gran = 1;
}

// ---- names

void op_lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  reply_entry(request, "lookup",
              shielded([&] { return file_system_of(request).lookup(request_of(request), parent, name); }));
}

void op_forget(fuse_req_t request, fuse_ino_t inode, std::uint64_t) {
  forget(file_system_of(request), inode);
  fuse_reply_none(request);
}

void op_forget_multi(fuse_req_t request, std::size_t count, fuse_forget_data* forgets) {
  for (const fuse_forget_data& one : std::span(forgets, count)) forget(file_system_of(request), one.ino);
  fuse_reply_none(request);
}

void op_mknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t device) {
  reply_entry(request, "mknod",
              shielded([&] { return file_system_of(request).mknod(request_of(request), parent, name, mode, device); }));
}

void op_mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
  reply_entry(request, "mkdir",
              shielded([&] { return file_system_of(request).mkdir(request_of(request), parent, name, mode); }));
}

void op_symlink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) {
  reply_entry(request, "symlink",
              shielded([&] { return file_system_of(request).symlink(request_of(request), parent, name, target); }));
}

void op_link(fuse_req_t request, fuse_ino_t, fuse_ino_t, const char*) {
  reply_error(request, "link", Error{EPERM, "one object has one name: no hard links"});
}

void op_unlink(fuse_req_t request, fuse_ino_t parent, const char* name) {
  reply(request, "unlink", shielded([&] { return file_system_of(request).unlink(request_of(request), parent, name); }));
}

void op_rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) {
  reply(request, "rmdir", shielded([&] { return file_system_of(request).rmdir(request_of(request), parent, name); }));
}

void op_rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent, const char* new_name,
               unsigned flags) {
  reply(request, "rename", shielded([&]() -> Result<Unit> {
          PAIL_TRY(const vfs::RenameMode mode, to_rename_mode(flags));
          return file_system_of(request).rename(request_of(request), parent, name, new_parent, new_name, mode);
        }));
}

// ---- inodes

void op_getattr(fuse_req_t request, fuse_ino_t inode, fuse_file_info*) {
  reply_attributes(request, "getattr",
                   shielded([&] { return file_system_of(request).getattr(request_of(request), inode); }));
}

void op_setattr(fuse_req_t request, fuse_ino_t inode, struct stat* wanted, int valid, fuse_file_info* file) {
  vfs::AttributeChange change = to_change(*wanted, valid, system_clock().wall());
  if (file != nullptr) change.handle = file->fh;
  reply_attributes(request, "setattr",
                   shielded([&] { return file_system_of(request).setattr(request_of(request), inode, change); }));
}

void op_readlink(fuse_req_t request, fuse_ino_t inode) {
  const auto target = shielded([&] { return file_system_of(request).readlink(request_of(request), inode); });
  if (!target) return reply_error(request, "readlink", target.error());
  fuse_reply_readlink(request, target->c_str());
}

void op_statfs(fuse_req_t request, fuse_ino_t) {
  const auto statistics = shielded([&] { return file_system_of(request).statfs(request_of(request)); });
  if (!statistics) return reply_error(request, "statfs", statistics.error());
  const struct statvfs out = to_statvfs(*statistics);
  fuse_reply_statfs(request, &out);
}

void op_setxattr(fuse_req_t request, fuse_ino_t inode, const char* name, const char* value, std::size_t size,
                 int flags) {
  reply(request, "setxattr", shielded([&]() -> Result<Unit> {
          PAIL_TRY(const vfs::XattrMode mode, to_xattr_mode(flags));
          return file_system_of(request).setxattr(request_of(request), inode, name,
                                                  std::as_bytes(std::span(value, size)), mode);
        }));
}

void op_getxattr(fuse_req_t request, fuse_ino_t inode, const char* name, std::size_t size) {
  reply_xattr(request, "getxattr",
              shielded([&] { return file_system_of(request).getxattr(request_of(request), inode, name); }), size);
}

void op_listxattr(fuse_req_t request, fuse_ino_t inode, std::size_t size) {
  const auto joined = shielded([&]() -> Result<std::string> {
    PAIL_TRY(const auto names, file_system_of(request).listxattr(request_of(request), inode));
    std::string list;
    for (const std::string& name : names) list.append(name).push_back('\0');
    return list;
  });
  reply_xattr(request, "listxattr", joined, size);
}

void op_removexattr(fuse_req_t request, fuse_ino_t inode, const char* name) {
  reply(request, "removexattr",
        shielded([&] { return file_system_of(request).removexattr(request_of(request), inode, name); }));
}

// ---- open files

void fill(fuse_file_info& file, const vfs::OpenResult& opened) {
  file.fh = opened.handle;
  file.keep_cache = opened.keep_page_cache;
  // Nothing to bring home at close(): saves a request. A file that was just made is stored even so.
  file.noflush = (file.flags & (O_ACCMODE | O_CREAT)) == O_RDONLY;
}

CountedRequest counted(const vfs::Request& asked) {
  return {asked.unique, asked.resent};
}

// A handle counts as open from before the file system opens it until after the last close began.
void op_open(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file) {
  const Served served{file_system_of(request), open_table_of(request)};
  const vfs::Request asked = request_of(request);
  served.opens.add_for(counted(asked), inode);
  const auto opened = shielded([&] { return served.files.open_file(asked, inode, file->flags); });
  if (!opened) {
    served.opens.take_back(counted(asked), inode);
    return reply_error(request, "open", opened.error());
  }
  fill(*file, *opened);
  if (fuse_reply_open(request, file) != -ENOENT) return;
  // Without a caller there is no handle in the kernel, so it will never be released.
  served.opens.take_back(counted(asked), inode);
  release(served.files, inode, opened->handle);
}

void op_create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, fuse_file_info* file) {
  const Served served{file_system_of(request), open_table_of(request)};
  const vfs::Request asked = request_of(request);
  const auto created = shielded([&] { return served.files.create(asked, parent, name, mode, file->flags); });
  if (!created) return reply_error(request, "create", created.error());
  const auto& [entry, opened] = *created;
  fill(*file, opened);
  const fuse_entry_param param = to_entry(entry);
  // Nobody can unlink it before it counts: the kernel holds its directory until the answer.
  served.opens.add_for(counted(asked), param.ino);
  if (fuse_reply_create(request, &param, file) != -ENOENT) return;
  served.opens.take_back(counted(asked), param.ino);
  release(served.files, param.ino, opened.handle);
  forget(served.files, param.ino);
}

void op_read(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset, fuse_file_info* file) {
  vfs::ReadReply answer = read_reply(request);
  const vfs::Request asked = request_of(request);
  const auto begun = shielded([&]() -> Result<Unit> {
    file_system_of(request).read(asked, inode, file->fh, ByteOffset{static_cast<std::uint64_t>(offset)},
                                 ByteCount{size}, answer);
    return Unit{};
  });
  if (!begun) answer(begun.error());
}

void op_write(fuse_req_t request, fuse_ino_t inode, const char* data, std::size_t size, off_t offset,
              fuse_file_info* file) {
  const WriteAt write = [&](ByteOffset at, std::span<const std::byte> bytes) {
    return file_system_of(request).write(request_of(request), inode, file->fh, at, bytes);
  };
  const auto written = shielded([&] {
    const ByteOffset at{static_cast<std::uint64_t>(offset)};
    const auto bytes = std::as_bytes(std::span(data, size));
    return file->writepage != 0 ? write_pages(write, at, bytes) : write(at, bytes);
  });
  if (!written) return reply_error(request, "write", written.error());
  fuse_reply_write(request, written->n);
}

void op_flush(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file) {
  reply(request, "flush", shielded([&] {
          vfs::Request asked = request_of(request);
          asked.has_another_descriptor = [pid = asked.pid](vfs::InodeNumber number) {
            return has_descriptor_of(pid, number);
          };
          return file_system_of(request).flush(asked, inode, file->fh);
        }));
}

void op_fsync(fuse_req_t request, fuse_ino_t inode, int, fuse_file_info* file) {
  reply(request, "fsync",
        shielded([&] { return file_system_of(request).fsync(request_of(request), inode, file->fh); }));
}

void op_release(fuse_req_t request, fuse_ino_t inode, fuse_file_info* file) {
  reply(request, "release", shielded([&]() -> Result<Unit> {
          const vfs::Request asked = request_of(request);
          open_table_of(request).remove_for(counted(asked), inode);
          file_system_of(request).release(asked, inode, file->fh);
          return Unit{};
        }));
}

void op_fallocate(fuse_req_t request, fuse_ino_t inode, int mode, off_t offset, off_t length, fuse_file_info* file) {
  reply(request, "fallocate", shielded([&] {
          return file_system_of(request).allocate(request_of(request), inode, file->fh, mode,
                                                  extent_at(offset, length));
        }));
}

// ---- directories

// No handle and no cursor: an offset alone says where a listing goes on, in any worker. The kernel may not keep
// listings (FOPEN_CACHE_DIR): it would not see what others put into the bucket.
void op_opendir(fuse_req_t request, fuse_ino_t, fuse_file_info* file) {
  fuse_reply_open(request, file);
}

void reply_listing(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset, vfs::WithAttributes with) {
  const auto listing = shielded([&] {
    return fill_listing(request, file_system_of(request), request_of(request), {inode, offset, size, with});
  });
  if (!listing) return reply_error(request, "readdir", listing.error());
  fuse_reply_buf(request, listing->data(), listing->size());
}

void op_readdir(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset, fuse_file_info*) {
  reply_listing(request, inode, size, offset, vfs::WithAttributes::no);
}

void op_readdirplus(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset, fuse_file_info*) {
  reply_listing(request, inode, size, offset, vfs::WithAttributes::yes);
}

void op_releasedir(fuse_req_t request, fuse_ino_t, fuse_file_info*) {
  fuse_reply_err(request, 0);
}

void op_fsyncdir(fuse_req_t request, fuse_ino_t inode, int, fuse_file_info*) {
  reply(request, "fsyncdir",
        shielded([&] { return file_system_of(request).fsync_directory(request_of(request), inode); }));
}

}  // namespace

// What is left out, the kernel does itself: access checks (default_permissions), locks, which then outlive a worker,
// SEEK_HOLE on one extent of data, and copy_file_range by reading and writing.
fuse_lowlevel_ops operations() {
  fuse_lowlevel_ops table{};
  table.init = op_init;
  table.lookup = op_lookup;
  table.forget = op_forget;
  table.forget_multi = op_forget_multi;
  table.getattr = op_getattr;
  table.setattr = op_setattr;
  table.readlink = op_readlink;
  table.mknod = op_mknod;
  table.mkdir = op_mkdir;
  table.unlink = op_unlink;
  table.rmdir = op_rmdir;
  table.symlink = op_symlink;
  table.link = op_link;
  table.rename = op_rename;
  table.open = op_open;
  table.create = op_create;
  table.read = op_read;
  table.write = op_write;
  table.flush = op_flush;
  table.fsync = op_fsync;
  table.release = op_release;
  table.opendir = op_opendir;
  table.readdir = op_readdir;
  table.readdirplus = op_readdirplus;
  table.releasedir = op_releasedir;
  table.fsyncdir = op_fsyncdir;
  table.statfs = op_statfs;
  table.setxattr = op_setxattr;
  table.getxattr = op_getxattr;
  table.listxattr = op_listxattr;
  table.removexattr = op_removexattr;
  table.fallocate = op_fallocate;
  return table;
}

}  // namespace pail::fuse
