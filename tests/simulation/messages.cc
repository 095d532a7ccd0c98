#include "simulation/messages.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "simulation/archive.h"

namespace pail::simulation {

// clang-format off
template <> inline constexpr std::size_t kMembers<Lookup> = 2;
template <> inline constexpr std::size_t kMembers<Forget> = 1;
template <> inline constexpr std::size_t kMembers<GetAttributes> = 1;
template <> inline constexpr std::size_t kMembers<SetAttributes> = 5;
template <> inline constexpr std::size_t kMembers<ReadLink> = 1;
template <> inline constexpr std::size_t kMembers<MakeDirectory> = 3;
template <> inline constexpr std::size_t kMembers<MakeSymlink> = 3;
template <> inline constexpr std::size_t kMembers<Unlink> = 2;
template <> inline constexpr std::size_t kMembers<RemoveDirectory> = 2;
template <> inline constexpr std::size_t kMembers<Rename> = 5;
template <> inline constexpr std::size_t kMembers<Open> = 2;
template <> inline constexpr std::size_t kMembers<Create> = 4;
template <> inline constexpr std::size_t kMembers<Read> = 4;
template <> inline constexpr std::size_t kMembers<Write> = 4;
template <> inline constexpr std::size_t kMembers<Flush> = 3;
template <> inline constexpr std::size_t kMembers<Sync> = 2;
template <> inline constexpr std::size_t kMembers<Release> = 2;
template <> inline constexpr std::size_t kMembers<ReadDirectory> = 4;
template <> inline constexpr std::size_t kMembers<Call> = 4;
template <> inline constexpr std::size_t kMembers<ShownEntry> = 7;
template <> inline constexpr std::size_t kMembers<OpenedFile> = 3;
template <> inline constexpr std::size_t kMembers<ListedName> = 5;
template <> inline constexpr std::size_t kMembers<Listed> = 1;
template <> inline constexpr std::size_t kMembers<Bytes> = 1;
template <> inline constexpr std::size_t kMembers<Written> = 1;
template <> inline constexpr std::size_t kMembers<Answer> = 4;
template <> inline constexpr std::size_t kMembers<Answered> = 1;
template <> inline constexpr std::size_t kMembers<StoreRequest> = 7;
template <> inline constexpr std::size_t kMembers<StoreCancel> = 1;
template <> inline constexpr std::size_t kMembers<LogLine> = 1;
template <> inline constexpr std::size_t kMembers<DiskFailed> = 3;
template <> inline constexpr std::size_t kMembers<Waiting> = 5;
template <> inline constexpr std::size_t kMembers<Ended> = 3;
template <> inline constexpr std::size_t kMembers<Ask> = 1;
template <> inline constexpr std::size_t kMembers<Interrupt> = 1;
template <> inline constexpr std::size_t kMembers<StoreAnswer> = 6;
template <> inline constexpr std::size_t kMembers<Explain> = 1;
template <> inline constexpr std::size_t kMembers<Go> = 4;
// clang-format on

namespace {

constexpr std::uint64_t kLargestFrame = std::uint64_t{1} << 31;  // bytes; the largest part is 16 MiB

Error not_a_message() {
  return Error{EPROTO, "bytes between a life and its parent are no message"};
}

template <class Message>
std::string encoded(const Message& message) {
  ArchiveWriter writer;
  writer.put(message);
  return std::move(writer).take();
}

template <class Message>
Result<Message> decoded(std::string_view bytes) {
  ArchiveReader reader(bytes);
  Message message;
  reader.get(message);
  if (!reader.complete()) return not_a_message();
  return message;
}

Result<Unit> write_all(int pipe, std::string_view bytes) {
  while (!bytes.empty()) {
    const long written = syscall(SYS_write, pipe, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Error{errno == EPIPE ? ECONNRESET : errno, "write to the other end of a life's pipe"};
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return Unit{};
}

Result<Unit> read_all(int pipe, char* bytes, std::size_t size) {
  while (size > 0) {
    const long taken = syscall(SYS_read, pipe, bytes, size);
    if (taken < 0 && errno == EINTR) continue;
    if (taken < 0) return Error{errno, "read from the other end of a life's pipe"};
    if (taken == 0) return Error{ECONNRESET, "the other end of a life's pipe is gone"};
    bytes += taken;
    size -= static_cast<std::size_t>(taken);
  }
  return Unit{};
}

Result<Unit> send_frame(int pipe, const std::string& payload) {
  const std::uint64_t size = payload.size();
  std::string frame(reinterpret_cast<const char*>(&size), sizeof size);
  frame += payload;
  return write_all(pipe, frame);
}

Result<std::string> receive_frame(int pipe) {
  std::uint64_t size = 0;
  PAIL_CHECK(read_all(pipe, reinterpret_cast<char*>(&size), sizeof size));
  if (size > kLargestFrame) return not_a_message();
  std::string payload(size, '\0');
  PAIL_CHECK(read_all(pipe, payload.data(), payload.size()));
  return payload;
}

}  // namespace

std::string encode(const FromLife& message) {
  return encoded(message);
}

std::string encode(const Go& message) {
  return encoded(message);
}

Result<FromLife> decode_from_life(std::string_view bytes) {
  return decoded<FromLife>(bytes);
}

Result<Go> decode_go(std::string_view bytes) {
  return decoded<Go>(bytes);
}

Result<Unit> send(int pipe, const FromLife& message) {
  return send_frame(pipe, encode(message));
}

Result<Unit> send(int pipe, const Go& message) {
  return send_frame(pipe, encode(message));
}

Result<FromLife> receive_from_life(int pipe) {
  PAIL_TRY(const std::string payload, receive_frame(pipe));
  return decode_from_life(payload);
}

Result<Go> receive_go(int pipe) {
  PAIL_TRY(const std::string payload, receive_frame(pipe));
  return decode_go(payload);
}

}  // namespace pail::simulation
