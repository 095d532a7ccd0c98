// A client of a few lines that shows every byte of HTTP: what a test sends is what the server gets.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "emulator/emulator.h"

namespace pail::emulator {

struct WireAnswer {
  int status = 0;                              // 0: the connection ended before an answer
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  bool whole = false;  // as long as Content-Length says

  std::string code() const;  // of an error document; empty when it is none
};

// One connection. Waits at most 20 seconds for anything.
class Wire {
 public:
  explicit Wire(std::uint16_t port);
  bool send(const std::string& bytes);
  // Reads the next answer. `method` of the request: an answer to HEAD has no body.
  WireAnswer receive(const std::string& method = "GET");
  // Reads until the server ends the connection; true when by a reset.
  bool ends_with_reset();
  // Reads until the server ends the connection in an orderly way; false when it does not.
  bool ends();

 private:
  bool fill();
  UniqueFd fd_;
  std::string buffer_;
};

// An emulator in a directory of its own, and requests with a token of its IAM.
class Serving {
 public:
  explicit Serving(Options options = {});
  ~Serving();
  Emulator& emulator() { return *emulator_; }
  const std::filesystem::path& directory() const { return directory_; }
  std::string fetch_token();
  // The text of a request; `headers` are whole lines without their ends. Adds Host, Authorization and Content-Length.
  std::string text(const std::string& method, const std::string& target, const std::string& body = {},
                   const std::vector<std::string>& headers = {});
  WireAnswer ask(const std::string& method, const std::string& target, const std::string& body = {},
                 const std::vector<std::string>& headers = {});
  // Waits until `count` requests have ended, each by its answer or by a connection that was given up. False after 20 s.
  bool await_requests(const std::string& operation, std::uint64_t count);

 private:
  std::filesystem::path directory_;
  std::unique_ptr<Emulator> emulator_;
  std::string token_;
};

}  // namespace pail::emulator
