#include "cli/mount_command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "cli/connect.h"
#include "cli/descriptors.h"
#include "cli/handover.h"
#include "cli/kept_notice.h"
#include "cli/make_filesystem.h"
#include "cli/mount_checks.h"
#include "cli/mount_records.h"
#include "cli/probe.h"
#include "cli/say.h"
#include "cli/view_directory.h"
#include "fuse/mount.h"
#include "fuse/mount_table.h"

namespace pail::cli {
namespace {

struct FlagRow {
  std::string_view name;
  unsigned long set, clear;
};

// Options of mount(8) as flags of mount(2).
constexpr auto kFlags = std::to_array<FlagRow>({
    {"dev", 0, MS_NODEV},
    {"nodev", MS_NODEV, 0},
    {"suid", 0, MS_NOSUID},
    {"nosuid", MS_NOSUID, 0},
    {"exec", 0, MS_NOEXEC},
    {"noexec", MS_NOEXEC, 0},
    {"atime", 0, MS_NOATIME},
    {"noatime", MS_NOATIME, 0},
    {"diratime", 0, MS_NODIRATIME},
    {"nodiratime", MS_NODIRATIME, 0},
    {"relatime", MS_RELATIME, 0},
    {"norelatime", 0, MS_RELATIME},
    {"strictatime", MS_STRICTATIME, 0},
    {"nostrictatime", 0, MS_STRICTATIME},
    {"lazytime", MS_LAZYTIME, 0},
    {"nolazytime", 0, MS_LAZYTIME},
    {"sync", MS_SYNCHRONOUS, 0},
    {"async", 0, MS_SYNCHRONOUS},
    {"dirsync", MS_DIRSYNC, 0},
});

fuse::MountSpec mount_spec(const std::filesystem::path& directory, const WorkerTask& task) {
  constexpr std::string_view kName = "fsname=";
  fuse::MountSpec spec;
  spec.mount_point = directory;
  spec.source = render_source(task.source);
  if (task.options.read_only) spec.flags |= MS_RDONLY;
  for (const std::string& option : task.options.kernel_options) {
    if (option == "allow_other") spec.audience = fuse::Audience::everyone;
    if (option.starts_with(kName)) spec.source = option.substr(kName.size());
    const auto flag = std::ranges::find(kFlags, option, &FlagRow::name);
    if (flag != kFlags.end()) spec.flags = (spec.flags & ~flag->clear) | flag->set;
  }
  return spec;
}

Result<std::filesystem::path> check_mount_point(const std::string& text) {
  const std::filesystem::path path = std::filesystem::absolute(text).lexically_normal();
  PAIL_TRY(const bool repaired, fuse::repair_stale_mount(path));
  if (repaired) say("{}: detached a mount whose process had died", path.string());
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return errno_error(errno, fmt::format("mount point {}", path.string()));
  if (!S_ISDIR(st.st_mode)) return errno_error(ENOTDIR, fmt::format("mount point {}", path.string()));
  return path;
}

Result<MountOptions> read_options(const CommandLine& line) {
  MountOptions options;
  const auto unknown = line.ignore_unknown ? UnknownOptions::ignore : UnknownOptions::refuse;
  for (const std::string& text : line.options) PAIL_CHECK(parse_mount_options(text, options, unknown));
  return options;
}

// Everything that is known before the store is asked.
struct Plan {
  WorkerTask task;
  Endpoint endpoint;
};

Result<Plan> make_plan(const CommandLine& line) {
  Plan plan;
  PAIL_TRY(plan.task.source, parse_source(line.source));
  PAIL_TRY(plan.task.options, read_options(line));
  // As it was written, so that `mount -a` finds its line of fstab mounted; an fsname= behind it wins.
  auto& kernel_options = plan.task.options.kernel_options;
  kernel_options.insert(kernel_options.begin(), "fsname=" + line.source);
  PAIL_TRY(plan.endpoint, choose_endpoint(plan.task.options));
  plan.task.log = line.foreground ? LogTarget::stderr_stream : LogTarget::syslog;
  return plan;
}

// Before anything is asked of the store, or made on the disk.
Result<Unit> check_places(const MountOptions& options, const std::filesystem::path& mount_point,
                          const std::filesystem::path& credentials) {
  PAIL_TRY(const Roots roots, roots_of(options));
  return check_outside_mount(mount_point, options, roots, credentials);
}

// Waits for a predecessor as long as that one takes, were it as patient as this mount is.
Taker taker_of(const Plan& plan, const std::filesystem::path& record) {
  constexpr auto kBeyond = std::chrono::seconds(25);  // its worker is killed after 10 s more, twice
  return {record, std::chrono::ceil<std::chrono::milliseconds>(plan.task.options.stop_timeout) + kBeyond};
}

Result<ViewDirectories> take_directories(Plan& plan, const std::filesystem::path& record) {
  PAIL_TRY(const Roots roots, roots_of(plan.task.options));
  PAIL_TRY(auto taken, take_view_directories(roots, plan.endpoint.url, plan.task.source, taker_of(plan, record)));
  plan.task.state_directory = taken.state.path;
  plan.task.cache_directory = taken.cache.path;
  return taken;
}

// What a mount holds as long as it lasts.
struct Held {
  NewRecord record;
  ViewDirectories directories;
};

// Without one the mount works, but nobody can wait for its end.
NewRecord make_record(const std::filesystem::path& directory) {
  const auto place = fuse::resolve_mount_point(directory);
  auto record = place ? create_record(*place) : Result<NewRecord>(place.error());
  if (record) return *std::move(record);
  say("umount will not know whether everything is stored: {}", record.error().context);
  return {};
}

// What whoever mounts should know although it worked.
std::vector<std::string> notices(const WorkerTask& task) {
  std::vector<std::string> texts;
  if (const auto kept = kept_notice(task.state_directory)) texts.push_back(*kept);
  if (task.options.read_only) return texts;
  if (const auto warning = full_disk_warning(task.state_directory.parent_path())) texts.push_back(*warning);
  return texts;
}

// Leaves the terminal, the session and the working directory of whoever mounted.
void become_daemon() {
  ::setsid();
  if (::chdir("/") != 0) spdlog::warn("chdir /: {}", std::strerror(errno));
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd <= 2; ++fd) ::dup2(null, fd);
  if (null > 2) ::close(null);
}

int supervise_task(const WorkerTask& task, const std::filesystem::path& directory, const WorkerSecrets& secrets,
                   Held held, UniqueFd ready) {
  open_log(task.log, "pailfs");
  if (auto level = set_log_level(task.options.log_level); !level) spdlog::warn("{}", level.error().context);
  fuse::SupervisorSettings settings;
  settings.worker_argv = render_worker_arguments(task);
  settings.secrets = render_secrets(secrets);
  settings.ready = std::move(ready);
  settings.record = held.record.file.get();
  settings.stop_timeout = std::chrono::ceil<std::chrono::milliseconds>(task.options.stop_timeout);
  const int code = fuse::supervise(mount_spec(directory, task), std::move(settings));
  // Whoever waits has the record open, and finds the directory free when the record is.
  held.directories.cache.lock.reset();
  held.directories.state.lock.reset();
  if (!held.record.path.empty()) ::unlink(held.record.path.c_str());
  held.record.file.reset();
  return code;
}

int fail(const Source& source, const Error& error) {
  say("cannot mount {}: {}", render_source(source), error.context);
  return kExitMountFailed;
}

int supervise_in_background(const WorkerTask& task, const std::filesystem::path& directory,
                            const WorkerSecrets& secrets, Held held) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(task.source, errno_error(errno, "pipe"));
  UniqueFd from(ends[0]), ready(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return fail(task.source, errno_error(errno, "fork"));
  if (child == 0) {
    from.reset();
    close_descriptors_but(std::array{ready.get(), held.directories.state.lock.get(), held.directories.cache.lock.get(),
                                     held.record.file.get()});
    become_daemon();
    return supervise_task(task, directory, secrets, std::move(held), std::move(ready));
  }
  ready.reset();
  held.record.file.reset();
  held.directories.cache.lock.reset();
  held.directories.state.lock.reset();
  const auto outcome = fuse::read_outcome(from.get());
  if (!outcome) return fail(task.source, outcome.error());
  for (const std::string& notice : notices(task)) say("{}", notice);
  return 0;
}

int supervise_in_foreground(const WorkerTask& task, const std::filesystem::path& directory,
                            const WorkerSecrets& secrets, Held held) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(task.source, errno_error(errno, "pipe"));
  const UniqueFd from(ends[0]);
  const int code = supervise_task(task, directory, secrets, std::move(held), UniqueFd(ends[1]));
  return code == 0 || fuse::read_outcome(from.get()) ? code : kExitMountFailed;
}

}  // namespace

int run_mount(const CommandLine& line, auth::Environment environment) {
  auto plan = make_plan(line);
  if (!plan) {
    say("{}", plan.error().context);
    return kExitUsage;
  }
  if (line.fake) return 0;
  WorkerTask& task = plan->task;
  if (task.options.writeback) say("writeback is not part of this release: close() still waits for the bucket");

  const auto directory = check_mount_point(line.directory);
  if (!directory) return fail(task.source, directory.error());
  const auth::Sources sources = credential_sources(task.options, environment, task.source.bucket);
  auto resolved = auth::resolve_credentials(sources);
  if (!resolved) return fail(task.source, resolved.error());
  if (auto places = check_places(task.options, *directory, resolved->file); !places)
    return fail(task.source, places.error());
  if (line.verbose)
    print_out(fmt::format("pailfs: {} with {}\n", plan->endpoint.url, auth::describe(resolved->credentials)));
  if (auto probed = probe_in_child(task.options, sources, *resolved, task.source); !probed)
    return fail(task.source, probed.error());
  NewRecord record = make_record(*directory);
  auto directories = take_directories(*plan, record.path);
  if (!directories) {
    ::unlink(record.path.c_str());
    return fail(task.source, directories.error());
  }
  Held held{std::move(record), *std::move(directories)};

  const WorkerSecrets secrets{std::move(environment), *std::move(resolved)};
  return line.foreground ? supervise_in_foreground(task, *directory, secrets, std::move(held))
                         : supervise_in_background(task, *directory, secrets, std::move(held));
}

int run_worker_process(const std::vector<std::string>& arguments) {
  const auto task = parse_worker_arguments(arguments);
  open_log(task ? task->log : LogTarget::stderr_stream, "pailfs");
  if (!task) {
    spdlog::error("{}", task.error().context);
    return kExitSystem;
  }
  if (auto level = set_log_level(task->options.log_level); !level) spdlog::warn("{}", level.error().context);
  Thread siblings;
  const auto make = [&](std::shared_ptr<vfs::OpenTable> opens,
                        vfs::Start start) -> Result<std::unique_ptr<vfs::FileSystem>> {
    PAIL_TRY(const Secret text, fuse::worker_secrets());
    PAIL_TRY(WorkerSecrets secrets, parse_secrets(text));
    PAIL_TRY(MadeFileSystem made, make_filesystem(*task, std::move(secrets), std::move(opens), start));
    siblings = std::move(made.siblings);
    if (start == vfs::Start::fresh)
      for (const std::string& notice : notices(*task)) spdlog::warn("{}", notice);
    return std::move(made.files);
  };
  return fuse::run_worker(make, {});
}

}  // namespace pail::cli
