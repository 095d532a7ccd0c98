#include "wire.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "emulator/request.h"

namespace pail::emulator {

std::string WireAnswer::code() const {
  const std::size_t at = body.find("<Code>");
  if (at == std::string::npos) return {};
  return body.substr(at + 6, body.find("</Code>", at) - at - 6);
}

Wire::Wire(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const timeval patience{20, 0};
  setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0) << errno;
}

bool Wire::send(const std::string& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t n = ::send(fd_.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += static_cast<std::size_t>(n);
  }
  return true;
}

bool Wire::fill() {
  char piece[65536];
  const ssize_t n = ::recv(fd_.get(), piece, sizeof piece, 0);
  if (n > 0) buffer_.append(piece, static_cast<std::size_t>(n));
  return n > 0;
}

WireAnswer Wire::receive(const std::string& method) {
  WireAnswer out;
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
    if (!fill()) return out;
  std::string head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  out.status = std::stoi(head.substr(9, 3));
  head.erase(0, head.find("\r\n") + 2);
  while (!head.empty()) {
    const std::string line = head.substr(0, head.find("\r\n"));
    head.erase(0, line.size() + 2);
    out.headers[lower_case(line.substr(0, line.find(':')))] = line.substr(line.find(':') + 2);
  }
  const bool bare = method == "HEAD" || out.status == 204 || out.status == 304 || out.status == 100;
  const std::size_t size = bare ? 0 : std::stoul(out.headers["content-length"]);
  while (buffer_.size() < size && fill()) {
  }
  out.whole = buffer_.size() >= size;
  out.body = buffer_.substr(0, size);
  buffer_.erase(0, out.body.size());
  return out;
}

bool Wire::ends_with_reset() {
  while (fill()) {
  }
  return errno == ECONNRESET;
}

bool Wire::ends() {
  errno = 0;
  while (fill()) {
  }
  return errno == 0;
}

Serving::Serving(Options options) {
  char name[] = "/tmp/pailfs-emulator-XXXXXX";
  directory_ = mkdtemp(name);
  options.directory = directory_ / "store";
  const Tls tls = options.tls;
  if (options.buckets.empty()) options.buckets = {"bucket"};
  auto started = Emulator::start(std::move(options));
  if (!started) {
    ADD_FAILURE() << started.error().context;
    abort();
  }
  emulator_ = *std::move(started);
  if (tls == Tls::off) token_ = fetch_token();
}

Serving::~Serving() {
  emulator_.reset();
  std::filesystem::remove_all(directory_);
}

std::string Serving::fetch_token() {
  token_.clear();
  const std::string form = "grant_type=urn:ibm:params:oauth:grant-type:apikey&apikey=" +
                           std::string(emulator_->credentials().api_key.reveal());
  const WireAnswer answer = ask("POST", "/identity/token", form);
  const std::string name = "\"access_token\":\"";
  const std::size_t at = answer.body.find(name);
  if (at == std::string::npos) return {};
  const std::size_t begin = at + name.size();
  token_ = answer.body.substr(begin, answer.body.find('"', begin) - begin);
  return token_;
}

std::string Serving::text(const std::string& method, const std::string& target, const std::string& body,
                          const std::vector<std::string>& headers) {
  std::string out = method + " " + target + " HTTP/1.1\r\n";
  bool host = false, chunked = false;
  for (const std::string& line : headers) {
    out += line + "\r\n";
    host = host || line.starts_with("Host:");
    chunked = chunked || line.starts_with("Transfer-Encoding:");
  }
  if (!host) out += "Host: 127.0.0.1\r\n";
  if (!token_.empty()) out += "Authorization: Bearer " + token_ + "\r\n";
  if (!chunked) out += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return out + "\r\n" + body;
}

WireAnswer Serving::ask(const std::string& method, const std::string& target, const std::string& body,
                        const std::vector<std::string>& headers) {
  Wire wire(emulator_->port());
  wire.send(text(method, target, body, headers));
  return wire.receive(method);
}

bool Serving::await_requests(const std::string& operation, std::uint64_t count) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (emulator_->counters()[operation].requests < count) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace pail::emulator
