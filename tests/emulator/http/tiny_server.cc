#include "tiny_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>

namespace pail::test {
namespace {

UniqueFd listen_on_loopback(unsigned& port) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(fd.get(), 128) != 0 ||
      getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
    std::abort();
  port = ntohs(address.sin_port);
  return fd;
}

std::size_t content_length(const std::string& head) {
  std::string lower = head;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::size_t at = lower.find("\r\ncontent-length:");
  return at == std::string::npos ? 0 : std::strtoull(lower.c_str() + at + 17, nullptr, 10);
}

}  // namespace

unsigned free_port() {
  unsigned port = 0;
  listen_on_loopback(port);
  return port;
}

std::string TinyRequest::target() const {
  const std::size_t begin = head.find(' ') + 1;
  return head.substr(begin, head.find(' ', begin) - begin);
}

bool TinyConnection::fill() {
  char piece[16384];
  const ssize_t got = recv(fd_, piece, sizeof piece, 0);
  if (got <= 0) return false;
  buffer_.append(piece, static_cast<std::size_t>(got));
  return true;
}

std::optional<std::string> TinyConnection::read_head() {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos)
    if (!fill()) return std::nullopt;
  std::string head = buffer_.substr(0, end + 4);
  buffer_.erase(0, end + 4);
  return head;
}

std::optional<TinyRequest> TinyConnection::read_request() {
  auto head = read_head();
  if (!head) return std::nullopt;
  const std::size_t size = content_length(*head);
  while (buffer_.size() < size)
    if (!fill()) return std::nullopt;
  TinyRequest request{std::move(*head), buffer_.substr(0, size)};
  buffer_.erase(0, size);
  return request;
}

void TinyConnection::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
}

void TinyConnection::reply(int status, std::string_view body, std::string_view more_fields) {
  std::string text = "HTTP/1.1 " + std::to_string(status) + " Text\r\nContent-Length: " + std::to_string(body.size());
  text.append("\r\n").append(more_fields).append("\r\n").append(body);
  send(text);
}

void TinyConnection::wait_until_closed() {
  while (fill()) buffer_.clear();
}

void TinyConnection::reset() {
  const linger now{1, 0};
  setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

TinyServer::TinyServer(Script script) : script_(std::move(script)), listener_(listen_on_loopback(port_)) {
  acceptor_ = std::thread([this] { accept_all(); });
}

TinyServer::~TinyServer() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    for (const int fd : fds_) shutdown(fd, SHUT_RDWR);
    changed_.notify_all();
  }
  shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  for (std::thread& thread : threads_) thread.join();
}

void TinyServer::accept_all() {
  for (;;) {
    const int fd = accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const MutexLock lock(mutex_);
    if (stopping_) {
      close(fd);
      return;
    }
    fds_.push_back(fd);
    most_ = std::max(most_, ++open_);
    threads_.emplace_back([this, fd, number = ++connections_] {
      TinyConnection connection(fd);
      script_(connection, number);
      const MutexLock closing(mutex_);
      fds_.remove(fd);
      close(fd);
      --open_;
    });
  }
}

std::string TinyServer::url(std::string_view path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + std::string(path);
}

int TinyServer::connections() const {
  const MutexLock lock(mutex_);
  return connections_;
}

int TinyServer::most_at_once() const {
  const MutexLock lock(mutex_);
  return most_;
}

void TinyServer::note(const std::string& what) {
  const MutexLock lock(mutex_);
  ++notes_[what];
  changed_.notify_all();
}

int TinyServer::noted(const std::string& what) const {
  const MutexLock lock(mutex_);
  const auto found = notes_.find(what);
  return found == notes_.end() ? 0 : found->second;
}

bool TinyServer::wait_for(const std::string& what, int count) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  const MutexLock lock(mutex_);
  while (notes_[what] < count && !stopping_)
    if (!changed_.wait_until(mutex_, until)) break;
  return notes_[what] >= count;
}

}  // namespace pail::test
