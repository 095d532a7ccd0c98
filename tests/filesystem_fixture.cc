#include "filesystem_fixture.h"

#include "base/file.h"
#include "local/staging/kept.h"

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

int FileSystemTest::write(std::string_view path, std::string_view content) {
  const Handle file = create(path);
  if (file.number == 0) return EIO;
  for (std::size_t at = 0; at < content.size(); at += 1 << 20) {
    const auto written = fs_->write(request(), file.number, file.handle, {at}, bytes(content.substr(at, 1 << 20)));
    EXPECT_TRUE(written) << written.error().context;
  }
  const int flushed = flush(file);
  close(file);
  return flushed;
}

std::vector<std::string> FileSystemTest::names(std::string_view path, std::size_t most) {
  std::vector<std::string> names;
  const InodeNumber number = look(path);
  for (std::uint64_t offset = 0;;) {
    const auto entries = fs_->read_directory(request(), number, offset, most, WithAttributes::no);
    EXPECT_TRUE(entries) << entries.error().context;
    if (!entries || entries->empty()) break;
    for (const auto& entry : *entries)
      if (entry.name != "." && entry.name != "..") names.push_back(entry.name);
    offset = entries->back().next_offset;
  }
  return names;
}

std::optional<std::uint64_t> FileSystemTest::listed_size(std::string_view name) {
  const auto entries = fs_->read_directory(request(), kRootInode, 0, 100, WithAttributes::yes);
  EXPECT_TRUE(entries) << entries.error().context;
  if (!entries) return std::nullopt;
  for (const auto& entry : *entries)
    if (entry.name == name && entry.entry) return entry.entry->attributes.size.n;
  return std::nullopt;
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

Handle FileSystemTest::create(std::string_view path) {
  const auto [parent, name] = parent_of(path);
  const auto made = fs_->create(request(), parent, name, 0644, O_CREAT | O_TRUNC | O_WRONLY);
  EXPECT_TRUE(made) << path << ": " << made.error().context;
  if (!made) return {};
  opens_->add(made->first.attributes.number);
  return {made->first.attributes.number, made->second.handle};
}

Handle FileSystemTest::make(std::string_view path, std::string_view text) {
  const Handle file = create(path);
  EXPECT_EQ(write_to(file, text), 0) << path;
  return file;
}

Handle FileSystemTest::open(std::string_view path, int flags) {
  const InodeNumber number = look(path);
  const auto opened = fs_->open_file(request(), number, flags);
  EXPECT_TRUE(opened) << path << ": " << opened.error().context;
  if (!opened) return {};
  opens_->add(number);
  return {number, opened->handle};
}

int FileSystemTest::write_to(Handle file, std::string_view text, std::uint64_t at) {
  return errnum_of(fs_->write(request(), file.number, file.handle, {at}, bytes(text)));
}

int FileSystemTest::fsync(Handle file) {
  return errnum_of(fs_->fsync(request(), file.number, file.handle));
}

int FileSystemTest::flush(Handle file, const StopToken& stop) {
  Request asked = request();
  asked.stop = stop;
  return errnum_of(fs_->flush(asked, file.number, file.handle));
}

std::future<int> FileSystemTest::flush_beside(Handle file, const StopToken& stop) {
  return std::async(std::launch::async, [this, file, stop] { return flush(file, stop); });
}

void FileSystemTest::close(Handle file) {
  opens_->remove(file.number);
  fs_->release(request(), file.number, file.handle);
}

std::vector<std::string> FileSystemTest::kept() {
  std::vector<std::string> contents;
  const auto files = local::kept_files(options_.state_directory).value();
  for (const auto& file : files) {
    const auto content = read_file(file.path, 64_MiB);
    EXPECT_TRUE(content) << content.error().context;
    if (content) contents.push_back(*content);
  }
  return contents;
}

}  // namespace pail::vfs
