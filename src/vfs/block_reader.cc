#include "vfs/block_reader.h"
#include "base/promise.h"
#include "pailfs/base/stop.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace pail::vfs {

using cache::Block;
using cache::ContentId;
using cache::kBlockSize;
using cache::ObjectContent;
using runtime::MemoryBudget;
using Lease = MemoryBudget::Lease;

namespace {

constexpr std::size_t kBlocksPerRequest = 4;
constexpr ByteCount kLargestWindow{64ull << 20};

ByteCount length_of(const ObjectContent& content, std::uint64_t number) {
  return {std::min(kBlockSize.n, content.version.size.n - number * kBlockSize.n)};
}

}  // namespace

// A block in memory: in flight, or whole. `block` grows within its reserved room by the network thread alone;
// the first `filled` bytes never change.
struct BlockReader::Buffer {
  struct Waiter {
    std::size_t until;
    PendingPtr pending;
  };
  std::uint64_t number = 0;
  std::size_t length = 0;
  std::shared_ptr<Block> block = std::make_shared<Block>();
  const std::byte* data = nullptr;
  std::size_t filled = 0;  // guarded by mutex_, as are the following
  std::uint64_t used = 0;
  std::vector<Waiter> waiters;
};

// The part of one block that a read wants.
struct BlockReader::Piece {
  std::uint64_t number;
  std::size_t begin, end;                         // within the block
  BufferPtr buffer;                               // from memory or the store, or
  std::shared_ptr<std::vector<std::byte>> local;  // from the disk cache
};

// A read that waits for blocks.
struct BlockReader::Pending {
  ObjectContent content;
  InodeNumber stream = 0;
  Extent want;
  StopToken stop;
  std::vector<Piece> pieces;
  ReadReply reply;
  std::size_t remaining = 0;  // guarded by mutex_
  bool answered = false;      // guarded by mutex_
  std::optional<StopCallback> on_stop;

  static void answer(const PendingPtr& self) {
    ReadData data;
    for (const Piece& piece : self->pieces) {
      const std::byte* bytes = piece.buffer ? piece.buffer->data + piece.begin : piece.local->data();
      data.pieces.emplace_back(bytes, piece.end - piece.begin);
    }
    data.owner = self;
    self->reply(std::move(data));
  }
};

// One ranged GET that fills consecutive blocks.
class BlockReader::Fetch final : public cos::GetHandler {
 public:
  Fetch(BlockReader& reader, ObjectContent content, std::vector<BufferPtr> buffers)
      : reader_(reader), content_(std::move(content)), buffers_(std::move(buffers)) {}

  bool on_data(std::span<const std::byte> data) override {
    reader_.fetched_.add(data.size());
    while (!data.empty()) {
      if (current_ == buffers_.size()) return false;  // more than was asked for
      Buffer& buffer = *buffers_[current_];
      auto& bytes = buffer.block->bytes;
      const std::size_t taken = std::min(data.size(), buffer.length - bytes.size());
      bytes.insert(bytes.end(), data.begin(), data.begin() + static_cast<std::ptrdiff_t>(taken));
      data = data.subspan(taken);
      reader_.progress(buffer, bytes.size());
      if (bytes.size() == buffer.length) reader_.complete(content_, std::exchange(buffers_[current_++], nullptr));
    }
    return true;
  }

  void on_done(Result<cos::ObjectInfo> outcome) override {
    if (current_ < buffers_.size()) {
      const std::vector<BufferPtr> missing(buffers_.begin() + static_cast<std::ptrdiff_t>(current_), buffers_.end());
      const cache::ObjectVersion& version = content_.version;
      const Error why = outcome
                            ? Error{ESTALE, fmt::format("GET {}: shorter than {} bytes", version.key, version.size.n)}
                            : outcome.error();
      reader_.fail(content_, missing, why);
    }
    reader_.ended();
  }

 private:
  BlockReader& reader_;
  const ObjectContent content_;
  std::vector<BufferPtr> buffers_;  // null: whole
  std::size_t current_ = 0;
};

BlockReader::BlockReader(cos::ObjectStore& store, cache::BlockCache& cache, MemoryBudget& memory,
                         runtime::Counters& counters)
    : store_(store), cache_(cache), memory_(memory), fetched_(counters.counter("fetched_bytes")) {}

BlockReader::~BlockReader() {
  stop_.request_stop();
  MutexLock lock(mutex_);
  while (under_way_ > 0) idle_.wait(mutex_);
}

void BlockReader::read(const ObjectContent& content, InodeNumber stream, Extent want, StopToken stop, ReadReply reply) {
  want.end = std::min(want.end, ByteOffset{content.version.size.n});
  if (want.empty()) return reply(ReadData{});
  auto pending = std::make_shared<Pending>();
  pending->reply = std::move(reply);
  for (std::uint64_t number = want.begin.n / kBlockSize.n; number * kBlockSize.n < want.end.n; ++number) {
    const ByteOffset start{number * kBlockSize.n};
    const Extent part = intersect(want, {start, start + kBlockSize});
    pending->pieces.push_back({number, (part.begin - start).n, (part.end - start).n, nullptr, nullptr});
  }
  if (take_local(content, pending->pieces)) {
    Pending::answer(pending);
    return fetch_ahead(content, stream, want);
  }

  pending->content = content;
  pending->stream = stream;
  pending->want = want;
  pending->stop = stop;
  std::vector<BufferPtr> missing;
  bool complete = false;
  {
    MutexLock lock(mutex_);
    for (Piece& piece : pending->pieces) {
      if (piece.local) continue;
      if (!piece.buffer) piece.buffer = find(content.id, piece.number);
      if (!piece.buffer) {
        const ByteCount length = length_of(content, piece.number);
        auto lease = make_room(length);
        if (!lease) lease = memory_.take_regardless(length);
        missing.push_back(piece.buffer = add(content, piece.number, *std::move(lease)));
      }
      if (piece.buffer->filled >= piece.end) continue;
      piece.buffer->waiters.push_back({piece.end, pending});
      ++pending->remaining;
    }
    complete = pending->remaining == 0;
    pending->answered = complete;
  }
  if (complete) Pending::answer(pending);
  launch(content, std::move(missing), Lane::demand);
  fetch_ahead(content, stream, want);
  if (!complete && stop.stop_possible())
    pending->on_stop.emplace(stop, [this, weak = std::weak_ptr(pending)] {
      if (auto self = weak.lock()) interrupt(self);
    });
}

Result<ReadData> BlockReader::read_now(const ObjectContent& content, InodeNumber stream, Extent want, StopToken stop) {
  const Promise<Result<ReadData>> answer;
  read(content, stream, want, std::move(stop), [answer](Result<ReadData> data) { answer.set(std::move(data)); });
  return answer.wait();
}

// Fills in the pieces that are whole in memory or on disk; true when these are all.
bool BlockReader::take_local(const ObjectContent& content, std::vector<Piece>& pieces) {
  {
    MutexLock lock(mutex_);
    for (Piece& piece : pieces) piece.buffer = find(content.id, piece.number);
    for (Piece& piece : pieces)
      if (piece.buffer && piece.buffer->filled < piece.end) return false;
  }
  bool all = true;
  for (Piece& piece : pieces) {
    if (piece.buffer) continue;
    auto bytes = std::make_shared<std::vector<std::byte>>(piece.end - piece.begin);
    const ByteOffset at{piece.number * kBlockSize.n + piece.begin};
    if (cache_.read(content, at, *bytes) == bytes->size()) {
      piece.local = std::move(bytes);
    } else {
      all = false;
    }
  }
  return all;
}

void BlockReader::fetch_ahead(const ObjectContent& content, InodeNumber stream, Extent want) {
  Extent ahead;
  {
    MutexLock lock(mutex_);
    const std::uint64_t active = std::max<std::uint64_t>(1, streams_.size());
    const ByteCount most{std::min(kLargestWindow.n, std::max(memory_.bound().n / 2 / active, kBlockSize.n))};
    ahead = streams_[stream].note(want, content.version.size, most);
  }
  if (ahead.empty()) return;
  std::vector<std::uint64_t> absent;
  for (std::uint64_t number = ahead.begin.n / kBlockSize.n; number * kBlockSize.n < ahead.end.n; ++number)
    if (!cache_.contains(content, number)) absent.push_back(number);
  std::vector<BufferPtr> missing;
  {
    MutexLock lock(mutex_);
    for (const std::uint64_t number : absent) {
      if (find(content.id, number)) continue;
      auto lease = make_room(length_of(content, number));
      if (!lease) break;
      missing.push_back(add(content, number, *std::move(lease)));
    }
  }
  launch(content, std::move(missing), Lane::ahead);
}

BlockReader::BufferPtr BlockReader::find(const ContentId& id, std::uint64_t number) {
  const auto content = contents_.find(id);
  if (content == contents_.end()) return nullptr;
  const auto block = content->second.find(number);
  if (block == content->second.end()) return nullptr;
  block->second->used = ++clock_;
  return block->second;
}

BlockReader::BufferPtr BlockReader::add(const ObjectContent& content, std::uint64_t number, Lease lease) {
  auto buffer = std::make_shared<Buffer>();
  buffer->number = number;
  buffer->length = length_of(content, number).n;
  buffer->block->lease = std::move(lease);
  buffer->block->bytes.reserve(buffer->length);
  buffer->data = buffer->block->bytes.data();
  buffer->used = ++clock_;
  contents_[content.id][number] = buffer;
  return buffer;
}

// Lets go of blocks until `wanted` fits; none when it does not.
std::optional<Lease> BlockReader::make_room(ByteCount wanted) {
  for (;;) {
    if (auto lease = memory_.try_take(wanted)) return lease;
    if (!let_go_of_one()) return std::nullopt;
  }
}

// The least recently used block that is whole and that nobody else holds: letting go of another one gives nothing back.
bool BlockReader::let_go_of_one() {
  auto victim_content = contents_.end();
  const Buffer* victim = nullptr;
  for (auto content = contents_.begin(); content != contents_.end(); ++content)
    for (const auto& [number, buffer] : content->second) {
      const bool is_ours = buffer.use_count() == 1 && buffer->block.use_count() == 1;
      if (is_ours && buffer->filled == buffer->length && (victim == nullptr || buffer->used < victim->used)) {
        victim = buffer.get();
        victim_content = content;
      }
    }
  if (victim == nullptr) return false;
  victim_content->second.erase(victim->number);
  if (victim_content->second.empty()) contents_.erase(victim_content);
  return true;
}

void BlockReader::launch(const ObjectContent& content, std::vector<BufferPtr> missing, Lane lane) {
  for (std::size_t begin = 0; begin < missing.size();) {
    std::size_t end = begin + 1;
    while (end < missing.size() && end - begin < kBlocksPerRequest &&
           missing[end]->number == missing[end - 1]->number + 1)
      ++end;
    std::vector<BufferPtr> run(missing.begin() + static_cast<std::ptrdiff_t>(begin),
                               missing.begin() + static_cast<std::ptrdiff_t>(end));
    const ByteOffset from{run.front()->number * kBlockSize.n};
    const ByteOffset to = ByteOffset{run.back()->number * kBlockSize.n} + ByteCount{run.back()->length};
    {
      MutexLock lock(mutex_);
      ++under_way_;
    }
    store_.get_object_range({{}, content.version.key, {from, to}, cos::ETag{content.version.etag}},
                            std::make_shared<Fetch>(*this, content, std::move(run)), {stop_.token(), lane});
    begin = end;
  }
}

void BlockReader::progress(Buffer& buffer, std::size_t filled) {
  std::vector<PendingPtr> served, ready;  // released after the lock: their end may wait for a callback that wants it
  {
    MutexLock lock(mutex_);
    buffer.filled = filled;
    std::erase_if(buffer.waiters, [&](Buffer::Waiter& waiter) {
      if (waiter.until > filled) return false;
      Pending& pending = *waiter.pending;
      if (--pending.remaining == 0 && !pending.answered) {
        pending.answered = true;
        ready.push_back(waiter.pending);
      }
      served.push_back(std::move(waiter.pending));
      return true;
    });
  }
  for (const PendingPtr& pending : ready) Pending::answer(pending);
}

void BlockReader::complete(const ObjectContent& content, const BufferPtr& buffer) {
  cache_.insert(content, buffer->number, buffer->block);
}

// Who waits for the same content in another version, such as after a rename, is not concerned.
void BlockReader::fail(const ObjectContent& content, const std::vector<BufferPtr>& buffers, const Error& why) {
  std::vector<PendingPtr> waiting, refused, elsewhere;
  {
    MutexLock lock(mutex_);
    const auto known = contents_.find(content.id);
    for (const BufferPtr& buffer : buffers) {
      if (known != contents_.end()) known->second.erase(buffer->number);
      for (Buffer::Waiter& waiter : buffer->waiters) {
        if (!waiter.pending->answered) {
          waiter.pending->answered = true;
          (waiter.pending->content.version == content.version ? refused : elsewhere).push_back(waiter.pending);
        }
        waiting.push_back(std::move(waiter.pending));
      }
      buffer->waiters.clear();
    }
    under_way_ += static_cast<unsigned>(elsewhere.size());
    if (known != contents_.end() && known->second.empty()) contents_.erase(known);
  }
  for (const PendingPtr& pending : refused) pending->reply(why);
  for (const PendingPtr& pending : elsewhere)
    again_.run(Lane::demand, [this, pending] {
      read(pending->content, pending->stream, pending->want, pending->stop, pending->reply);
      ended();
    });
}

void BlockReader::interrupt(const PendingPtr& pending) {
  {
    MutexLock lock(mutex_);
    if (pending->answered) return;
    pending->answered = true;
  }
  pending->reply(Error{EINTR, "interrupted while waiting for the store", Fault::stopped});
}

void BlockReader::ended() {
  MutexLock lock(mutex_);
  if (--under_way_ == 0) idle_.notify_all();
}

void BlockReader::forget(InodeNumber stream) {
  MutexLock lock(mutex_);
  streams_.erase(stream);
}

}  // namespace pail::vfs
