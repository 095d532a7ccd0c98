#include "vfs/rename_job.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "base/checksum.h"
#include "base/disk_space.h"
#include "base/encoding.h"
#include "base/file.h"
#include "local/codec.h"
#include "local/gone_directory.h"

namespace pail::vfs {

using local::RecordReader;
using local::RecordWriter;

namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kFrame = 16;                   // size and checksum, 8 bytes each
constexpr std::uint64_t kLargestPayload = 8u << 20;  // a page of 1000 objects with the longest keys is below 2 MiB

Error damaged(const char* what) {
  return Error{EBADMSG, fmt::format("the record of a rename is damaged: {}", what)};
}

}  // namespace

Result<RenameJob> RenameJob::create(const std::filesystem::path& path, const RenamedKeys& keys) {
  const std::filesystem::path folder = path.parent_path();
  if (const auto made = make_private_folder(folder); !made)
    return local::gone_directory(folder.parent_path()).value_or(made.error());
  PAIL_TRY(UniqueFd file, open_file(path, O_WRONLY | O_CREAT | O_TRUNC));
  RenameJob job(std::move(file), path);
  RecordWriter header;
  header.byte(kVersion);
  header.text(keys.from);
  header.text(keys.to);
  PAIL_CHECK(job.append(header.bytes()));
  return job;
}

Result<Unit> RenameJob::prepare(const std::vector<cos::ListedObject>& page) {
  constexpr std::uint64_t kRestOfAnObject = 256;  // numbers, times and the ETag of the copy
  ByteCount size{kFrame + kRestOfAnObject};
  for (const cos::ListedObject& object : page) size.n += object.key.size() + object.etag.text.size() + kRestOfAnObject;
  return reserve_space(file_.get(), {end_, end_ + size}, path_.string());
}

Result<Unit> RenameJob::add(const std::vector<CopiedObject>& page, Contents contents) {
  if (page.empty()) return Unit{};
  in_doubt_ = in_doubt_ || contents == Contents::in_doubt;
  RecordWriter payload;
  payload.number(page.size());
  for (const CopiedObject& object : page) {
    payload.text(object.below);
    payload.number(object.size.n);
    payload.text(object.etag.text);
    payload.time(object.modified);
    const bool same = object.copy == object.etag;
    payload.text(same ? std::string_view() : object.copy.text);
    payload.time(object.copied);
    etags_changed_ = etags_changed_ || !same;
  }
  return append(payload.bytes());
}

Result<Unit> RenameJob::sync() {
  if (::fdatasync(file_.get()) != 0) return errno_error(errno, path_.string());
  PAIL_CHECK(sync_directory(path_.parent_path()));
  return sync_directory(path_.parent_path().parent_path());
}

Result<Unit> RenameJob::append(const std::string& payload) {
  RecordWriter frame;
  frame.fixed64(payload.size());
  frame.fixed64(xxh3(bytes_of(payload)));
  const std::string record = frame.take() + payload;
  PAIL_CHECK(write_at(file_.get(), end_, bytes_of(record)));
  end_ = end_ + ByteCount{record.size()};
  return Unit{};
}

Result<RenameJobReader> RenameJobReader::open(const std::filesystem::path& path) {
  PAIL_TRY(UniqueFd file, open_file(path, O_RDONLY));
  RenameJobReader reader(std::move(file));
  PAIL_TRY(const std::string header, reader.payload());
  RecordReader fields(header);
  const std::uint8_t version = fields.byte();
  reader.keys_.from = fields.text();
  reader.keys_.to = fields.text();
  if (version != kVersion || !fields.complete() || reader.keys_.from.empty()) return damaged("its beginning");
  return reader;
}

// Empty at the end of the file.
Result<std::string> RenameJobReader::payload() {
  std::string frame(kFrame, '\0');
  PAIL_TRY(std::size_t got, read_at(file_.get(), at_, std::as_writable_bytes(std::span(frame))));
  if (got == 0) return std::string();
  RecordReader fields(frame);
  const std::uint64_t size = fields.fixed64(), checksum = fields.fixed64();
  if (got != kFrame || size == 0 || size > kLargestPayload) return damaged("cut off");
  std::string payload(size, '\0');
  PAIL_TRY(got, read_at(file_.get(), at_ + ByteCount{kFrame}, std::as_writable_bytes(std::span(payload))));
  if (got != size || xxh3(bytes_of(payload)) != checksum) return damaged("a checksum does not fit");
  at_ = at_ + ByteCount{kFrame + size};
  return payload;
}

Result<std::vector<CopiedObject>> RenameJobReader::next() {
  std::vector<CopiedObject> page;
  PAIL_TRY(const std::string bytes, payload());
  if (bytes.empty()) return page;
  RecordReader fields(bytes);
  for (std::uint64_t left = fields.number(); left > 0 && page.size() < bytes.size(); --left) {
    CopiedObject& object = page.emplace_back();
    object.below = fields.text();
    object.size = {fields.number()};
    object.etag = {fields.text()};
    object.modified = fields.time();
    object.copy = {fields.text()};
    object.copied = fields.time();
    if (object.copy.empty()) object.copy = object.etag;
  }
  if (!fields.complete() || page.empty()) return damaged("a page");
  return page;
}

Result<const CopiedObject*> RenameJobCursor::get() {
  if (position_ == page_.size() && !ended_) {
    PAIL_TRY(page_, reader_.next());
    position_ = 0;
    ended_ = page_.empty();
  }
  return ended_ ? nullptr : &page_[position_];
}

}  // namespace pail::vfs
