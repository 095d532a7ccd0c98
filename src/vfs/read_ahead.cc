#include "vfs/read_ahead.h"

namespace pail::vfs {
namespace {

constexpr std::size_t kStreams = 8;
constexpr ByteCount kReorder{2ull << 20};  // how far behind or ahead of its stream a request may arrive
constexpr ByteCount kFirstWindow{2ull << 20};

}  // namespace

ReadAhead::Stream& ReadAhead::stream_of(Extent read) {
  for (Stream& stream : streams_)
    if (read.begin.n + kReorder.n >= stream.next.n && read.begin.n <= stream.next.n + kReorder.n) return stream;
  if (streams_.size() < kStreams) return streams_.emplace_back(Stream{read.begin, read.end, {}, 0});
  Stream& oldest = *std::ranges::min_element(streams_, {}, &Stream::used);
  oldest = Stream{read.begin, read.end, {}, 0};
  return oldest;
}

Extent ReadAhead::note(Extent read, ByteCount object, ByteCount most) {
  Stream& stream = stream_of(read);
  const bool fresh = stream.used == 0;
  stream.used = ++clock_;
  if (read.end <= stream.next && !fresh) return {};
  // A read from the start, or one that continues, makes a stream; a single read elsewhere does not.
  if (!fresh || read.begin.n == 0)
    stream.window = {std::clamp(stream.window.n * 2, std::min(kFirstWindow.n, most.n), most.n)};
  stream.next = read.end;
  const ByteOffset end{std::min(read.end.n + stream.window.n, object.n)};
  const Extent ahead{std::max(stream.fetched, read.end), end};
  // Half a window at a time: large requests cost less than many small ones.
  const bool enough = ahead.begin.n - read.end.n > stream.window.n / 2 && end.n < object.n;
  if (ahead.empty() || enough) return {};
  stream.fetched = end;
  return ahead;
}

}  // namespace pail::vfs
