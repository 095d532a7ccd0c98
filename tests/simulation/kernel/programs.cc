#include "simulation/kernel/programs.h"

#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace pail::simulation {
namespace {

constexpr unsigned kThinks = 30;        // percent of system calls after which a process thinks
constexpr std::uint64_t kSmall = 3000;  // bytes
constexpr std::uint64_t kMiddle = 100 << 10;
constexpr std::uint64_t kLargest = 6 << 20, kLarge = 2 << 20;
constexpr std::uint64_t kReadSize = 128 << 10;
constexpr std::chrono::minutes kLongPause{35};  // uploads are tried to be aborted after half an hour at the latest

}  // namespace

std::string written_bytes(std::uint64_t seed, std::uint64_t write, std::uint64_t size) {
  const std::uint64_t of_write = mixed(seed) ^ mixed(~write);
  std::string bytes(size, '\0');
  for (std::uint64_t at = 0; at < size; at += sizeof(std::uint64_t)) {
    const std::uint64_t word = mixed(of_write + at);
    std::memcpy(bytes.data() + at, &word, std::min<std::uint64_t>(sizeof word, size - at));
  }
  return bytes;
}

const std::vector<Programs::Weighted> Programs::kActivities{
    {14, &Programs::write_file},
    {4, &Programs::append},
    {7, &Programs::patch},
    {10, &Programs::read_file},
    {3, &Programs::redirect},
    {3, &Programs::unlink_while_open},
    {10, &Programs::go_on_with_kept},
    {4, &Programs::close_kept},
    {4, &Programs::list},
    {5, &Programs::go_on_listing},
    {8, &Programs::stat},
    {5, &Programs::change_attributes},
    {4, &Programs::truncate},
    {9, &Programs::make_directory},
    {2, &Programs::remove_directory},
    {5, &Programs::unlink},
    {6, &Programs::rename},
    {3, &Programs::rename_directory},
    {3, &Programs::link},
    {2, &Programs::forget_something},
    {2, &Programs::sleep},
};

Programs::Programs(std::uint64_t seed, const Settings& settings)
    : seed_(seed), settings_(settings), kernel_(std::make_unique<Kernel>(settings.trust, 0)) {
  for (Process process = 1; process <= settings.processes; ++process) {
    programs_.emplace_back(process, mixed(seed) + process);
    start_anew(programs_.back());
  }
}

// ---- who runs when --------------------------------------------------------------------------------------------------

std::vector<Call> Programs::begin(SteadyTime now) {
  return run(now);
}

std::vector<Call> Programs::answered(const Answer& answer, SteadyTime now) {
  now_ = now;
  kernel_->set_time(now);
  kernel_->answered(answer);
  return run(now);
}

std::vector<Call> Programs::run(SteadyTime now) {
  now_ = now;
  kernel_->set_time(now);
  std::vector<Call> calls = kernel_->take_calls();
  for (;;) {
    const auto due =
        std::find_if(programs_.begin(), programs_.end(), [this](const auto& each) { return is_due(each); });
    if (due == programs_.end()) return calls;
    start(*due);
    std::vector<Call> more = kernel_->take_calls();
    std::move(more.begin(), more.end(), std::back_inserter(calls));
  }
}

std::optional<SteadyTime> Programs::next_start() const {
  std::optional<SteadyTime> next;
  for (const Program& program : programs_)
    if (program.state == State::ready && (!next || program.wake < *next)) next = program.wake;
  return next;
}

void Programs::remounted() {
  kernel_ = std::make_unique<Kernel>(settings_.trust, kernel_->last_unique());
  for (Program& program : programs_) start_anew(program);
}

void Programs::begin_again() {
  finishing_ = false;
  remounted();
}

bool Programs::idle() const {
  const auto stopped = [](const Program& program) { return program.state == State::stopped; };
  return std::all_of(programs_.begin(), programs_.end(), stopped) && kernel_->idle();
}

void Programs::start_anew(Program& program) {
  program.state = State::ready;
  program.wake = now_;
  program.current = -1;
  program.kept.clear();
  program.steps.clear();
  if (settings_.own_directories) add_make_directory(program, home(program));
}

void Programs::start(Program& program) {
  if (finishing_) return next_to_finish(program);
  if (program.steps.empty()) plan(program);
  const Step step = std::move(program.steps.front());
  program.steps.pop_front();
  program.state = State::busy;
  step(program);
}

void Programs::next_to_finish(Program& program) {
  program.steps.clear();
  if (program.current >= 0) program.kept.push_back(std::exchange(program.current, -1));
  program.state = program.kept.empty() ? State::stopped : State::busy;
  if (program.kept.empty()) return;
  const int descriptor = program.kept.back();
  program.kept.pop_back();
  kernel_->close(program.process, descriptor, done(program));
}

void Programs::plan(Program& program) {
  unsigned all = 0;
  for (const Weighted& each : kActivities) all += each.weight;
  std::uint64_t choice = program.random.below(all);
  for (const Weighted& each : kActivities) {
    if (choice < each.weight) return (this->*each.activity)(program);
    choice -= each.weight;
  }
}

void Programs::returned(Program& program) {
  ++operations_;
  program.state = State::ready;
  program.wake = now_;
  if (!finishing_ && program.random.percent(kThinks))
    program.wake += std::chrono::nanoseconds(
        program.random.between(1, static_cast<std::uint64_t>(settings_.longest_thought.count())));
}

Kernel::Then Programs::done(Program& program) {
  return [this, &program](const Outcome&) { returned(program); };
}

Kernel::Then Programs::opened(Program& program) {
  return [this, &program](const Outcome& outcome) {
    program.current = outcome.descriptor;
    if (outcome.errnum != 0) program.steps.clear();  // programs give up then
    returned(program);
  };
}

// ---- choices --------------------------------------------------------------------------------------------------------

Path Programs::home(const Program& program) const {
  return settings_.own_directories ? Path{"p" + std::to_string(program.process)} : Path{};
}

Path Programs::directory(Program& program) const {
  Path path = home(program);
  const unsigned directories = (settings_.names + 1) / 2;
  for (unsigned level = 1; level < settings_.depth && program.random.percent(50); ++level)
    path.push_back("d" + std::to_string(program.random.below(directories)));
  return path;
}

Path Programs::file(Program& program) const {
  Path path = directory(program);
  path.push_back("f" + std::to_string(program.random.below(settings_.names)));
  return path;
}

Path Programs::subdirectory(Program& program) const {
  Path path = directory(program);
  path.push_back("d" + std::to_string(program.random.below((settings_.names + 1) / 2)));
  return path;
}

Path Programs::anything(Program& program) const {
  return program.random.percent(75) ? file(program) : subdirectory(program);
}

std::uint64_t Programs::size(Program& program) const {
  Random& random = program.random;
  if (random.below(1000) < settings_.large_per_mille) return random.between(kLarge, kLargest);
  if (random.percent(5)) return random.between(kMiddle / 2, kMiddle);
  return random.percent(15) ? random.below(3) : random.between(1, kSmall);
}

std::string Programs::bytes(Program& program) {
  const std::uint64_t write = std::uint64_t{program.process} << 40 | ++program.writes;
  return written_bytes(seed_, write, size(program));
}

// ---- steps ----------------------------------------------------------------------------------------------------------

void Programs::add_open(Program& program, Path path, int flags) {
  const std::uint32_t permissions = program.random.percent(80) ? 0644 : 0600;
  program.steps.push_back(
      [=, this](Program& one) { kernel_->open(one.process, path, flags, permissions, opened(one)); });
}

void Programs::add_write(Program& program, std::uint64_t at) {
  program.steps.push_back([=, this, data = bytes(program)](Program& one) {
    kernel_->write(one.process, one.current, at, data, done(one));
  });
}

void Programs::add_writes(Program& program) {
  std::uint64_t at = 0;
  for (std::uint64_t left = program.random.below(4); left > 0; --left) {
    const std::string data = bytes(program);
    program.steps.push_back([=, this](Program& one) { kernel_->write(one.process, one.current, at, data, done(one)); });
    at += data.size();
  }
}

void Programs::add_read(Program& program, std::uint64_t at, std::uint64_t size) {
  program.steps.push_back([=, this](Program& one) { kernel_->read(one.process, one.current, at, size, done(one)); });
}

void Programs::add_sync(Program& program) {
  program.steps.push_back([this](Program& one) { kernel_->sync(one.process, one.current, done(one)); });
}

void Programs::add_close(Program& program) {
  program.steps.push_back(
      [this](Program& one) { kernel_->close(one.process, std::exchange(one.current, -1), done(one)); });
}

// Mostly it is closed, as programs do; some are kept for later.
void Programs::add_end(Program& program) {
  if (program.kept.size() >= settings_.most_open || program.random.percent(75)) return add_close(program);
  program.steps.push_back([this](Program& one) {
    if (one.current >= 0) one.kept.push_back(std::exchange(one.current, -1));
    kernel_->stat_open(one.process, one.kept.empty() ? -1 : one.kept.back(), done(one));
  });
}

bool Programs::take_kept(Program& program) {
  if (program.kept.empty()) return false;
  const auto taken = program.kept.begin() + static_cast<std::ptrdiff_t>(program.random.below(program.kept.size()));
  program.current = *taken;
  program.kept.erase(taken);
  return true;
}

void Programs::add_make_directory(Program& program, const Path& path) {
  program.steps.push_back([=, this](Program& one) { kernel_->make_directory(one.process, path, 0755, done(one)); });
}

void Programs::add_rename(Program& program, const Path& from, const Path& to) {
  const std::uint64_t choice = program.random.below(20);
  vfs::RenameMode mode = vfs::RenameMode::replace;
  if (choice < 2) mode = vfs::RenameMode::no_replace;
  if (choice == 2) mode = vfs::RenameMode::exchange;
  program.steps.push_back([=, this](Program& one) { kernel_->rename(one.process, from, to, mode, done(one)); });
}

// ---- activities on files --------------------------------------------------------------------------------------------

void Programs::write_file(Program& program) {
  const Path path = file(program);
  if (path.size() > 1 && program.random.percent(30)) add_make_directory(program, parent_of(path));
  int flags = O_CREAT | (program.random.percent(70) ? O_WRONLY : O_RDWR);
  if (program.random.percent(70)) flags |= O_TRUNC;
  if (program.random.percent(10)) flags |= O_EXCL;
  add_open(program, path, flags);
  add_writes(program);
  if (program.random.percent(15)) add_sync(program);
  if (program.random.percent(20)) add_writes(program);
  add_end(program);
}

void Programs::append(Program& program) {
  add_open(program, file(program), O_WRONLY | O_APPEND | (program.random.percent(50) ? O_CREAT : 0));
  for (std::uint64_t left = program.random.between(1, 3); left > 0; --left) add_write(program, 0);
  add_end(program);
}

void Programs::patch(Program& program) {
  add_open(program, file(program), O_RDWR);
  for (std::uint64_t left = program.random.between(1, 3); left > 0; --left) {
    if (program.random.percent(30)) add_read(program, program.random.below(kSmall), kReadSize);
    add_write(program, program.random.below(2 * kSmall));
  }
  if (program.random.percent(30)) add_read(program, 0, kReadSize);
  add_end(program);
}

void Programs::read_file(Program& program) {
  add_open(program, file(program), O_RDONLY);
  if (program.random.percent(60)) {
    add_read(program, 0, kReadSize);
    if (program.random.percent(30)) add_read(program, kReadSize, kReadSize);
  } else {
    add_read(program, program.random.below(kSmall), program.random.between(1, kSmall));
  }
  add_end(program);
}

// As a shell does: the descriptor is duplicated, one of the two is closed, and then the other is written to.
void Programs::redirect(Program& program) {
  add_open(program, file(program), O_CREAT | O_TRUNC | O_WRONLY);
  program.steps.push_back([this](Program& one) {
    const int duplicate = kernel_->duplicate(one.process, one.current);
    kernel_->close(one.process, std::exchange(one.current, duplicate), done(one));
  });
  add_writes(program);
  add_end(program);
}

void Programs::unlink_while_open(Program& program) {
  const Path path = file(program);
  add_open(program, path, O_CREAT | O_RDWR | (program.random.percent(50) ? O_TRUNC : 0));
  add_writes(program);
  program.steps.push_back([=, this](Program& one) { kernel_->unlink(one.process, path, done(one)); });
  add_writes(program);
  add_read(program, 0, kReadSize);
  if (program.random.percent(30)) add_sync(program);
  add_end(program);
}

void Programs::go_on_with_kept(Program& program) {
  if (!take_kept(program)) return stat(program);
  switch (program.random.below(7)) {
    case 0:
    case 1:
      add_write(program, program.random.below(2 * kSmall));
      break;
    case 2:
    case 3:
      add_read(program, program.random.below(kSmall), kReadSize);
      break;
    case 4:
      add_sync(program);
      break;
    case 5:
      program.steps.push_back([this, length = program.random.below(2 * kSmall)](Program& one) {
        kernel_->truncate_open(one.process, one.current, length, done(one));
      });
      break;
    default:
      program.steps.push_back([this](Program& one) {
        const int duplicate = kernel_->duplicate(one.process, one.current);
        if (duplicate >= 0) one.kept.push_back(duplicate);
        kernel_->stat_open(one.process, one.current, done(one));
      });
  }
  add_end(program);
}

void Programs::close_kept(Program& program) {
  if (!take_kept(program)) return stat(program);
  add_close(program);
}

// ---- activities on directories --------------------------------------------------------------------------------------

void Programs::add_page(Program& program) {
  const std::uint64_t most = program.random.between(1, 4);
  const bool with_attributes = program.random.percent(50);
  program.steps.push_back(
      [=, this](Program& one) { kernel_->read_directory(one.process, one.current, most, with_attributes, done(one)); });
}

void Programs::list(Program& program) {
  program.steps.push_back(
      [this, path = directory(program)](Program& one) { kernel_->open_directory(one.process, path, opened(one)); });
  for (std::uint64_t left = program.random.between(1, 5); left > 0; --left) add_page(program);
  add_end(program);
}

// Of whichever descriptor was kept: that it may be of a file is ENOTDIR.
void Programs::go_on_listing(Program& program) {
  if (!take_kept(program)) return list(program);
  if (program.random.percent(20)) kernel_->rewind_directory(program.process, program.current);
  add_page(program);
  add_end(program);
}

void Programs::make_directory(Program& program) {
  add_make_directory(program, subdirectory(program));
}

void Programs::remove_directory(Program& program) {
  program.steps.push_back(
      [this, path = subdirectory(program)](Program& one) { kernel_->remove_directory(one.process, path, done(one)); });
}

// ---- activities on names --------------------------------------------------------------------------------------------

void Programs::stat(Program& program) {
  program.steps.push_back(
      [this, path = anything(program)](Program& one) { kernel_->stat(one.process, path, done(one)); });
  if (program.random.percent(5))
    program.steps.push_back([this](Program& one) { kernel_->stat_filesystem(one.process, done(one)); });
}

void Programs::change_attributes(Program& program) {
  const Path path = anything(program);
  if (program.random.percent(50)) {
    const std::uint32_t permissions =
        0600 | (program.random.percent(50) ? 0055 : 0) | (path.back()[0] == 'd' ? 0100 : 0);
    program.steps.push_back(
        [=, this](Program& one) { kernel_->change_mode(one.process, path, permissions, done(one)); });
  } else {
    const WallTime time{std::chrono::seconds(1'600'000'000) +
                        std::chrono::nanoseconds(program.random.below(100'000'000'000'000'000))};
    program.steps.push_back([=, this](Program& one) { kernel_->set_modified(one.process, path, time, done(one)); });
  }
}

void Programs::truncate(Program& program) {
  const std::uint64_t length = program.random.percent(30) ? 0 : program.random.below(2 * kSmall);
  program.steps.push_back(
      [=, this, path = file(program)](Program& one) { kernel_->truncate(one.process, path, length, done(one)); });
}

void Programs::unlink(Program& program) {
  program.steps.push_back(
      [this, path = file(program)](Program& one) { kernel_->unlink(one.process, path, done(one)); });
}

void Programs::rename(Program& program) {
  const Path from = file(program);
  add_rename(program, from, program.random.percent(90) ? file(program) : subdirectory(program));
}

void Programs::rename_directory(Program& program) {
  const Path from = subdirectory(program);
  add_rename(program, from, anything(program));
}

void Programs::link(Program& program) {
  const Path path = file(program);
  program.steps.push_back([=, this, target = "to-" + std::to_string(program.random.below(100))](Program& one) {
    kernel_->make_symlink(one.process, path, target, done(one));
  });
  program.steps.push_back([=, this](Program& one) { kernel_->read_link(one.process, path, done(one)); });
}

void Programs::forget_something(Program& program) {
  program.steps.push_back([this](Program& one) {
    kernel_->shrink(one.random.next());
    kernel_->stat(one.process, anything(one), done(one));
  });
}

// With what it has open.
void Programs::sleep(Program& program) {
  const std::chrono::nanoseconds time =
      program.random.percent(70) ? settings_.metadata_ttl * program.random.between(1, 3) : kLongPause;
  program.steps.push_back([=, this](Program& one) {
    one.state = State::ready;
    one.wake = now_ + std::min(time, settings_.longest_sleep);
  });
}

}  // namespace pail::simulation
