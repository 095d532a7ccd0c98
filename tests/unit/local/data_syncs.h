// How often this process called fdatasync(), counted by a function that stands before libc's.
#pragma once

#include <atomic>

namespace pail::local {

extern std::atomic<int> data_syncs;

}  // namespace pail::local
