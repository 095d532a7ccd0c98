#include "local/journal/upkeep.h"

#include <fmt/format.h>

#include <cerrno>

#include "base/log.h"

namespace pail::local {
namespace {

void log_finding(const JournalFinding& finding, const std::filesystem::path& directory) {
  if (const auto* torn = std::get_if<JournalTorn>(&finding))
    spdlog::info(
        "{}: the machine stopped while a record was written; it is cut off at byte {}, as are "
        "those behind it",
        directory.string(), torn->at.n);
  if (const auto* damaged = std::get_if<JournalDamaged>(&finding))
    spdlog::error(
        "{}: the disk has lost what was written at byte {}, and {} intact records behind it are "
        "not trusted: files that "
        "were being written may be kept without their names, and unfinished uploads may stay in "
        "the bucket. Check the "
        "disk; the damaged file is kept as {}",
        directory.string(), damaged->at.n, damaged->records_behind, damaged->kept.string());
}

}  // namespace

JournalUpkeep::JournalUpkeep(JournalState& journal, const Clock& clock,
                             std::chrono::milliseconds pause)
    : journal_(journal), clock_(clock), pause_(pause) {
  timer_.emplace(clock);
  journal_.when_unsynced(
      [this] { timer_->run_after(pause_, timer_->announce(), [this] { run(); }); });
}

JournalUpkeep::~JournalUpkeep() {
  journal_.when_unsynced({});
  timer_.reset();
  sync();
}

void JournalUpkeep::run() {
  journal_.note_synced();
  sync();
  compact_where_due();
}

void JournalUpkeep::sync() {
  if (const auto synced = journal_.sync(); !synced) fail_for_good(synced.error());
}

void JournalUpkeep::compact_where_due() {
  const auto* failed = std::get_if<CompactionFailed>(&state_);
  const bool too_early = failed != nullptr && clock_.steady() < failed->again;
  if (std::holds_alternative<FailedForGood>(state_) || too_early || !journal_.compaction_due())
    return;
  if (const auto done = journal_.compact(); done) {
    state_ = Working{};
  } else if (const auto for_good = journal_.failure()) {
    fail_for_good(*for_good);
  } else {
    const bool known = failed != nullptr;
    state_ = CompactionFailed{clock_.steady() + kPauseAfterFailedCompaction};
    if (!known)
      spdlog::error("journal: cannot be compacted, goes on as it is: {}", done.error().context);
  }
}

void JournalUpkeep::fail_for_good(const Error& why) {
  const bool known = std::holds_alternative<FailedForGood>(state_);
  if (!known) spdlog::error("{}", why.context);
  state_ = FailedForGood{};
}

Result<std::unique_ptr<JournalState>> open_journal(const std::filesystem::path& directory) {
  PAIL_TRY(auto files, open_log_directory(directory));
  auto opened = JournalState::open(std::move(files));
  if (!opened) {
    Error why = opened.error();
    const bool full = why.errnum == ENOSPC;
    why.context = fmt::format("{}: {}{}", directory.string(),
                              full ? "make room on this disk: " : "", why.context);
    return why;
  }
  log_finding(opened->finding, directory);
  return std::move(opened->state);
}

}  // namespace pail::local
