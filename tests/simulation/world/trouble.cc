#include "simulation/world/trouble.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>

#include "pailfs/http/url.h"
#include "simulation/world/face.h"

namespace pail::simulation {
namespace {

// In the order of their values.
constexpr auto kRows = std::to_array<TroubleRow>({
    {Trouble::none, "none", Happens::before_answer, Seen::answer, 0, ""},
    {Trouble::no_listener, "no_listener", Happens::never, Seen::broken, ECONNREFUSED, ""},
    {Trouble::no_way, "no_way", Happens::never, Seen::broken, EHOSTUNREACH, ""},
    {Trouble::broken_before, "broken_before", Happens::never, Seen::broken, ECONNRESET, ""},
    {Trouble::broken_after, "broken_after", Happens::before_answer, Seen::broken, ECONNRESET, ""},
    {Trouble::silent_before, "silent_before", Happens::never, Seen::silence, ETIMEDOUT, ""},
    {Trouble::silent_after, "silent_after", Happens::before_answer, Seen::silence, ETIMEDOUT, ""},
    {Trouble::late, "late", Happens::late, Seen::broken, ECONNRESET, ""},
    {Trouble::slow_down, "slow_down", Happens::never, Seen::refusal, 503, "SlowDown"},
    {Trouble::slow_down_until, "slow_down_until", Happens::never, Seen::refusal, 503, "SlowDown"},
    {Trouble::too_many, "too_many", Happens::never, Seen::refusal, 429, "TooManyRequests"},
    {Trouble::internal_before, "internal_before", Happens::never, Seen::refusal, 500, "InternalError"},
    {Trouble::internal_after, "internal_after", Happens::before_answer, Seen::refusal, 500, "InternalError"},
    {Trouble::precondition, "precondition", Happens::never, Seen::refusal, 412, "PreconditionFailed"},
    {Trouble::conflict, "conflict", Happens::never, Seen::refusal, 409, "OperationAborted"},
    {Trouble::redirect_near, "redirect_near", Happens::never, Seen::refusal, 307, "TemporaryRedirect"},
    {Trouble::redirect_away, "redirect_away", Happens::never, Seen::refusal, 307, "TemporaryRedirect"},
    {Trouble::proxy_missing, "proxy_missing", Happens::never, Seen::page, 404, ""},
    {Trouble::proxy_denied, "proxy_denied", Happens::never, Seen::page, 403, ""},
    {Trouble::gateway_before, "gateway_before", Happens::never, Seen::page, 502, ""},
    {Trouble::gateway_after, "gateway_after", Happens::before_answer, Seen::page, 502, ""},
    {Trouble::error_inside, "error_inside", Happens::never, Seen::refusal, 200, "InternalError"},
    {Trouble::some_refused, "some_refused", Happens::before_answer, Seen::answer, 0, ""},
    {Trouble::cut, "cut", Happens::before_answer, Seen::fragment, ECONNRESET, ""},
    {Trouble::stalled, "stalled", Happens::before_answer, Seen::fragment, ETIMEDOUT, ""},
});

bool is_redirect(Trouble trouble) {
  return trouble == Trouble::redirect_near || trouble == Trouble::redirect_away;
}

bool may_hold_error(Operation operation) {
  return operation == Operation::copy || operation == Operation::copy_part || operation == Operation::complete_upload;
}

// The same resource at another host.
std::string moved(const std::string& url, const std::string& host, std::string_view path_prefix_left_out = "") {
  const auto begin = url.find("://") + 3;
  const auto end = std::min(url.find('/', begin), url.size());
  return url.substr(0, begin) + host + url.substr(std::min(url.size(), end + path_prefix_left_out.size()));
}

// At a node of the store, or with the bucket in the name of the host.
std::string moved_near(const std::string& url, Random& choices) {
  const auto begin = url.find("://") + 3;
  const std::string host = url.substr(begin, url.find('/', begin) - begin);
  if (choices.one_in(2)) return moved(url, fmt::format("node-{}.{}", 1 + choices.below(9), host));
  const std::string bucket(kBucket);
  return moved(url, bucket + '.' + host, '/' + bucket);
}

HttpAnswer page(const HttpRequest& request, int status, WallTime now) {
  HttpAnswer answer{status, {}, fmt::format("<html><body><h1>{}</h1></body></html>", status)};
  answer.headers.add("Date", http_time(now));
  answer.headers.add("Via", "1.1 proxy.sim");
  answer.headers.add("Content-Type", "text/html");
  answer.headers.add("Content-Length", fmt::to_string(answer.body.size()));
  if (request.method == "HEAD") answer.body.clear();
  return answer;
}

}  // namespace

const TroubleRow& row_of(Trouble trouble) {
  return kRows[static_cast<std::size_t>(trouble)];
}

bool can_meet(Trouble trouble, const HttpRequest& request) {
  const Asked asked = understand(request);
  if (trouble == Trouble::precondition) return has_condition(request);
  if (trouble == Trouble::conflict) return writes(asked.operation);
  if (trouble == Trouble::some_refused) return asked.operation == Operation::remove_many;
  if (trouble == Trouble::error_inside) return may_hold_error(asked.operation);
  const bool moved_already = asked.host.starts_with("node-") || asked.host.starts_with(kBucket);
  return !is_redirect(trouble) || !moved_already;
}

const std::vector<Trouble>& all_troubles() {
  static const std::vector<Trouble> all = [] {
    std::vector<Trouble> troubles;
    for (const TroubleRow& row : kRows)
      if (row.trouble != Trouble::none) troubles.push_back(row.trouble);
    return troubles;
  }();
  return all;
}

HttpAnswer answer_of(const TroubleRow& row, const HttpRequest& request, WallTime now, std::uint64_t request_number,
                     Random& choices) {
  if (row.seen == Seen::page) return page(request, row.number, now);
  HttpAnswer answer = refuse(request, {row.number, std::string(row.code)}, now, request_number);
  if (row.trouble == Trouble::slow_down_until)
    answer.headers.add("Retry-After", fmt::to_string(choices.one_in(10) ? 120 : 1 + choices.below(5)));
  if (row.trouble == Trouble::redirect_near) answer.headers.add("Location", moved_near(request.url, choices));
  if (row.trouble == Trouble::redirect_away)
    answer.headers.add("Location", moved(request.url, std::string(kForeignHost)));
  return answer;
}

}  // namespace pail::simulation
