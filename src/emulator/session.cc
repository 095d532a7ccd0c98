#include "emulator/session.h"

#include <sys/sendfile.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <cerrno>
#include <cstring>
#include <limits>

#include "base/file.h"
#include "emulator/response_head.h"

namespace pail::emulator {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

constexpr std::size_t kHeaderPiece = 8 * 1024;
constexpr std::size_t kFreeHeader = 16 * 1024;   // more of an incomplete header counts as unproven
constexpr std::size_t kBuffer = 512 * 1024;      // of a body, each way
constexpr std::size_t kSmallBuffer = 16 * 1024;  // of a body that is dropped or whose sender is unknown
constexpr std::uint64_t kLeastProgress = 4 * 1024;
constexpr std::chrono::seconds kLinger(5);
constexpr std::size_t kTogether = 64 * 1024;    // a body up to this goes out in one write with its header
constexpr std::size_t kSendfileTurn = 4 << 20;  // then others have their turn
constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

// The operation is not carried out at all.
bool answers_instead(FaultKind kind) {
  return kind == FaultKind::status || kind == FaultKind::proxy || kind == FaultKind::error_in_ok;
}

Response page_of_a_proxy(int status, std::string_view method) {
  Response page;
  page.status = status;
  page.set("Content-Type", "text/html");
  page.body = "<html><body><h1>The page you look for is not here.</h1></body></html>";
  page.content_length = method == "HEAD" ? std::optional(page.body.size()) : std::nullopt;
  if (method == "HEAD") page.body.clear();
  return page;
}

}  // namespace

template <class Stream>
Session<Stream>::Session(Stream stream, State& state, asio::thread_pool& slow)
    : stream_(std::move(stream)),
      state_(state),
      slow_(slow),
      timer_(stream_.get_executor()),
      deadline_(stream_.get_executor(), Clock::time_point::max()),
      unproven_(state.unproven) {
  ++state_.connections;
  error_code ignored;
  peer_ = socket().remote_endpoint(ignored).address();
  socket().set_option(asio::ip::tcp::no_delay(true), ignored);
}

template <class Stream>
asio::ip::tcp::socket& Session<Stream>::socket() {
  if constexpr (kPlain) {
    return stream_;
  } else {
    return stream_.next_layer();
  }
}

template <class Stream>
void Session<Stream>::start() {
  if constexpr (kPlain) {
    asio::post(stream_.get_executor(), [self = this->shared_from_this()] { self->next_request(); });
  } else {
    expect_within(std::chrono::nanoseconds(state_.header_patience_ns));
    stream_.async_handshake(asio::ssl::stream_base::server, [self = this->shared_from_this()](error_code failed) {
      if (!failed) self->next_request();
    });
  }
}

template <class Stream>
void Session<Stream>::close() {
  error_code ignored;
  socket().shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  socket().close(ignored);
}

template <class Stream>
void Session<Stream>::linger() {
  if (buffer_.empty()) {
    error_code ignored;
    socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    expect_within(kLinger);
    buffer_.resize(kSmallBuffer);
  }
  socket().async_read_some(asio::buffer(buffer_), [self = this->shared_from_this()](error_code failed, std::size_t) {
    failed ? self->close() : self->linger();
  });
}

template <class Stream>
void Session<Stream>::expect_within(Clock::duration limit) {
  gave_up_ = false;
  deadline_.expires_after(limit);
  deadline_.async_wait([weak = this->weak_from_this()](error_code failed) {
    const auto self = weak.lock();
    if (failed || !self || self->deadline_.expiry() > Clock::now()) return;
    self->nothing_expected();
    self->gave_up_ = true;
    error_code ignored;
    self->socket().cancel(ignored);  // whoever is waiting goes on with an error
  });
}

template <class Stream>
void Session<Stream>::nothing_expected() {
  deadline_.expires_at(Clock::time_point::max());
}

template <class Stream>
void Session<Stream>::expect_progress() {
  if (deadline_.expiry() == Clock::time_point::max())
    expect_within(std::chrono::nanoseconds(state_.progress_patience_ns));
}

template <class Stream>
void Session<Stream>::note_progress(std::uint64_t moved) {
  if (moved < progress_ + kLeastProgress) return;
  progress_ = moved;
  expect_within(std::chrono::nanoseconds(state_.progress_patience_ns));
}

template <class Stream>
auto Session<Stream>::all_with_progress(std::uint64_t moved) {
  expect_progress();
  return [self = this->shared_from_this(), moved](error_code failed, std::size_t done) -> std::size_t {
    if (failed) return 0;
    if (done > 0) self->note_progress(moved + done);
    return kBuffer;
  };
}

// Sends buffers of which `size_of_body` bytes are the answer's body.
template <class Stream>
template <class Buffers>
void Session<Stream>::write_all(const Buffers& buffers, std::size_t size_of_body) {
  asio::async_write(stream_, buffers, all_with_progress(sent_),
                    [self = this->shared_from_this(), size_of_body](error_code failed, std::size_t) {
                      self->on_sent(failed, size_of_body);
                    });
}

template <class Stream>
void Session<Stream>::reset_connection() {
  error_code ignored;
  socket().set_option(asio::socket_base::linger(true, 0), ignored);
  socket().close(ignored);
  log_request(sent_);
}

template <class Stream>
void Session<Stream>::wait(Clock::duration delay, Next next) {
  if (delay <= Clock::duration::zero()) return (this->*next)();
  nothing_expected();
  timer_.expires_after(delay);
  timer_.async_wait([self = this->shared_from_this(), next](error_code failed) {
    if (!failed) ((*self).*next)();
  });
}

template <class Stream>
void Session<Stream>::pace(std::size_t bytes, Next next) {
  const std::uint64_t bandwidth = state_.bandwidth;
  if (bandwidth == 0) return (this->*next)();
  const auto now = Clock::now();
  const double seconds = static_cast<double>(bytes) / static_cast<double>(bandwidth);
  free_at_ =
      std::max(free_at_, now) + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  wait(free_at_ - now, next);
}

template <class Stream>
void Session<Stream>::stall(Next next) {
  if (fault_->stall_time.count() > 0) return wait(fault_->stall_time, next);
  // Data that arrives says that the client lives; the end of it says that it has given up.
  nothing_expected();
  buffer_.resize(1);
  stream_.async_read_some(asio::buffer(buffer_),
                          [self = this->shared_from_this(), next](error_code failed, std::size_t) {
                            if (!failed) return self->stall(next);
                            self->log_request(self->sent_);
                            self->close();
                          });
}

template <class Stream>
void Session<Stream>::next_request() {
  exchange_.reset();
  response_.reset();
  fault_.reset();
  outer_chunks_.reset();
  stalled_ = logged_ = false;
  bytes_in_ = sent_ = progress_ = 0;
  piece_fd_.reset();
  buffer_ = {};
  unproven_.release();
  const bool first = !parser_;
  parser_.emplace();
  if (input_.size() > 0) return take_header(0);  // sent behind the last request
  expect_within(std::chrono::nanoseconds(first ? state_.header_patience_ns : state_.idle_patience_ns));
  read_header();
}

template <class Stream>
void Session<Stream>::read_header() {
  stream_.async_read_some(input_.prepare(kHeaderPiece),
                          [self = this->shared_from_this()](error_code failed, std::size_t size) {
                            if (failed) return self->close();  // it went away, or was silent for too long
                            self->take_header(size);
                          });
}

// Goes on with what is there of a header, to which `size` bytes have just been added.
template <class Stream>
void Session<Stream>::take_header(std::size_t size) {
  const bool begins = input_.size() == 0 || size == 0;
  input_.commit(size);
  if (begins) expect_within(std::chrono::nanoseconds(state_.header_patience_ns));
  error_code failed;
  while (!failed && !parser_->is_header_done()) input_.consume(parser_->put(input_.data(), failed));
  if (!failed) return on_header();
  if (failed == http::error::bad_target)
    return refuse_header(400, "InvalidURI", "The URI of the request could not be read.");
  if (failed == http::error::header_limit)
    return refuse_header(400, "MaxMessageLengthExceeded", "The header of the request is too long.");
  if (failed != http::error::need_more) return refuse_header(400, "BadRequest", "The request could not be read.");
  if (input_.size() > kFreeHeader && !unproven_.grow_to(input_.size()))
    return refuse_header(503, "SlowDown", "Too many requests are being received at once.");
  read_header();
}

template <class Stream>
void Session<Stream>::refuse_header(int status, std::string_view code, std::string_view message) {
  nothing_expected();
  keep_alive_ = false;
  unread_ = true;
  input_ = {};
  unproven_.release();
  exchange_ = std::make_unique<Exchange>(state_, Request{});
  response_ = exchange_->error_response(status, code, message);
  answer();
}

template <class Stream>
Request Session<Stream>::make_request() {
  Request out;
  out.method = parser_->method();
  out.headers = parser_->take_fields();
  out.chunked = parser_->chunked();
  if (const auto length = parser_->content_length()) out.content_length = *length;
  out.from_loopback = peer_.is_loopback();
  return out;
}

template <class Stream>
void Session<Stream>::on_header() {
  nothing_expected();
  Request request = make_request();
  if (input_.capacity() > kFreeHeader) input_.shrink_to_fit();
  const std::string host = request.header_or("host", "");
  keep_alive_ = parser_->keep_alive();
  const bool readable = set_target(request, parser_->target(), host, state_.options.domains);
  const bool expects = lower_case(request.header_or("expect", "")) == "100-continue";
  body_left_ = request.content_length.value_or(0);
  if (request.chunked) outer_chunks_.emplace();

  exchange_ = std::make_unique<Exchange>(state_, std::move(request));
  if (exchange_->authenticated()) unproven_.release();
  const Request& asked = exchange_->request();
  if (!readable) exchange_->refuse({"InvalidURI", "The URI of the request could not be read."});
  if (exchange_->operation().name != "Control")
    fault_ = state_.faults.strike(exchange_->operation().name, asked.bucket, asked.key);
  const bool before = fault_ && fault_->time == FaultTime::before;
  if (before && answers_instead(fault_->kind)) exchange_->refuse({"InternalError", "A fault was asked for."});
  if (before && fault_->kind == FaultKind::reset && (fault_->at_byte == 0)) return reset_connection();

  if (!expects || (body_left_ == 0 && !outer_chunks_)) return read_body();
  if (exchange_->refused()) {  // answer without the body, which the client may or may not send now
    keep_alive_ = false;
    unread_ = true;
    body_left_ = 0;
    outer_chunks_.reset();
    return after_body();
  }
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  expect_progress();
  asio::async_write(stream_, asio::buffer(kContinue.data(), kContinue.size()),
                    [self = this->shared_from_this()](error_code failed, std::size_t) {
                      if (!failed) self->read_body();
                    });
}

template <class Stream>
bool Session<Stream>::fault_is_for_request_body() const {
  return exchange_->operation().body == BodyUse::object || exchange_->operation().body == BodyUse::part;
}

template <class Stream>
void Session<Stream>::corrupt(std::span<std::byte> bytes, std::uint64_t at) {
  if (fault_->at_byte >= at && fault_->at_byte < at + bytes.size()) bytes[fault_->at_byte - at] ^= std::byte{1};
}

// Gives `size` bytes at the front of the buffer to the operation. False when a fault ended the connection.
template <class Stream>
bool Session<Stream>::take_body(std::size_t size) {
  const std::span<std::byte> bytes = std::span(buffer_).first(size);
  if (fault(FaultKind::corrupt) && fault_is_for_request_body()) corrupt(bytes, bytes_in_);
  bytes_in_ += size;
  if (fault(FaultKind::reset) && fault_is_for_request_body() && fault_->time == FaultTime::before &&
      bytes_in_ >= fault_->at_byte) {
    reset_connection();
    return false;
  }
  exchange_->feed(bytes);
  return true;
}

// How much of a body is read at a time: memory is for those who have proven who they are.
template <class Stream>
std::size_t Session<Stream>::body_buffer() const {
  return exchange_->refused() || !exchange_->authenticated() ? kSmallBuffer : kBuffer;
}

// The client went away in the middle of its body, or stopped sending.
template <class Stream>
void Session<Stream>::on_body_ended() {
  if (gave_up_) {
    gave_up_ = false;
    exchange_->refuse({"RequestTimeout", "Your body did not arrive within the time-out period."});
    keep_alive_ = false;
    unread_ = true;
    return after_body();
  }
  log_request(sent_);
  close();
}

template <class Stream>
void Session<Stream>::read_body() {
  if (outer_chunks_) return read_chunked_body();
  if (body_left_ == 0) return after_body();
  const std::size_t want = std::min<std::uint64_t>(body_left_, body_buffer());
  if (buffer_.size() < want) buffer_.resize(want);
  const std::size_t ready = std::min(want, input_.size());
  std::memcpy(buffer_.data(), input_.data().data(), ready);
  input_.consume(ready);
  const auto taken = [self = this->shared_from_this(), want](error_code failed, std::size_t) {
    if (failed) return self->on_body_ended();
    self->body_left_ -= want;
    if (self->take_body(want)) self->pace(want, &Session::read_body);
  };
  if (ready == want) return taken({}, 0);
  asio::async_read(stream_, asio::buffer(buffer_.data() + ready, want - ready), all_with_progress(bytes_in_ + ready),
                   taken);
}

template <class Stream>
void Session<Stream>::read_chunked_body() {
  buffer_.resize(body_buffer());
  const auto taken = [self = this->shared_from_this()](error_code failed, std::size_t got) {
    if (failed) return self->on_body_ended();
    Session& s = *self;
    s.note_progress(s.bytes_in_ + got);
    bool alive = true;
    std::vector<std::byte> framed(s.buffer_.begin(), s.buffer_.begin() + static_cast<std::ptrdiff_t>(got));
    const auto used = s.outer_chunks_->feed(framed, [&](std::span<const std::byte> data) -> ApiResult<Unit> {
      std::copy(data.begin(), data.end(), s.buffer_.begin());
      if (alive) alive = s.take_body(data.size());
      return Unit{};
    });
    if (!alive) return;
    if (!used) {
      s.exchange_->refuse(used.error());
      s.keep_alive_ = false;
      s.unread_ = true;
      return s.after_body();
    }
    if (s.outer_chunks_->done()) {
      // What follows the last chunk is the next request, in front of what is already waiting.
      const auto rest = std::span(framed).subspan(*used);
      boost::beast::flat_buffer next;
      asio::buffer_copy(next.prepare(rest.size() + s.input_.size()),
                        std::array{asio::const_buffer(rest.data(), rest.size()), asio::const_buffer(s.input_.data())});
      next.commit(rest.size() + s.input_.size());
      s.input_ = std::move(next);
      return s.after_body();
    }
    s.pace(got, &Session::read_body);
  };
  if (const std::size_t ready = std::min(input_.size(), buffer_.size()); ready > 0) {
    std::memcpy(buffer_.data(), input_.data().data(), ready);
    input_.consume(ready);
    return taken({}, ready);
  }
  expect_progress();
  stream_.async_read_some(asio::buffer(buffer_), taken);
}

template <class Stream>
void Session<Stream>::after_body() {
  nothing_expected();
  progress_ = 0;
  buffer_ = {};
  wait(Clock::duration(
           std::chrono::nanoseconds(exchange_->operation().name == "Control" ? 0 : state_.latency_ns.load())),
       &Session::carry_out);
}

template <class Stream>
void Session<Stream>::carry_out() {
  if (const FaultRule* rule = fault(FaultKind::stall);
      rule != nullptr && rule->time == FaultTime::before && rule->at_byte == 0 && !stalled_) {
    stalled_ = true;
    return stall(&Session::carry_out);
  }
  const auto finish = [self = this->shared_from_this()] {
    self->response_ = self->exchange_->finish();
    if (self->exchange_->operation().cost == Cost::quick) return self->answer();
    asio::post(self->stream_.get_executor(), [self] { self->answer(); });
  };
  if (exchange_->operation().cost == Cost::quick) return finish();
  asio::post(slow_, finish);
}

template <class Stream>
void Session<Stream>::answer() {
  send_limit_ = kNoLimit;
  if (fault_) {
    if (fault_->kind == FaultKind::status || fault_->kind == FaultKind::error_in_ok) {
      const int status = fault_->kind == FaultKind::status ? fault_->status : 200;
      response_ = exchange_->error_response(status, fault_->code, "A fault was asked for.");
      if (fault_->retry_after_seconds) response_->set("Retry-After", std::to_string(*fault_->retry_after_seconds));
    }
    if (fault_->kind == FaultKind::proxy) response_ = page_of_a_proxy(fault_->status, exchange_->request().method);
    // The answer to a request whose body was the target is left alone.
    const bool cuts_body = fault_->kind == FaultKind::reset || fault_->kind == FaultKind::truncate ||
                           (fault_->kind == FaultKind::stall && !stalled_);
    if (cuts_body) send_limit_ = fault_->at_byte;
    if (fault_->kind == FaultKind::reset && (fault_->time == FaultTime::after || fault_is_for_request_body()))
      return reset_connection();
    if (fault_->kind == FaultKind::stall && !stalled_ && send_limit_ == 0) {
      stalled_ = true;
      send_limit_ = kNoLimit;
      return stall(&Session::send_head);
    }
  }
  send_head();
}

// A short body joins its header, so that a small object is one write.
template <class Stream>
void Session<Stream>::send_head() {
  head_ = head_of(*response_, keep_alive_ ? Connection::keep_alive : Connection::close);
  sent_ = 0;
  body_size_ = response_->content_length ? 0 : response_->body_length();
  piece_ = 0;
  if (response_->payload && body_size_ <= kTogether && !load_payload()) return close();
  const bool together = !response_->payload && body_size_ <= std::min<std::uint64_t>(kTogether, send_limit_);
  if (fault(FaultKind::corrupt) && !fault_is_for_request_body())
    corrupt(std::as_writable_bytes(std::span(response_->body)), 0);
  const std::size_t with_head = together ? body_size_ : 0;
  log_if_last(with_head);
  write_all(std::array{asio::buffer(head_), asio::buffer(response_->body.data(), with_head)}, with_head);
}

template <class Stream>
void Session<Stream>::on_sent(error_code failed, std::size_t size) {
  if (failed) {
    log_request(sent_);
    return close();
  }
  sent_ += size;
  pace(size, &Session::send_body);
}

// Moves the pieces of a short payload into the answer's text.
template <class Stream>
bool Session<Stream>::load_payload() {
  for (const Payload::Piece& piece : response_->payload->pieces) {
    const auto fd = response_->payload->pin->open(piece.file);
    const std::size_t at = response_->body.size();
    response_->body.resize(at + piece.length);
    if (!fd) return false;
    const auto got = read_at(fd->get(), {piece.offset}, std::as_writable_bytes(std::span(response_->body).subspan(at)));
    if (!got || *got != piece.length) return false;
  }
  response_->payload.reset();
  return true;
}

template <class Stream>
void Session<Stream>::send_body() {
  if (sent_ == body_size_ && sent_ < send_limit_) return after_answer();
  if (sent_ >= send_limit_) return strike();
  if (!response_->payload) {
    const std::size_t size = std::min<std::uint64_t>({body_size_, send_limit_, sent_ + kBuffer}) - sent_;
    log_if_last(size);
    return write_all(asio::buffer(response_->body.data() + sent_, size), size);
  }
  if (!piece_fd_.valid()) {
    auto fd = response_->payload->pin->open(response_->payload->pieces[piece_].file);
    if (!fd) return on_sent(asio::error::operation_aborted, 0);
    piece_fd_ = *std::move(fd);
  }
  if (kPlain && !fault(FaultKind::corrupt)) return send_from_file();
  send_from_buffer();
}

// The part of the answer's body at which a fault happens is reached.
template <class Stream>
void Session<Stream>::strike() {
  send_limit_ = kNoLimit;
  if (fault(FaultKind::reset)) return reset_connection();
  if (fault(FaultKind::stall)) return stall(&Session::send_body);
  log_request(sent_);
  close();
}

// How much of the current piece to send next.
template <class Stream>
std::size_t Session<Stream>::next_size(std::size_t most) const {
  const std::uint64_t bandwidth = state_.bandwidth;
  if (bandwidth > 0) most = std::clamp<std::uint64_t>(bandwidth / 50, 4096, most);  // 20 ms worth
  return std::min<std::uint64_t>({response_->payload->pieces[piece_].length, send_limit_ - sent_, most});
}

template <class Stream>
void Session<Stream>::advance_piece(std::size_t size) {
  Payload::Piece& piece = response_->payload->pieces[piece_];
  piece.offset += size;
  piece.length -= size;
  if (piece.length > 0) return;
  ++piece_;
  piece_fd_.reset();
}

template <class Stream>
void Session<Stream>::send_from_file() {
  error_code ignored;
  socket().native_non_blocking(true, ignored);
  const std::size_t size = next_size(kSendfileTurn);
  log_if_last(size);
  off_t offset = static_cast<off_t>(response_->payload->pieces[piece_].offset);
  const ssize_t n = ::sendfile(socket().native_handle(), piece_fd_.get(), &offset, size);
  if (n > 0) {
    advance_piece(static_cast<std::size_t>(n));
    sent_ += static_cast<std::uint64_t>(n);
    note_progress(sent_);
    // Through the executor, so that a fast client does not hold the thread, nor the stack grow.
    const auto self = this->shared_from_this();
    asio::post(stream_.get_executor(), [self, n] { self->pace(static_cast<std::size_t>(n), &Session::send_body); });
    return;
  }
  if (n == 0 || (errno != EAGAIN && errno != EINTR)) return on_sent(asio::error::broken_pipe, 0);
  expect_progress();
  socket().async_wait(PlainStream::wait_write,
                      [self = this->shared_from_this()](error_code failed) { self->on_sent(failed, 0); });
}

template <class Stream>
void Session<Stream>::send_from_buffer() {
  const std::size_t size = next_size(kBuffer);
  if (buffer_.size() < size) buffer_.resize(size);
  const std::span<std::byte> bytes = std::span(buffer_).first(size);
  const auto got = read_at(piece_fd_.get(), {response_->payload->pieces[piece_].offset}, bytes);
  if (!got || *got != size) return on_sent(asio::error::broken_pipe, 0);
  if (fault(FaultKind::corrupt)) corrupt(bytes, sent_);
  log_if_last(size);
  advance_piece(size);
  write_all(asio::buffer(bytes.data(), size), size);
}

template <class Stream>
void Session<Stream>::after_answer() {
  log_request(sent_);
  nothing_expected();
  buffer_ = {};
  if (unread_) return linger();
  if (!keep_alive_) return close();
  next_request();
}

// Written down before the client can see the end of the answer: who has it finds its request in the counters.
template <class Stream>
void Session<Stream>::log_if_last(std::size_t size) {
  if (sent_ + size == body_size_) log_request(body_size_);
}

template <class Stream>
void Session<Stream>::log_request(std::uint64_t bytes_out) {
  if (!exchange_ || logged_) return;
  logged_ = true;
  const Request& request = exchange_->request();
  AccessRecord record;
  record.operation = exchange_->operation().name;
  record.method = request.method;
  record.bucket = request.bucket;
  record.key = request.key;
  record.range = request.header_or("range", "");
  record.code = exchange_->error_code();
  record.request_id = exchange_->request_id();
  record.status = response_ ? response_->status : 0;
  record.bytes_in = bytes_in_;
  record.bytes_out = bytes_out;
  if (record.operation != "Control") state_.book.write(record, state_.clock.wall());
}

template class Session<PlainStream>;
template class Session<TlsStream>;

}  // namespace pail::emulator
