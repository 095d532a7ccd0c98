// Finds the sequential streams among the reads of one file and says how far ahead of them to fetch.
#pragma once

#include <cstdint>
#include <vector>

#include "pailfs/base/bytes.h"

namespace pail::vfs {

// Several streams may run through one file, interleaved; the kernel may swap neighbouring requests of a stream.
// Not thread-safe.
class ReadAhead {
 public:
  // Notes a read; returns the extent to fetch ahead of its stream that was not returned before, empty at random access.
  // `object` is the size of the object, `most` the largest window.
  Extent note(Extent read, ByteCount object, ByteCount most);

 private:
  struct Stream {
    ByteOffset next;     // behind the furthest read
    ByteOffset fetched;  // behind what was asked to be fetched ahead
    ByteCount window;
    std::uint64_t used = 0;
  };
  Stream& stream_of(Extent read);

  std::vector<Stream> streams_;
  std::uint64_t clock_ = 0;
};

}  // namespace pail::vfs
