#include "local/staging/kept.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/directory.h"
#include "base/encoding.h"
#include "base/file.h"

namespace pail::local {
namespace {

using nlohmann::json;

constexpr int kVersion = 1;
constexpr ByteCount kLongest = 64_MiB;  // a file that was patched in a million places
constexpr const char* kDescriptions = "descriptions";

constexpr auto kReasons = std::to_array<std::pair<KeptReason, std::string_view>>({
    {KeptReason::unknown, "unknown"},
    {KeptReason::conflict, "conflict"},
    {KeptReason::removed, "removed by others"},
    {KeptReason::mount_ended, "mount ended"},
    {KeptReason::mount_ended, "never closed"},  // as 0.1.0 wrote it
    {KeptReason::upload_failed, "upload failed"},
    {KeptReason::name_lost, "name lost"},
});

KeptReason reason_named(std::string_view name) {
  const auto found = std::ranges::find(kReasons, name, [](const auto& row) { return row.second; });
  return found == kReasons.end() ? KeptReason::unknown : found->first;
}

// Keys may hold bytes that no JSON text can.
json text_value(const std::string& text) {
  try {
    [[maybe_unused]] const std::string tried = json(text).dump();
    return text;
  } catch (const json::exception&) {
    return {{"base64", to_base64(bytes_of(text))}};
  }
}

std::string text_from(const json& value) {
  if (!value.is_object()) return value.get<std::string>();
  return from_base64(value.at("base64").get<std::string>()).value_or("");
}

WallTime time_from(const json& value) {
  return WallTime(std::chrono::nanoseconds(value.get<std::int64_t>()));
}

json missing_value(const std::optional<std::vector<Extent>>& missing) {
  if (!missing) return nullptr;
  json list = json::array();
  for (const Extent& extent : *missing) list.push_back({extent.begin.n, extent.end.n});
  return list;
}

std::optional<std::vector<Extent>> missing_from(const json& value) {
  if (value.is_null()) return std::nullopt;
  std::vector<Extent> missing;
  for (const json& pair : value)
    missing.push_back({{pair.at(0).get<std::uint64_t>()}, {pair.at(1).get<std::uint64_t>()}});
  return missing;
}

KeptDescription description_from(const json& object) {
  KeptDescription from;
  from.reason = reason_named(object.at("why").get<std::string>());
  from.error = text_from(object.at("error"));
  from.endpoint = text_from(object.at("endpoint"));
  from.bucket = text_from(object.at("bucket"));
  from.key = text_from(object.at("key"));
  from.name = text_from(object.at("name"));
  from.kept = time_from(object.at("kept_ns"));
  from.number = object.at("inode").get<InodeNumber>();
  from.permissions = object.at("permissions").get<std::uint32_t>() & 07777;
  from.uid = object.at("uid").get<std::uint32_t>();
  from.gid = object.at("gid").get<std::uint32_t>();
  from.modified = time_from(object.at("mtime_ns"));
  from.accessed = time_from(object.at("atime_ns"));
  from.headers = text_from(object.at("headers"));
  from.base_etag = text_from(object.at("base_etag"));
  from.size = {object.at("size").get<std::uint64_t>()};
  from.missing = missing_from(object.at("missing"));
  return from;
}

std::optional<KeptDescription> description_of(const std::filesystem::path& kept_file) {
  const auto text = read_file(kept_description_path(kept_file), kLongest);
  if (!text) return std::nullopt;
  auto parsed = parse_kept_description(*text);
  if (!parsed) return std::nullopt;
  return *std::move(parsed);
}

// The name of a directory without the number of a sibling.
std::string view_of(const std::filesystem::path& view_directory) {
  const std::string name = view_directory.filename().string();
  return name.substr(0, name.find('-'));
}

}  // namespace

std::string_view name_of(KeptReason reason) {
  const auto found = std::ranges::find(kReasons, reason, [](const auto& row) { return row.first; });
  return found == kReasons.end() ? kReasons.front().second : found->second;
}

std::string render_kept_description(const KeptDescription& from) {
  const json object{
      {"version", kVersion},
      {"why", name_of(from.reason)},
      {"error", text_value(from.error)},
      {"endpoint", text_value(from.endpoint)},
      {"bucket", text_value(from.bucket)},
      {"key", text_value(from.key)},
      {"name", text_value(from.name)},
      {"kept_ns", from.kept.time_since_epoch().count()},
      {"inode", from.number},
      {"permissions", from.permissions},
      {"uid", from.uid},
      {"gid", from.gid},
      {"mtime_ns", from.modified.time_since_epoch().count()},
      {"atime_ns", from.accessed.time_since_epoch().count()},
      {"headers", text_value(from.headers)},
      {"base_etag", text_value(from.base_etag)},
      {"size", from.size.n},
      {"missing", missing_value(from.missing)},
  };
  return object.dump(1) + "\n";
}

Result<KeptDescription> parse_kept_description(std::string_view text) {
  try {
    const json object = json::parse(text);
    if (object.at("version").get<int>() != kVersion)
      return Error{EBADMSG, "the description of a kept file is of another version of pailfs"};
    return description_from(object);
  } catch (const json::exception& error) {
    return Error{EBADMSG, std::string("the description of a kept file is damaged: ") + error.what()};
  }
}

std::filesystem::path kept_folder(const std::filesystem::path& view_directory) {
  return view_directory / "kept";
}

std::filesystem::path kept_description_path(const std::filesystem::path& kept_file) {
  const std::string name = kept_file.filename().string() + ".json";
  return kept_file.parent_path().parent_path() / kDescriptions / name;
}

Result<std::vector<KeptFile>> kept_files(const std::filesystem::path& view_directory) {
  std::vector<KeptFile> files;
  std::error_code failed;
  if (!std::filesystem::exists(kept_folder(view_directory), failed) && !failed) return files;
  PAIL_TRY(const auto paths, list_directory(kept_folder(view_directory)));
  for (const auto& path : paths) {
    struct stat status {};
    const bool looked = ::lstat(path.c_str(), &status) == 0;
    if (!looked && errno == ENOENT) continue;  // it has just been stored, or removed
    if (!looked) return errno_error(errno, path.string());
    if (!S_ISREG(status.st_mode)) continue;
    files.push_back({path, {static_cast<std::uint64_t>(status.st_size)}, description_of(path)});
  }
  std::ranges::sort(files, {}, &KeptFile::path);
  return files;
}

Result<Unit> remove_kept(const std::filesystem::path& kept_file) {
  for (const auto& path : {kept_file, kept_description_path(kept_file)}) PAIL_CHECK(remove_file(path));
  return Unit{};
}

KeptSummary kept_summary(const std::filesystem::path& view_directory) {
  KeptSummary summary;
  const std::string view = view_of(view_directory);
  for (const auto& sibling : list_readable(view_directory.parent_path())) {
    if (view_of(sibling) != view) continue;
    for (const auto& path : list_readable(kept_folder(sibling))) {
      std::error_code failed;
      if (!std::filesystem::is_regular_file(path, failed)) continue;
      const std::uint64_t size = std::filesystem::file_size(path, failed);
      ++summary.files;
      if (!failed) summary.bytes = summary.bytes + ByteCount{size};
    }
  }
  return summary;
}

}  // namespace pail::local
