#include "vfs/upload_aborts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.h"
#include "base/wake_on_stop.h"

namespace pail::vfs {

namespace {

Error interrupted(const std::string& key) {
  return {EINTR, fmt::format("{}: interrupted before its upload had begun", quote(key)), Fault::stopped};
}

}  // namespace

UploadAborts::~UploadAborts() {
  stop_.request_stop();
  MutexLock lock(mutex_);
  while (beginning_ > 0) changed_.wait(mutex_);
}

Result<cos::UploadId> UploadAborts::begin_upload(InodeNumber number, const std::string& key, cos::ObjectHeaders headers,
                                                 cos::Preconditions conditions, cos::CallContext context) {
  const StopToken left = std::exchange(context.stop, stop_.token());
  if (left.stop_requested()) return interrupted(key);
  const auto beginning = std::make_shared<Beginning>();
  {
    MutexLock lock(mutex_);
    ++beginning_;
  }
  store_.create_upload(
      key, std::move(headers), std::move(conditions), std::move(context),
      [this, beginning, key](Result<cos::UploadId> answer) { answered(*beginning, key, std::move(answer)); });
  auto answer = beginning->await(left);
  if (!answer) return interrupted(key);
  if (*answer) notes_.begun(number, key, **answer);
  return *std::move(answer);
}

std::optional<Result<cos::UploadId>> UploadAborts::Beginning::await(const StopToken& stop) {
  const WakeOnStop wake(stop, mutex, changed);
  MutexLock lock(mutex);
  while (!answer && !stop.stop_requested()) changed.wait(mutex);
  left = !answer;
  return std::move(answer);
}

// The note is a sync of a disk, which the thread that brings answers does not wait for.
void UploadAborts::answered(Beginning& beginning, const std::string& key, Result<cos::UploadId> answer) {
  std::optional<local::UploadBegun> late;
  {
    MutexLock lock(beginning.mutex);
    if (beginning.left && answer) late = {0, key, answer->text};
    beginning.answer = std::move(answer);
    beginning.changed.notify_all();
  }
  if (!late) return begun();
  late_notes_.run_now([this, upload = *late] {
    notes_.begun(upload.file, upload.key, {upload.upload_id});
    add(upload);
    begun();
  });
}

void UploadAborts::begun() {
  MutexLock lock(mutex_);
  --beginning_;
  changed_.notify_all();
}

void UploadAborts::add(local::UploadBegun upload) {
  {
    MutexLock lock(mutex_);
    left_.emplace(upload.upload_id, std::move(upload));
    if (state_ != State::idle) return;
    state_ = State::working;
  }
  timer_.run_now([this] { work(); });
}

void UploadAborts::begin() {
  {
    MutexLock lock(mutex_);
    state_ = State::working;
  }
  timer_.run_now([this] { work(); });
}

void UploadAborts::work() {
  while (const auto upload = next()) {
    const auto aborted = store_.abort_upload(upload->key, {upload->upload_id}, {stop_.token(), Lane::background});
    if (aborted || aborted.error().fault == Fault::no_upload) {
      notes_.ended({upload->upload_id});
    } else if (stop_.stop_requested()) {
      return;
    } else if (aborted.error().fault == Fault::lost) {
      return rest();  // nor would the others be answered
    } else {
      spdlog::warn("{}: its unfinished upload stays in the bucket until the next mount: {}", quote(upload->key),
                   aborted.error().context);
    }
    done(upload->upload_id);
  }
}

std::optional<local::UploadBegun> UploadAborts::next() {
  MutexLock lock(mutex_);
  state_ = left_.empty() ? State::idle : State::working;
  changed_.notify_all();
  if (left_.empty()) return std::nullopt;
  return left_.begin()->second;
}

void UploadAborts::done(const std::string& id) {
  MutexLock lock(mutex_);
  left_.erase(id);
  pause_ = kFirstPause;
}

void UploadAborts::rest() {
  std::chrono::milliseconds pause{};
  std::size_t left = 0;
  {
    MutexLock lock(mutex_);
    state_ = State::resting;
    left = left_.size();
    pause = std::exchange(pause_, std::min(2 * pause_, kLongestPause));
    changed_.notify_all();
  }
  spdlog::info("{} unfinished uploads stay in the bucket until the store answers", left);
  timer_.run_after(pause, timer_.announce(), [this] { work(); });
}

void UploadAborts::wait(const StopToken& stop) {
  const WakeOnStop wake(stop, mutex_, changed_);
  MutexLock lock(mutex_);
  while (state_ == State::working && !stop.stop_requested()) changed_.wait(mutex_);
}

}  // namespace pail::vfs
