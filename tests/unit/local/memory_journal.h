// A journal on a disk in memory, for tests of what needs one.
#pragma once

#include <memory>

#include "fake_log_disk.h"
#include "local/journal/journal_state.h"

namespace pail::local {

inline std::unique_ptr<JournalState> memory_journal(
    const std::shared_ptr<FakeLogDisk>& disk = std::make_shared<FakeLogDisk>()) {
  auto opened = JournalState::open(disk->directory());
  return opened ? std::move(opened->state) : nullptr;
}

}  // namespace pail::local
