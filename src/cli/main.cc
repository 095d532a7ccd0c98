// The program: finds out as what it was called, and does that.

#include <spdlog/sinks/stdout_sinks.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/log.h"
#include "cli/command_line.h"
#include "cli/descriptors.h"
#include "cli/doctor_command.h"
#include "cli/mount_command.h"
#include "cli/recover_command.h"
#include "cli/say.h"
#include "cli/serve_command.h"
#include "cli/texts.h"
#include "cli/umount_command.h"
#include "fuse/mount.h"

namespace pail::cli {
namespace {

int run_generate(const std::string& what) {
  const auto text = generated_text(what);
  if (text) return print_out(*text) ? 0 : kExitSystem;
  say("{}", text.error().context);
  return kExitUsage;
}

int run(const CommandLine& line, auth::Environment environment) {
  switch (line.command) {
    case Command::mount:
      return run_mount(line, std::move(environment));
    case Command::umount:
      return run_umount(line);
    case Command::serve:
      return run_serve(line);
    case Command::doctor:
      return run_doctor(line, std::move(environment));
    case Command::recover:
      return run_recover(line, std::move(environment));
    case Command::generate:
      return run_generate(line.what);
  }
  return kExitUsage;
}

int usage_error(const Error& error) {
  say("{}", error.context);
  return kExitUsage;
}

// Until a process opens its log, what it warns of stands beside its own messages.
void log_as_messages() {
  auto logger = std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("pailfs: %l: %v");
  logger->set_level(spdlog::level::warn);
  spdlog::set_default_logger(std::move(logger));
}

int start(const std::vector<std::string>& arguments) {
  fuse::protect_process_memory();
  std::signal(SIGPIPE, SIG_IGN);
  if (fuse::is_worker()) return run_worker_process(arguments);
  log_as_messages();
  auth::Environment environment = auth::capture_environment();
  const std::vector<std::string> own(arguments.begin() + 1, arguments.end());
  if (is_mount_helper(arguments.front()) || is_umount_helper(arguments.front())) {
    const auto line = is_umount_helper(arguments.front()) ? parse_umount_helper(own) : parse_mount_helper(own);
    return line ? run(*line, std::move(environment)) : usage_error(line.error());
  }
  const auto parsed = parse_command_line(own);
  if (!parsed) return usage_error(parsed.error());
  if (const auto* print = std::get_if<Print>(&*parsed)) return print_out(print->text) ? 0 : kExitSystem;
  return run(std::get<CommandLine>(*parsed), std::move(environment));
}

}  // namespace
}  // namespace pail::cli

int main(int argc, char** argv) {
  pail::cli::open_missing_standard_descriptors();
  try {
    std::vector<std::string> arguments(argv, argv + argc);
    if (arguments.empty()) arguments.emplace_back("pailfs");
    return pail::cli::start(arguments);
  } catch (const std::exception& error) {
    pail::cli::say("{}", error.what());
    return pail::cli::kExitSystem;
  }
}
