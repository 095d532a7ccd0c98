#include "simulation/others/clients.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

namespace pail::simulation::others {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds kShortestPause = 5ms, kLongestPause = 20s;
constexpr std::chrono::nanoseconds kDuringARequest = 60ms;
constexpr std::uint64_t kMostBytes = 3000;
constexpr std::uint64_t kFirstWrite = std::uint64_t{1} << 60;  // apart from those of programs

cos::ObjectHeaders headers_with(mode_t mode) {
  cos::ObjectHeaders headers;
  headers.metadata.push_back({"mode", fmt::to_string(mode)});
  return headers;
}

}  // namespace

Clients::Clients(std::uint64_t seed, unsigned count, const Programs::Settings& programs, World& world, SteadyTime now)
    : seed_(seed), programs_(programs), world_(world), random_(mixed(seed) ^ 0x07e5), next_(count, now) {}

SteadyTime Clients::next() const {
  return next_.empty() ? World::kNever : *std::ranges::min_element(next_);
}

void Clients::begin(SteadyTime now) {
  for (unsigned client = 0; client < next_.size(); ++client) {
    if (next_[client] > now) continue;
    act(client + 1, random_.percent(85) ? file() : directory(), now);
    next_[client] = now + random_.magnitude(kShortestPause, kLongestPause);
  }
}

void Clients::mount_sent(const HttpRequest& request, SteadyTime now) {
  if (next_.empty() || !random_.percent(6)) return;
  const auto client = static_cast<unsigned>(random_.below(next_.size()) + 1);
  const std::vector<std::string> places = places_of(request);
  std::string key = places.empty() ? std::string() : places[random_.below(places.size())];
  const bool is_directory = key.empty() || key.ends_with('/');
  if (is_directory && random_.percent(80)) key += name();
  act(client, random_.percent(80) ? key : file(), now + random_.between(1us, kDuringARequest));
}

void Clients::act(unsigned client, const std::string& key, SteadyTime at) {
  if (!key.empty()) world_.plan(client, draw(key), at);
}

OtherAction Clients::draw(const std::string& key) {
  const bool is_marker = key.ends_with('/');
  switch (random_.below(10)) {
    case 0:
    case 1:
    case 2:
      return OtherDelete{key};
    case 3:
      return OtherCopy{key, key, headers_with(is_marker ? S_IFDIR | 0750 : S_IFREG | 0640)};
    case 4:
      return is_marker ? OtherCopy{key, directory(), {}} : OtherCopy{file(), key, {}};
    case 5:
      return OtherList{{}, [](const cos::ListPage&) {}};
    default:
      return write(key);
  }
}

OtherWrite Clients::write(const std::string& key) {
  OtherWrite write{key, {}, {}, false};
  if (key.ends_with('/')) return write;
  write.as_upload = random_.one_in(6);
  if (random_.percent(30)) write.headers = headers_with(S_IFREG | 0600);
  const auto before = world_.bucket().look(key);
  const std::uint64_t kind = random_.below(10);
  if (kind == 0) return write;
  if (kind == 1 && before)
    write.bytes = before->content.bytes();
  else
    write.bytes = written_bytes(seed_, kFirstWrite + ++writes_, random_.between(1, kMostBytes));
  return write;
}

// As a key's prefix; empty: the root.
std::string Clients::directory() {
  std::string prefix =
      programs_.own_directories ? fmt::format("p{}/", random_.between(1, programs_.processes)) : std::string();
  for (unsigned level = 1; level < programs_.depth && random_.percent(50); ++level)
    prefix += fmt::format("d{}/", random_.below((programs_.names + 1) / 2));
  return prefix;
}

std::string Clients::file() {
  return directory() + name();
}

// Of a file.
std::string Clients::name() {
  return fmt::format("f{}", random_.below(programs_.names));
}

}  // namespace pail::simulation::others
