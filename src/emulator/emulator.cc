#include "emulator/emulator.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdio>

#include "base/file.h"
#include "emulator/server.h"
#include "emulator/state.h"

namespace pail::emulator {
namespace {

// A thousand connections and the files behind them need more than the usual 1,024 descriptors.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

Result<Unit> prepare_certificate(Options& options) {
  if (options.tls != Tls::generated) return Unit{};
  options.certificate = options.directory / "tls-certificate.pem";
  options.private_key = options.directory / "tls-key.pem";
  std::error_code ignored;
  if (std::filesystem::exists(options.certificate, ignored)) return Unit{};
  return write_certificate(options.certificate, options.private_key);
}

Result<Unit> check_names(const std::vector<std::string>& buckets) {
  for (const std::string& name : buckets)
    if (!valid_bucket_name(name))
      return Error{EINVAL,
                   fmt::format("{}: not a bucket name; it has 3 to 63 of a-z, 0-9, '-' and '.', begins and ends "
                               "with a letter or digit, and looks like no IP address",
                               name)};
  return Unit{};
}

Result<Unit> create_buckets(State& state) {
  for (const std::string& name : state.options.buckets) {
    BucketRecord bucket;
    bucket.created = state.now_ns();
    bucket.location = state.options.location;
    const ApiResult<Unit> created = state.store->create_bucket(name, bucket);
    if (!created && created.error().code != "BucketAlreadyExists")
      return Error{EIO, fmt::format("bucket {}: {}", name, created.error().message)};
  }
  return Unit{};
}

}  // namespace

Emulator::Emulator() = default;
Emulator::~Emulator() {
  stop();
}

Result<std::unique_ptr<Emulator>> Emulator::start(Options options) {
  PAIL_CHECK(check_names(options.buckets));  // before anything is made on the disk
  std::unique_ptr<Emulator> out(new Emulator);
  out->state_ = std::make_unique<State>();
  State& state = *out->state_;
  raise_descriptor_limit();
  PAIL_TRY(state.store, Store::open(options.directory));
  PAIL_TRY(state.credentials, load_credentials(options.directory, options.credentials));
  PAIL_CHECK(prepare_certificate(options));
  state.verifier = std::make_unique<Verifier>(state.credentials.access_key_id, state.credentials.secret_access_key);
  state.iam = std::make_unique<Iam>(state.credentials.api_key, options.token_lifetime);
  state.latency_ns = options.latency.count();
  state.bandwidth = options.bandwidth.n;
  state.header_patience_ns = options.patience.header.count();
  state.progress_patience_ns = options.patience.progress.count();
  state.idle_patience_ns = options.patience.idle.count();
  PAIL_CHECK(state.book.open_log(options.access_log));
  state.options = std::move(options);
  PAIL_CHECK(create_buckets(state));
  PAIL_TRY(out->server_, Server::start(state));
  if (state.options.credentials.empty()) PAIL_CHECK(write_token_endpoint(state.credentials, out->iam_url()));
  return out;
}

void Emulator::stop() {
  if (server_) server_->stop();
}

std::string Emulator::url() const {
  const Options& options = state_->options;
  const bool six = options.host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}", options.tls == Tls::off ? "http" : "https", six ? "[" : "", options.host,
                     six ? "]" : "", server_->port());
}

std::string Emulator::iam_url() const {
  return url() + "/identity/token";
}
std::uint16_t Emulator::port() const {
  return server_->port();
}
const ServiceCredentials& Emulator::credentials() const {
  return state_->credentials;
}
std::filesystem::path Emulator::certificate_file() const {
  return state_->options.certificate;
}
void Emulator::add_fault(FaultRule rule) {
  state_->faults.add(std::move(rule));
}
void Emulator::clear_faults() {
  state_->faults.clear();
}
std::map<std::string, OperationCount> Emulator::counters() const {
  return state_->book.counts();
}
void Emulator::reset_counters() {
  state_->book.reset();
}
void Emulator::advance_clock(std::chrono::nanoseconds by) {
  state_->clock.advance(by);
}
WallTime Emulator::now() const {
  return state_->clock.wall();
}
void Emulator::revoke_tokens() {
  state_->iam->revoke_all();
}
void Emulator::set_token_lifetime(std::chrono::seconds lifetime) {
  state_->iam->set_lifetime(lifetime);
}
void Emulator::set_link(std::chrono::nanoseconds latency, ByteCount bandwidth_each_second) {
  state_->latency_ns = latency.count();
  state_->bandwidth = bandwidth_each_second.n;
}

Result<Unit> serve_until_signal(Options options) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  PAIL_TRY(const std::unique_ptr<Emulator> server, Emulator::start(std::move(options)));
  const std::string line = fmt::format("pailfs serve: listening on {}, credentials in {}\n", server->url(),
                                       server->credentials().file.string());
  std::fputs(line.c_str(), stdout);
  std::fflush(stdout);
  int received = 0;
  sigwait(&signals, &received);
  server->stop();
  return Unit{};
}

}  // namespace pail::emulator
