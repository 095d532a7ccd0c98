#include "base/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <syslog.h>

#include <cerrno>

namespace pail {

void open_log(LogTarget target, std::string_view program) {
  const std::string name(program);
  if (target == LogTarget::syslog) {
    auto logger = spdlog::syslog_logger_mt("pailfs-syslog", name, LOG_PID, LOG_DAEMON);
    logger->set_pattern("%v");
    spdlog::set_default_logger(std::move(logger));
    return;
  }
  auto logger = spdlog::stderr_logger_mt("pailfs-stderr");
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e " + name + "[%P] %l: %v");
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

Result<Unit> set_log_level(std::string_view level) {
  const std::string name(level == "warning" ? "warn" : level);
  const auto parsed = spdlog::level::from_str(name == "error" ? "err" : name);
  if (parsed == spdlog::level::off && name != "off")
    return Error{EINVAL, fmt::format("log level {}: use trace, debug, info, warn, error or off", quote(level))};
  spdlog::set_level(parsed);
  return Unit{};
}

std::string quote(std::string_view untrusted) {
  constexpr std::size_t kKept = 300;
  std::string out = "\"";
  for (const char c : untrusted.substr(0, kKept)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else {
      out += c;
    }
  }
  out += untrusted.size() > kKept ? "\"..." : "\"";
  return out;
}

}  // namespace pail
