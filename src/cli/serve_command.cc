#include "cli/serve_command.h"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "cli/say.h"
#include "cli/values.h"
#include "emulator/emulator.h"

namespace pail::cli {
namespace {

constexpr std::uint16_t kDefaultPort = 9000;

Result<Unit> read_listen(std::string_view text, emulator::Options& options) {
  options.port = kDefaultPort;
  if (text.empty()) return Unit{};
  const std::size_t colon = text.rfind(':');
  const std::string_view port = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), options.port);
  std::string_view host = text.substr(0, std::min(colon, text.size()));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (error != std::errc() || end != port.data() + port.size() || host.empty())
    return Error{EINVAL, fmt::format("--listen: {} is not an address; expected HOST:PORT", quote(text))};
  options.host = host == "localhost" ? "127.0.0.1" : std::string(host);
  return Unit{};
}

Result<Unit> read_link(const CommandLine& line, emulator::Options& options) {
  if (!line.latency.empty()) {
    auto latency = parse_duration(line.latency);
    if (!latency) return Error{EINVAL, fmt::format("--latency: {}", latency.error().context)};
    options.latency = *latency;
  }
  if (!line.bandwidth.empty()) {
    auto bandwidth = parse_size(line.bandwidth);
    if (!bandwidth) return Error{EINVAL, fmt::format("--bandwidth: {}", bandwidth.error().context)};
    options.bandwidth = *bandwidth;
  }
  return Unit{};
}

Result<Unit> read_tls(const CommandLine& line, emulator::Options& options) {
  if (line.certificate.empty() != line.private_key.empty())
    return Error{EINVAL, "--certificate and --private-key belong together"};
  options.certificate = line.certificate;
  options.private_key = line.private_key;
  if (line.tls) options.tls = emulator::Tls::generated;
  if (!line.certificate.empty()) options.tls = emulator::Tls::given;
  return Unit{};
}

Result<emulator::Options> read_options(const CommandLine& line) {
  emulator::Options options;
  options.directory = line.directory;
  options.credentials = line.credentials;
  options.buckets = line.buckets;
  options.access_log = line.access_log;
  if (!line.domains.empty()) options.domains = line.domains;
  PAIL_CHECK(read_listen(line.listen, options));
  PAIL_CHECK(read_link(line, options));
  PAIL_CHECK(read_tls(line, options));
  return options;
}

}  // namespace

int run_serve(const CommandLine& line) {
  open_log(LogTarget::stderr_stream, "pailfs-serve");
  auto options = read_options(line);
  const auto served = options ? emulator::serve_until_signal(*std::move(options)) : Result<Unit>(options.error());
  if (served) return 0;
  say("{}", served.error().context);
  return 1;
}

}  // namespace pail::cli
