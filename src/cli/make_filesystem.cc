#include "cli/make_filesystem.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/thread.h"
#include "cli/connect.h"
#include "cli/left_siblings.h"
#include "cos/bucket_store.h"

namespace pail::cli {
namespace {

constexpr auto kLockPatience = std::chrono::seconds(5);
constexpr auto kLockPause = std::chrono::milliseconds(20);

auth::Resolved newest_credentials(const auth::Sources& sources, auth::Resolved at_mount) {
  auto resolved = auth::resolve_credentials(sources);
  if (resolved) return *std::move(resolved);
  spdlog::warn("credentials cannot be read again, those of the mount are used: {}", resolved.error().context);
  return at_mount;
}

vfs::Options view_options(const WorkerTask& task, const Endpoint& endpoint) {
  const MountOptions& from = task.options;
  vfs::Options options(system_clock());
  options.endpoint = endpoint.url;
  options.bucket = task.source.bucket;
  options.prefix = task.source.prefix;
  options.metadata_ttl = from.metadata_ttl;
  options.memory = from.memory;
  options.state_directory = task.state_directory;
  options.cache_directory = task.cache_directory;
  options.cache_size = from.cache_size;
  options.read_only = from.read_only;
  options.uid = ::getuid();
  options.gid = ::getgid();
  options.force_uid = from.uid;
  options.force_gid = from.gid;
  options.umask = from.umask;
  options.file_permissions = from.file_mode;
  options.directory_permissions = from.dir_mode;
  return options;
}

// The process before this one may still be dying, its locks with it.
Result<std::unique_ptr<vfs::FileSystem>> open_patiently(const vfs::Options& options,
                                                        const std::shared_ptr<cos::ObjectStore>& store,
                                                        const std::shared_ptr<vfs::OpenTable>& opens,
                                                        vfs::Start start) {
  const auto until = system_clock().steady() + kLockPatience;
  for (;;) {
    auto opened = vfs::FileSystem::open(options, store, opens, start);
    if (opened || opened.error().fault != Fault::busy || system_clock().steady() > until) return opened;
    (void)sleep_for(kLockPause);
  }
}

}  // namespace

Result<MadeFileSystem> make_filesystem(const WorkerTask& task, WorkerSecrets secrets,
                                       std::shared_ptr<vfs::OpenTable> opens, vfs::Start start) {
  const auth::Sources sources = credential_sources(task.options, std::move(secrets.environment), task.source.bucket);
  const auth::Resolved resolved = newest_credentials(sources, std::move(secrets.resolved));
  PAIL_TRY(const Connection connection,
           connect(task.options, sources, resolved, Patience::serving, task.state_directory / "dialect"));
  const auto store = cos::open_bucket(*connection.store, task.source.bucket);
  const vfs::Options options = view_options(task, connection.endpoint);
  MadeFileSystem made;
  PAIL_TRY(made.files, open_patiently(options, store, std::move(opens), start));
  if (start == vfs::Start::fresh) {
    made.siblings = sweep_left_siblings(task.state_directory, [options, store](const std::filesystem::path& directory) {
      vfs::Options sibling = options;
      sibling.state_directory = directory;
      sibling.cache_directory = directory / "cache";
      return vfs::FileSystem::open(sibling, store, vfs::make_local_open_table(), vfs::Start::fresh);
    });
    remove_left_caches(task.cache_directory);
  }
  return made;
}

}  // namespace pail::cli
