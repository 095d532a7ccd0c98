// What a mount was asked to be: the values behind `-o`, and the one table of option names that everything about them is
// made from (parser, --help, manual pages, completion, docs/options.md).
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pailfs/base/bytes.h"
#include "pailfs/base/result.h"

namespace pail::cli {

struct MountOptions {
  std::string url;     // scheme://host[:port]; empty: that of `region`
  std::string region;  // location of IBM COS, or the scope of signatures where `url` is given
  std::string network = "public";
  bool path_style = true;
  std::string list_version = "2";
  std::filesystem::path ca_bundle;  // empty: the system's authorities
  std::chrono::nanoseconds timeout = std::chrono::seconds(60);
  unsigned retries = 9;

  std::filesystem::path credentials, passwd_file;  // absolute; empty: none
  std::string profile;
  std::string iam_endpoint;  // full URL; empty: the credential's own
  bool anonymous = false;

  std::filesystem::path state_dir, cache_dir;  // absolute; empty: those of cli/view_directory.h
  ByteCount cache_size = 10_GiB;
  ByteCount memory = 256_MiB;
  std::chrono::nanoseconds metadata_ttl = std::chrono::seconds(30);
  std::chrono::nanoseconds stop_timeout = std::chrono::seconds(60);
  bool writeback = false;

  bool read_only = false;
  std::optional<std::uint32_t> uid, gid, umask;
  std::uint32_t file_mode = 0644, dir_mode = 0755;

  std::string log_level = "info";
  std::vector<std::string> kernel_options;  // "allow_other", "nosuid", "fsname=x": in the order given

  bool operator==(const MountOptions&) const = default;
};

// ---- the kinds of values; each knows where its value goes ----

struct Flag {  // no value
  bool MountOptions::*field;
  bool meaning;  // what naming the option sets
};
struct Text {
  std::string MountOptions::*field;
};
enum class UrlPart { origin, with_path };
struct UrlText {  // without user name, query and fragment
  std::string MountOptions::*field;
  UrlPart part = UrlPart::origin;
};
struct Word {  // one of a few
  std::string MountOptions::*field;
  std::span<const std::string_view> words;
};
struct File {
  std::filesystem::path MountOptions::*field;
};
struct Size {  // bytes, or a number with a unit
  ByteCount MountOptions::*field;
  ByteCount least;
};
struct Duration {  // seconds, or a number with a unit
  std::chrono::nanoseconds MountOptions::*field;
  std::chrono::nanoseconds least{0};
};
struct Count {  // a plain number
  unsigned MountOptions::*field;
  unsigned most;
};
enum class IdKind { user, group };
struct Id {  // a number, or a name of this machine
  std::optional<std::uint32_t> MountOptions::*field;
  IdKind kind;
};
struct Permissions {  // octal
  std::variant<std::uint32_t MountOptions::*, std::optional<std::uint32_t> MountOptions::*> field;
};
struct Kernel {};   // handed on to the kernel or the mount(2) flags
struct Ignored {};  // accepted because it stands in fstabs, without effect on the mount

using Field = std::variant<Flag, Text, UrlText, Word, File, Size, Duration, Count, Id, Permissions, Kernel, Ignored>;

struct OptionRow {
  std::string_view name;      // a trailing '*' stands for any ending: "x-*"
  std::string_view value;     // word for the value in texts, empty for options without one
  std::string_view fallback;  // what holds without the option, for texts; may be empty
  std::string_view help;      // one or two sentences
  Field field;
};

// Rows of one heading.
struct OptionGroup {
  std::string_view title;
  std::span<const OptionRow> rows;
};

std::span<const OptionGroup> mount_option_groups();

// What to do with names that no row has.
enum class UnknownOptions { refuse, ignore };

// Reads "name=value,name,..." on top of `options`; later ones win. `\,` is a comma within a value, `\\` a backslash.
// Paths become absolute. Errors: EINVAL, naming the option, what is expected of it, or the nearest name; never with
// what may be a secret.
Result<Unit> parse_mount_options(std::string_view text, MountOptions& options,
                                 UnknownOptions unknown = UnknownOptions::refuse);

// The text that parse_mount_options() makes the same options from.
std::string render_mount_options(const MountOptions& options);

}  // namespace pail::cli
