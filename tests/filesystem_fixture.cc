#include "filesystem_fixture.h"

#include <fcntl.h>

#include <future>

namespace pail::vfs {

std::string ramp(std::size_t size, unsigned seed) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((i + seed) % 251);
  return bytes;
}

void FileSystemTest::use_directory(const std::filesystem::path& directory) {
  options_.bucket = kBucket;
  options_.state_directory = options_.cache_directory = directory / "cache";
  options_.uid = 1000;
  options_.gid = 100;
}

void FileSystemTest::start(Start how) {
  fs_.reset();
  if (how == Start::fresh || !opens_) opens_ = make_local_open_table();
  auto fs = FileSystem::open(options_, object_store(), opens_, how);
  ASSERT_TRUE(fs) << fs.error().context;
  fs_ = std::move(*fs);
}

void FileSystemTest::start_cold() {
  fs_.reset();
  std::filesystem::remove_all(options_.cache_directory);
  start();
}

Request FileSystemTest::request() {
  Request request;
  request.uid = 1000;
  request.gid = 100;
  request.unique = unique_ += 2;
  return request;
}

InodeNumber FileSystemTest::look(std::string_view path, InodeNumber from) {
  while (!path.empty() && from != 0) {
    const auto slash = std::min(path.find('/'), path.size());
    const auto entry = fs_->lookup(request(), from, path.substr(0, slash));
    EXPECT_TRUE(entry || entry.error().errnum == ENOENT) << entry.error().context;
    from = entry ? entry->attributes.number : 0;
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return from;
}

std::pair<InodeNumber, std::string> FileSystemTest::parent_of(std::string_view path) {
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return {kRootInode, std::string(path)};
  return {look(path.substr(0, slash)), std::string(path.substr(slash + 1))};
}

Attributes FileSystemTest::attributes(std::string_view path) {
  const auto entry = fs_->getattr(request(), look(path));
  EXPECT_TRUE(entry) << path << ": " << entry.error().context;
  return entry ? entry->attributes : Attributes{};
}

std::string FileSystemTest::read_open(InodeNumber number, std::uint64_t handle, std::size_t size, int* errnum) {
  std::string content;
  while (content.size() < size) {
    auto promise = std::make_shared<std::promise<std::pair<std::string, int>>>();
    auto answer = promise->get_future();
    const std::size_t step = std::min<std::size_t>(size - content.size(), 1 << 20);
    fs_->read(request(), number, handle, {content.size()}, {step}, [promise](Result<ReadData> data) {
      std::string piece;
      if (data)
        for (const auto part : data->pieces) piece.append(reinterpret_cast<const char*>(part.data()), part.size());
      promise->set_value({piece, errnum_of(data)});
    });
    const auto [piece, failed] = answer.get();
    if (errnum != nullptr) *errnum = failed;
    if (piece.empty()) break;
    content += piece;
  }
  return content;
}

std::string FileSystemTest::read(std::string_view path) {
  const InodeNumber number = look(path);
  if (number == 0) return "<none>";
  const auto size = attributes(path).size.n;
  const auto opened = fs_->open_file(request(), number, O_RDONLY);
  if (!opened) return "<" + opened.error().context + ">";
  opens_->add(number);
  int errnum = 0;
  std::string content = read_open(number, opened->handle, size, &errnum);
  EXPECT_EQ(errnum, 0) << path;
  opens_->remove(number);
  fs_->release(request(), number, opened->handle);
  return content;
}

std::pair<InodeNumber, std::uint64_t> FileSystemTest::create(std::string_view path) {
  const auto [parent, name] = parent_of(path);
  const auto made = fs_->create(request(), parent, name, 0644, O_CREAT | O_TRUNC | O_WRONLY);
  EXPECT_TRUE(made) << path << ": " << made.error().context;
  if (!made) return {0, 0};
  opens_->add(made->first.attributes.number);
  return {made->first.attributes.number, made->second.handle};
}

int FileSystemTest::write(std::string_view path, std::string_view content) {
  const auto [number, handle] = create(path);
  if (number == 0) return EIO;
  for (std::size_t at = 0; at < content.size(); at += 1 << 20) {
    const auto written =
        fs_->write(request(), number, handle, {at}, std::as_bytes(std::span(content.substr(at, 1 << 20))));
    EXPECT_TRUE(written) << written.error().context;
  }
  const auto flushed = fs_->flush(request(), number, handle);
  opens_->remove(number);
  fs_->release(request(), number, handle);
  return errnum_of(flushed);
}

std::pair<InodeNumber, std::uint64_t> FileSystemTest::open(std::string_view path, int flags) {
  const InodeNumber number = look(path);
  const auto opened = fs_->open_file(request(), number, flags);
  EXPECT_TRUE(opened) << opened.error().context;
  opens_->add(number);
  return {number, opened ? opened->handle : 0};
}

std::vector<std::string> FileSystemTest::names(std::string_view path) {
  std::vector<std::string> names;
  const InodeNumber number = look(path);
  for (std::uint64_t offset = 0;;) {
    const auto entries = fs_->read_directory(request(), number, offset, 100, WithAttributes::no);
    EXPECT_TRUE(entries) << entries.error().context;
    if (!entries || entries->empty()) break;
    for (const auto& entry : *entries)
      if (entry.name != "." && entry.name != "..") names.push_back(entry.name);
    offset = entries->back().next_offset;
  }
  return names;
}

int FileSystemTest::rename(std::string_view from, std::string_view to, RenameMode mode) {
  const auto [old_parent, old_name] = parent_of(from);
  const auto [new_parent, new_name] = parent_of(to);
  const auto renamed = fs_->rename(request(), old_parent, old_name, new_parent, new_name, mode);
  return errnum_of(renamed);
}

int FileSystemTest::unlink(std::string_view path) {
  const auto [parent, name] = parent_of(path);
  return errnum_of(fs_->unlink(request(), parent, name));
}

int FileSystemTest::mkdir(std::string_view path) {
  const auto [parent, name] = parent_of(path);
  return errnum_of(fs_->mkdir(request(), parent, name, 0755));
}

int FileSystemTest::rmdir(std::string_view path) {
  const auto [parent, name] = parent_of(path);
  return errnum_of(fs_->rmdir(request(), parent, name));
}

}  // namespace pail::vfs
