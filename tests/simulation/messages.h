// What a life of the mount and its parent say to each other over a pair of pipes, as values and as bytes.
//
// The child sends any number of messages and then Waiting, which the parent answers with one Go; so at any time one of
// the two runs. Bytes are those of one binary: they are for the two ends of a fork alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pailfs/base/clock.h"
#include "pailfs/base/result.h"
#include "pailfs/http/message.h"
#include "simulation/calls.h"

namespace pail::simulation {

// ---- child to parent ----

struct Answered {
  Answer answer;
};
struct StoreRequest {
  std::uint64_t id = 0;
  std::string method, url;
  http::Headers headers;
  std::string body;
  std::chrono::milliseconds first_byte_deadline{0}, stall_deadline{0};
};
struct StoreCancel {  // nobody waits for the answer any more
  std::uint64_t id = 0;
};
struct LogLine {
  std::string text;
};
struct DiskFailed {  // just now: what is said after it may come of it
  std::string operation;
  int errnum = 0;
  std::string place;  // the path of the file; empty: of the whole disk
};
struct Waiting {                   // nothing runs before the next Go
  SteadyTime now{};                // how far the child's time went
  bool idle = false;               // all its threads wait
  std::optional<SteadyTime> wake;  // where it is idle: when one goes on by itself; none: only an event makes it go on
  std::uint64_t steps = 0, digest = 0;  // of the schedule so far
};
struct Ended {  // the last message
  enum class How : std::uint8_t { in_order, cannot_begin, stuck };
  std::string text;                // why it could not go on; in order: empty
  std::vector<std::string> stays;  // where the bytes of files lie that it could not store, as the user is told
  How how = How::in_order;
};
using FromLife = std::variant<Answered, StoreRequest, StoreCancel, LogLine, DiskFailed, Waiting, Ended>;

// ---- parent to child ----

struct Ask {
  Call call;
};
struct Interrupt {  // the caller was killed
  std::uint64_t unique = 0;
};
struct StoreAnswer {
  std::uint64_t id = 0;
  int status = 0;
  http::Headers headers;
  std::string body;
  int broken = 0;              // errno with which the transfer ends; 0: the whole body comes
  std::uint64_t arriving = 0;  // bytes of the body that come before it breaks
};
struct Unmount {};  // everything is to be stored and the mount to end
struct Explain {    // nothing will happen any more: the child tells what its threads wait for, and ends
  std::string why;
};
using Event = std::variant<Ask, Interrupt, StoreAnswer, Unmount, Explain>;

struct Go {
  SteadyTime now{}, until{};                // the time of the events, and how far the child may run by itself
  std::chrono::nanoseconds wall_offset{0};  // from that time to the calendar's
  std::vector<Event> events;
};

std::string encode(const FromLife& message);
std::string encode(const Go& message);
// Errors: EPROTO these bytes are not one whole message.
Result<FromLife> decode_from_life(std::string_view bytes);
Result<Go> decode_go(std::string_view bytes);

// Messages as frames on a pipe, by system calls of their own: in a child libc's are simulated. A writer whose reader is
// gone gets SIGPIPE unless it ignores that. Errors: ECONNRESET the other end is gone; EPROTO; those of read(2) and
// write(2).
Result<Unit> send(int pipe, const FromLife& message);
Result<Unit> send(int pipe, const Go& message);
Result<FromLife> receive_from_life(int pipe);
Result<Go> receive_go(int pipe);

}  // namespace pail::simulation
