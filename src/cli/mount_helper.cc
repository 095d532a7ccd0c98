#include <fmt/format.h>

#include <cerrno>

#include "base/log.h"
#include "cli/command_line.h"

namespace pail::cli {
namespace {

constexpr std::string_view kUsage =
    "usage: mount.pailfs BUCKET[:/PREFIX] DIR [-sfnvrw] [-N NAMESPACE] [-t TYPE] [-o OPTIONS]";

Error wrong(std::string_view problem) {
  return {EINVAL, fmt::format("{}\n{}", problem, kUsage)};
}

// One letter of a bundle such as -fv. False: it is not known.
bool apply_letter(char letter, CommandLine& line) {
  switch (letter) {
    case 's':
      return line.ignore_unknown = true;
    case 'f':
      return line.fake = true;
    case 'v':
      return line.verbose = true;
    case 'n':
      return true;  // no /etc/mtab is written anyway
    case 'r':
      return line.options.emplace_back("ro"), true;
    case 'w':
      return line.options.emplace_back("rw"), true;
    default:
      return false;
  }
}

constexpr std::string_view kUmountUsage = "usage: umount.pailfs DIR [-flnrv] [-N NAMESPACE] [-t TYPE]";

Error wrong_umount(std::string_view problem) {
  return {EINVAL, fmt::format("{}\n{}", problem, kUmountUsage)};
}

bool apply_umount_letter(char letter, CommandLine& line) {
  if (letter == 'l') line.lazy = true;
  if (letter == 'f') line.force = true;
  if (letter == 'v') line.verbose = true;
  return std::string_view("lfvnr").find(letter) != std::string_view::npos;
}

}  // namespace

Result<CommandLine> parse_umount_helper(const std::vector<std::string>& arguments) {
  CommandLine line;
  line.command = Command::umount;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word.size() < 2 || word.front() != '-') {
      if (!line.directory.empty()) return wrong_umount("expected one directory");
      line.directory = word;
      continue;
    }
    const char letter = word[1];
    if (letter == 'N') return wrong_umount("-N: unmounting in another namespace is not supported; use nsenter(1)");
    if (letter == 't') {
      if (word.size() == 2) ++i;  // its value, which says what we know
      continue;
    }
    for (const char each : word.substr(1))
      if (!apply_umount_letter(each, line)) return wrong_umount(fmt::format("unknown option {}", quote(word)));
  }
  if (line.directory.empty()) return wrong_umount("expected one directory");
  return line;
}

Result<CommandLine> parse_mount_helper(const std::vector<std::string>& arguments) {
  CommandLine line;
  std::vector<std::string> places;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word.size() < 2 || word.front() != '-') {
      places.push_back(word);
      continue;
    }
    const char letter = word[1];
    if (letter == 'o' || letter == 't' || letter == 'N') {
      const bool joined = word.size() > 2;
      if (!joined && i + 1 == arguments.size()) return wrong(fmt::format("-{} needs a value", letter));
      const std::string value = joined ? word.substr(2) : arguments[++i];
      if (letter == 'o') line.options.push_back(value);
      if (letter == 'N') return wrong("-N: mounting into another namespace is not supported; use nsenter(1)");
      continue;
    }
    for (const char each : word.substr(1))
      if (!apply_letter(each, line)) return wrong(fmt::format("unknown option {}", quote(word)));
  }
  if (places.size() != 2) return wrong("expected a bucket and a directory");
  line.source = places[0];
  line.directory = places[1];
  return line;
}

}  // namespace pail::cli
