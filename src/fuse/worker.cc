#include "fuse/worker.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>

#include "base/file.h"
#include "base/log.h"
#include "fuse/mount_record.h"
#include "fuse/open_table.h"
#include "fuse/operations.h"
#include "fuse/replies.h"
#include "pailfs/base/stop.h"

namespace pail::fuse {
namespace {

constexpr std::chrono::seconds kBeat(1);
constexpr std::chrono::milliseconds kLeastDrain(1000),
    kDrain(10'000);                            // for answers under way when the end may not wait for more
constexpr const char* kReadAheadKiB = "1024";  // 128, the kernel's own, costs half as much CPU again a byte

// libfuse's two hooks carry the session's user data, which is what it serves; there is one connection in a worker.
Connection* the_connection = nullptr;

ssize_t read_from(int, void* buffer, std::size_t size, void*) {
  return the_connection->read(buffer, size);
}
ssize_t write_to(int, iovec* pieces, int count, void*) {
  return the_connection->write(pieces, count);
}

sigset_t end_signal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  return set;
}

void block_signals() {
  sigset_t set = end_signal();
  for (const int signal : {SIGINT, SIGHUP}) sigaddset(&set, signal);  // a terminal's, meant for the supervisor
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

}  // namespace

Heartbeat::Heartbeat(SharedState& state, Connection& connection)
    : state_(state), connection_(connection), thread_("pailfs-beat", [this](const StopToken& stop) { run(stop); }) {}

Heartbeat::~Heartbeat() = default;

void Heartbeat::watch(vfs::FileSystem* files) {
  const MutexLock lock(mutex_);
  files_ = files;
}

void Heartbeat::run(const StopToken& stop) {
  while (!stop.stop_requested()) {
    connection_.probe();
    {
      const MutexLock lock(mutex_);
      if (files_ != nullptr) static_cast<void>(files_->counters());
    }
    ++state_.beats;
    (void)sleep_for(kBeat, stop);
  }
}

Worker::Worker(const Inherited& fds, SharedMemory memory, const WorkerSettings& settings)
    : fds_(fds),
      memory_(std::move(memory)),
      settings_(settings),
      connection_(fds.connection, *memory_, [this] { begin_end(); }),
      opens_(std::make_shared<SharedOpenTable>(*memory_)),
      stop_clock_(*memory_),
      stop_requests_(stop_clock_.time_up(), [this] { connection_.stop_requests(); }),
      heartbeat_(*memory_, connection_) {
  the_connection = &connection_;
}

int Worker::run(const MakeFileSystem& make) {
  if (auto begun = begin(make); !begun) {
    spdlog::error("{}", begun.error().context);
    if (memory_->stage == Stage::starting) {
      tell_outcome(fds_.ready, begun.error().context);
      memory_->stage = Stage::refused;
    }
    return EXIT_FAILURE;
  }
  serve();
  return end();
}

Result<Unit> Worker::begin(const MakeFileSystem& make) {
  const vfs::Start start = memory_->stage == Stage::serving ? vfs::Start::resume : vfs::Start::fresh;
  auto made = shielded([&] { return make(opens_, start); });
  if (!made) return std::move(made).error();
  files_ = *std::move(made);
  served_.emplace(Served{*files_, *opens_});
  heartbeat_.watch(files_.get());
  PAIL_CHECK(begin_session());
  raise_read_ahead();
  if (memory_->worker > 1 && memory_->resumable != 0)
    if (auto asked = connection_.ask_again(); !asked && asked.error().errnum != ENODEV) return asked;
  if (memory_->stage == Stage::starting) tell_outcome(fds_.ready, {});
  if (fds_.ready >= 0) close(fds_.ready);
  memory_->stage = Stage::serving;
  memory_->serving = memory_->worker.load();
  return Unit{};
}

// The kernel takes the first worker's answer to FUSE_INIT and refuses it with ENOENT ever after, which libfuse ignores:
// so each worker begins the same way, also after one that died before it answered.
Result<Unit> Worker::begin_session() {
  char name[] = "pailfs";
  char* argv[] = {name, nullptr};
  fuse_args args = FUSE_ARGS_INIT(1, argv);
  const fuse_lowlevel_ops table = operations();
  session_.reset(fuse_session_new(&args, &table, sizeof table, &*served_));
  fuse_opt_free_args(&args);
  if (session_ == nullptr) return Error{ENOMEM, "make a FUSE session"};
  fuse_custom_io hooks{};
  hooks.read = read_from;
  hooks.writev = write_to;
  if (const int error = fuse_session_custom_io(session_.get(), &hooks, fds_.connection); error != 0)
    return errno_error(-error, "attach to the connection of the mount");
  fuse_buf init{};
  init.mem = memory_->init;
  init.size = memory_->init_size;
  fuse_session_process_buf(session_.get(), &init);
  connection_.start_suspects([session = session_.get()](std::vector<char>& request) {
    fuse_buf buffer{};
    buffer.mem = request.data();
    buffer.size = request.size();
    fuse_session_process_buf(session, &buffer);
  });
  return Unit{};
}

// Has an effect only after the answer to FUSE_INIT, and only with the right to write there.
void Worker::raise_read_ahead() const {
  const UniqueFd setting(
      ::open(fmt::format("/sys/class/bdi/{}/read_ahead_kb", memory_->device).c_str(), O_WRONLY | O_CLOEXEC));
  const std::string_view value = kReadAheadKiB;
  if (!setting.valid() || ::write(setting.get(), value.data(), value.size()) < 0)
    spdlog::debug("the kernel's read-ahead stays as it is: {}", std::strerror(errno));
}

void Worker::serve() {
  const FuseLoopConfig loop(fuse_loop_cfg_create());
  fuse_loop_cfg_set_clone_fd(loop.get(), 0);  // requests in flight on a clone would die with this worker
  fuse_loop_cfg_set_max_threads(loop.get(), settings_.max_threads);
  fuse_loop_cfg_set_idle_threads(loop.get(), settings_.idle_threads);
  const Thread obedience("pailfs-obey", [this](const StopToken& stop) { obey(stop); });
  if (const int error = fuse_session_loop_mt(session_.get(), loop.get()); error != 0)
    spdlog::warn("the request loop ended: {}", std::strerror(error < 0 ? -error : error));
}

// While requests are still carried out: a RELEASE may be storing its file, and libfuse's loop ends after it.
void Worker::begin_end() {
  stop_clock_.begin_end();
  record_ending(fds_.record);
  last_uploads_ = Thread("pailfs-end", [this] { sync("after the unmount", Step::first); });
}

int Worker::end() {
  connection_.stop_suspects();
  if (last_uploads_.joinable()) last_uploads_.join();
  stop_clock_.begin_end();
  record_ending(fds_.record);
  const bool synced = sync("after the unmount", Step::last);
  heartbeat_.watch(nullptr);
  files_.reset();
  spdlog::info("the mount has ended");
  return synced ? EXIT_SUCCESS : EXIT_FAILURE;
}

void Worker::obey(const StopToken& stop) {
  const sigset_t signals = end_signal();
  const StopCallback wake(stop, [self = pthread_self()] { pthread_kill(self, SIGTERM); });
  for (;;) {
    int signal;
    sigwait(&signals, &signal);
    if (stop.stop_requested()) return;
    stop_clock_.begin_end();
    record_ending(fds_.record);
    if (memory_->order == Order::end_now) {
      connection_.close_for_requests(std::clamp(time_left(*memory_), kLeastDrain, kDrain));
      const bool synced = sync("after the detached unmount", Step::last);
      spdlog::shutdown();
      _exit(synced ? EXIT_SUCCESS : EXIT_FAILURE);  // other threads still wait in the kernel
    }
    sync("before the unmount", Step::first);
    memory_->synced = 1;
  }
}

bool Worker::sync(const char* when, Step step) {
  vfs::Sync how;
  how.stop = stop_clock_.time_up();
  how.pending = [this](const vfs::Pending& pending) { record_pending(fds_.record, pending); };
  how.stays = [this, step](const vfs::Unstored& file) {
    if (file.given_up || step == Step::last) tell_stays(file);
  };
  const auto synced = shielded([&] { return files_->sync_all(how); });
  if (!synced) spdlog::error("upload of what is pending, {}: {}", when, synced.error().context);
  return synced && !some_stay_;
}

void Worker::tell_stays(const vfs::Unstored& file) {
  some_stay_ = true;
  const std::string sentence = fmt::format("{}: {}; kept in {}", quote(file.key), file.why, file.kept.string());
  spdlog::error("not stored: {}", sentence);
  record_stays(fds_.record, sentence);
}

namespace {

// Blocks and parts of a MiB each are allocated by one thread and freed by another. Left to itself glibc keeps them in
// as many arenas as there are threads, and a budget of 256 MiB became 485 MiB of resident memory.
void bound_heap() {
  constexpr int kGivenBackAtOnce = 256 << 10;  // bytes; larger allocations are mappings of their own
  mallopt(M_MMAP_THRESHOLD, kGivenBackAtOnce);
  mallopt(M_ARENA_MAX, 4);
}

}  // namespace

int run_worker(const MakeFileSystem& make, const WorkerSettings& settings) {
  protect_process_memory();
  block_signals();
  umask(0);  // the kernel has applied the caller's
  bound_heap();
  const auto& fds = inherited();
  if (!fds) {
    spdlog::error("this process was not started as the worker of a mount");
    return EXIT_FAILURE;
  }
  for (const int fd : {fds->connection, fds->memory, fds->secrets, fds->ready, fds->record})
    if (fd >= 0) fcntl(fd, F_SETFD, FD_CLOEXEC);
  auto memory = SharedMemory::map(UniqueFd(fds->memory));
  if (!memory) {
    spdlog::error("{}", memory.error().context);
    tell_outcome(fds->ready, memory.error().context);
    return EXIT_FAILURE;
  }
  return Worker(*fds, *std::move(memory), settings).run(make);
}

}  // namespace pail::fuse
