#include "cli/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/log.h"
#include "base/nearest.h"
#include "cli/texts.h"

namespace pail::cli {
namespace {

void add_argument(CLI::App& command, const Argument& argument, CommandLine& line) {
  const std::string name(argument.name), help(argument.help);
  CLI::Option* option = std::visit(
      [&](auto member) -> CLI::Option* {
        auto& target = line.*member;
        if constexpr (std::is_same_v<std::remove_cvref_t<decltype(target)>, bool>)
          return command.add_flag(name, target, help);
        else
          return command.add_option(name, target, help);
      },
      argument.field);
  if (argument.required) option->required();
  if (!argument.value.empty()) option->type_name(std::string(argument.value));
  if (std::holds_alternative<std::vector<std::string> CommandLine::*>(argument.field))
    option->expected(1)->allow_extra_args(false)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

const CommandRow* find_command(std::string_view name) {
  const auto found = std::ranges::find(commands(), name, &CommandRow::name);
  return found == commands().end() ? nullptr : &*found;
}

bool asks_for(const std::vector<std::string>& arguments, std::string_view a, std::string_view b) {
  return std::ranges::any_of(arguments, [&](const std::string& text) { return text == a || text == b; });
}

std::optional<std::string_view> nearest_command(std::string_view word) {
  std::vector<std::string_view> names;
  for (const CommandRow& row : commands())
    if (!row.hidden) names.push_back(row.name);
  return nearest_name(word, names);
}

// The message for a first word that is no command, although nothing about it says that it is a bucket.
Error unknown_command(std::string_view word) {
  const auto nearest = nearest_command(word);
  return {EINVAL, fmt::format("unknown command {}{}", quote(word),
                              nearest ? fmt::format("; did you mean {}?", *nearest) : "; see pailfs --help")};
}

Result<std::variant<CommandLine, Print>> parse_command(const CommandRow& row, std::vector<std::string> arguments) {
  CommandLine line;
  line.command = row.command;
  CLI::App app;
  app.set_help_flag();
  for (const Argument& argument : row.arguments) add_argument(app, argument, line);
  std::ranges::reverse(arguments);  // as CLI11 takes them
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    return Error{EINVAL,
                 fmt::format("{}\nusage: pailfs {}\nSee pailfs {} --help.", error.what(), synopsis(row), row.name)};
  }
  return std::variant<CommandLine, Print>(std::move(line));
}

}  // namespace

Result<std::variant<CommandLine, Print>> parse_command_line(const std::vector<std::string>& arguments) {
  using Parsed = std::variant<CommandLine, Print>;
  if (arguments.empty()) return Error{EINVAL, program_help()};
  const std::string& first = arguments.front();
  if (first == "--version" || first == "-V") return Parsed(Print{"pailfs " PAILFS_VERSION "\n"});
  if (first == "--help" || first == "-h" || first == "help") return Parsed(Print{program_help()});
  if (const CommandRow* row = find_command(first)) {
    if (asks_for(arguments, "--help", "-h")) return Parsed(Print{command_help(*row)});
    return parse_command(*row, {arguments.begin() + 1, arguments.end()});
  }
  if (arguments.size() == 1 || first.starts_with('-')) return unknown_command(first);
  auto line = parse_mount_helper(arguments);
  if (line) return Parsed(*std::move(line));
  return nearest_command(first) ? unknown_command(first) : line.error();
}

namespace {

std::string_view last_name(std::string_view path) {
  return path.substr(path.find_last_of('/') + 1);
}

}  // namespace

bool is_mount_helper(std::string_view program) {
  const std::string_view name = last_name(program);
  return name == "mount.pailfs" || name == "mount.fuse.pailfs";
}

bool is_umount_helper(std::string_view program) {
  const std::string_view name = last_name(program);
  return name == "umount.pailfs" || name == "umount.fuse.pailfs";
}

}  // namespace pail::cli
