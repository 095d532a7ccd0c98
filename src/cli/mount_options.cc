#include "cli/mount_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "base/log.h"
#include "base/nearest.h"
#include "base/overloaded.h"
#include "cli/s3fs_options.h"
#include "cli/values.h"
#include "pailfs/http/url.h"

namespace pail::cli {
namespace {

using M = MountOptions;

constexpr auto kNetworks = std::to_array<std::string_view>({"public", "private", "direct"});
constexpr auto kListVersions = std::to_array<std::string_view>({"1", "2"});
constexpr auto kLogLevels = std::to_array<std::string_view>({"trace", "debug", "info", "warn", "error", "off"});

constexpr auto kStoreRows = std::to_array<OptionRow>({
    {"region", "CODE", "",
     "Where the bucket is: a location of IBM Cloud Object Storage such as us-south, eu-de or us "
     "chooses the endpoint. Beside url= it is the region that signatures name.",
     Text{&M::region}},
    {"network", "KIND", "public",
     "Which endpoint of the region is used: public, private (classic infrastructure) or "
     "direct (VPC).",
     Word{&M::network, kNetworks}},
    {"url", "URL", "", "Endpoint of the store, scheme://host[:port], instead of the one of region=.", UrlText{&M::url}},
    {"path_style", "", "", "Put the bucket's name in the path of requests. The default.", Flag{&M::path_style, true}},
    {"virtual_host", "", "", "Put the bucket's name in the host name of requests.", Flag{&M::path_style, false}},
    {"list_version", "1|2", "2", "Which version of the listing request the store is asked.",
     Word{&M::list_version, kListVersions}},
    {"ca_bundle", "FILE", "the system's", "PEM file of the authorities that may sign the server's certificate.",
     File{&M::ca_bundle}},
    {"timeout", "SECONDS", "60",
     "How long one request to the store may go on without progress, all its attempts together; an upload or download "
     "that moves lasts as long as it must. Server-side copies and the completion of large uploads get twice the time. "
     "After a request has used it up, others fail after one attempt of at most 5 seconds until the store answers "
     "again; fsync and close always get the whole time.",
     Duration{&M::timeout, std::chrono::seconds(1)}},
    {"retries", "COUNT", "9", "How often a request that failed is sent again, within timeout=.",
     Count{&M::retries, 1000}},
});

constexpr auto kCredentialRows = std::to_array<OptionRow>({
    {"credentials", "FILE", "",
     "Service credential of IBM Cloud as JSON, with HMAC keys or an API key. Nobody but its "
     "owner may have access to the file.",
     File{&M::credentials}},
    {"passwd_file", "FILE", "",
     "Keys in the format of s3fs: ACCESS:SECRET, BUCKET:ACCESS:SECRET or :APIKEY. Nobody but "
     "its owner may have access to the file.",
     File{&M::passwd_file}},
    {"profile", "NAME", "default", "Section of ~/.aws/credentials and ~/.aws/config.", Text{&M::profile}},
    {"iam_endpoint", "URL", "the credential's own, or IBM Cloud's",
     "Where API keys are exchanged for tokens; the full "
     "URL, such as https://private.iam.cloud.ibm.com/identity/token.",
     UrlText{&M::iam_endpoint, UrlPart::with_path}},
    {"anonymous", "", "", "Send requests without credentials: public buckets.", Flag{&M::anonymous, true}},
});

constexpr auto kCacheRows = std::to_array<OptionRow>({
    {"state_dir", "DIR", "/var/lib/pailfs for root, else ~/.local/state/pailfs",
     "Where names and files that are being written lie, and those that could not be stored: what must not be lost. "
     "Each "
     "bucket view has a directory of its own in it.",
     File{&M::state_dir}},
    {"cache_dir", "DIR", "/var/cache/pailfs for root, else ~/.cache/pailfs",
     "Where cached blocks lie; may be removed while nothing is mounted. Each bucket view has a directory of its own in "
     "it.",
     File{&M::cache_dir}},
    {"cache_size", "SIZE", "10GiB", "Most bytes of cached blocks on disk.", Size{&M::cache_size, 64_MiB}},
    {"memory", "SIZE", "256MiB", "Most memory for blocks read ahead and parts being sent.", Size{&M::memory, 64_MiB}},
    {"metadata_ttl", "SECONDS", "30",
     "How long names and attributes are trusted before the bucket is asked again. "
     "Changes made through the mount are seen at once.",
     Duration{&M::metadata_ttl}},
    {"stop_timeout", "SECONDS", "60",
     "How long the end of the mount may take to bring what is pending into the bucket. What is not there by then stays "
     "in the state directory.",
     Duration{&M::stop_timeout}},
    {"writeback", "", "",
     "Reserved for a later release, where close() returns once data is safe on the local disk. "
     "This one accepts the option, says so, and close() still waits for the bucket.",
     Flag{&M::writeback, true}},
});

constexpr auto kAttributeRows = std::to_array<OptionRow>({
    {"ro", "", "", "Mount read-only.", Flag{&M::read_only, true}},
    {"rw", "", "", "Mount for reading and writing. The default.", Flag{&M::read_only, false}},
    {"uid", "USER", "the stored owner, else who mounts", "Owner shown for every file: number or name.",
     Id{&M::uid, IdKind::user}},
    {"gid", "GROUP", "the stored group, else that of who mounts", "Group shown for every file: number or name.",
     Id{&M::gid, IdKind::group}},
    {"umask", "OCTAL", "", "Permissions that no file is shown to have.", Permissions{&M::umask}},
    {"file_mode", "OCTAL", "0644", "Permissions of objects that store none.", Permissions{&M::file_mode}},
    {"dir_mode", "OCTAL", "0755", "Permissions of directories that store none.", Permissions{&M::dir_mode}},
    {"log_level", "LEVEL", "info",
     "How much is logged: trace, debug, info, warn, error or off. The log goes to stderr "
     "in the foreground, to syslog otherwise.",
     Word{&M::log_level, kLogLevels}},
});

constexpr auto kKernelRows = std::to_array<OptionRow>({
    {"allow_other", "", "",
     "Let other users than the one who mounts use the files (users need user_allow_other in "
     "/etc/fuse.conf).",
     Kernel{}},
    {"fsname", "NAME", "the bucket", "Source shown in the list of mounts.", Kernel{}},
    {"dev", "", "", "Interpret device files.", Kernel{}},
    {"nodev", "", "", "Do not interpret device files. The default.", Kernel{}},
    {"suid", "", "", "Honour set-user-id bits.", Kernel{}},
    {"nosuid", "", "", "Do not honour set-user-id bits. The default.", Kernel{}},
    {"exec", "", "", "Let programs be run. The default.", Kernel{}},
    {"noexec", "", "", "Let no program be run.", Kernel{}},
    {"atime", "", "", "As in mount(8).", Kernel{}},
    {"noatime", "", "", "As in mount(8).", Kernel{}},
    {"diratime", "", "", "As in mount(8).", Kernel{}},
    {"nodiratime", "", "", "As in mount(8).", Kernel{}},
    {"relatime", "", "", "As in mount(8).", Kernel{}},
    {"norelatime", "", "", "As in mount(8).", Kernel{}},
    {"strictatime", "", "", "As in mount(8).", Kernel{}},
    {"nostrictatime", "", "", "As in mount(8).", Kernel{}},
    {"lazytime", "", "", "As in mount(8).", Kernel{}},
    {"nolazytime", "", "", "As in mount(8).", Kernel{}},
    {"sync", "", "", "As in mount(8).", Kernel{}},
    {"async", "", "", "As in mount(8).", Kernel{}},
    {"dirsync", "", "", "As in mount(8).", Kernel{}},
});

constexpr auto kIgnoredRows = std::to_array<OptionRow>({
    {"defaults", "", "", "Stands for nothing.", Ignored{}},
    {"_netdev", "", "", "fstab: mount after the network is up.", Ignored{}},
    {"nofail", "", "", "fstab: boot goes on when the mount fails.", Ignored{}},
    {"auto", "", "", "fstab: mount at boot.", Ignored{}},
    {"noauto", "", "", "fstab: do not mount at boot.", Ignored{}},
    {"user", "[NAME]", "", "fstab: users may mount.", Ignored{}},
    {"nouser", "", "", "fstab: users may not mount.", Ignored{}},
    {"users", "", "", "fstab: users may mount, and unmount what others mounted.", Ignored{}},
    {"nousers", "", "", "fstab: the opposite.", Ignored{}},
    {"owner", "", "", "fstab: as in mount(8).", Ignored{}},
    {"group", "", "", "fstab: as in mount(8).", Ignored{}},
    {"x-*", "[VALUE]", "", "fstab: for systemd and other tools, such as x-systemd.automount.", Ignored{}},
    {"X-*", "[VALUE]", "", "fstab: likewise.", Ignored{}},
    {"comment", "TEXT", "", "fstab: a remark.", Ignored{}},
    {"uhelper", "NAME", "", "fstab: as in mount(8).", Ignored{}},
    {"default_permissions", "", "", "FUSE: always on, the kernel checks permissions.", Ignored{}},
    {"subtype", "NAME", "", "FUSE: always pailfs.", Ignored{}},
    {"kernel_cache", "", "", "FUSE: pailfs decides it for each file.", Ignored{}},
    {"auto_cache", "", "", "FUSE: likewise.", Ignored{}},
    {"noforget", "", "", "FUSE: inode numbers are kept on disk.", Ignored{}},
    {"nonempty", "", "", "FUSE: the directory may have content, which the mount hides.", Ignored{}},
    {"auto_unmount", "", "", "FUSE: a mount point left behind is repaired by the next mount.", Ignored{}},
    {"big_writes", "", "", "FUSE: always on.", Ignored{}},
    {"async_read", "", "", "FUSE: always on.", Ignored{}},
    {"max_write", "BYTES", "", "FUSE: pailfs asks for the most the kernel gives.", Ignored{}},
    {"max_read", "BYTES", "", "FUSE: likewise.", Ignored{}},
    {"max_readahead", "BYTES", "", "FUSE: likewise.", Ignored{}},
    {"max_background", "COUNT", "", "FUSE: set by pailfs.", Ignored{}},
    {"congestion_threshold", "COUNT", "", "FUSE: set by pailfs.", Ignored{}},
    {"entry_timeout", "SECONDS", "", "FUSE: follows from metadata_ttl.", Ignored{}},
    {"attr_timeout", "SECONDS", "", "FUSE: follows from metadata_ttl.", Ignored{}},
});

constexpr auto kGroups = std::to_array<OptionGroup>({
    {"The store", kStoreRows},
    {"Credentials", kCredentialRows},
    {"Memory, disk and time", kCacheRows},
    {"What files look like", kAttributeRows},
    {"Handed to the kernel", kKernelRows},
    {"Accepted without effect", kIgnoredRows},
});

bool names_row(const OptionRow& row, std::string_view name) {
  if (!row.name.ends_with('*')) return row.name == name;
  return name.starts_with(row.name.substr(0, row.name.size() - 1));
}

const OptionRow* find_row(std::string_view name) {
  for (const OptionGroup& group : kGroups)
    for (const OptionRow& row : group.rows)
      if (names_row(row, name)) return &row;
  return nullptr;
}

Error unknown_option(std::string_view name) {
  if (name == "remount") return {EINVAL, "option remount: a mount keeps its options; unmount it and mount it again"};
  // What follows a comma within a value looks like an option, and may be the rest of a secret.
  if (name.find_first_of("@:/") != std::string_view::npos)
    return {EINVAL,
            "an option that is not known and not shown, as it looks like a part of a value; a comma within a "
            "value is written \\,"};
  if (const auto here = counterpart_of_s3fs(name))
    return {EINVAL, fmt::format("option {} is one of s3fs; here: {}", name, *here)};
  std::vector<std::string_view> names;
  for (const OptionGroup& group : kGroups)
    for (const OptionRow& row : group.rows)
      if (!row.name.ends_with('*')) names.push_back(row.name);
  const auto nearest = nearest_name(name, names);
  return {EINVAL, fmt::format("unknown option {}{}", quote(name),
                              nearest ? fmt::format("; did you mean {}?", *nearest) : "; see pailfs --help")};
}

// "name" or "name=value", with escapes gone.
struct Setting {
  std::string name;
  std::optional<std::string> value;
};

std::vector<Setting> split_settings(std::string_view text) {
  std::vector<Setting> settings(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    Setting& last = settings.back();
    if (text[i] == ',') {
      settings.emplace_back();
    } else if (text[i] == '=' && !last.value) {
      last.value.emplace();
    } else {
      const bool escape = text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == ',' || text[i + 1] == '\\');
      if (escape) ++i;
      (last.value ? *last.value : last.name) += text[i];
    }
  }
  std::erase_if(settings, [](const Setting& s) { return s.name.empty() && !s.value; });
  return settings;
}

std::string escape(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == ',' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

Result<Unit> check_word(std::string_view value, std::span<const std::string_view> words) {
  if (std::ranges::find(words, value) != words.end()) return Unit{};
  return Error{EINVAL, fmt::format("{} is not one of {}", quote(value), fmt::join(words, ", "))};
}

// The value is never shown: people put keys into URLs, also into ones that are malformed.
Result<Unit> check_url(std::string_view value, UrlPart part) {
  if (value.find('@') != std::string_view::npos)
    return Error{EINVAL,
                 "a URL with a user name or password in it is not taken (it is not shown here); remove them, and "
                 "name a file with the keys: credentials=FILE or passwd_file=FILE"};
  if (value.find_first_of("?#") != std::string_view::npos)
    return Error{EINVAL,
                 "a URL with a query is not taken (it is not shown here: it may hold a signature); expected "
                 "scheme://host[:port]"};
  const auto url = http::parse_url(value);
  if (!url) return Error{EINVAL, "the value is not a URL; expected http:// or https:// and a host"};
  if (part == UrlPart::origin && url->path != "/")
    return Error{EINVAL,
                 "a URL with a path is not taken; the part of a bucket below a prefix is mounted with "
                 "BUCKET:/PREFIX instead of BUCKET"};
  return Unit{};
}

template <class Parsed, class Target>
Result<Unit> assign(Result<Parsed> parsed, Target& target) {
  PAIL_TRY(target, std::move(parsed));
  return Unit{};
}

Result<Unit> assign_permissions(const Permissions& field, MountOptions& options, std::string_view value) {
  PAIL_TRY(const std::uint32_t bits, parse_permissions(value));
  std::visit([&](auto member) { options.*member = bits; }, field.field);
  return Unit{};
}

Result<Unit> assign_size(const Size& field, MountOptions& options, std::string_view value) {
  PAIL_TRY(const ByteCount size, parse_size(value));
  if (size < field.least)
    return Error{EINVAL, fmt::format("{} is too little; expected at least {}", quote(value), render_size(field.least))};
  options.*field.field = size;
  return Unit{};
}

Result<Unit> assign_duration(const Duration& field, MountOptions& options, std::string_view value) {
  PAIL_TRY(const std::chrono::nanoseconds duration, parse_duration(value));
  if (duration < field.least)
    return Error{EINVAL,
                 fmt::format("{} is too little; expected at least {} s", quote(value), render_duration(field.least))};
  options.*field.field = duration;
  return Unit{};
}

Result<Unit> assign_count(const Count& field, MountOptions& options, std::string_view value) {
  unsigned count = 0;
  const auto [end, code] = std::from_chars(value.data(), value.data() + value.size(), count);
  if (code != std::errc() || end != value.data() + value.size() || count > field.most)
    return Error{EINVAL, fmt::format("{} is not a number from 0 to {}", quote(value), field.most)};
  options.*field.field = count;
  return Unit{};
}

Result<Unit> assign_path(const File& field, MountOptions& options, std::string_view value) {
  if (value == "~" || value.starts_with("~/"))
    return Error{EINVAL, fmt::format("shells expand ~ at the beginning of a word alone, and {} is behind a '='; write "
                                     "the whole path, or $HOME for ~",
                                     quote(value))};
  options.*field.field = std::filesystem::absolute(value);
  return Unit{};
}

// Puts `value` where the row says. The errors tell what is expected; the caller adds the option's name.
Result<Unit> apply_value(const OptionRow& row, MountOptions& options, const std::string& value) {
  return std::visit(Overloaded{
                        [&](const Text& f) -> Result<Unit> { return options.*f.field = value, Unit{}; },
                        [&](const UrlText& f) -> Result<Unit> {
                          PAIL_CHECK(check_url(value, f.part));
                          return options.*f.field = value, Unit{};
                        },
                        [&](const Word& f) -> Result<Unit> {
                          PAIL_CHECK(check_word(value, f.words));
                          return options.*f.field = value, Unit{};
                        },
                        [&](const File& f) -> Result<Unit> { return assign_path(f, options, value); },
                        [&](const Size& f) -> Result<Unit> { return assign_size(f, options, value); },
                        [&](const Duration& f) -> Result<Unit> { return assign_duration(f, options, value); },
                        [&](const Count& f) -> Result<Unit> { return assign_count(f, options, value); },
                        [&](const Id& f) -> Result<Unit> {
                          return assign(f.kind == IdKind::user ? parse_user(value) : parse_group(value),
                                        options.*f.field);
                        },
                        [&](const Permissions& f) -> Result<Unit> { return assign_permissions(f, options, value); },
                        [&](const Kernel&) -> Result<Unit> {
                          options.kernel_options.push_back(fmt::format("{}={}", row.name, value));
                          return Unit{};
                        },
                        [](const auto&) -> Result<Unit> { return Unit{}; },
                    },
                    row.field);
}

Result<Unit> apply(const Setting& setting, MountOptions& options, UnknownOptions unknown) {
  const OptionRow* row = find_row(setting.name);
  if (row == nullptr) {
    if (unknown == UnknownOptions::ignore) return Unit{};
    return unknown_option(setting.name);
  }
  if (std::holds_alternative<Ignored>(row->field)) return Unit{};
  if (row->value.empty()) {
    if (setting.value) return Error{EINVAL, fmt::format("option {} takes no value", row->name)};
    if (const Flag* flag = std::get_if<Flag>(&row->field)) options.*flag->field = flag->meaning;
    if (std::holds_alternative<Kernel>(row->field)) options.kernel_options.emplace_back(row->name);
    return Unit{};
  }
  if (!setting.value || setting.value->empty())
    return Error{EINVAL, fmt::format("option {} needs a value: {}={}", row->name, row->name, row->value)};
  auto applied = apply_value(*row, options, *setting.value);
  if (!applied) applied.error().context = fmt::format("option {}: {}", row->name, applied.error().context);
  return applied;
}

// The value of a row as text, none when it is what `standard` has.
std::optional<std::string> value_text(const OptionRow& row, const MountOptions& options, const MountOptions& standard) {
  const auto changed = [&](auto member, auto render) -> std::optional<std::string> {
    if (options.*member == standard.*member) return std::nullopt;
    return render(options.*member);
  };
  const auto same = [](const auto& text) { return std::string(text); };
  const auto octal = [](std::uint32_t bits) { return fmt::format("{:o}", bits); };
  return std::visit(
      Overloaded{
          [&](const Flag& f) -> std::optional<std::string> {
            const bool speaks = options.*f.field != standard.*f.field && options.*f.field == f.meaning;
            return speaks ? std::optional<std::string>("") : std::nullopt;
          },
          [&](const Text& f) { return changed(f.field, same); },
          [&](const UrlText& f) { return changed(f.field, same); },
          [&](const Word& f) { return changed(f.field, same); },
          [&](const File& f) { return changed(f.field, [](const auto& path) { return path.string(); }); },
          [&](const Size& f) { return changed(f.field, render_size); },
          [&](const Duration& f) { return changed(f.field, render_duration); },
          [&](const Count& f) { return changed(f.field, [](unsigned count) { return fmt::format("{}", count); }); },
          [&](const Id& f) { return changed(f.field, [](const auto& id) { return fmt::format("{}", *id); }); },
          [&](const Permissions& f) {
            return std::visit(Overloaded{[&](std::uint32_t M::*member) { return changed(member, octal); },
                                         [&](std::optional<std::uint32_t> M::*member) {
                                           return changed(member, [&](const auto& bits) { return octal(*bits); });
                                         }},
                              f.field);
          },
          [](const auto&) -> std::optional<std::string> { return std::nullopt; },
      },
      row.field);
}

}  // namespace

std::span<const OptionGroup> mount_option_groups() {
  return kGroups;
}

Result<Unit> parse_mount_options(std::string_view text, MountOptions& options, UnknownOptions unknown) {
  for (const Setting& setting : split_settings(text)) PAIL_CHECK(apply(setting, options, unknown));
  return Unit{};
}

std::string render_mount_options(const MountOptions& options) {
  const MountOptions standard;
  std::vector<std::string> parts;
  for (const OptionGroup& group : kGroups) {
    for (const OptionRow& row : group.rows) {
      const auto value = value_text(row, options, standard);
      if (!value) continue;
      parts.push_back(row.value.empty() ? std::string(row.name) : fmt::format("{}={}", row.name, escape(*value)));
    }
  }
  for (const std::string& option : options.kernel_options) parts.push_back(escape(option));
  return fmt::format("{}", fmt::join(parts, ","));
}

}  // namespace pail::cli
