#include "fuse/mount_record.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <sstream>

#include "base/file.h"
#include "base/log.h"

namespace pail::fuse {
namespace {

constexpr std::size_t kLongestLine = 64 * 1024;  // bytes; what is longer is no line of ours

// In one write, so that lines of supervisor and worker do not mix.
void append(int record, std::string_view line) {
  if (record < 0) return;
  const std::string whole = fmt::format("{}\n", line);
  if (::write(record, whole.data(), whole.size()) < 0)
    spdlog::warn("the record of the mount cannot be written: {}", errno_error(errno, "write").context);
}

std::string without_newlines(std::string_view text) {
  std::string out(text);
  std::ranges::replace(out, '\n', ' ');
  return out;
}

}  // namespace

void record_mounted(int record, const MountIdentity& mount) {
  if (mount.path.native().find('\n') != std::string::npos) return;
  append(record, fmt::format("mounted {} {} {}", mount.id.value_or(0), mount.device, mount.path.native()));
}

void record_ending(int record) {
  append(record, "ending");
}

void record_pending(int record, const vfs::Pending& pending) {
  append(record, fmt::format("pending {} {}", pending.files, pending.bytes.n));
}

void record_stays(int record, std::string_view sentence) {
  append(record, "stays " + without_newlines(sentence));
}

void record_ended(int record, int code) {
  append(record, fmt::format("ended {}", code));
}

Result<MountRecord> MountRecord::open(const std::filesystem::path& path) {
  PAIL_TRY(UniqueFd file, open_file(path, O_RDONLY | O_NOFOLLOW));
  return MountRecord(std::move(file));
}

const RecordedEnd& MountRecord::refresh() {
  std::array<char, 4096> buffer;
  for (;;) {
    const auto got = read_at(file_.get(), ByteOffset{read_}, std::as_writable_bytes(std::span(buffer)));
    if (!got || *got == 0) break;
    read_ += *got;
    rest_.append(buffer.data(), *got);
    for (std::size_t end; (end = rest_.find('\n')) != std::string::npos; rest_.erase(0, end + 1))
      take_line(std::string_view(rest_).substr(0, end));
    if (rest_.size() > kLongestLine) rest_.clear();
  }
  return known_;
}

void MountRecord::take_line(std::string_view line) {
  constexpr std::string_view kStays = "stays ";
  std::istringstream fields{std::string(line)};
  std::string word;
  fields >> word;
  if (word == "mounted") {
    MountIdentity mount;
    std::uint64_t id = 0;
    std::string path;
    if (!(fields >> id >> mount.device) || fields.get() != ' ' || !std::getline(fields, path)) return;
    mount.path = path;
    if (id != 0) mount.id = id;
    known_.mount = std::move(mount);
  } else if (word == "ending") {
    known_.ending = true;
  } else if (word == "pending") {
    vfs::Pending pending;
    if (fields >> pending.files >> pending.bytes.n) known_.pending = pending;
  } else if (line.starts_with(kStays)) {  // a worker that was killed may have said the same
    const std::string_view sentence = line.substr(kStays.size());
    if (std::ranges::find(known_.stays, sentence) == known_.stays.end()) known_.stays.emplace_back(sentence);
  } else if (word == "ended") {
    if (int code; fields >> code) known_.code = code;
  }
}

bool MountRecord::held() const {
  if (flock(file_.get(), LOCK_SH | LOCK_NB) != 0) return errno == EWOULDBLOCK;
  flock(file_.get(), LOCK_UN);
  return false;
}

}  // namespace pail::fuse
