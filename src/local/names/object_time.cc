#include "local/names/object_time.h"

namespace pail::local {

using std::chrono::floor;
using std::chrono::seconds;

bool is_known_time(const InodeRecord& record, WallTime stored) {
  // The times of a listing may be exact, those of headers are whole seconds.
  const auto second = floor<seconds>(stored);
  if (record.stored != WallTime{}) return floor<seconds>(record.stored) == second;
  return record.written && second >= floor<seconds>(record.written->sent) &&
         second <= floor<seconds>(record.written->answered);
}

bool note_time(InodeRecord& record, WallTime stored) {
  const bool known = is_known_time(record, stored);
  if (known && record.stored != WallTime{}) return false;
  if (!known) record.knowledge = Knowledge::listed;
  record.stored = stored;
  record.written.reset();
  return true;
}

}  // namespace pail::local
