#include "emulator/server.h"

#include <fmt/format.h>
#include <signal.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cerrno>
#include <exception>
#include <thread>
#include <vector>

#include "base/log.h"
#include "emulator/session.h"

namespace pail::emulator {
namespace {

using asio::ip::tcp;
using boost::system::error_code;

constexpr int kBacklog = 4096;
constexpr unsigned kSlowThreads = 2;
constexpr unsigned kMostConnections = 8192;

Error asio_error(const error_code& failed, std::string_view what) {
  const int errnum = failed.category() == boost::system::system_category() ? failed.value() : EINVAL;
  return Error{errnum, fmt::format("{}: {}", what, failed.message())};
}

}  // namespace

struct Server::Impl {
  explicit Impl(State& shared) : state(shared), slow(kSlowThreads), acceptor(io), retry(io) {}

  Result<Unit> listen();
  Result<Unit> load_certificate();
  void accept();
  void serve(tcp::socket socket);

  State& state;
  asio::io_context io;
  asio::thread_pool slow;
  tcp::acceptor acceptor;
  asio::steady_timer retry;
  std::optional<asio::ssl::context> tls;
  std::vector<std::thread> threads;
  std::uint16_t port = 0;
};

Result<Unit> Server::Impl::listen() {
  error_code failed;
  const std::string where = fmt::format("listen on {}:{}", state.options.host, state.options.port);
  const auto address = asio::ip::make_address(state.options.host, failed);
  if (failed) return Error{EINVAL, where + ": not an IP address"};
  const tcp::endpoint endpoint(address, state.options.port);
  acceptor.open(endpoint.protocol(), failed);
  if (!failed) acceptor.set_option(tcp::acceptor::reuse_address(true), failed);
  if (!failed) acceptor.bind(endpoint, failed);
  if (!failed) acceptor.listen(kBacklog, failed);
  if (failed) return asio_error(failed, where);
  port = acceptor.local_endpoint(failed).port();
  return Unit{};
}

Result<Unit> Server::Impl::load_certificate() {
  if (state.options.tls == Tls::off) return Unit{};
  error_code failed;
  tls.emplace(asio::ssl::context::tls_server);
  tls->set_options(
      asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 | asio::ssl::context::no_tlsv1_1, failed);
  tls->use_certificate_chain_file(state.options.certificate.string(), failed);
  if (failed) return Error{EINVAL, fmt::format("{}: {}", state.options.certificate.string(), failed.message())};
  tls->use_private_key_file(state.options.private_key.string(), asio::ssl::context::pem, failed);
  if (failed) return Error{EINVAL, fmt::format("{}: {}", state.options.private_key.string(), failed.message())};
  return Unit{};
}

void Server::Impl::serve(tcp::socket socket) {
  if (state.connections >= kMostConnections) return;  // closed: strangers shall not fill the memory
  if (tls) {
    std::make_shared<Session<TlsStream>>(TlsStream(std::move(socket), *tls), state, slow)->start();
  } else {
    std::make_shared<Session<PlainStream>>(std::move(socket), state, slow)->start();
  }
}

void Server::Impl::accept() {
  acceptor.async_accept(asio::make_strand(io), [this](error_code failed, tcp::socket socket) {
    if (failed == asio::error::operation_aborted) return;
    if (!failed) {
      serve(std::move(socket));
      return accept();
    }
    // Out of descriptors: those at work will give some back.
    spdlog::warn("emulator: accept: {}", failed.message());
    retry.expires_after(std::chrono::milliseconds(50));
    retry.async_wait([this](error_code stopped) {
      if (!stopped) accept();
    });
  });
}

namespace {

// Serves until the io_context stops. What a handler throws (bad_alloc) ends its connection alone.
void run(asio::io_context& io) {
  for (;;) {
    try {
      io.run();
      return;
    } catch (const std::exception& error) {
      spdlog::error("emulator: a connection was dropped: {}", error.what());
    }
  }
}

// sendfile(2) has no MSG_NOSIGNAL: without this a client that goes away would end the whole program.
void block_sigpipe() {
  sigset_t pipe_only;
  sigemptyset(&pipe_only);
  sigaddset(&pipe_only, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe_only, nullptr);
}

}  // namespace

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() {
  stop();
}

Result<std::unique_ptr<Server>> Server::start(State& state) {
  auto impl = std::make_unique<Impl>(state);
  PAIL_CHECK(impl->load_certificate());
  PAIL_CHECK(impl->listen());
  impl->accept();
  for (unsigned i = 0; i < std::max(state.options.threads, 1u); ++i)
    impl->threads.emplace_back([io = &impl->io] {
      block_sigpipe();
      run(*io);
    });
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

void Server::stop() {
  impl_->io.stop();
  for (std::thread& thread : impl_->threads) thread.join();
  impl_->threads.clear();
  impl_->slow.join();
}

std::uint16_t Server::port() const {
  return impl_->port;
}

}  // namespace pail::emulator
