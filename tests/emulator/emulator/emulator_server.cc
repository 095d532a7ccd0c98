// The emulator alone, for tests and partners that do not need the command line of pailfs:
//   emulator_server DIR [--listen HOST:PORT] [--credentials FILE] [--bucket NAME]... [--access-log FILE] [--tls]
#include <cstdio>
#include <string>

#include "emulator/emulator.h"

namespace {

// False when the argument is unknown or lacks its value.
bool take(pail::emulator::Options& options, const std::string& name, const std::string& value) {
  if (name == "--listen") {
    const std::size_t colon = value.rfind(':');
    if (colon == std::string::npos) return false;
    options.host = value.substr(0, colon);
    options.port = static_cast<std::uint16_t>(std::stoul(value.substr(colon + 1)));
  } else if (name == "--credentials") {
    options.credentials = value;
  } else if (name == "--bucket") {
    options.buckets.push_back(value);
  } else if (name == "--access-log") {
    options.access_log = value;
  } else {
    return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  pail::emulator::Options options;
  if (argc >= 2) options.directory = argv[1];
  bool understood = argc >= 2;
  for (int i = 2; i < argc && understood; ++i) {
    if (std::string(argv[i]) == "--tls") {
      options.tls = pail::emulator::Tls::generated;
    } else {
      understood = i + 1 < argc && take(options, argv[i], argv[i + 1]);
      ++i;
    }
  }
  if (!understood) {
    std::fputs(
        "usage: emulator_server DIR [--listen HOST:PORT] [--credentials FILE] [--bucket NAME]... "
        "[--access-log FILE] [--tls]\n",
        stderr);
    return 2;
  }
  const auto served = pail::emulator::serve_until_signal(std::move(options));
  if (served) return 0;
  std::fprintf(stderr, "emulator_server: %s\n", served.error().context.c_str());
  return 1;
}
