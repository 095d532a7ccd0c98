#include "cli/kept_notice.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "cli/view_directory.h"
#include "local/staging/kept.h"

namespace pail::cli {
namespace {

std::string shell_word(const std::string& text) {
  const auto plain = [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view("/._-+:@%").find(static_cast<char>(c)) != std::string_view::npos;
  };
  if (!text.empty() && std::ranges::all_of(text, plain)) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

}  // namespace

std::optional<std::string> kept_notice(const std::filesystem::path& state_directory) {
  const local::KeptSummary kept = local::kept_summary(state_directory);
  if (kept.files == 0) return std::nullopt;
  const std::filesystem::path root = state_directory.parent_path();
  const auto usual = default_state_root();
  const bool elsewhere = !usual || *usual != root;
  // Without the bucket, which is not known of files that have lost their description.
  return fmt::format(
      "{} ({}) of earlier writing could not be stored in the bucket and {} kept on this machine; see: "
      "pailfs recover list{}",
      kept.files == 1 ? "1 file" : fmt::format("{} files", kept.files), readable_size(kept.bytes),
      kept.files == 1 ? "is" : "are", elsewhere ? " --state-dir " + shell_word(root.string()) : "");
}

std::string readable_size(ByteCount size) {
  constexpr std::array<std::string_view, 5> kUnits{"bytes", "KiB", "MiB", "GiB", "TiB"};
  if (size.n < 1024) return size.n == 1 ? "1 byte" : fmt::format("{} bytes", size.n);
  auto amount = static_cast<double>(size.n);
  std::size_t unit = 0;
  for (; amount >= 1024 && unit + 1 < kUnits.size(); ++unit) amount /= 1024;
  return fmt::format("{:.1f} {}", amount, kUnits[unit]);
}

}  // namespace pail::cli
