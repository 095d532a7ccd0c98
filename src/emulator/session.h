// One connection: requests one after the other, from header to answer.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "emulator/head_parser.h"
#include "emulator/service.h"

namespace pail::emulator {

namespace asio = boost::asio;
using PlainStream = asio::ip::tcp::socket;
using TlsStream = asio::ssl::stream<asio::ip::tcp::socket>;

// Lives as long as one of its handlers is waiting. All handlers run in one strand.
template <class Stream>
class Session : public std::enable_shared_from_this<Session<Stream>> {
 public:
  Session(Stream stream, State& state, asio::thread_pool& slow);
  ~Session() { --state_.connections; }
  void start();

 private:
  static constexpr bool kPlain = std::is_same_v<Stream, PlainStream>;
  using Clock = std::chrono::steady_clock;
  using Next = void (Session::*)();

  void next_request();
  void read_header();
  void take_header(std::size_t size);
  void on_header();
  void refuse_header(int status, std::string_view code, std::string_view message);
  Request make_request();
  std::size_t body_buffer() const;
  void read_body();
  void on_body_ended();
  void read_chunked_body();
  bool take_body(std::size_t size);
  void after_body();
  void carry_out();
  void answer();
  void send_head();
  void on_sent(boost::system::error_code failed, std::size_t size);
  bool load_payload();
  void send_body();
  void strike();
  std::size_t next_size(std::size_t most) const;
  void advance_piece(std::size_t size);
  void send_from_file();
  void send_from_buffer();
  void after_answer();
  void log_if_last(std::size_t size);
  void log_request(std::uint64_t bytes_out);

  // Waits for `delay` and goes on with `next`.
  void wait(Clock::duration delay, Next next);
  // Notes `bytes` as moved and waits until the bandwidth allows them.
  void pace(std::size_t bytes, Next next);
  // Silence until the client goes away, or for the fault's time and then `next`.
  void stall(Next next);

  // Gives the connection up when the client does not do its part within this time.
  void expect_within(Clock::duration limit);
  void nothing_expected();
  // The same for a body that moves: asks for 4 KiB more of `moved` bytes each time.
  void expect_progress();
  void note_progress(std::uint64_t moved);
  // A condition for asio that notes progress from `moved` bytes on, and goes on until all are through.
  auto all_with_progress(std::uint64_t moved);
  template <class Buffers>
  void write_all(const Buffers& buffers, std::size_t size_of_body);

  void reset_connection();
  void close();
  // Lets the client read the answer although it has not sent all: closing at once would be a reset.
  void linger();
  asio::ip::tcp::socket& socket();

  const FaultRule* fault(FaultKind kind) const { return fault_ && fault_->kind == kind ? &*fault_ : nullptr; }
  bool fault_is_for_request_body() const;
  void corrupt(std::span<std::byte> bytes, std::uint64_t at);

  Stream stream_;
  State& state_;
  asio::thread_pool& slow_;
  asio::steady_timer timer_;     // of the server's own pauses
  asio::steady_timer deadline_;  // of the client's part; far away when there is none
  bool gave_up_ = false;         // the deadline passed
  std::uint64_t progress_ = 0;   // bytes of the body when the deadline was last moved
  asio::ip::address peer_;
  boost::beast::flat_buffer input_;
  ByteBudget::Share unproven_;
  std::optional<HeadParser> parser_;
  Clock::time_point free_at_{};  // when the bandwidth allows the next byte

  // The request at hand.
  std::unique_ptr<Exchange> exchange_;
  std::optional<FaultRule> fault_;
  bool keep_alive_ = true;
  bool unread_ = false;                       // the client may be sending what nobody will read
  std::optional<ChunkDecoder> outer_chunks_;  // Transfer-Encoding: chunked
  std::uint64_t body_left_ = 0;
  std::uint64_t bytes_in_ = 0;
  std::vector<std::byte> buffer_;

  // The answer at hand.
  std::optional<Response> response_;
  std::string head_;
  std::uint64_t sent_ = 0, body_size_ = 0;  // bytes of the body
  std::uint64_t send_limit_ = 0;            // bytes of the body to send before a fault strikes
  bool stalled_ = false, logged_ = false;
  std::size_t piece_ = 0;
  UniqueFd piece_fd_;
};

extern template class Session<PlainStream>;
extern template class Session<TlsStream>;

}  // namespace pail::emulator
