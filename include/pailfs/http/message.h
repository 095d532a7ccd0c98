// What goes over the wire: header fields, a request with a body that can be read again, a response held in memory.
#pragma once

#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pailfs/base/bytes.h"
#include "pailfs/base/lane.h"
#include "pailfs/base/result.h"
#include "pailfs/http/budget.h"

namespace pail::http {

struct Header {
  std::string name, value;
};

// Header fields in the order they were added; names compare without regard to case. One thread at a time.
class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<Header> fields) : fields_(fields) {}

  // The first value of this name. Borrowed until the next change.
  std::optional<std::string_view> find(std::string_view name) const;
  bool contains(std::string_view name) const { return find(name).has_value(); }

  void add(std::string name, std::string value);       // keeps fields of the same name
  void set(std::string_view name, std::string value);  // replaces them all
  void remove(std::string_view name);

  std::vector<Header>::const_iterator begin() const { return fields_.begin(); }
  std::vector<Header>::const_iterator end() const { return fields_.end(); }
  std::size_t size() const { return fields_.size(); }
  bool empty() const { return fields_.empty(); }

 private:
  std::vector<Header> fields_;
};

// True when two header names are the same to HTTP.
bool same_name(std::string_view a, std::string_view b);

// The bytes of a request. They may be read several times, from any offset: a lost connection or a retry starts again.
// Called on a network thread, which serves other transfers too: it must answer from memory or a local file.
class BodySource {
 public:
  virtual ~BodySource() = default;
  virtual ByteCount size() const = 0;  // does not change
  // Copies bytes from `at` on into `out` and returns how many, at least one where `at` is before the end.
  virtual Result<std::size_t> read_at(ByteOffset at, std::span<std::byte> out) = 0;
};

std::shared_ptr<BodySource> body_from_string(std::string bytes);
// The bytes `extent` of an open file. The descriptor is borrowed: it must stay open until on_done().
std::shared_ptr<BodySource> body_from_file(int fd, Extent extent);

// How long nothing may happen before a transfer ends with ETIMEDOUT. There is no limit on a transfer that moves. The
// time that a request waits for one of the connections to its host does not count, nor does it in a Budget.
struct Deadlines {
  std::chrono::milliseconds connect{10'000};     // from leaving the queue to an open connection: name, TCP, TLS
  std::chrono::milliseconds first_byte{60'000};  // from the last byte of the request to the first of the response
  std::chrono::milliseconds stall{20'000};       // without a byte while either body is on its way
};

// A kept connection may turn out dead after a request was written to it, and nobody knows whether the server has read
// it. `send_again`: on a fresh connection, unseen by the caller. `tell`: the transfer ends with ECONNRESET.
enum class DeadConnection { send_again, tell };

struct Request {
  std::string method = "GET";            // upper case
  std::string url;                       // absolute, http or https, percent-encoded; sent as it stands
  Headers headers;                       // Host and Content-Length come from url and body
  std::shared_ptr<BodySource> body;      // null: none (PUT and POST then send a length of 0)
  ByteCount max_response_body = 16_MiB;  // what Client::send() buffers; start() streams without limit
  Deadlines deadlines;
  std::shared_ptr<Budget> budget;  // of the operation this is an attempt of: ends it with ETIMEDOUT; null: none
  DeadConnection dead_connection = DeadConnection::send_again;
  Lane lane = Lane::demand;  // where it waits for a connection
};

struct Response {
  int status = 0;
  Headers headers;
  std::string body;
};

}  // namespace pail::http
