#include "vfs/object_metadata.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <charconv>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/encoding.h"

namespace pail::vfs {
namespace {

using local::FileType;
using local::InodeRecord;

constexpr std::string_view kOurs[] = {"mode", "uid", "gid", "mtime", "atime", "ctime"};

std::optional<std::string_view> find(const cos::ObjectHeaders& headers, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names)
    for (const http::Header& header : headers.metadata)
      if (header.name == name) return header.value;
  return std::nullopt;
}

template <class Number>
std::optional<Number> parse(std::string_view text, int base = 10) {
  if (base == 16) text.remove_prefix(2);
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// s3fs writes decimal and reads C notation; rclone writes octal without a prefix. 100644 is no valid decimal mode.
std::optional<std::uint32_t> parse_mode(std::string_view text) {
  const int base = text.starts_with("0x") ? 16 : text.size() > 1 && text.starts_with('0') ? 8 : 10;
  const auto value = parse<std::uint32_t>(text, base);
  if (value && *value <= 0177777 && (*value <= 07777 || type_of_mode(*value))) return value;
  const auto octal = parse<std::uint32_t>(text, 8);
  if (octal && *octal <= 0177777) return octal;
  return std::nullopt;
}

// "1700000000", "1700000000.5", "-3.25": the fraction is padded to nanoseconds.
std::optional<WallTime> parse_time(std::string_view text) {
  const auto point = text.find('.');
  const auto seconds = parse<std::int64_t>(text.substr(0, point));
  constexpr std::int64_t kLimit = 9'000'000'000;  // what 64 bits of nanoseconds hold
  if (!seconds || *seconds > kLimit || *seconds < -kLimit) return std::nullopt;
  std::int64_t nanoseconds = 0;
  if (point != std::string_view::npos) {
    std::string fraction(text.substr(point + 1, 9));
    fraction.resize(9, '0');
    const auto parsed = parse<std::int64_t>(fraction);
    if (!parsed) return std::nullopt;
    nanoseconds = text.starts_with('-') ? -*parsed : *parsed;
  }
  return WallTime(std::chrono::seconds(*seconds) + std::chrono::nanoseconds(nanoseconds));
}

std::string format_time(WallTime time) {
  const auto total = time.time_since_epoch().count();
  constexpr std::int64_t kSecond = 1'000'000'000;
  const std::int64_t size = std::abs(total);  // "-3.25" is what parse_time() and rclone mean by it
  return fmt::format("{}{}.{:09}", total < 0 ? "-" : "", size / kSecond, size % kSecond);
}

// The other headers of an object, kept in the record so that a rewrite does not lose them: kind, name and value,
// a line each. Header values hold no line ends.
std::string encode_other_headers(const cos::ObjectHeaders& headers) {
  std::string out;
  for (const http::Header& header : headers.standard) out += fmt::format("s{}\n{}\n", header.name, header.value);
  for (const http::Header& header : headers.metadata)
    if (std::ranges::find(kOurs, header.name) == std::end(kOurs))
      out += fmt::format("m{}\n{}\n", header.name, header.value);
  return out;
}

cos::ObjectHeaders decode_other_headers(std::string_view text) {
  cos::ObjectHeaders headers;
  while (!text.empty()) {
    const auto name_end = text.find('\n');
    const auto value_end = name_end == std::string_view::npos ? name_end : text.find('\n', name_end + 1);
    if (value_end == std::string_view::npos) break;
    http::Header header{std::string(text.substr(1, name_end - 1)),
                        std::string(text.substr(name_end + 1, value_end - name_end - 1))};
    (text.front() == 's' ? headers.standard : headers.metadata).push_back(std::move(header));
    text.remove_prefix(value_end + 1);
  }
  return headers;
}

void apply_mode(local::ObjectFacts& record, const cos::ObjectHeaders& headers, bool key_is_directory) {
  auto text = find(headers, {"mode", "permissions"});
  auto mode = text ? parse_mode(*text) : std::nullopt;
  if (!mode)
    if (auto octal = find(headers, {"goog-reserved-posix-mode"})) mode = parse<std::uint32_t>(*octal, 8);
  if (!mode) return;
  record.permissions = *mode & 07777;
  if (key_is_directory) return;
  if (auto type = type_of_mode(*mode)) record.type = *type;
}

}  // namespace

std::uint32_t type_bits(FileType type) {
  switch (type) {
    case FileType::regular:
      return S_IFREG;
    case FileType::directory:
      return S_IFDIR;
    case FileType::symlink:
      return S_IFLNK;
    case FileType::fifo:
      return S_IFIFO;
    case FileType::socket:
      return S_IFSOCK;
    case FileType::character_device:
      return S_IFCHR;
    case FileType::block_device:
      return S_IFBLK;
  }
  return S_IFREG;
}

std::optional<FileType> type_of_mode(std::uint32_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return FileType::regular;
    case S_IFDIR:
      return FileType::directory;
    case S_IFLNK:
      return FileType::symlink;
    case S_IFIFO:
      return FileType::fifo;
    case S_IFSOCK:
      return FileType::socket;
    case S_IFCHR:
      return FileType::character_device;
    case S_IFBLK:
      return FileType::block_device;
    default:
      return std::nullopt;
  }
}

local::ObjectFacts object_facts(const cos::ObjectInfo& info, bool key_is_directory,
                                const local::DefaultAttributes& defaults) {
  local::ObjectFacts facts;
  facts.type = key_is_directory ? FileType::directory : FileType::regular;
  facts.permissions = key_is_directory ? defaults.directory_permissions : defaults.file_permissions;
  apply_mode(facts, info.headers, key_is_directory);
  facts.uid = defaults.uid;
  facts.gid = defaults.gid;
  if (auto uid = find(info.headers, {"uid", "owner", "goog-reserved-posix-uid"}))
    facts.uid = parse<std::uint32_t>(*uid).value_or(defaults.uid);
  if (auto gid = find(info.headers, {"gid", "group", "goog-reserved-posix-gid"}))
    facts.gid = parse<std::uint32_t>(*gid).value_or(defaults.gid);
  const auto modified = find(info.headers, {"mtime", "goog-reserved-file-mtime"});
  facts.modified = (modified ? parse_time(*modified) : std::nullopt).value_or(info.last_modified);
  const auto accessed = find(info.headers, {"atime"});
  facts.accessed = (accessed ? parse_time(*accessed) : std::nullopt).value_or(facts.modified);
  facts.stored = info.last_modified;
  facts.size = facts.type == FileType::directory ? ByteCount{} : info.size;
  facts.etag = info.etag.text;
  facts.headers = encode_other_headers(info.headers);
  return facts;
}

cos::ObjectHeaders to_headers(const InodeRecord& record) {
  cos::ObjectHeaders headers = decode_other_headers(record.headers);
  auto add = [&](std::string_view name, std::string value) {
    headers.metadata.push_back({std::string(name), std::move(value)});
  };
  add("mode", fmt::format("{}", type_bits(record.type) | record.permissions));
  add("uid", fmt::format("{}", record.uid));
  add("gid", fmt::format("{}", record.gid));
  add("mtime", format_time(record.modified));
  if (record.accessed != record.modified) add("atime", format_time(record.accessed));
  const bool typed = std::ranges::any_of(headers.standard, [](const http::Header& header) {
    return header.name == "Content-Type" || header.name == "content-type";
  });
  if (!typed)
    headers.standard.push_back(
        {"Content-Type", record.type == FileType::directory ? "application/x-directory" : "application/octet-stream"});
  return headers;
}

Result<Xattrs> xattrs_of(const InodeRecord& record) {
  const cos::ObjectHeaders headers = decode_other_headers(record.headers);
  const auto stored = find(headers, {"xattr"});
  if (!stored) return Xattrs{};
  const auto text = percent_decode(*stored);
  const auto parsed = text ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json{};
  if (!parsed.is_object()) return Error{EIO, fmt::format("{}: x-amz-meta-xattr is malformed", record.name)};
  Xattrs xattrs;
  for (const auto& [name, value] : parsed.items()) {
    auto raw = value.is_string() ? from_base64(value.get<std::string>()) : std::nullopt;
    if (!raw) return Error{EIO, fmt::format("{}: x-amz-meta-xattr is malformed", record.name)};
    xattrs[name] = std::move(*raw);
  }
  return xattrs;
}

void set_xattrs(InodeRecord& record, const Xattrs& xattrs) {
  cos::ObjectHeaders headers = decode_other_headers(record.headers);
  std::erase_if(headers.metadata, [](const http::Header& header) { return header.name == "xattr"; });
  if (!xattrs.empty()) {
    nlohmann::json json = nlohmann::json::object();
    for (const auto& [name, value] : xattrs) json[name] = to_base64(bytes_of(value));
    const std::string text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    headers.metadata.push_back({"xattr", percent_encode(text)});
  }
  record.headers = encode_other_headers(headers);
}

}  // namespace pail::vfs
