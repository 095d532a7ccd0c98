#include "cos/dialect.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <span>
#include <utility>

#include "base/file.h"
#include "base/log.h"

namespace pail::cos {
namespace {

constexpr std::string_view kTitle = "pailfs-dialect ";
constexpr std::int64_t kVersion = 1;
constexpr ByteCount kLargestFile = 4_KiB;

struct Row {
  std::string_view name;     // in the file
  std::string_view missing;  // what the log says
  bool loses;                // changes of others may be lost for it
};

// In the order of Ability.
constexpr std::array<Row, kAbilities> kRows{{
    {"put-if-match",
     "If-Match on PUT: a change that others make to an object at the moment at which it is replaced may be overwritten "
     "without a sign",
     true},
    {"put-if-absent",
     "If-None-Match on PUT: of two objects made under one name at the same moment one may be lost without a sign",
     true},
    {"upload-begin", "conditions where a multipart upload begins: that others were faster may show at its end only",
     false},
    {"upload-end",
     "conditions where a multipart upload ends: a change that others make to an object at that moment may be "
     "overwritten without a sign",
     true},
    {"list-v2", "version 2 of listings: version 1 is used", false},
    {"marker-copy", "copies of directory markers: they are written anew", false},
    {"copy-source-match",
     "x-amz-copy-source-if-match: a change that others make to an object at the moment at which it is renamed or gets "
     "new attributes goes with it or is lost, and what was stored in parts is fetched again after that",
     true},
}};

const Row& row_of(Ability ability) {
  return kRows.at(static_cast<std::size_t>(ability));
}

std::string_view word_of(Known known) {
  return known == Known::there ? "there" : "missing";
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Seconds since 1970 that a WallTime can hold.
std::optional<WallTime> time_of(std::string_view text) {
  constexpr std::int64_t kLatest = 9'000'000'000;
  const auto seconds = whole_number(text);
  if (!seconds || *seconds < 0 || *seconds > kLatest) return std::nullopt;
  return WallTime(std::chrono::seconds(*seconds));
}

// Cuts what stands before `mark` off `rest`; none: there is no mark.
std::optional<std::string_view> cut(std::string_view& rest, char mark) {
  const std::size_t at = rest.find(mark);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view before = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  return before;
}

// None: it is no such file, or its first line is cut.
std::optional<std::int64_t> version_of(std::string_view text) {
  const auto title = cut(text, '\n');
  if (!title || !title->starts_with(kTitle)) return std::nullopt;
  return whole_number(title->substr(kTitle.size()));
}

// One byte more than a file of this version can have shows that it is larger.
Result<std::string> read_beginning(const std::filesystem::path& file) {
  PAIL_TRY(const UniqueFd fd, open_file(file, O_RDONLY));
  std::string text(kLargestFile.n + 1, '\0');
  const auto size = read_at(fd.get(), {}, std::as_writable_bytes(std::span(text)));
  if (!size) return Error{size.error().errnum, fmt::format("{}: {}", file.string(), size.error().context)};
  text.resize(*size);
  return text;
}

}  // namespace

Dialect::Dialect(std::string endpoint, std::filesystem::path file, const Clock& clock)
    : endpoint_(std::move(endpoint)), file_(std::move(file)), clock_(clock) {
  if (!file_.empty() && load()) writer_.emplace(1);
}

Known Dialect::known_of(const Fact& fact) const {
  if (fact.proven_here) return clock_.steady() - *fact.proven_here < kValid ? fact.known : Known::unknown;
  const WallTime now = clock_.wall();
  // A date in the future is that of a clock that was wrong, then or now.
  return fact.proven <= now && now - fact.proven < kValid ? fact.known : Known::unknown;
}

Known Dialect::known(Ability ability) const {
  const MutexLock lock(mutex_);
  return known_of(facts_.at(static_cast<std::size_t>(ability)));
}

bool Dialect::take_proof(Ability ability) {
  const MutexLock lock(mutex_);
  Fact& fact = facts_.at(static_cast<std::size_t>(ability));
  const SteadyTime now = clock_.steady();
  if (known_of(fact) != Known::unknown || (fact.next_proof && now < *fact.next_proof)) return false;
  fact.next_proof = now + kProofPause;
  return true;
}

void Dialect::give_back_proof(Ability ability) {
  const MutexLock lock(mutex_);
  facts_.at(static_cast<std::size_t>(ability)).next_proof.reset();
}

void Dialect::seems_missing(Ability ability, std::string_view key) {
  {
    const MutexLock lock(mutex_);
    Fact& fact = facts_.at(static_cast<std::size_t>(ability));
    if (known_of(fact) != Known::unknown || fact.seems_missing_to == key) return;
    if (fact.seems_missing_to.empty()) {
      fact.seems_missing_to = key;
      fact.next_proof.reset();
      return;
    }
    set(fact, Known::missing);
  }
  tell(ability, Known::missing);
}

void Dialect::set(Fact& fact, Known known) {
  fact = {known, std::chrono::floor<std::chrono::seconds>(clock_.wall()), clock_.steady(), std::nullopt, {}};
}

void Dialect::note(Ability ability, Known known) {
  {
    const MutexLock lock(mutex_);
    Fact& fact = facts_.at(static_cast<std::size_t>(ability));
    if (known_of(fact) == known) return;
    set(fact, known);
  }
  tell(ability, known);
}

void Dialect::tell(Ability ability, Known known) {
  if (known == Known::missing) {
    const Row& row = row_of(ability);
    spdlog::log(row.loses ? spdlog::level::warn : spdlog::level::info,
                "the store at {} does not know {}; assumed for {} days", endpoint_, row.missing, kValid.count());
  }
  if (writer_) writer_->run(Lane::background, [this] { save(); });
}

// ---- the file ----

bool Dialect::load() {
  const auto text = read_beginning(file_);
  if (!text && text.error().errnum == ENOENT) return true;
  if (text && version_of(*text) > kVersion) {
    spdlog::info("{}: of a newer version; what the store can is learnt anew and not kept", file_.string());
    return false;
  }
  const auto facts = text && text->size() <= kLargestFile.n ? facts_of(*text) : std::nullopt;
  if (!facts) {
    spdlog::warn("{}; what the store can is learnt anew", text ? file_.string() + ": damaged" : text.error().context);
    return true;
  }
  const MutexLock lock(mutex_);
  facts_ = *facts;
  for (Fact& fact : facts_)
    if (known_of(fact) != Known::unknown) fact.proven_here = clock_.steady() - (clock_.wall() - fact.proven);
  return true;
}

void Dialect::save() {
  if (const auto saved = write_file_atomically(file_, text()); !saved)
    spdlog::warn("what the store can is not kept: {}", saved.error().context);
}

std::string Dialect::text() const {
  std::string text = fmt::format("{}{}\nendpoint {}\n", kTitle, kVersion, endpoint_);
  const MutexLock lock(mutex_);
  for (std::size_t i = 0; i < kAbilities; ++i) {
    const Fact& fact = facts_.at(i);
    if (known_of(fact) == Known::unknown) continue;
    const auto seconds = std::chrono::floor<std::chrono::seconds>(fact.proven).time_since_epoch().count();
    text += fmt::format("{} {} {}\n", kRows.at(i).name, word_of(fact.known), seconds);
  }
  return text + "end\n";
}

std::optional<Dialect::Facts> Dialect::facts_of(std::string_view text) const {
  if (version_of(text) != kVersion) return std::nullopt;
  cut(text, '\n');
  if (cut(text, ' ') != "endpoint") return std::nullopt;
  const auto endpoint = cut(text, '\n');
  Facts facts;
  while (const auto line = cut(text, '\n')) {
    if (*line == "end") return text.empty() ? std::optional(endpoint == endpoint_ ? facts : Facts{}) : std::nullopt;
    std::string_view rest = *line;
    const auto name = cut(rest, ' '), word = cut(rest, ' ');
    const auto proven = time_of(rest);
    const auto row = std::ranges::find(kRows, name.value_or(""), &Row::name);
    const auto known = word == "there" ? Known::there : Known::missing;
    if (row == kRows.end() || word != word_of(known) || !proven) return std::nullopt;
    facts.at(static_cast<std::size_t>(row - kRows.begin())) = {known, *proven, {}};
  }
  return std::nullopt;
}

}  // namespace pail::cos
