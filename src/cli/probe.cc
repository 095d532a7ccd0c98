#include "cli/probe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/thread.h"
#include "base/unique_fd.h"
#include "cli/connect.h"
#include "cos/errors.h"
#include "pailfs/base/stop.h"
#include "pailfs/cos/endpoints.h"
#include "pailfs/http/client.h"

namespace pail::cli {
namespace {

constexpr std::string_view kTls = "https://", kPlain = "http://";
constexpr int kTokenSeconds = kProbeSeconds - 1;  // the rest is for the store, and for the words about it

Error explained(const Error& error, std::string_view explanation) {
  return {error.errnum, fmt::format("{}\n  {}", explanation, error.context), error.fault};
}

// The bucket these credentials can see whose name is closest, none when no other is close.
std::optional<std::string> similar_bucket(cos::Client& store, std::string_view bucket, StopToken stop) {
  const auto page = store.list_buckets(stop);
  if (!page) return std::nullopt;
  std::vector<std::string_view> names;
  for (const cos::BucketInfo& seen : page->buckets)
    if (seen.name != bucket) names.push_back(seen.name);
  const auto nearest = nearest_name(bucket, names);
  return nearest ? std::optional<std::string>(*nearest) : std::nullopt;
}

// The region of a bucket that is not where `url` serves; none when the store does not tell.
std::optional<std::string> other_region(cos::Client& store, std::string_view url, std::string_view bucket,
                                        StopToken stop) {
  const auto code = cos::find_bucket_location(store, bucket, stop);
  if (!code || !*code) return std::nullopt;
  const std::string region = cos::location_of(**code).value_or(**code);
  return cos::location_of_url(url) == region ? std::nullopt : std::optional<std::string>(region);
}

Error explain_missing_bucket(cos::Client& store, std::string_view url, const Source& source, const Error& error,
                             StopToken stop) {
  const std::string& bucket = source.bucket;
  if (const auto region = other_region(store, url, bucket, stop))
    return explained(error, fmt::format("wrong region: bucket {} is in {}, not at {}; mount it with -o region={}",
                                        bucket, quote(*region), url, *region));
  if (error.fault == Fault::redirect)
    return explained(error, fmt::format("wrong region: bucket {} is in another one than {} serves; say so with region= "
                                        "or url=",
                                        bucket, url));
  if (const auto similar = similar_bucket(store, bucket, stop))
    return explained(error, fmt::format("no such bucket: {} at {}; did you mean {}?", bucket, url, quote(*similar)));
  return explained(error, fmt::format("no such bucket: {} at {}; its name is misspelt, or it is in another region than "
                                      "this endpoint serves (region=)",
                                      bucket, url));
}

Error explain_no_right(cos::Client& store, const Source& source, const Error& error, StopToken stop) {
  const std::string place = source.prefix.empty() ? "" : fmt::format(" below {}", quote(source.prefix));
  if (store.head_bucket(source.bucket, stop))
    return explained(error,
                     fmt::format("no right to list: the key may see bucket {} but not list it{}; it needs a role "
                                 "that reads, such as Reader, Writer or Content Reader",
                                 source.bucket, place));
  return explained(
      error, fmt::format("access denied: these credentials give no right to list bucket {}{}, or the bucket belongs "
                         "to somebody else",
                         source.bucket, place));
}

std::string explain_loss(std::string_view url, cos::Loss loss) {
  switch (loss) {
    case cos::Loss::no_way:
      return fmt::format("unreachable: the host of {} has no address, or no way leads there", url);
    case cos::Loss::no_listener:
      return fmt::format("unreachable: nothing listens at {}", url);
    case cos::Loss::silence:
      return fmt::format("unreachable: {} does not answer", url);
    case cos::Loss::no_trust:
      return fmt::format(
          "no trust in {}: its certificate or its TLS is not accepted; where an authority of your own signed it, name "
          "it with ca_bundle=FILE",
          url);
    case cos::Loss::broken:
      break;
  }
  return fmt::format("{} does not answer as an object store should", url);
}

// The status of any answer at all; none: there is none. Nothing secret is sent, so the certificate does not matter.
std::optional<int> status_of_answer(const std::string& url, StopToken stop) {
  http::ClientOptions options;
  options.verification = http::TlsVerification::none;
  options.proxy = http::ProxyUse::none;  // its own answer would say nothing of the port
  const auto client = http::Client::create(std::move(options));
  if (!client) return std::nullopt;
  http::Request request;
  request.method = "HEAD";
  request.url = url + "/";
  request.deadlines.connect = request.deadlines.first_byte = std::chrono::seconds(1);
  const auto answer = (*client)->send(std::move(request), std::move(stop));
  return answer ? std::optional(answer->status) : std::nullopt;
}

// Servers of TLS answer plain HTTP with 400 or a redirect. Where the certificate alone is not trusted, leaving TLS
// would give the data away.
bool serves_without_tls(const std::string& tls_url, const std::string& plain_url, const StopToken& stop) {
  if (status_of_answer(tls_url, stop)) return false;
  const auto status = status_of_answer(plain_url, stop);
  return status && *status != 400 && !cos::is_redirect(*status);
}

// Words about a port that speaks the other protocol than `url` says; none: it does not.
std::optional<std::string> explain_protocol(const std::string& url, const StopToken& stop) {
  const auto other = other_protocol_of(url);
  if (!other) return std::nullopt;
  if (url.starts_with(kPlain))
    return status_of_answer(*other, stop)
               ? std::optional(fmt::format("this port speaks TLS, not plain HTTP; use -o url={}", *other))
               : std::nullopt;
  return serves_without_tls(url, *other, stop)
             ? std::optional(fmt::format("this port speaks plain HTTP, not TLS; use -o url={}", *other))
             : std::nullopt;
}

Error explain_no_store(std::string_view url, const Error& error, const StopToken& stop) {
  const cos::Loss loss = error.fault == Fault::lost ? cos::loss_of(error) : cos::Loss::broken;
  const bool somebody_spoke = loss == cos::Loss::no_trust || loss == cos::Loss::broken;
  const auto other = somebody_spoke ? explain_protocol(std::string(url), stop) : std::nullopt;
  return explained(error, other ? *other : explain_loss(url, loss));
}

Error explain(cos::Client& store, std::string_view url, const Source& source, const Error& error, StopToken stop) {
  switch (error.fault) {
    case Fault::no_bucket:
    case Fault::redirect:
      return explain_missing_bucket(store, url, source, error, stop);
    case Fault::denied:
      return explain_no_right(store, source, error, stop);
    case Fault::unknown_key_id:
      return explained(error, "wrong key: the store does not know this access key id");
    case Fault::wrong_signature:
      return explained(error, "wrong key: the secret access key does not belong to this access key id");
    case Fault::wrong_clock:
      return explained(error, "the clock of this machine is wrong: the store refuses its signatures");
    case Fault::wrong_token:
      return explained(error, "wrong key: its token has expired or is not valid");
    case Fault::credentials:
      return explained(error, "wrong key: these credentials are refused");
    default:
      return explain_no_store(url, error, stop);
  }
}

// What may pass is asked for again until the time is up.
std::string explain_missing_token(const std::string& endpoint, Fault fault) {
  constexpr std::string_view kAdvice = "another one is chosen with -o iam_endpoint=URL";
  if (no_access(fault)) return "wrong key: these credentials are refused";
  if (fault == Fault::stopped)
    return fmt::format("the IAM endpoint {} gave no token within {} seconds; {}", endpoint, kTokenSeconds, kAdvice);
  return fmt::format("the IAM endpoint {} gave no token; {}", endpoint, kAdvice);
}

// Asks to stop when the time is up.
class Alarm {
 public:
  explicit Alarm(std::chrono::seconds time)
      : timer_("pailfs-alarm", [this, time](const StopToken& done) {
          if (sleep_for(time, done)) source_.request_stop();
        }) {}
  StopToken token() const { return source_.token(); }

 private:
  StopSource source_;
  Thread timer_;
};

// What the child sends: the errno, then the text. Nothing at all means success.
void send_outcome(int to, const Result<Unit>& outcome) {
  if (outcome) return;
  const std::string text = fmt::format("{} {}", outcome.error().errnum, outcome.error().context);
  // A pipe takes this much at once, so nothing waits for the reader.
  [[maybe_unused]] const auto written = ::write(to, text.data(), std::min<std::size_t>(text.size(), 4096));
}

Result<Unit> probe_here(const MountOptions& options, const auth::Sources& sources, const auth::Resolved& resolved,
                        const Source& source) {
  PAIL_TRY(const Connection connection, connect(options, sources, resolved, Patience::probing));
  if (const auto* key = std::get_if<auth::IamApiKey>(&resolved.credentials)) {
    const Alarm alarm{std::chrono::seconds(kTokenSeconds)};
    PAIL_CHECK(probe_token(*connection.authorizer, *key, alarm.token()));
  }
  return probe_bucket(*connection.store, connection.endpoint.url, source);
}

// Reads to the end of the pipe, or none when `seconds` pass first.
std::optional<std::string> read_until_closed(int from, int seconds) {
  const auto until = system_clock().steady() + std::chrono::seconds(seconds);
  std::string text;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - system_clock().steady());
    pollfd waiting{.fd = from, .events = POLLIN, .revents = 0};
    if (left.count() <= 0 || ::poll(&waiting, 1, static_cast<int>(left.count())) == 0) return std::nullopt;
    char bytes[4096];
    const ssize_t n = ::read(from, bytes, sizeof bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(bytes, static_cast<std::size_t>(n));
  }
}

Result<Unit> outcome_of(const std::string& text, int status) {
  if (text.empty() && WIFEXITED(status) && WEXITSTATUS(status) == 0) return Unit{};
  const std::size_t space = text.find(' ');
  if (space == std::string::npos) return Error{EIO, "the process that asks the store for the bucket died"};
  const int errnum = std::atoi(text.c_str());
  return Error{errnum > 0 ? errnum : EIO, text.substr(space + 1)};
}

}  // namespace

std::optional<std::string> other_protocol_of(std::string_view url) {
  const bool tls = url.starts_with(kTls);
  const std::string_view place = url.substr((tls ? kTls : kPlain).size());
  if (place.find(':') == std::string_view::npos || place.ends_with(']')) return std::nullopt;
  return fmt::format("{}{}", tls ? kPlain : kTls, place);
}

Result<Unit> probe_token(auth::Authorizer& authorizer, const auth::IamApiKey& key, StopToken stop) {
  http::Request request;
  request.url = key.token_endpoint;
  const auto authorized = authorizer.authorize(request, auth::PayloadHash::empty(), std::move(stop));
  if (authorized) return Unit{};
  const Fault fault = cos::loss_error("", authorized.error()).fault;
  return explained(authorized.error(), explain_missing_token(key.token_endpoint, fault));
}

Result<Unit> probe_bucket(cos::Client& store, std::string_view url, const Source& source, StopToken stop) {
  cos::ListRequest request;
  request.prefix = source.prefix;
  request.delimiter = "/";
  request.max_keys = 1;
  const auto page = store.list_objects(source.bucket, request, stop);
  if (page) return Unit{};
  return explain(store, url, source, page.error(), stop);
}

Result<Unit> probe_in_child(const MountOptions& options, const auth::Sources& sources, const auth::Resolved& resolved,
                            const Source& source) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error(errno, "pipe");
  UniqueFd from(ends[0]), to(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return errno_error(errno, "fork");
  if (child == 0) {
    from.reset();
    send_outcome(to.get(), probe_here(options, sources, resolved, source));
    ::_exit(0);
  }
  to.reset();
  const auto text = read_until_closed(from.get(), kProbeSeconds);
  if (!text) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (text) return outcome_of(*text, status);
  PAIL_TRY(const Endpoint endpoint, choose_endpoint(options));
  return Error{ETIMEDOUT, fmt::format("unreachable: {} did not answer within {} seconds", endpoint.url, kProbeSeconds)};
}

}  // namespace pail::cli
