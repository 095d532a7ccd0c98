#include "cli/doctor_command.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

#include "base/trusted_directory.h"
#include "cli/connect.h"
#include "cli/mount_checks.h"
#include "cli/mount_command.h"
#include "cli/probe.h"
#include "cli/say.h"
#include "cli/view_directory.h"

namespace pail::cli {
namespace {

// Prints findings and remembers whether one was bad.
class Report {
 public:
  void good(std::string_view step, std::string_view text) { print("ok    {}: {}\n", step, text); }
  void note(std::string_view text) { print("      {}\n", text); }
  void warn(std::string_view step, std::string_view text) { print("WARN  {}: {}\n", step, text); }
  void bad(std::string_view step, std::string_view text) {
    print("FAIL  {}: {}\n", step, text);
    failed_ = true;
  }
  int exit_code() const {
    if (unprinted_) return kExitSystem;
    return failed_ ? 1 : 0;
  }

 private:
  template <typename... Words>
  void print(fmt::format_string<Words...> format, Words&&... words) {
    unprinted_ = !print_out(fmt::format(format, std::forward<Words>(words)...)) || unprinted_;
  }

  bool failed_ = false, unprinted_ = false;
};

// Kernels from here on let a new worker process take over a mount (FUSE_NOTIFY_RESEND).
bool kernel_resumes(const utsname& system) {
  int major = 0, minor = 0;
  return std::sscanf(system.release, "%d.%d", &major, &minor) == 2 && (major > 6 || (major == 6 && minor >= 9));
}

void check_kernel(Report& report) {
  utsname system{};
  ::uname(&system);
  if (::access("/dev/fuse", F_OK) != 0)
    report.bad("kernel", "/dev/fuse is missing: load the module fuse, or pass the device into the container");
  else if (::access("/dev/fuse", R_OK | W_OK) != 0)
    report.bad("kernel", "/dev/fuse may not be opened by this user");
  else
    report.good("kernel", fmt::format("{}, /dev/fuse can be opened", system.release));
  if (!kernel_resumes(system))
    report.note("before 6.9: when the process that serves the files dies, the bucket is mounted anew; open files fail");
}

// Indexing programs that walk every mount read the whole bucket's names each night.
void check_updatedb(Report& report) {
  std::ifstream file("/etc/updatedb.conf");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file && text.find("fuse.pailfs") == std::string::npos)
    report.note("updatedb walks mounts: add fuse.pailfs to PRUNEFS in /etc/updatedb.conf");
}

void check_place(Report& report, std::string_view step, const std::filesystem::path& root,
                 const std::optional<std::string>& warning) {
  const auto usable = check_trusted_directory(root);
  if (!usable) return report.bad(step, usable.error().context);
  warning ? report.warn(step, *warning) : report.good(step, root.string());
}

void check_places(Report& report, const MountOptions& options) {
  const auto roots = roots_of(options);
  if (!roots) return report.bad("directories", roots.error().context);
  const auto warning = options.read_only ? std::nullopt : full_disk_warning(roots->state);
  check_place(report, "state", roots->state, warning);
  check_place(report, "cache", roots->cache, {});
}

Result<auth::Resolved> check_credentials(Report& report, const auth::Sources& sources) {
  auto resolved = auth::resolve_credentials(sources);
  if (!resolved) {
    report.bad("credentials", resolved.error().context);
    return resolved;
  }
  report.good("credentials", auth::describe(resolved->credentials));
  for (const std::string& line : resolved->explanation) report.note(line);
  return resolved;
}

void check_bucket(Report& report, const MountOptions& options, const Source& source, auth::Environment environment) {
  const auth::Sources sources = credential_sources(options, std::move(environment), source.bucket);
  const auto resolved = check_credentials(report, sources);
  const auto endpoint = choose_endpoint(options);
  if (!endpoint) return report.bad("endpoint", endpoint.error().context);
  report.good("endpoint", fmt::format("{}, signatures name {}", endpoint->url, endpoint->region));
  if (!resolved || source.bucket.empty()) return;
  const auto probed = probe_in_child(options, sources, *resolved, source);
  if (probed) return report.good("bucket", fmt::format("{} can be listed", render_source(source)));
  report.bad("bucket", probed.error().context);
}

}  // namespace

int run_doctor(const CommandLine& line, auth::Environment environment) {
  Report report;
  MountOptions options;
  for (const std::string& text : line.options)
    if (auto parsed = parse_mount_options(text, options); !parsed) report.bad("options", parsed.error().context);
  Source source;
  if (!line.source.empty()) {
    auto parsed = parse_source(line.source);
    if (parsed)
      source = *std::move(parsed);
    else
      report.bad("bucket", parsed.error().context);
  }
  check_kernel(report);
  check_updatedb(report);
  check_places(report, options);
  check_bucket(report, options, source, std::move(environment));
  return report.exit_code();
}

}  // namespace pail::cli
