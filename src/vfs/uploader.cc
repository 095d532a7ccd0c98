#include "vfs/uploader.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/checksum.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mutex.h"
#include "cache/block_cache.h"
#include "cos/refusal.h"
#include "cos/wire.h"
#include "pailfs/base/stop.h"
#include "vfs/own_write.h"

namespace pail::vfs {

using cache::kBlockSize;

namespace {

// Part sizes are whole blocks, so that the checksums of blocks fall out of the parts.
ByteCount part_size_for(ByteCount size, ByteCount wanted) {
  const std::uint64_t least = (size.n + cos::kMaxParts - 1) / cos::kMaxParts;
  const std::uint64_t part = std::max({least, wanted.n, cos::kMinPartSize.n});
  return {(part + kBlockSize.n - 1) / kBlockSize.n * kBlockSize.n};
}

struct Digests {
  std::string md5;  // raw
  std::vector<std::uint64_t> blocks;
};

Result<Digests> digest(int fd, Extent extent) {
  Digest md5(DigestKind::md5);
  Digests digests;
  std::vector<std::byte> block(std::min(kBlockSize.n, extent.size().n));
  for (ByteOffset at = extent.begin; at < extent.end; at = at + kBlockSize) {
    const std::span piece(block.data(), std::min(kBlockSize.n, (extent.end - at).n));
    PAIL_TRY(const std::size_t got, read_at(fd, at, piece));
    if (got != piece.size()) return Error{EIO, "a staging file became shorter while it was uploaded"};
    md5.update(piece);
    digests.blocks.push_back(xxh3(piece));
  }
  digests.md5 = md5.result();
  return digests;
}

// What is being stored lies here alone: it gets its whole time, also while the store counts as down.
cos::CallContext in_full(const UploadJob& job, const StopToken& stop) {
  return {stop, cos::Effort::full, job.lane};
}

// That version is replaced and no other; empty: the key must be free.
cos::Preconditions replacing(const cos::ETag& version) {
  return {.if_match = version, .if_none_match = {}, .if_absent = version.empty()};
}

// Content and attributes of an object are sent together, so an upload is gone on with for the same of both.
std::uint64_t digest(const cos::ObjectHeaders& headers) {
  std::string all;
  for (const auto* kind : {&headers.standard, &headers.metadata}) {
    for (const http::Header& header : *kind) all += header.name + '\0' + header.value + '\0';
    all += '\0';
  }
  return xxh3(bytes_of(all));
}

std::string quoted_hex(std::string_view raw) {
  return '"' + to_hex(bytes_of(raw)) + '"';
}

}  // namespace

struct Uploader::Part {
  unsigned number;
  Extent extent;
  std::string etag;
  Digests digests;
  std::optional<local::UploadPartRecord> sent;  // by a process before this one
};

// The parts of one upload, in the order in which they are sent. Thread-safe.
class Uploader::Parts {
 public:
  Parts(ByteCount size, ByteCount part_size, std::vector<local::UploadPartRecord> sent)
      : size_(size), part_size_(part_size) {
    for (local::UploadPartRecord& part : sent) known_[part.number] = std::move(part);
  }
  // The next part; whoever takes it calls done(). None: all were taken, or one failed.
  std::optional<Part> take() {
    MutexLock lock(mutex_);
    if (all_taken()) return std::nullopt;
    Part part{++number_, {next_, {std::min(next_.n + part_size_.n, size_.n)}}, {}, {}, {}};
    if (auto known = known_.extract(part.number); !known.empty()) part.sent = std::move(known.mapped());
    next_ = part.extent.end;
    ++under_way_;
    return part;
  }
  void done(Result<Part> part) {
    MutexLock lock(mutex_);
    --under_way_;
    part ? sent_.push_back(std::move(*part)) : note_failure(part.error());
    changed_.notify_all();
  }
  // All parts, once they are sent. After a failure, or a stop, as soon as none is under way any more.
  Result<std::vector<Part>> wait(const StopToken& stop) {
    const StopCallback end(stop, [this] {
      MutexLock lock(mutex_);
      note_failure(Error{EINTR, "interrupted between two parts", Fault::stopped});
      changed_.notify_all();
    });
    MutexLock lock(mutex_);
    while (under_way_ > 0 || !all_taken()) changed_.wait(mutex_);
    if (failed_) return *failed_;
    std::ranges::sort(sent_, {}, &Part::number);
    return std::move(sent_);
  }

 private:
  bool all_taken() const PAIL_REQUIRES(mutex_) { return failed_ || next_.n >= size_.n; }
  void note_failure(const Error& error) PAIL_REQUIRES(mutex_) {
    if (!failed_) failed_ = error;
  }

  const ByteCount size_, part_size_;
  Mutex mutex_;
  CondVar changed_;
  std::map<unsigned, local::UploadPartRecord> known_ PAIL_GUARDED_BY(mutex_);  // by a process before this one
  unsigned number_ PAIL_GUARDED_BY(mutex_) = 0;                                // of the last part that was taken
  ByteOffset next_ PAIL_GUARDED_BY(mutex_);
  unsigned under_way_ PAIL_GUARDED_BY(mutex_) = 0;
  std::vector<Part> sent_ PAIL_GUARDED_BY(mutex_);
  std::optional<Error> failed_ PAIL_GUARDED_BY(mutex_);
};

Uploader::Uploader(local::NameStore& names, UploadNotes& notes, cos::ObjectStore& store, const Clock& clock,
                   ByteCount part_size, unsigned parallel, runtime::Counters& counters)
    : names_(names),
      notes_(notes),
      store_(store),
      clock_(clock),
      part_size_(part_size),
      parallel_(parallel),
      uploaded_(counters.counter("uploaded_bytes")),
      aborts_(notes, store, clock),
      senders_(parallel) {}

Result<Uploaded> Uploader::upload(const UploadJob& job, const StopToken& stop) {
  if (job.size > cos::kMaxObjectSize)
    return Error{EFBIG, fmt::format("{}: an object has at most {} bytes", quote(job.key), cos::kMaxObjectSize.n)};
  if (job.size <= part_size_) return put(job, stop);
  auto uploaded = multipart(job, stop);
  // Others ended it, or the store did when it refused a condition: once more, from the first part.
  if (!uploaded && uploaded.error().fault == Fault::no_upload) uploaded = multipart(job, stop);
  return uploaded;
}

Result<Uploader::Announced> Uploader::announce(const UploadJob& job, const std::string& etag) {
  if (job.attempted.find(etag) != std::string::npos) return Announced::before;
  PAIL_CHECK(names_.attempted(job.number, etag));
  return Announced::now;
}

// An object of others may have the same content.
void Uploader::take_back(Announced announced, const UploadJob& job, const std::string& etag, const Error& failure) {
  if (announced == Announced::before || failure.may_have_happened) return;
  const auto taken_back = names_.not_attempted(job.number, etag);
  if (!taken_back) spdlog::warn("{}", taken_back.error().context);
}

Result<Uploader::Verdict> Uploader::judge(UploadJob& job, const std::string& etag, const Error& refused,
                                          const cos::CallContext& context) {
  const auto attempted = [&](const std::string& tag) {
    return !tag.empty() && job.attempted.find(tag) != std::string::npos;
  };
  PAIL_TRY(const cos::Look look, cos::look_after_refusal(store_, job.key, job.replaces, context));
  const auto& [found, info] = look;
  if (found == cos::Found::expected && refused.fault == Fault::precondition) return cos::after_look(refused, found);
  if (!info) return refused;
  // With the attributes that were sent, times to the nanosecond among them, it is what was sent; an attempt may have
  // been carried out although its answer said that it was not. An equal object with others is somebody else's.
  const bool same =
      info->etag.text == etag && info->size == job.size && cos::holds_metadata(info->headers, job.headers);
  if (same) return Verdict::done;
  if (!attempted(info->etag.text)) return refused;
  job.replaces = info->etag;
  return Verdict::again;
}

Result<Uploaded> Uploader::put(UploadJob job, const StopToken& stop) {
  let_go(job.number);  // in parts, of what was larger before
  const Extent whole{{}, {job.size.n}};
  PAIL_TRY(Digests digests, digest(job.descriptor, whole));
  const std::string etag = quoted_hex(digests.md5);
  const auto context = in_full(job, stop);
  for (;;) {
    PAIL_TRY(const Announced announced, announce(job, etag));
    const WallTime sent = clock_.wall(), confirmed = names_.moment();
    const cos::PutRequest request{.key = job.key,
                                  .body = http::body_from_file(job.descriptor, whole),
                                  .content_md5 = to_base64(bytes_of(digests.md5)),
                                  .headers = job.headers,
                                  .conditions = replacing(job.replaces)};
    const auto result = store_.put_object(request, context);
    if (result) {
      uploaded_.add(job.size.n);
      return Uploaded{result->etag, std::move(digests.blocks), write_window({sent, clock_.wall()}, result->date),
                      confirmed};
    }
    take_back(announced, job, etag, result.error());
    if (result.error().fault != Fault::precondition) return result.error();
    PAIL_TRY(const Verdict verdict, judge(job, etag, result.error(), context));
    // By an attempt of ours, at a time that is not known.
    if (verdict == Verdict::done) return Uploaded{{etag}, std::move(digests.blocks), {}, confirmed};
  }
}

Result<Uploaded> Uploader::create(const std::string& key, const std::string& body, const cos::ObjectHeaders& headers,
                                  const StopToken& stop) {
  const WallTime sent = clock_.wall(), confirmed = names_.moment();
  const cos::PutRequest request{
      .key = key, .body = http::body_from_string(body), .headers = headers, .conditions = replacing({})};
  const auto result = store_.put_object(request, stop);
  if (result) return Uploaded{result->etag, {}, write_window({sent, clock_.wall()}, result->date), confirmed};
  if (result.error().fault != Fault::precondition) return result.error();
  PAIL_TRY(const cos::Look look, cos::look_after_refusal(store_, key, {}, stop));
  const auto& there = look.object;
  // With the attributes that were sent, times to the nanosecond among them: an attempt that was answered with an error.
  if (there && there->size.n == body.size() && cos::holds_metadata(there->headers, headers))
    return Uploaded{there->etag, {}, {}, confirmed};
  if (there) return Error{EEXIST, result.error().context, Fault::exists};
  return cos::after_look(result.error(), look.found);
}

// The upload recorded for the same content and attributes, or a new one.
Result<local::UploadRecord> Uploader::begin(const UploadJob& job, const StopToken& stop) {
  auto known = names_.view().upload(job.number);
  const std::uint64_t headers = digest(job.headers);
  if (known && known->key == job.key && known->size == job.size && known->headers == headers) return std::move(*known);
  if (known) let_go(job.number);
  const auto context = in_full(job, stop);
  PAIL_TRY(const cos::UploadId id,
           aborts_.begin_upload(job.number, job.key, job.headers, replacing(job.replaces), context));
  local::UploadRecord record{job.key, id.text, part_size_for(job.size, part_size_), job.size, headers};
  PAIL_CHECK(names_.upload_begun(job.number, record));
  return record;
}

Result<Uploaded> Uploader::multipart(UploadJob job, const StopToken& stop) {
  const WallTime sent = clock_.wall();
  PAIL_TRY(const local::UploadRecord upload, begin_replacing(job, stop));
  const cos::UploadId id{upload.upload_id};
  const auto sent_parts = send_parts(job, upload, stop);
  if (!sent_parts && sent_parts.error().fault == Fault::no_upload) PAIL_CHECK(abandon(job.number, stop));
  if (!sent_parts) return sent_parts.error();
  const std::vector<Part>& parts = *sent_parts;

  Uploaded uploaded;
  std::vector<cos::CompletedPart> list;
  Digest of_parts(DigestKind::md5);
  for (const Part& part : parts) {
    list.push_back({part.number, {part.etag}});
    of_parts.update(bytes_of(part.digests.md5));
    uploaded.checksums.insert(uploaded.checksums.end(), part.digests.blocks.begin(), part.digests.blocks.end());
  }
  const std::string expected = fmt::format("\"{}-{}\"", to_hex(bytes_of(of_parts.result())), parts.size());
  PAIL_TRY(const Announced announced, announce(job, expected));
  const auto context = in_full(job, stop);
  uploaded.confirmed = names_.moment();
  const auto result = store_.complete_upload({job.key, id, list, replacing(job.replaces)}, context);
  if (result) {
    uploaded.etag = result->etag;
    uploaded.window = write_window({sent, clock_.wall()}, result->date);
  } else {
    take_back(announced, job, expected, result.error());
    // no_upload: either our completion arrived and its answer did not, or somebody aborted it.
    const Fault fault = result.error().fault;
    if (fault != Fault::precondition && fault != Fault::no_upload) return result.error();
    const auto verdict = judge(job, expected, result.error(), context);
    if (!verdict || *verdict == Verdict::again) PAIL_CHECK(abandon(job.number, stop));
    if (!verdict) return verdict.error();
    if (*verdict == Verdict::again) return multipart(std::move(job), stop);
    uploaded.etag = {expected};
    if (fault == Fault::precondition) {  // an earlier upload of ours may have stored it, and this one lies open
      let_go(job.number);
      return uploaded;
    }
  }
  PAIL_CHECK(names_.upload_ended(job.number));
  notes_.ended({upload.upload_id});
  return uploaded;
}

// Begins an upload; where an earlier one of ours was stored although its answer was lost, that is what it replaces.
Result<local::UploadRecord> Uploader::begin_replacing(UploadJob& job, const StopToken& stop) {
  auto begun = begin(job, stop);
  if (begun || begun.error().fault != Fault::precondition) return begun;
  PAIL_CHECK(judge(job, {}, begun.error(), in_full(job, stop)));
  return begin(job, stop);
}

Result<std::vector<Uploader::Part>> Uploader::send_parts(const UploadJob& job, const local::UploadRecord& upload,
                                                         const StopToken& stop) {
  const auto parts = std::make_shared<Parts>(job.size, upload.part_size, names_.view().upload_parts(job.number));
  // Called for a part that was taken, so while this function waits.
  const SendPart send = [&](Part part) { return send_part(job, {upload.upload_id}, std::move(part), stop); };
  const Lane lane = job.lane;
  for (unsigned i = 0; i < parallel_; ++i)
    senders_.run(lane, [this, lane, parts, send] { send_next(lane, parts, send); });
  return parts->wait(stop);
}

// One part, and then it is the turn of whoever stands in the queue: uploads share the senders part by part.
void Uploader::send_next(Lane lane, const std::shared_ptr<Parts>& parts, const SendPart& send) {
  auto part = parts->take();
  if (!part) return;
  parts->done(send(std::move(*part)));
  senders_.run(lane, [this, lane, parts, send] { send_next(lane, parts, send); });
}

Result<Uploader::Part> Uploader::send_part(const UploadJob& job, const cos::UploadId& upload, Part part,
                                           const StopToken& stop) {
  PAIL_TRY(part.digests, digest(job.descriptor, part.extent));
  if (part.sent && part.sent->md5 == part.digests.md5) {
    part.etag = part.sent->etag;
    return part;
  }
  PAIL_TRY(const cos::CompletedPart sent,
           store_.upload_part({job.key, upload, part.number, http::body_from_file(job.descriptor, part.extent),
                               to_base64(bytes_of(part.digests.md5))},
                              in_full(job, stop)));
  part.etag = sent.etag.text;
  uploaded_.add(part.extent.size().n);
  PAIL_CHECK(names_.upload_part_sent(job.number, {part.number, part.etag, part.digests.md5}));
  return part;
}

// ---- what nobody goes on with ---------------------------------------------------------------------------------------

Result<Unit> Uploader::abandon(InodeNumber number, const StopToken& stop) {
  const auto record = names_.view().upload(number);
  if (!record) return Unit{};
  const auto aborted = store_.abort_upload(record->key, {record->upload_id}, stop);
  if (!aborted && stop.stop_requested()) return aborted.error();
  const bool gone = aborted || aborted.error().fault == Fault::no_upload;
  if (!gone) (void)note(number, *record);
  PAIL_CHECK(names_.upload_ended(number));
  if (gone)
    notes_.ended({record->upload_id});
  else
    aborts_.add({number, record->key, record->upload_id});
  return Unit{};
}

bool Uploader::note(InodeNumber number, const local::UploadRecord& upload) {
  const cos::UploadId id{upload.upload_id};
  return notes_.has(id) || notes_.begun(number, upload.key, id);
}

void Uploader::let_go(InodeNumber number) {
  const auto record = names_.view().upload(number);
  if (!record) return;
  // One of the two knows of it until it is aborted.
  if (note(number, *record))
    if (const auto noted = names_.upload_ended(number); !noted) spdlog::warn("{}", noted.error().context);
  aborts_.add({number, record->key, record->upload_id});
}

void Uploader::let_go_left() {
  for (const InodeNumber number : names_.view().uploads()) let_go(number);
  let_go_unrecorded();
}

void Uploader::let_go_unrecorded() {
  auto noted = notes_.open();
  {
    const local::View view = names_.view();
    for (const InodeNumber number : view.uploads())
      if (const auto record = view.upload(number)) noted.erase(record->upload_id);
  }
  for (const auto& [id, upload] : noted) aborts_.add(upload);
}

}  // namespace pail::vfs
