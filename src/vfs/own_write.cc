#include "vfs/own_write.h"

namespace pail::vfs {

using std::chrono::floor;
using std::chrono::seconds;

namespace {

bool is_known(const local::InodeRecord& record, WallTime stored) {
  // The times of a listing may be exact, those of headers are whole seconds.
  const auto second = floor<seconds>(stored);
  if (record.stored != WallTime{}) return floor<seconds>(record.stored) == second;
  return record.written && second >= floor<seconds>(record.written->sent) &&
         second <= floor<seconds>(record.written->answered);
}

}  // namespace

local::WriteWindow write_window(WallTime sent, WallTime date) {
  const WallTime answered = system_clock().wall();
  if (date == WallTime{} || answered < sent) return {sent, answered};
  // Dates are cut to whole seconds.
  return {date - (answered - sent), date + seconds(1)};
}

bool note_time(local::InodeRecord& record, WallTime stored) {
  const bool known = is_known(record, stored);
  if (known && record.stored != WallTime{}) return false;
  if (!known) record.knowledge = local::Knowledge::listed;
  record.stored = stored;
  record.written.reset();
  return true;
}

}  // namespace pail::vfs
