// An HTTP server of a few lines for tests: it does what a script says, also what no honest server does.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "base/unique_fd.h"

namespace pail::test {

struct TinyRequest {
  std::string head;  // request line and fields as they came
  std::string body;
  std::string target() const;
};

// One connection, used by one thread of the server.
class TinyConnection {
 public:
  explicit TinyConnection(int fd) : fd_(fd) {}

  std::optional<std::string> read_head();     // none when the client has gone
  std::optional<TinyRequest> read_request();  // with the body that Content-Length announces
  void send(std::string_view bytes);
  void reply(int status, std::string_view body, std::string_view more_fields = "");
  void wait_until_closed();  // by the client or the end of the server
  void reset();              // closes with RST
  int fd() const { return fd_; }

 private:
  bool fill();
  const int fd_;
  std::string buffer_;
};

// Listens on a free port of 127.0.0.1. Each connection is served by `script` in a thread of its own, then closed.
class TinyServer {
 public:
  using Script = std::function<void(TinyConnection&, int number)>;  // number: of the connection, from 1

  explicit TinyServer(Script script);
  ~TinyServer();

  std::string url(std::string_view path = "/") const;
  unsigned port() const { return port_; }
  int connections() const PAIL_EXCLUDES(mutex_);
  int most_at_once() const PAIL_EXCLUDES(mutex_);
  // Counts something for a test to wait for.
  void note(const std::string& what) PAIL_EXCLUDES(mutex_);
  int noted(const std::string& what) const PAIL_EXCLUDES(mutex_);
  bool wait_for(const std::string& what, int count = 1) PAIL_EXCLUDES(mutex_);  // false after 20 s

 private:
  void accept_all();

  const Script script_;
  unsigned port_ = 0;
  UniqueFd listener_;
  mutable Mutex mutex_;
  CondVar changed_;
  bool stopping_ PAIL_GUARDED_BY(mutex_) = false;
  int connections_ PAIL_GUARDED_BY(mutex_) = 0;
  int open_ PAIL_GUARDED_BY(mutex_) = 0;
  int most_ PAIL_GUARDED_BY(mutex_) = 0;
  std::list<int> fds_ PAIL_GUARDED_BY(mutex_);
  std::map<std::string, int> notes_ PAIL_GUARDED_BY(mutex_);
  std::list<std::thread> threads_;  // of the accepting thread, until it is joined
  std::thread acceptor_;
};

// A port that nobody listens on, as far as one can know.
unsigned free_port();

}  // namespace pail::test
