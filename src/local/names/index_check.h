// What the records of an index say of each other: names, children and inodes agree.
#pragma once

#include "local/environment/environment.h"

namespace pail::local {

// May crash, and touches every page in use: for a process of its own.
bool index_agrees(MDB_txn* txn, Sealing sealing);

}  // namespace pail::local
