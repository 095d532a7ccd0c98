#include "fuse/supervisor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "fuse/inherited.h"
#include "fuse/mount_record.h"
#include "fuse/mount_table.h"
#include "fuse/protocol.h"
#include "fuse/stop_clock.h"

namespace pail::fuse {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kIdleTick(1000), kBusyTick(20);
constexpr std::size_t kReadBuffer = 128 * 1024;  // bytes; the kernel refuses reads below 8 KiB
constexpr int kExecFailed = 127;

constexpr int kDeathsBeforeService = 3;  // a mount that cannot begin says so soon
constexpr int kDeathsAtOnce = 3;         // that many restarts come without a pause
constexpr int kMaxDeathsInARow = 16;     // about 35 s with the pauses below
constexpr milliseconds kFirstPause(50), kLongestPause(5000);

milliseconds pause_after(int deaths) {
  if (deaths <= kDeathsAtOnce) return milliseconds(0);
  return std::min(kFirstPause * (1 << std::min(deaths - kDeathsAtOnce - 1, 10)), kLongestPause);
}

bool crashed(int signal) {
  return signal == SIGSEGV || signal == SIGABRT || signal == SIGBUS || signal == SIGILL || signal == SIGFPE ||
         signal == SIGSYS;
}

std::string describe(int status) {
  if (WIFSIGNALED(status))
    return fmt::format("was ended by signal {} ({})", WTERMSIG(status), strsignal(WTERMSIG(status)));
  return fmt::format("ended with code {}", WEXITSTATUS(status));
}

// The worker gets memory pressure like any process; without the supervisor the mount would be lost.
std::string spare_from_oom_killer() {
  const auto before = read_file("/proc/self/oom_score_adj", 64_KiB);
  const UniqueFd score(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (!before || !score.valid() || ::write(score.get(), "-1000", 5) != 5) return {};
  return *before;
}

void set_oom_score(const std::string& text) {
  if (text.empty()) return;
  const UniqueFd score(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (score.valid() && ::write(score.get(), text.data(), text.size()) < 0) return;
}

}  // namespace

int supervise(const MountSpec& spec, SupervisorSettings settings) {
  return Supervisor(spec, std::move(settings)).run();
}

Supervisor::Supervisor(MountSpec spec, SupervisorSettings settings)
    : spec_(std::move(spec)), settings_(std::move(settings)) {}

int Supervisor::run() {
  const int code = run_to_the_end();
  record_ended(settings_.record, code);
  return code;
}

int Supervisor::run_to_the_end() {
  if (auto prepared = prepare(); !prepared) return fail(prepared.error());
  if (auto mounted = mount_anew(); !mounted) {
    remove_mount();
    return fail(mounted.error());
  }
  for (;;) {
    if (auto started = start_worker(); !started) {
      remove_mount();
      return fail(started.error());
    }
    if (const auto code = after_death(watch_worker())) {
      remove_mount();
      return *code;
    }
  }
}

Result<Unit> Supervisor::prepare() {
  sigemptyset(&signals_);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&signals_, signal);
  sigprocmask(SIG_BLOCK, &signals_, nullptr);
  ::signal(SIGPIPE, SIG_IGN);  // whoever waited for the mount may be gone
  original_oom_score_ = spare_from_oom_killer();
  protect_process_memory();
  PAIL_TRY(path_, resolve_mount_point(spec_.mount_point));
  PAIL_CHECK(check_mount_point(path_));
  if (!settings_.secrets.empty()) {
    PAIL_TRY(secrets_, sealed_memory(settings_.secrets.reveal()));
    settings_.secrets = Secret();
  }
  return Unit{};
}

Result<Unit> Supervisor::mount_anew() {
  PAIL_TRY(SharedMemory fresh, SharedMemory::create());
  shared_ = std::move(fresh);
  (*shared_)->stop_timeout = settings_.stop_timeout.count();
  PAIL_TRY(connection_, mount_at(path_, spec_));
  PAIL_TRY(MountIdentity identity, identify_mount(path_));
  PAIL_TRY(const auto mounted, mounted_at(path_));
  if (!mounted || !is_pailfs(*mounted) || mounted->device != identity.device)
    return Error{EIO, "the mount disappeared at once"};
  mount_ = std::move(identity);
  mount_->device.copy((*shared_)->device, sizeof(SharedState::device) - 1);
  record_mounted(settings_.record, *mount_);
  return read_init();
}

// The kernel says FUSE_INIT once for a mount; its bytes are kept for every worker.
Result<Unit> Supervisor::read_init() {
  SharedState& state = **shared_;
  std::vector<char> request(kReadBuffer);
  ssize_t n;
  do n = ::read(connection_.get(), request.data(), request.size());
  while (n < 0 && errno == EINTR);
  if (n < 0) return errno_error(errno, "read the first request of the kernel");
  if (n < static_cast<ssize_t>(sizeof(fuse_in_header)) || n > static_cast<ssize_t>(kMaxInitSize))
    return Error{EPROTO, fmt::format("the first request of the kernel has {} bytes", n)};
  std::copy_n(request.data(), n, state.init);
  state.init_size = static_cast<std::uint32_t>(n);
  const bool offered = offers_resend({state.init, state.init_size});
  state.resumable = offered && settings_.resumption == Resumption::when_offered ? 1 : 0;
  if (!offered)
    spdlog::warn(
        "this kernel cannot resume a FUSE mount (Linux 6.9 and later can): if the worker dies, open files are "
        "lost and the mount is made again");
  return Unit{};
}

Result<Unit> Supervisor::start_worker() {
  SharedState& state = **shared_;
  ++state.worker;
  state.synced = 0;
  hung_ = late_ = false;
  silent_for_ = starting_for_ = milliseconds(0);
  last_beat_ = state.beats;
  replies_at_start_ = state.replies;
  const std::string descriptors = to_text({connection_.get(), shared_->fd(), secrets_.valid() ? secrets_.get() : -1,
                                           settings_.ready.valid() ? settings_.ready.get() : -1, settings_.record});
  worker_ = fork();
  if (worker_ < 0) return errno_error(errno, "start a worker");
  if (worker_ == 0) become_worker(descriptors.c_str());
  if (wish_ == Wish::finish) kill(worker_, SIGTERM);  // it keeps the signal until it serves
  return Unit{};
}

void Supervisor::become_worker(const char* descriptors) {
  set_oom_score(original_oom_score_);
  setenv(kInheritedVariable, descriptors, 1);
  for (const int fd : {connection_.get(), shared_->fd(), secrets_.get(), settings_.ready.get(), settings_.record})
    if (fd >= 0) fcntl(fd, F_SETFD, 0);
  std::vector<char*> argv;
  for (std::string& argument : settings_.worker_argv) argv.push_back(argument.data());
  argv.push_back(nullptr);
  execv("/proc/self/exe", argv.data());
  _exit(kExecFailed);
}

int Supervisor::watch_worker() {
  auto last = std::chrono::steady_clock::now();
  for (;;) {
    if (const auto status = reap()) return *status;
    const bool busy = wish_ != Wish::keep_mounted || (settings_.ready.valid() && (*shared_)->stage == Stage::starting);
    const milliseconds tick = busy ? kBusyTick : std::min(kIdleTick, settings_.hang_after / 4);
    const timespec wait{tick.count() / 1000, (tick.count() % 1000) * 1'000'000};
    if (const int signal = sigtimedwait(&signals_, nullptr, &wait); signal > 0) handle_signal(signal);
    if ((*shared_)->stage != Stage::starting) settings_.ready.reset();  // the waiting process has its answer
    const auto now = std::chrono::steady_clock::now();
    // A machine or container that stood still is not a worker that did: no more than two ticks count at once.
    check_life(std::min(std::chrono::duration_cast<milliseconds>(now - last), 2 * tick));
    last = now;
    check_end();
    advance_leaving();
  }
}

std::optional<int> Supervisor::reap() {
  std::optional<int> worker_status;
  int status = 0;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    if (pid == worker_) worker_status = status;
    if (pid == unmounter_) unmount_ended(status);
  }
  return worker_status;
}

void Supervisor::handle_signal(int signal) {
  if (signal == SIGCHLD) return;
  const bool first = wish_ == Wish::keep_mounted;
  if (first && (*shared_)->stage == Stage::serving) {
    wish_ = Wish::finish;
    spdlog::info("finishing uploads, then unmounting {}", quote(path_.native()));
    kill(worker_, SIGTERM);
    return;
  }
  wish_ = Wish::stop_now;
  spdlog::warn("stopping at once; what is not uploaded stays in the state directory");
  kill(worker_, SIGKILL);
}

// Before a worker serves, the disk that its pages come from may be slow: it has until its deadline. Then its heart must
// beat.
void Supervisor::check_life(milliseconds passed) {
  const SharedState& state = **shared_;
  const bool serves = state.serving == state.worker;
  serves ? check_heartbeat(passed) : check_start(passed);
}

void Supervisor::check_start(milliseconds passed) {
  starting_for_ += passed;
  if (late_ || starting_for_ < settings_.start_within) return;
  spdlog::error("worker {} did not come up within {} s: killing it", worker_,
                std::chrono::ceil<std::chrono::seconds>(settings_.start_within).count());
  late_ = true;
  kill(worker_, SIGKILL);
}

void Supervisor::check_heartbeat(milliseconds passed) {
  const std::uint64_t beat = (*shared_)->beats;
  if (beat != last_beat_) {
    last_beat_ = beat;
    silent_for_ = milliseconds(0);
    return;
  }
  silent_for_ += passed;
  if (hung_ || silent_for_ < settings_.hang_after) return;
  spdlog::error("worker {} has shown no life for {} ms: killing it", worker_, silent_for_.count());
  hung_ = true;
  kill(worker_, SIGKILL);
}

// A worker that is late although it gives up its uploads in time hangs. The next one finds the time up and says what
// stays; there is no third.
void Supervisor::check_end() {
  SharedState& state = **shared_;
  if (state.end_by == 0) {
    if (wish_ == Wish::keep_mounted && !connection_ended()) return;
    begin_end(state);
    record_ending(settings_.record);
  }
  if (time_left(state) > -settings_.end_grace * (overdue_ + 1)) return;
  spdlog::error("worker {} has not ended in time: killing it", worker_);
  ++overdue_;
  hung_ = true;
  kill(worker_, SIGKILL);
}

// Steps of an end that a signal asked for: uploads, then an orderly unmount, or a detached one while it is in use.
void Supervisor::advance_leaving() {
  if (wish_ != Wish::finish || leaving_ != Leaving::no || (*shared_)->synced == 0) return;
  const auto begun = begin_unmount(*mount_);
  if (!begun) return spdlog::error("{}", begun.error().context);
  unmounter_ = *begun;
  leaving_ = Leaving::unmounting;
}

void Supervisor::unmount_ended(int status) {
  unmounter_ = -1;
  if (status == 0 || leaving_ != Leaving::unmounting) {
    leaving_ = status == 0 && leaving_ == Leaving::unmounting ? Leaving::gone : leaving_;
    return;
  }
  spdlog::warn("{} is in use: detaching it", quote(path_.native()));
  if (auto detached = detach(*mount_); !detached) spdlog::error("{}", detached.error().context);
  leaving_ = Leaving::detached;
  (*shared_)->order = Order::end_now;
  kill(worker_, SIGTERM);
}

std::optional<int> Supervisor::after_death(int status) {
  worker_ = -1;
  record_death(status);
  if (wish_ == Wish::stop_now || overdue_ > 1) return EXIT_FAILURE;
  if (connection_ended() || leaving_ == Leaving::detached) return after_connection(status);
  if ((*shared_)->stage != Stage::serving) {
    if (const auto code = before_service(status)) return code;
  } else {
    spdlog::error("worker {} {}; the next one goes on", (*shared_)->worker.load(), describe(status));
  }
  if (deaths_in_a_row_ > kMaxDeathsInARow) {
    spdlog::critical("{} workers in a row died without answering anything: giving up the mount at {}", deaths_in_a_row_,
                     quote(path_.native()));
    return EXIT_FAILURE;
  }
  if (!pause_before_restart()) return EXIT_FAILURE;
  if (auto ready = prepare_next(); !ready) return fail(ready.error());
  return std::nullopt;
}

// The mount is gone; a worker that was killed has left uploads, which the next one finishes.
std::optional<int> Supervisor::after_connection(int status) {
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  if (deaths_in_a_row_ <= kDeathsBeforeService && (*shared_)->stage == Stage::serving) return std::nullopt;
  spdlog::error("the worker died after the unmount; what is not uploaded stays in the state directory");
  return EXIT_FAILURE;
}

std::optional<int> Supervisor::before_service(int status) {
  if (WIFEXITED(status)) {
    if ((*shared_)->stage == Stage::starting) fail(Error{EIO, fmt::format("the worker {}", describe(status))});
    return std::max(WEXITSTATUS(status), EXIT_FAILURE);
  }
  if (late_)
    return fail(Error{ETIMEDOUT, fmt::format("the worker did not come up within {} s; something that it needs at its "
                                             "start does not answer, such as the disk of state_dir= or of cache_dir=",
                                             std::chrono::ceil<std::chrono::seconds>(settings_.start_within).count())});
  if (deaths_in_a_row_ >= kDeathsBeforeService)
    return fail(Error{EIO, fmt::format("the worker {} before it could serve", describe(status))});
  return std::nullopt;
}

void Supervisor::record_death(int status) {
  SharedState& state = **shared_;
  const bool outside = WIFSIGNALED(status) && !hung_ && !late_ && !crashed(WTERMSIG(status));
  state.deaths[state.worker % kDeathsKept] = outside ? Death::innocent : Death::suspicious;
  deaths_in_a_row_ = state.replies == replies_at_start_ ? deaths_in_a_row_ + 1 : 0;
}

Result<Unit> Supervisor::prepare_next() {
  if ((*shared_)->resumable != 0 || connection_ended() || (*shared_)->stage != Stage::serving) return Unit{};
  spdlog::warn("mounting {} again; programs lose the files they have open", quote(path_.native()));
  connection_.reset();  // ends the old connection, also for those who keep it in use
  PAIL_CHECK(detach(*mount_));
  return mount_anew();
}

// False when a signal asked to stop in the meantime.
bool Supervisor::pause_before_restart() {
  const milliseconds pause = pause_after(deaths_in_a_row_);
  const auto until = std::chrono::steady_clock::now() + pause;
  for (;;) {
    const auto left = until - std::chrono::steady_clock::now();
    if (left <= left.zero()) return true;
    const auto wait_ms = std::chrono::ceil<milliseconds>(left).count();
    const timespec wait{wait_ms / 1000, (wait_ms % 1000) * 1'000'000};
    const int signal = sigtimedwait(&signals_, nullptr, &wait);
    if (signal > 0 && signal != SIGCHLD) return false;
  }
}

bool Supervisor::connection_ended() const {
  pollfd device{connection_.get(), 0, 0};
  return poll(&device, 1, 0) > 0 && (device.revents & POLLERR) != 0;
}

// Takes away what is left of our mount, whoever ended it. Another mount at the same place is not ours to touch.
void Supervisor::remove_mount() {
  const bool ended = connection_ended();
  connection_.reset();
  if (!mount_) return;
  // Without an id the next mount at this place, which may have got our device number, looks like ours.
  if (ended && !mount_->id) return;
  if (auto gone = detach(*mount_); !gone) spdlog::error("{}", gone.error().context);
}

int Supervisor::fail(const Error& error) {
  spdlog::error("{}", error.context);
  tell_outcome(settings_.ready.get(), error.context);
  settings_.ready.reset();
  return EXIT_FAILURE;
}

}  // namespace pail::fuse
