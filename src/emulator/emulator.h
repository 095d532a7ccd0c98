// A COS in a directory: `pailfs serve`, and the server that tests run in their own process.
//
//   pail::emulator::Options options;
//   options.directory = dir;
//   options.buckets = {"demo"};
//   auto server = pail::emulator::Emulator::start(options);       // any free port of 127.0.0.1
//   (*server)->url()                                                // "http://127.0.0.1:40123"
//   (*server)->credentials().access_key_id, .secret_access_key      // what it accepts with SigV4 (any region)
//   (*server)->credentials().api_key, (*server)->iam_url()          // or with a token from its own IAM
//   (*server)->add_fault({.operations = {"GetObject"}, .kind = FaultKind::status, .times = 2});
//   (*server)->counters()["PutObject"].requests
//
// Path style and, below the host names of Options::domains, virtual-host style. Unsigned requests get 403.
// The same switches are reached over HTTP, from the same machine only and unsigned, below /-/control/:
//   GET, POST, DELETE faults    rules as JSON (see fault_rule.h), all of them, one more, none
//   GET, DELETE counters        per operation: requests, failures, bytes_in, bytes_out, by_status
//   GET, POST clock             {"advance_seconds": 3600}: tokens expire, dates move
//   POST iam                    {"revoke_tokens": true, "token_lifetime_seconds": 60}
//   POST link                   {"latency_ms": 30, "bandwidth": 100000000}
//   GET, POST patience          {"header_ms": 60000, "progress_ms": 60000, "idle_ms": 120000}
//
// `executable emulator_server DIR [--listen HOST:PORT] [--bucket NAME]...` in the build folder serves alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "emulator/conditions.h"
#include "emulator/fault_rule.h"
#include "pailfs/base/bytes.h"
#include "pailfs/base/clock.h"
#include "pailfs/base/result.h"
#include "pailfs/base/secret.h"

namespace pail::emulator {

enum class Tls { off, generated, given };

// How long the server waits for a client before it gives the connection up. What the server itself
// takes (latency, bandwidth, faults, work) does not count.
struct Patience {
  std::chrono::nanoseconds header = std::chrono::seconds(60);    // for a whole header, from its first byte
  std::chrono::nanoseconds progress = std::chrono::seconds(60);  // for 4 KiB more of a body, either way
  std::chrono::nanoseconds idle = std::chrono::seconds(120);     // between two requests
};

struct Options {
  std::filesystem::path directory;      // made when missing; one server at a time
  std::string host = "127.0.0.1";       // an address, not a name
  std::uint16_t port = 0;               // 0: any that is free
  std::filesystem::path credentials;    // service credential JSON; empty: made as DIR/credentials.json, mode 0600
  std::vector<std::string> buckets;     // created when missing
  std::chrono::nanoseconds latency{0};  // added before each answer
  ByteCount bandwidth{0};               // a second, for each connection; 0: no limit
  std::filesystem::path access_log;     // JSON lines, appended; empty: none
  Tls tls = Tls::off;                   // generated: DIR/tls-certificate.pem, for localhost and 127.0.0.1
  std::filesystem::path certificate, private_key;  // PEM, for Tls::given
  std::vector<std::string> domains = {"localhost"};
  std::string location = "us-south-standard";  // of buckets created without one
  std::chrono::seconds token_lifetime{3600};
  UnmodifiedSinceFailure unmodified_since_failure = UnmodifiedSinceFailure::not_modified_304;
  unsigned threads = 2;
  Patience patience;
};

struct ServiceCredentials {
  Secret api_key;
  std::string access_key_id;
  Secret secret_access_key;
  std::string resource_instance_id;
  std::filesystem::path file;  // where they stand
};

struct OperationCount {
  std::uint64_t requests = 0;
  std::uint64_t failures = 0;  // answers of 400 and above, and connections that a fault cut
  std::uint64_t bytes_in = 0;  // of bodies
  std::uint64_t bytes_out = 0;
  std::map<int, std::uint64_t> by_status;
};

struct State;
class Server;

// Thread-safe. Destruction stops it.
class Emulator {
 public:
  // Errors: EADDRINUSE and the like; EBUSY another emulator serves the directory; EINVAL a bad credentials file.
  static Result<std::unique_ptr<Emulator>> start(Options options);
  ~Emulator();
  Emulator(const Emulator&) = delete;
  Emulator& operator=(const Emulator&) = delete;

  // Closes all connections and joins the threads. What was answered is stored. May be called twice.
  void stop();

  std::string url() const;      // scheme://host:port
  std::string iam_url() const;  // the token endpoint
  std::uint16_t port() const;
  const ServiceCredentials& credentials() const;
  std::filesystem::path certificate_file() const;  // what clients trust; empty without TLS

  void add_fault(FaultRule rule);
  void clear_faults();
  std::map<std::string, OperationCount> counters() const;  // by operation name; absent: never asked
  void reset_counters();
  void advance_clock(std::chrono::nanoseconds by);
  WallTime now() const;
  void revoke_tokens();
  void set_token_lifetime(std::chrono::seconds lifetime);
  void set_link(std::chrono::nanoseconds latency, ByteCount bandwidth_each_second);

 private:
  Emulator();
  std::unique_ptr<State> state_;
  std::unique_ptr<Server> server_;
};

// Serves until SIGINT or SIGTERM. Once ready prints one line with the URL to standard output.
// Call it before other threads start: it blocks those signals. Errors: as Emulator::start().
Result<Unit> serve_until_signal(Options options);

}  // namespace pail::emulator
