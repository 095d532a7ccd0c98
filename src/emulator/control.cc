// The switches of a running emulator, as JSON below /-/control/.
#include <fcntl.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "emulator/state.h"

namespace pail::emulator {

// In the enums' own namespace, where the library looks for them.
NLOHMANN_JSON_SERIALIZE_ENUM(FaultKind, {{FaultKind::status, "status"},
                                         {FaultKind::proxy, "proxy"},
                                         {FaultKind::error_in_ok, "error_in_ok"},
                                         {FaultKind::reset, "reset"},
                                         {FaultKind::stall, "stall"},
                                         {FaultKind::truncate, "truncate"},
                                         {FaultKind::corrupt, "corrupt"}})
NLOHMANN_JSON_SERIALIZE_ENUM(FaultTime, {{FaultTime::before, "before"}, {FaultTime::after, "after"}})

namespace {

using Json = nlohmann::json;

Response json_response(int status, const Json& body) {
  Response out;
  out.status = status;
  out.set("Content-Type", "application/json");
  out.body = body.dump() + "\n";
  return out;
}

Json to_json_rule(const FaultRule& rule) {
  Json out = {{"operations", rule.operations},
              {"bucket", rule.bucket},
              {"key_prefix", rule.key_prefix},
              {"kind", rule.kind},
              {"time", rule.time},
              {"after", rule.after},
              {"times", rule.times},
              {"probability", rule.probability},
              {"seed", rule.seed},
              {"status", rule.status},
              {"code", rule.code},
              {"at_byte", rule.at_byte},
              {"stall_ms", rule.stall_time.count()}};
  if (rule.retry_after_seconds) out["retry_after_seconds"] = *rule.retry_after_seconds;
  return out;
}

// Throws Json's exceptions on wrong types and std::invalid_argument on unknown names.
FaultRule rule_from(const Json& json) {
  FaultRule rule;
  for (const auto& [name, value] : json.items()) {
    if (name == "operations") {
      rule.operations =
          value.is_string() ? std::vector{value.get<std::string>()} : value.get<std::vector<std::string>>();
    } else if (name == "bucket") {
      value.get_to(rule.bucket);
    } else if (name == "key_prefix") {
      value.get_to(rule.key_prefix);
    } else if (name == "kind") {
      value.get_to(rule.kind);
      if (Json(rule.kind) != value) throw std::invalid_argument("unknown kind");
    } else if (name == "time") {
      value.get_to(rule.time);
      if (Json(rule.time) != value) throw std::invalid_argument("unknown time");
    } else if (name == "after") {
      value.get_to(rule.after);
    } else if (name == "times") {
      value.get_to(rule.times);
    } else if (name == "probability") {
      value.get_to(rule.probability);
    } else if (name == "seed") {
      value.get_to(rule.seed);
    } else if (name == "status") {
      value.get_to(rule.status);
    } else if (name == "code") {
      value.get_to(rule.code);
    } else if (name == "at_byte") {
      value.get_to(rule.at_byte);
    } else if (name == "stall_ms") {
      rule.stall_time = std::chrono::milliseconds(value.get<std::int64_t>());
    } else if (name == "retry_after_seconds") {
      rule.retry_after_seconds = value.get<unsigned>();
    } else {
      throw std::invalid_argument("unknown member " + name);
    }
  }
  return rule;
}

Response faults(State& state, const Request& request, const std::string& body) {
  if (request.method == "DELETE") state.faults.clear();
  if (request.method == "POST" || request.method == "PUT") {
    const Json given = Json::parse(body);
    std::vector<FaultRule> rules;
    for (const Json& rule : given.is_array() ? given : Json::array({given})) rules.push_back(rule_from(rule));
    if (request.method == "PUT") state.faults.clear();  // PUT replaces, POST adds
    for (FaultRule& rule : rules) state.faults.add(std::move(rule));
  }
  Json out = Json::array();
  for (const FaultRule& rule : state.faults.rules()) out.push_back(to_json_rule(rule));
  return json_response(200, out);
}

Response counters(State& state, const Request& request) {
  Json out = Json::object();
  for (const auto& [name, count] : state.book.counts()) {
    Json by_status = Json::object();
    for (const auto& [status, requests] : count.by_status) by_status[std::to_string(status)] = requests;
    out[name] = {{"requests", count.requests},
                 {"failures", count.failures},
                 {"bytes_in", count.bytes_in},
                 {"bytes_out", count.bytes_out},
                 {"by_status", by_status}};
  }
  if (request.method == "DELETE") state.book.reset();
  return json_response(200, out);
}

Response clock(State& state, const std::string& body) {
  if (!body.empty()) {
    const auto seconds = Json::parse(body).at("advance_seconds").get<double>();
    state.clock.advance(std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(seconds)));
  }
  return json_response(200, {{"unix_nanoseconds", state.now_ns()}});
}

Response iam(State& state, const std::string& body) {
  const Json given = Json::parse(body);
  if (given.value("revoke_tokens", false)) state.iam->revoke_all();
  if (given.contains("token_lifetime_seconds"))
    state.iam->set_lifetime(std::chrono::seconds(given["token_lifetime_seconds"].get<std::int64_t>()));
  return json_response(200, Json::object());
}

Response link(State& state, const std::string& body) {
  if (!body.empty()) {
    const Json given = Json::parse(body);
    if (given.contains("latency_ms"))
      state.latency_ns = static_cast<std::int64_t>(given["latency_ms"].get<double>() * 1e6);
    if (given.contains("bandwidth")) state.bandwidth = given["bandwidth"].get<std::uint64_t>();
  }
  return json_response(
      200, {{"latency_ms", static_cast<double>(state.latency_ns) / 1e6}, {"bandwidth", state.bandwidth.load()}});
}

// Milliseconds of `name` in `given`, when they are there.
void set_milliseconds(const Json& given, const char* name, std::atomic<std::int64_t>& nanoseconds) {
  if (given.contains(name)) nanoseconds = static_cast<std::int64_t>(given[name].get<double>() * 1e6);
}

Response patience(State& state, const std::string& body) {
  if (!body.empty()) {
    const Json given = Json::parse(body);
    set_milliseconds(given, "header_ms", state.header_patience_ns);
    set_milliseconds(given, "progress_ms", state.progress_patience_ns);
    set_milliseconds(given, "idle_ms", state.idle_patience_ns);
  }
  const auto milliseconds = [](std::int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e6; };
  return json_response(200, {{"header_ms", milliseconds(state.header_patience_ns)},
                             {"progress_ms", milliseconds(state.progress_patience_ns)},
                             {"idle_ms", milliseconds(state.idle_patience_ns)}});
}

}  // namespace

// JSON of the wrong shape throws; it goes no further than this function.
Response control(State& state, const Request& request, const std::string& body) try {
  const std::string_view name = std::string_view(request.path).substr(std::string_view("/-/control/").size());
  if (name == "faults") return faults(state, request, body);
  if (name == "counters") return counters(state, request);
  if (name == "clock") return clock(state, body);
  if (name == "iam") return iam(state, body);
  if (name == "link") return link(state, body);
  if (name == "patience") return patience(state, body);
  return json_response(404, {{"error", "faults, counters, clock, iam, link and patience are there"}});
} catch (const std::exception& error) {
  return json_response(400, {{"error", error.what()}});
}

Result<Unit> AccessBook::open_log(const std::filesystem::path& path) {
  if (path.empty()) return Unit{};
  // May be a terminal or a pipe.
  log_ = UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  return log_.valid() ? Result<Unit>(Unit{}) : errno_error(errno, path.string());
}

void AccessBook::write(const AccessRecord& record, WallTime now) {
  if (log_.valid()) {
    const Json line = {{"time", iso_date(now.time_since_epoch().count())},
                       {"operation", record.operation},
                       {"method", record.method},
                       {"bucket", record.bucket},
                       {"key", record.key},
                       {"status", record.status},
                       {"code", record.code},
                       {"range", record.range},
                       {"bytes_in", record.bytes_in},
                       {"bytes_out", record.bytes_out},
                       {"request_id", record.request_id}};
    // Keys may hold any bytes; JSON holds UTF-8.
    const std::string text = line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
    if (::write(log_.get(), text.data(), text.size()) < 0) log_.reset();
  }
  MutexLock lock(mutex_);
  OperationCount& count = counts_[std::string(record.operation)];
  ++count.requests;
  if (record.status >= 400 || record.status == 0) ++count.failures;
  count.bytes_in += record.bytes_in;
  count.bytes_out += record.bytes_out;
  ++count.by_status[record.status];
}

std::map<std::string, OperationCount> AccessBook::counts() const {
  MutexLock lock(mutex_);
  return counts_;
}

void AccessBook::reset() {
  MutexLock lock(mutex_);
  counts_.clear();
}

}  // namespace pail::emulator
