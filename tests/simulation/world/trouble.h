// What may go wrong with one request.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "simulation/seeded_random.h"
#include "simulation/world/message.h"

namespace pail::simulation {

enum class Trouble : std::uint8_t {
  none,
  no_listener,      // ECONNREFUSED
  no_way,           // EHOSTUNREACH
  broken_before,    // the connection breaks before the request is carried out,
  broken_after,     // or after it: the answer is lost
  silent_before,    // never answered, nor carried out
  silent_after,     // carried out, never answered
  late,             // the connection breaks, and seconds later the request is carried out
  slow_down,        // 503
  slow_down_until,  // the same with Retry-After
  too_many,         // 429
  internal_before,  // 500
  internal_after,   // 500, carried out all the same
  precondition,     // 412 although the condition holds
  conflict,         // 409 although nothing else is under way
  redirect_near,    // 307 to another host of the same store
  redirect_away,    // 307 to a host that is not the store's
  proxy_missing,    // a proxy's 404: a web page, no field of a store
  proxy_denied,     // its 403
  gateway_before,   // its 502
  gateway_after,    // its 502 for an answer that it did not get
  error_inside,     // an <Error> in an answer of status 200
  some_refused,     // some of many keys are not deleted
  cut,              // the body breaks off before its Content-Length
  stalled,          // the body stops, and silence follows
};

// When a troubled request is carried out.
enum class Happens { never, before_answer, late };

// What its client sees.
enum class Seen {
  answer,    // the store's own
  refusal,   // an <Error>
  page,      // a web page
  broken,    // no answer: an errno
  silence,   // no answer at all
  fragment,  // a part of the store's own, then an errno or silence
};

struct TroubleRow {
  Trouble trouble;
  std::string_view name;
  Happens happens;
  Seen seen;
  int number;             // the status, or the errno of what breaks
  std::string_view code;  // of a refusal
};
const TroubleRow& row_of(Trouble trouble);
// Troubled or not, a request like this one can meet it.
bool can_meet(Trouble trouble, const HttpRequest& request);
const std::vector<Trouble>& all_troubles();  // without `none`

// Where requests are sent that believe a redirect away from the store.
inline constexpr std::string_view kForeignHost = "elsewhere.sim";

// What a refusal or a page looks like.
HttpAnswer answer_of(const TroubleRow& row, const HttpRequest& request, WallTime now, std::uint64_t request_number,
                     Random& choices);

}  // namespace pail::simulation
