// The commands of the program and their arguments: one table for the parser, --help, manual pages and completion.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pailfs/base/result.h"

namespace pail::cli {

enum class Command { mount, umount, serve, doctor, recover, generate };

// What the command line says, before any value is looked at. Members that the command does not have are empty.
struct CommandLine {
  Command command = Command::mount;
  std::string source, directory;     // mount, doctor; directory also umount and serve
  std::vector<std::string> options;  // the texts behind -o
  bool foreground = false;
  bool fake = false;            // mount(8): check everything, mount nothing
  bool ignore_unknown = false;  // mount(8): sloppy
  bool verbose = false;
  bool lazy = false, force = false;                                 // umount(8)
  std::string listen, credentials, latency, bandwidth, access_log;  // serve
  std::string certificate, private_key;                             // serve
  bool tls = false;                                                 // serve
  std::vector<std::string> buckets, domains;                        // serve
  std::string what;                                                 // generate
  std::string action, kept, file, as, state_dir, cache_dir;         // recover
  bool overwrite = false, json = false;                             // recover
};

using ArgumentField =
    std::variant<bool CommandLine::*, std::string CommandLine::*, std::vector<std::string> CommandLine::*>;

struct Argument {
  std::string_view name;      // "-f,--foreground", or "DIR" for one that is told by its place
  std::string_view value;     // word for the value; empty for flags and for arguments told by their place
  std::string_view fallback;  // what holds without it, for texts; may be empty
  std::string_view help;
  ArgumentField field;
  bool required = false;
  bool positional() const { return !name.starts_with('-'); }
};

struct CommandRow {
  std::string_view name, summary;
  std::string_view description;
  std::span<const Argument> arguments;
  Command command;
  bool hidden = false;  // not in help and manuals
};

std::span<const CommandRow> commands();

// "mount [OPTIONS] BUCKET[:/PREFIX] DIR"
std::string synopsis(const CommandRow& row);

// Text to print instead of doing something: --help, --version.
struct Print {
  std::string text;
};

// `arguments` without the program's name. Also takes the form `BUCKET DIR [-o OPTIONS]`, which mount.fuse(8) uses.
// Errors: EINVAL with the whole message.
Result<std::variant<CommandLine, Print>> parse_command_line(const std::vector<std::string>& arguments);

// What mount(8) calls a helper with: SOURCE DIR [-sfnvrw] [-N NAMESPACE] [-t TYPE] [-o OPTIONS], in any order.
// Errors: EINVAL.
Result<CommandLine> parse_mount_helper(const std::vector<std::string>& arguments);

// What umount(8) calls a helper with: DIR [-flnrv] [-N NAMESPACE] [-t TYPE], in any order. Errors: EINVAL.
Result<CommandLine> parse_umount_helper(const std::vector<std::string>& arguments);

// True for the program names that mount(8) uses: mount.pailfs, mount.fuse.pailfs.
bool is_mount_helper(std::string_view program);
// Those of umount(8): umount.pailfs, umount.fuse.pailfs.
bool is_umount_helper(std::string_view program);

}  // namespace pail::cli
