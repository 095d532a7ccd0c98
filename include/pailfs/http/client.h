// Requests in flight: a pool of keep-alive connections driven by few network threads.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "pailfs/base/bytes.h"
#include "pailfs/base/result.h"
#include "pailfs/base/stop.h"
#include "pailfs/http/message.h"

namespace pail::http {

// Receives one response as it arrives. Called on a network thread, never before start() is entered and never while
// the client holds a lock; what blocks here blocks every other transfer of that thread.
class ResponseHandler {
 public:
  virtual ~ResponseHandler() = default;
  // The final status (never 1xx) and its header fields, once. Returning false ends the transfer with ECANCELED.
  virtual bool on_head(int status, const Headers& headers) = 0;
  // The next bytes of the body, at most 16 KiB, borrowed for this call. Returning false ends the transfer likewise.
  virtual bool on_data(std::span<const std::byte> bytes) = 0;
  // Exactly once and last: a value when the whole body has arrived, whatever the status. Errors: as Client::send().
  virtual void on_done(Result<Unit> outcome) = 0;
};

enum class TlsVerification { full, none };
enum class ProxyUse { from_environment, none };

struct ClientOptions {
  std::string ca_bundle;  // PEM file of trusted authorities; empty: the system's
  TlsVerification verification = TlsVerification::full;
  ProxyUse proxy = ProxyUse::from_environment;  // http_proxy, https_proxy, no_proxy
  unsigned connections_per_host = 64;           // further requests wait their turn, by their lane
  unsigned threads = 1;                         // network threads; a second one pays under TLS load only
  ByteCount receive_buffer = 256_KiB;           // of each busy connection
  ByteCount expect_continue_from{~0ULL};        // bodies of this size wait for "100 Continue"; default never
  std::string user_agent;                       // empty: pailfs/<version>
};

// Thread-safe. Destruction ends all transfers with ECANCELED (their on_done() runs before it returns) and joins.
class Client {
 public:
  // Errors: ENOENT or EACCES `ca_bundle` cannot be read; EINVAL an option makes no sense; ENOMEM.
  static Result<std::unique_ptr<Client>> create(ClientOptions options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Queues a request and returns at once; everything else reaches `handler`, also errors of the request itself.
  // `stop` ends the transfer with ECANCELED wherever it is.
  void start(Request request, std::shared_ptr<ResponseHandler> handler, StopToken stop = {});

  // Sends a request and waits for the whole response, of any status. Not from a network thread (EDEADLK).
  // Errors: ETIMEDOUT a deadline passed; EHOSTUNREACH the host's name is not known or no way leads there;
  // ECONNREFUSED; ECONNRESET the connection broke or the body ended early; EPROTO TLS failed, the certificate is not
  // trusted, or the answer is not HTTP; EMSGSIZE the answer is larger than the request allows; ECANCELED `stop`;
  // EINVAL the request cannot be sent; or what BodySource::read_at() returned.
  Result<Response> send(Request request, StopToken stop = {});

  // True on a thread of this client, where nothing may block.
  bool on_network_thread() const;

 private:
  class Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pail::http
