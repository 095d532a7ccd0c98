#include <sys/stat.h>

#include "base/log.h"
#include "base/mutex.h"
#include "pailfs/auth/authorizer.h"
#include "pailfs/base/stop.h"

namespace pail::auth {
namespace {

constexpr std::chrono::seconds kLookEvery{1};

// What changes when a file is edited, replaced, or its mode repaired. A link is followed: a mounted secret is
// exchanged by turning the link.
struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  std::int64_t changed_seconds = 0, changed_nanoseconds = 0;  // of content, mode or name
  bool operator==(const FileIdentity&) const = default;

  static FileIdentity of(const std::filesystem::path& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) return {};
    return {status.st_dev, status.st_ino, status.st_ctim.tv_sec, status.st_ctim.tv_nsec};
  }
};

class ReloadingAuthorizer : public Authorizer {
 public:
  ReloadingAuthorizer(Sources sources, Resolved resolved, std::string region, http::Client& client, const Clock& clock)
      : sources_(std::move(sources)),
        region_(std::move(region)),
        client_(client),
        clock_(clock),
        file_(std::move(resolved.file)),
        seen_(FileIdentity::of(file_)),
        looked_(clock.steady()),
        inner_(make_authorizer(std::move(resolved.credentials), region_, client, clock)) {}

  // What is waited for keeps the authorizer alive that it was asked of: other credentials may come.
  std::optional<Authorization> authorize(http::Request request, const PayloadHash& payload, const StopToken& stop,
                                         std::function<void(Authorization)> later) override {
    (void)reload_if_changed();
    const auto asked = inner();
    return asked->authorize(std::move(request), payload, stop,
                            [asked, later = std::move(later)](Authorization answer) { later(std::move(answer)); });
  }

  std::optional<bool> refresh_after_refusal(std::string_view refused, const StopToken& stop,
                                            std::function<void(bool)> later) override {
    if (reload_if_changed()) return true;
    const auto asked = inner();
    return asked->refresh_after_refusal(refused, stop,
                                        [asked, later = std::move(later)](bool changed) { later(changed); });
  }

  bool note_server_date(WallTime server) override { return inner()->note_server_date(server); }
  std::string describe() const override PAIL_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return file_.empty() ? inner_->describe() : fmt::format("{} from {}", inner_->describe(), quote(file_.string()));
  }
  std::string service_instance_id() const override { return inner()->service_instance_id(); }

 private:
  std::shared_ptr<Authorizer> inner() const PAIL_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return inner_;
  }

  // True when other credentials were taken. The lock is held while small local files are read, once a change.
  bool reload_if_changed() PAIL_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const SteadyTime now = clock_.steady();
    if (file_.empty() || now < looked_ + kLookEvery) return false;
    looked_ = now;
    const FileIdentity present = FileIdentity::of(file_);
    if (present == seen_) return false;
    seen_ = present;
    auto resolved = resolve_credentials(sources_);
    if (!resolved) {
      spdlog::warn("credentials changed on disk but cannot be used, the old ones stay: {}", resolved.error().context);
      return false;
    }
    if (resolved->file != file_) {
      file_ = std::move(resolved->file);
      seen_ = FileIdentity::of(file_);
    }
    inner_ = make_authorizer(std::move(resolved->credentials), region_, client_, clock_);
    spdlog::info("credentials read again: {}", inner_->describe());
    return true;
  }

  const Sources sources_;
  const std::string region_;
  http::Client& client_;
  const Clock& clock_;

  mutable Mutex mutex_;
  std::filesystem::path file_ PAIL_GUARDED_BY(mutex_);
  FileIdentity seen_ PAIL_GUARDED_BY(mutex_);
  SteadyTime looked_ PAIL_GUARDED_BY(mutex_);
  std::shared_ptr<Authorizer> inner_ PAIL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Authorizer> make_reloading_authorizer(Sources sources, Resolved resolved, std::string region,
                                                      http::Client& client, const Clock& clock) {
  return std::make_unique<ReloadingAuthorizer>(std::move(sources), std::move(resolved), std::move(region), client,
                                               clock);
}

}  // namespace pail::auth
