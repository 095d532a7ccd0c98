#include "http/transfer.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/log.h"
#include "pailfs/base/stop.h"

namespace pail::http {
namespace {

// More than any honest server sends; user metadata of an object is a few KiB.
constexpr ByteCount kHeadLimit = 256_KiB;
constexpr std::size_t kHeadFieldLimit = 1000;
// Larger pieces save read() calls of a body; curl's own default is 64 KiB.
constexpr ByteCount kUploadBuffer = 256_KiB;
// A connection that idles longer has usually been dropped by a load balancer on the way.
constexpr long kIdleConnectionSeconds = 55;

SteadyTime now() {
  return system_clock().steady();
}

bool is_token(std::string_view text) {
  static constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

bool is_field_value(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

// The status of "HTTP/1.1 200 OK"; 0 when the line is not one.
int status_of(std::string_view line) {
  const std::size_t space = line.find(' ');
  if (!line.starts_with("HTTP/") || space == std::string_view::npos || line.size() < space + 4) return 0;
  int status = 0;
  for (const char c : line.substr(space + 1, 3)) {
    if (c < '0' || c > '9') return 0;
    status = status * 10 + (c - '0');
  }
  return status;
}

// curl_easy_setopt for a row of options: the first failure is kept.
class OptionSetter {
 public:
  explicit OptionSetter(CURL* easy) : easy_(easy) {}
  template <class T>
  void operator()(CURLoption option, T value) {
    if (code_ == CURLE_OK) code_ = curl_easy_setopt(easy_, option, value);
  }
  CURLcode code() const { return code_; }

 private:
  CURL* easy_;
  CURLcode code_ = CURLE_OK;
};

long as_long(std::chrono::milliseconds duration) {
  return static_cast<long>(std::clamp<std::chrono::milliseconds::rep>(duration.count(), 1, 24LL * 3600 * 1000));
}

}  // namespace

Transfer::Transfer(Request request, std::shared_ptr<ResponseHandler> handler)
    : request_(std::move(request)), handler_(std::move(handler)), queued_(now()) {}

void Transfer::watch(const StopToken& stop, std::function<void()> cancel) {
  if (stop.stop_possible()) on_stop_.emplace(stop, std::move(cancel));
}

Error Transfer::error(int errnum, std::string_view text) const {
  const std::string_view url = request_.url;
  const std::string method = is_token(request_.method) ? request_.method : quote(request_.method);
  return Error{errnum, fmt::format("{} {}: {}", method, quote(url.substr(0, url.find('?'))), text)};
}

Result<Unit> Transfer::parse() {
  PAIL_TRY(url_, parse_url(request_.url));
  origin_ = url_.origin();
  if (!is_token(request_.method)) return Error{EINVAL, fmt::format("HTTP method {}", quote(request_.method))};
  return Unit{};
}

bool Transfer::sends_body() const {
  return request_.body != nullptr || request_.method == "PUT" || request_.method == "POST";
}

Result<Unit> Transfer::build_header_list(const ClientOptions& options) {
  const auto append = [this](const std::string& line) -> Result<Unit> {
    curl_slist* longer = curl_slist_append(header_list_.get(), line.c_str());
    if (longer == nullptr) return error(ENOMEM, "no memory for headers");
    (void)header_list_.release();
    header_list_.reset(longer);
    return Unit{};
  };
  for (const Header& field : request_.headers) {
    if (!is_token(field.name) || !is_field_value(field.value))
      return error(EINVAL, fmt::format("header {} cannot be sent", quote(field.name)));
    if (same_name(field.name, "Content-Length") || same_name(field.name, "Transfer-Encoding")) continue;
    // To curl "Name:" removes a header and "Name;" sends it empty.
    PAIL_CHECK(append(trim(field.value).empty() ? field.name + ";" : field.name + ": " + field.value));
  }
  const bool ask_first = request_.body && request_.body->size() >= options.expect_continue_from;
  if (!request_.headers.contains("Expect")) PAIL_CHECK(append(ask_first ? "Expect: 100-continue" : "Expect:"));
  // Without these curl invents a content type for POST, or none.
  if (!request_.headers.contains("Accept")) PAIL_CHECK(append("Accept: */*"));
  return Unit{};
}

Result<Unit> Transfer::prepare(CurlEasy easy, const ClientOptions& options, SteadyTime time) {
  easy_ = std::move(easy);
  last_progress_ = time;
  if (request_.budget) request_.budget->excuse(time - queued_);
  PAIL_CHECK(build_header_list(options));
  return apply_options(options);
}

Result<Unit> Transfer::apply_options(const ClientOptions& options) {
  OptionSetter set(easy_.get());
  set(CURLOPT_ERRORBUFFER, message_);
  set(CURLOPT_URL, request_.url.c_str());
  set(CURLOPT_PATH_AS_IS, 1L);  // a key may hold "..": it is data
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_FOLLOWLOCATION, 0L);  // a redirect would carry our signature elsewhere
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);  // do not wait for a name server when cancelled
  set(CURLOPT_CONNECTTIMEOUT_MS, as_long(request_.deadlines.connect));
  set(CURLOPT_MAXAGE_CONN, kIdleConnectionSeconds);
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_BUFFERSIZE, static_cast<long>(options.receive_buffer.n));
  set(CURLOPT_USERAGENT, options.user_agent.c_str());
  set(CURLOPT_HTTPHEADER, header_list_.get());
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  if (options.proxy == ProxyUse::none) set(CURLOPT_PROXY, "");

  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  const bool verify = options.verification == TlsVerification::full;
  set(CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
  set(CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
  if (!options.ca_bundle.empty()) {
    set(CURLOPT_CAINFO, options.ca_bundle.c_str());
    set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
  }

  set(CURLOPT_PREREQFUNCTION, &Transfer::prereq_callback);
  set(CURLOPT_PREREQDATA, this);
  set(CURLOPT_HEADERFUNCTION, &Transfer::header_callback);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, &Transfer::write_callback);
  set(CURLOPT_WRITEDATA, this);
  if (sends_body()) {
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request_.body ? request_.body->size().n : 0));
    set(CURLOPT_UPLOAD_BUFFERSIZE, static_cast<long>(kUploadBuffer.n));
    set(CURLOPT_READFUNCTION, &Transfer::read_callback);
    set(CURLOPT_READDATA, this);
    set(CURLOPT_SEEKFUNCTION, &Transfer::seek_callback);
    set(CURLOPT_SEEKDATA, this);
  } else if (request_.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  } else {
    set(CURLOPT_HTTPGET, 1L);
  }
  if (request_.method != "HEAD" && request_.method != "GET") set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  if (set.code() == CURLE_OUT_OF_MEMORY) return error(ENOMEM, "no memory for a transfer");
  if (set.code() != CURLE_OK) return error(EINVAL, curl_easy_strerror(set.code()));
  return Unit{};
}

void Transfer::progress(Phase phase) {
  phase_ = phase;
  last_progress_ = now();
}

int Transfer::prereq_callback(void* self, char*, char*, int, int) {
  auto& transfer = *static_cast<Transfer*>(self);
  // curl sends a request anew by itself when a kept connection ended before the first byte of the answer.
  if (transfer.request_sent_ && transfer.request_.dead_connection == DeadConnection::tell) {
    transfer.own_error_ = transfer.error(ECONNRESET, "the connection ended before an answer came");
    return CURL_PREREQFUNC_ABORT;
  }
  transfer.request_sent_ = true;
  transfer.progress(transfer.sends_body() ? Phase::sending : Phase::awaiting);
  return CURL_PREREQFUNC_OK;
}

std::size_t Transfer::read_callback(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const ByteCount total = transfer.request_.body ? transfer.request_.body->size() : ByteCount{};
  const std::size_t wanted = std::min<std::uint64_t>(size * count, total.n - std::min(total.n, transfer.body_at_.n));
  if (wanted == 0) {
    transfer.progress(Phase::awaiting);
    return 0;
  }
  auto read = transfer.request_.body->read_at(transfer.body_at_, std::as_writable_bytes(std::span(data, wanted)));
  if (!read) {
    transfer.own_error_ = std::move(read).error();
    return CURL_READFUNC_ABORT;
  }
  if (*read == 0 || *read > wanted) {
    transfer.own_error_ = transfer.error(EIO, "the body to send ended before its size");
    return CURL_READFUNC_ABORT;
  }
  transfer.body_at_ = transfer.body_at_ + ByteCount{*read};
  transfer.progress(transfer.body_at_.n == total.n ? Phase::awaiting : Phase::sending);
  return *read;
}

// curl starts a body again when a connection that it reused turns out to be dead.
int Transfer::seek_callback(void* self, curl_off_t offset, int origin) {
  if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_FAIL;
  static_cast<Transfer*>(self)->body_at_ = {static_cast<std::uint64_t>(offset)};
  return CURL_SEEKFUNC_OK;
}

std::size_t Transfer::header_callback(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::size_t length = size * count;
  // An early answer does not end the sending: only a transfer whose body is out waits for more of the response.
  if (transfer.phase_ != Phase::sending) transfer.progress(Phase::receiving);
  return transfer.take_header_line({data, length}) ? length : length + 1;
}

bool Transfer::take_header_line(std::string_view line) {
  if (head_delivered_) return true;  // trailers of a chunked body: nobody asks for them
  head_bytes_ = head_bytes_ + ByteCount{line.size()};
  if (head_bytes_ > kHeadLimit || head_.size() >= kHeadFieldLimit) {
    own_error_ = error(EMSGSIZE, "the response has too many or too long header fields");
    return false;
  }
  const std::string_view text = trim(line);
  if (text.empty()) return deliver_head();
  if (line.starts_with("HTTP/")) {
    head_ = {};
    status_ = status_of(line);
    return true;
  }
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || line.front() == ' ' || line.front() == '\t')
    return true;  // folded or broken lines carry nothing that is needed
  head_.add(std::string(trim(text.substr(0, colon))), std::string(trim(text.substr(colon + 1))));
  return true;
}

bool Transfer::deliver_head() {
  if (status_ >= 100 && status_ < 200) {
    status_ = 0;
    return true;
  }
  if (status_ == 0) {
    own_error_ = error(EPROTO, "the answer has no HTTP status");
    return false;
  }
  head_delivered_ = true;
  if (handler_->on_head(status_, head_)) return true;
  own_error_ = error(ECANCELED, "cancelled");
  return false;
}

std::size_t Transfer::write_callback(char* data, std::size_t size, std::size_t count, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const std::size_t length = size * count;
  if (transfer.phase_ != Phase::sending) transfer.phase_ = Phase::receiving;
  transfer.received_ = transfer.received_ + ByteCount{length};
  const bool refusal = transfer.status_ < 200 || transfer.status_ >= 300;
  if (transfer.request_.budget && !refusal) transfer.request_.budget->received(transfer.received_);
  const bool wanted = transfer.handler_->on_data(std::as_bytes(std::span(data, length)));
  transfer.last_progress_ = now();  // after the handler: its time is not the server's
  if (wanted) return length;
  transfer.own_error_ = transfer.error(ECANCELED, "cancelled");
  return length + 1;
}

std::optional<SteadyTime> Transfer::deadline() const {
  if (phase_ == Phase::connecting) return std::nullopt;
  return request_.budget ? std::min(phase_deadline(), request_.budget->end()) : phase_deadline();
}

SteadyTime Transfer::phase_deadline() const {
  return last_progress_ + (phase_ == Phase::awaiting ? request_.deadlines.first_byte : request_.deadlines.stall);
}

// What curl has handed to the kernel may still be on its way.
std::optional<int> Transfer::unsent_bytes() const {
  curl_socket_t socket = CURL_SOCKET_BAD;
  int unsent = 0;
  const bool known = curl_easy_getinfo(easy_.get(), CURLINFO_ACTIVESOCKET, &socket) == CURLE_OK &&
                     socket != CURL_SOCKET_BAD && ioctl(socket, SIOCOUTQ, &unsent) == 0;
  return known ? std::optional(unsent) : std::nullopt;
}

void Transfer::note_sent() const {
  if (!request_.budget || !request_.body || phase_ == Phase::connecting || phase_ == Phase::receiving) return;
  const std::uint64_t unsent = static_cast<std::uint64_t>(unsent_bytes().value_or(0));
  request_.budget->sent(ByteCount{body_at_.n - std::min(body_at_.n, unsent)});
}

std::optional<Error> Transfer::expire(SteadyTime time) {
  const auto seconds = [](std::chrono::milliseconds d) { return static_cast<double>(d.count()) / 1000.0; };
  if (request_.budget && request_.budget->end() <= time)
    return error(ETIMEDOUT, fmt::format("no progress within the {:g} s of the call ({} bytes sent, {} received)",
                                        seconds(request_.budget->bound()), body_at_.n, received_.n));
  // A shrinking queue is a sign of life.
  const auto unsent = unsent_bytes();
  if (phase_ != Phase::receiving && unsent && *unsent != unsent_ && *unsent > 0) {
    unsent_ = *unsent;
    last_progress_ = time;
    return std::nullopt;
  }
  if (phase_ == Phase::awaiting)
    return error(ETIMEDOUT, fmt::format("no answer within {:g} s", seconds(request_.deadlines.first_byte)));
  return error(ETIMEDOUT, fmt::format("stalled for {:g} s ({} bytes sent, {} received)",
                                      seconds(request_.deadlines.stall), body_at_.n, received_.n));
}

Result<Unit> Transfer::outcome(CURLcode code) const {
  if (own_error_) return *own_error_;
  if (code != CURLE_OK) return describe(code);
  if (!head_delivered_) return error(EPROTO, "the answer has no head");
  return Unit{};
}

Error Transfer::describe(CURLcode code) const {
  const std::string_view text = message_[0] != 0 ? message_ : curl_easy_strerror(code);
  long os_error = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &os_error);
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
      return error(ETIMEDOUT, fmt::format("no connection within {:g} s",
                                          static_cast<double>(request_.deadlines.connect.count()) / 1000.0));
    case CURLE_COULDNT_RESOLVE_HOST:
      return error(EHOSTUNREACH, fmt::format("host name {} is not known", quote(url_.host)));
    case CURLE_COULDNT_RESOLVE_PROXY:
      return error(EHOSTUNREACH, fmt::format("the proxy's host name is not known: {}", quote(text)));
    case CURLE_COULDNT_CONNECT: {
      const int errnum = os_error > 0 ? static_cast<int>(os_error) : ECONNREFUSED;
      return error(errnum, fmt::format("cannot connect to {}: {}", quote(url_.host_header()), std::strerror(errnum)));
    }
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
      return tls_error();
    case CURLE_PARTIAL_FILE:
      return error(ECONNRESET, fmt::format("the body ended after {} bytes, before its length", received_.n));
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_FAIL_REWIND:
      return error(ECONNRESET, fmt::format("the connection broke: {}", quote(text)));
    case CURLE_OUT_OF_MEMORY:
      return error(ENOMEM, "no memory");
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
      return error(EPROTO, fmt::format("the answer is not HTTP/1.1: {}", quote(text)));
    case CURLE_URL_MALFORMAT:
      return error(EINVAL, "malformed URL");
    default:
      return error(EIO, fmt::format("{} (curl error {})", quote(text), static_cast<int>(code)));
  }
}

Error Transfer::tls_error() const {
  const std::string_view text = message_;
  // A connection that breaks during the handshake says nothing about trust; it is worth another attempt.
  for (const std::string_view sign : {"SYSCALL", "reset by peer", "unexpected eof"})
    if (text.find(sign) != std::string_view::npos)
      return error(ECONNRESET, fmt::format("the connection broke during the TLS handshake: {}", quote(text)));
  for (const std::string_view sign : {"certificate", "no alternative", "subject name"})
    if (text.find(sign) != std::string_view::npos)
      return error(
          EPROTO, fmt::format("the TLS certificate of {} is not accepted: {}", quote(url_.host_header()), quote(text)));
  return error(EPROTO, fmt::format("TLS with {} failed: {}", quote(url_.host_header()), quote(text)));
}

void Transfer::finish(Result<Unit> outcome) {
  stage = Stage::done;
  on_stop_.reset();
  const auto handler = std::move(handler_);
  handler->on_done(std::move(outcome));
}

}  // namespace pail::http
