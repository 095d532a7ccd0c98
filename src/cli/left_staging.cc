#include "cli/left_staging.h"

#include <algorithm>
#include <cctype>
#include <string>

#include "base/directory.h"
#include "base/trusted_directory.h"
#include "cli/view_directory.h"

namespace pail::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kWhole = ".whole";  // replaces the file without this ending

// Beside the bytes lie logs and notes, and files in the making.
bool holds_bytes(const fs::path& path) {
  const std::string number = path.stem().string();
  const bool numbered = std::ranges::all_of(number, [](unsigned char c) { return std::isdigit(c) != 0; });
  if (!numbered) return false;
  if (path.extension() == kWhole) return true;
  return path.extension().empty() && !fs::exists(path.string() + std::string(kWhole));
}

Result<Unit> add_files(const fs::path& staging, std::vector<LeftFile>& files) {
  PAIL_TRY(const auto paths, list_directory(staging));
  for (const fs::path& path : paths) {
    std::error_code failed;
    if (!fs::is_regular_file(path, failed) || !holds_bytes(path)) continue;
    const std::uint64_t size = fs::file_size(path, failed);
    const auto written = failed ? fs::file_time_type() : fs::last_write_time(path, failed);
    if (!failed) files.push_back({path, {size}, written});
  }
  return Unit{};
}

Result<Unit> add_view(const fs::path& view, LeftStaging& found) {
  std::error_code failed;
  if (!fs::is_directory(view / "staging", failed) || !find_trusted_directory(view)) return Unit{};
  if (take_unused(view)) return add_files(view / "staging", found.files);
  found.live = true;
  return Unit{};
}

}  // namespace

LeftStaging find_left_staging(const std::vector<fs::path>& views) {
  LeftStaging found;
  for (const fs::path& view : views)
    if (auto added = add_view(view, found); !added) found.looked = std::move(added);
  std::ranges::sort(found.files, {}, &LeftFile::path);
  return found;
}

}  // namespace pail::cli
