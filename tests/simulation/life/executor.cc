#include "simulation/life/executor.h"

#include <sys/stat.h>

#include <cerrno>
#include <span>
#include <type_traits>
#include <utility>

namespace pail::simulation {
namespace {

constexpr int kErrnoLimit = 512;  // the kernel takes no larger one

using Value = decltype(Answer::value);

ShownEntry shown(const vfs::Entry& entry) {
  const vfs::Attributes& attributes = entry.attributes;
  return {attributes.number,   attributes.type, attributes.permissions, attributes.size.n,
          attributes.modified, entry.name_ttl,  entry.attributes_ttl};
}

Result<Value> value_of(const Result<vfs::Entry>& entry) {
  if (!entry) return entry.error();
  return Value(shown(*entry));
}

Result<Value> value_of(const Result<Unit>& done) {
  if (!done) return done.error();
  return Value(Done{});
}

Answer answer_of(std::uint64_t unique, Result<Value> value) {
  if (value) return {unique, 0, {}, *std::move(value)};
  const Error& error = value.error();
  return {unique, error.errnum < kErrnoLimit ? error.errnum : EIO, error.context, {}};
}

Result<Value> bytes_of(const Result<vfs::ReadData>& data) {
  if (!data) return data.error();
  Bytes out;
  for (const auto piece : data->pieces) out.bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  return Value(std::move(out));
}

ListedName listed(vfs::DirectoryEntry entry) {
  ListedName out{std::move(entry.name), entry.number, entry.type, entry.next_offset, {}};
  if (entry.entry) out.entry = shown(*entry.entry);
  return out;
}

// What is answered when the call of the file system returns: each kind of question is one call.
class Translation {
 public:
  Translation(vfs::FileSystem& files, fuse::SharedOpenTable& opens, const vfs::Request& request)
      : files_(files), opens_(opens), request_(request) {}

  Result<Value> operator()(const Lookup& asked) const {
    return value_of(files_.lookup(request_, asked.parent, asked.name));
  }
  Result<Value> operator()(const GetAttributes& asked) const {
    return value_of(files_.getattr(request_, asked.number));
  }
  Result<Value> operator()(const SetAttributes& asked) const {
    vfs::AttributeChange change;
    change.handle = asked.handle;
    change.permissions = asked.permissions;
    if (asked.size) change.size = ByteCount{*asked.size};
    change.modified = asked.modified;
    return value_of(files_.setattr(request_, asked.number, change));
  }
  Result<Value> operator()(const ReadLink& asked) const {
    PAIL_TRY(std::string target, files_.readlink(request_, asked.number));
    return Value(Bytes{std::move(target)});
  }
  Result<Value> operator()(const MakeDirectory& asked) const {
    return value_of(files_.mkdir(request_, asked.parent, asked.name, asked.permissions));
  }
  Result<Value> operator()(const MakeSymlink& asked) const {
    return value_of(files_.symlink(request_, asked.parent, asked.name, asked.target));
  }
  Result<Value> operator()(const Unlink& asked) const {
    return value_of(files_.unlink(request_, asked.parent, asked.name));
  }
  Result<Value> operator()(const RemoveDirectory& asked) const {
    return value_of(files_.rmdir(request_, asked.parent, asked.name));
  }
  Result<Value> operator()(const Rename& asked) const {
    return value_of(files_.rename(request_, asked.parent, asked.name, asked.new_parent, asked.new_name, asked.mode));
  }
  // A handle counts as open from before the file system opens it until after the last close began.
  Result<Value> operator()(const Open& asked) const {
    opens_.add_for(counted(), asked.number);
    const auto opened = files_.open_file(request_, asked.number, asked.flags);
    if (opened) return Value(OpenedFile{{}, opened->handle, opened->keep_page_cache});
    opens_.take_back(counted(), asked.number);
    return opened.error();
  }
  // Nobody can unlink the file before it counts: the kernel holds its directory until the answer.
  Result<Value> operator()(const Create& asked) const {
    PAIL_TRY(const auto created,
             files_.create(request_, asked.parent, asked.name, S_IFREG | asked.permissions, asked.flags));
    const auto& [entry, opened] = created;
    opens_.add_for(counted(), entry.attributes.number);
    return Value(OpenedFile{shown(entry), opened.handle, opened.keep_page_cache});
  }
  Result<Value> operator()(const Write& asked) const {
    PAIL_TRY(const ByteCount written, files_.write(request_, asked.number, asked.handle, ByteOffset{asked.at},
                                                   std::as_bytes(std::span(asked.bytes))));
    return Value(Written{written.n});
  }
  Result<Value> operator()(const Flush& asked) const {
    vfs::Request request = request_;
    request.has_another_descriptor = [has = asked.caller_has_another](InodeNumber) { return has; };
    return value_of(files_.flush(request, asked.number, asked.handle));
  }
  Result<Value> operator()(const Sync& asked) const {
    return value_of(files_.fsync(request_, asked.number, asked.handle));
  }
  Result<Value> operator()(const Release& asked) const {
    opens_.remove_for(counted(), asked.number);
    files_.release(request_, asked.number, asked.handle);
    return Value(Done{});
  }
  Result<Value> operator()(const ReadDirectory& asked) const {
    const auto with = asked.with_attributes ? vfs::WithAttributes::yes : vfs::WithAttributes::no;
    PAIL_TRY(auto entries, files_.read_directory(request_, asked.number, asked.offset, asked.most, with));
    Listed out;
    for (vfs::DirectoryEntry& entry : entries) out.names.push_back(listed(std::move(entry)));
    return Value(std::move(out));
  }
  Result<Value> operator()(const StatFs&) const {
    PAIL_CHECK(files_.statfs(request_));
    return Value(Done{});
  }

 private:
  fuse::CountedRequest counted() const { return {request_.unique, request_.resent}; }

  vfs::FileSystem& files_;
  fuse::SharedOpenTable& opens_;
  const vfs::Request& request_;
};

// The answer of one read, which the file system may drop instead of giving it.
class ReadAnswer {
 public:
  using Give = std::function<void(Result<Value>)>;

  explicit ReadAnswer(Give give) : give_(std::move(give)) {}
  ReadAnswer(const ReadAnswer&) = delete;
  ReadAnswer& operator=(const ReadAnswer&) = delete;
  ~ReadAnswer() {
    if (give_) give_(Error{EIO, "read was dropped without an answer"});
  }
  void give(const Result<vfs::ReadData>& data) {
    if (const Give give = std::exchange(give_, nullptr)) give(bytes_of(data));
  }

 private:
  Give give_;
};

}  // namespace

Executor::Executor(vfs::FileSystem& files, fuse::SharedOpenTable& opens, Answered answered)
    : files_(files), opens_(opens), answered_(std::move(answered)) {}

Executor::~Executor() {
  std::vector<Thread> threads;
  {
    const MutexLock lock(mutex_);
    while (!under_way_.empty()) all_ended_.wait(mutex_);
    ending_ = true;
    threads.swap(threads_);
  }
  work_.notify_all();
}

void Executor::ask(Call call) {
  const MutexLock lock(mutex_);
  const StopSource stop;
  under_way_.insert_or_assign(call.unique, stop);
  queue_.push_back({std::move(call), stop.token()});
  if (queue_.size() > idle_ && threads_.size() < kMostThreads) threads_.emplace_back("call", [this] { run(); });
  work_.notify_one();
}

void Executor::interrupt(std::uint64_t unique) {
  StopSource stop;
  {
    const MutexLock lock(mutex_);
    const auto found = under_way_.find(unique);
    if (found == under_way_.end()) return;
    stop = found->second;
  }
  stop.request_stop();
}

void Executor::run() {
  for (;;) {
    Asked asked;
    {
      const MutexLock lock(mutex_);
      ++idle_;
      while (queue_.empty() && !ending_) work_.wait(mutex_);
      --idle_;
      if (queue_.empty()) return;
      asked = std::move(queue_.front());
      queue_.pop_front();
    }
    carry_out(asked);
  }
}

void Executor::carry_out(const Asked& asked) {
  vfs::Request request;
  request.uid = kProgramOwner.uid;
  request.gid = kProgramOwner.gid;
  request.pid = static_cast<pid_t>(asked.call.process);
  request.unique = asked.call.unique;
  request.resent = asked.call.resent;
  request.stop = asked.stop;
  std::visit([&](const auto& question) { carry_out(request, question); }, asked.call.question);
}

template <class Question>
void Executor::carry_out(const vfs::Request& request, const Question& question) {
  if constexpr (std::is_same_v<Question, Read>) {
    read(request, question);
  } else if constexpr (std::is_same_v<Question, Forget>) {
    files_.forget(question.number);
    end(request.unique);
  } else {
    answer(answer_of(request.unique, Translation(files_, opens_, request)(question)));
  }
}

void Executor::read(const vfs::Request& request, const Read& question) {
  const auto reply = std::make_shared<ReadAnswer>(
      [this, unique = request.unique](Result<Value> value) { answer(answer_of(unique, std::move(value))); });
  files_.read(request, question.number, question.handle, ByteOffset{question.at}, ByteCount{question.size},
              [reply](const Result<vfs::ReadData>& data) { reply->give(data); });
}

void Executor::answer(Answer answer) {
  const std::uint64_t unique = answer.unique;
  answered_(std::move(answer));
  end(unique);
}

void Executor::end(std::uint64_t unique) {
  const MutexLock lock(mutex_);
  under_way_.erase(unique);
  if (under_way_.empty()) all_ended_.notify_all();
}

}  // namespace pail::simulation
