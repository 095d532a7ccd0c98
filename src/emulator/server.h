// The emulator's HTTP/1.1 server: connections, bodies both ways, pace and faults. Operations are the service's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "emulator/state.h"

namespace pail::emulator {

// Thread-safe.
class Server {
 public:
  // Listens and serves from threads of its own. `state` is borrowed and must outlive the server.
  // Errors: EADDRINUSE, EADDRNOTAVAIL, EACCES, EINVAL (address, certificate).
  static Result<std::unique_ptr<Server>> start(State& state);
  ~Server();
  void stop();
  std::uint16_t port() const;

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Writes a self-signed certificate for localhost, *.localhost, 127.0.0.1 and ::1 and its key, mode 0600, as PEM.
Result<Unit> write_certificate(const std::filesystem::path& certificate, const std::filesystem::path& key);

}  // namespace pail::emulator
