#include "simulation/history.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "simulation/audit.h"
#include "simulation/life_end.h"
#include "simulation/stays.h"
#include "simulation/world/face.h"
#include "simulation/wrong.h"

namespace pail::simulation {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr SteadyTime kBegin{hours(1000)};
constexpr std::chrono::nanoseconds kCalendar{hours(490'000)};  // from steady time to that of the calendar
constexpr std::chrono::nanoseconds kLongestCall = hours(2);    // no call may take so long
constexpr std::chrono::nanoseconds kTimeToSettle = hours(2);   // for what is tried again with growing pauses

Programs::Settings program_settings(const Plan& plan) {
  Programs::Settings settings;
  settings.processes = plan.programs;
  settings.own_directories = !plan.together;
  settings.names = plan.names;
  settings.metadata_ttl = plan.ttl;
  if (plan.others > 0) settings.longest_sleep = std::chrono::minutes(2);  // in which others do much
  settings.large_per_mille = plan.large_files ? 50 : 0;
  return settings;
}

bool is_of_the_driver(std::uint64_t unique) {
  return unique >= History::kFirstOfTheDriver;
}

std::string happened_to_store(Trouble trouble) {
  return fmt::format("store: {}", row_of(trouble).name);
}

std::string happened_to_disk(int errnum, std::string_view operation) {
  return fmt::format("disk: {} {}", errnum == ENOSPC ? "full" : "failing", operation);
}

// What else is counted.
constexpr std::string_view kWorkerDies = "death: of the worker", kBothDie = "death: of both",
                           kDiesEarly = "death: before it served", kDiesInTheEnd = "death: while it ended",
                           kCallerIsKilled = "caller: killed", kCalendarIsSet = "calendar: set",
                           kCacheIsLost = "cache: lost", kIsAbandoned = "store: abandoned effect";
constexpr auto kHappens =
    std::to_array<std::string_view>({kWorkerDies, kBothDie, kDiesEarly, kDiesInTheEnd, kCallerIsKilled, kCalendarIsSet,
                                     kCacheIsLost, kIsAbandoned, Audit::kShowsDirectory, Audit::kShowsFile});

}  // namespace

Counted& Counted::operator+=(const Counted& more) {
  histories += more.histories;
  operations += more.operations;
  calls += more.calls;
  requests += more.requests;
  deaths += more.deaths;
  time += more.time;
  for (const auto& [name, times] : more.happened) happened[name] += times;
  return *this;
}

History::History(const Plan& plan, Trace& trace, std::filesystem::path directory)
    : plan_(plan),
      trace_(trace),
      directory_(std::move(directory)),
      choices_(plan.seed ^ 0x5eed),
      now_(kBegin),
      wall_offset_(kCalendar),
      world_(plan.seed, plan.climate, kBegin, WallTime(kBegin.time_since_epoch() + kCalendar)),
      programs_(plan.seed, program_settings(plan)),
      others_(plan.seed, plan.others, program_settings(plan), world_, kBegin),
      judge_(make_judge(plan)) {
  world_.bucket().rules = plan.store;
  trace_.note(now_, "plan", text_of(plan));
  world_.watch_weather([this](const Weather& weather) { trace_.note(now_, "weather", text_of(weather)); });
  world_.watch([this](const Effect& effect) {
    trace_.note(now_, "effect", text_of(effect));
    if (effect.abandoned) note(kIsAbandoned);
    judge(judge_->changed(effect));
  });
}

std::optional<std::string> History::run() {
  try {
    begin_life(vfs::Start::fresh, true);
    work();
    finish();
    settle_and_check();
    audit();
  } catch (const Wrong& found) {
    return found.what;
  }
  count();
  return std::nullopt;
}

void History::count() {
  ++counted_.histories;
  counted_.operations = programs_.operations();
  counted_.requests = world_.requests();
  counted_.time = now_ - kBegin;
  for (const Trouble trouble : all_troubles()) counted_.happened[happened_to_store(trouble)] += 0;
  for (const std::string_view operation : kDiskOperations) counted_.happened[happened_to_disk(EIO, operation)] += 0;
  for (const std::string_view operation : kTakesSpace) counted_.happened[happened_to_disk(ENOSPC, operation)] += 0;
  counted_.happened[happened_to_disk(ENOSPC, kAsksForSpace)] += 0;
  for (const std::string_view name : kHappens) counted_.happened[std::string(name)] += 0;
  const CheckCounts counts = judge_->counts();
  for (std::size_t i = 0; i < kCheckNames.size(); ++i)
    counted_.happened[fmt::format("check: {}", kCheckNames[i])] += counts.of(static_cast<Check>(i));
}

// ---- phases ----

void History::work() {
  programs_run_ = true;
  for (unsigned mount = 1; mount <= plan_.unmounts; ++mount) {
    work_until(plan_.operations * mount / (plan_.unmounts + 1));
    remount();
  }
  work_until(plan_.operations);
}

void History::work_until(std::uint64_t operations) {
  while (programs_.operations() < operations && !judge_->too_uncertain()) pump();
}

// Programs close what they have open, or umount(8) would be refused; in the weather that there is. Then the same
// directories are mounted anew.
void History::remount() {
  programs_.finish();
  while (!programs_.idle()) pump();
  end_mount();
  programs_.begin_again();
  begin_life(vfs::Start::fresh, true);
}

// The sky clears, and the programs close what they have open.
void History::finish() {
  world_.keep(Weather{}, now_);
  finishing_ = true;
  programs_.finish();
  while (!programs_.idle()) pump();
  programs_run_ = false;
}

void History::end_mount() {
  const Around around = unmount();
  judge_->unmounted(around, bucket_view(world_.bucket()));
}

void History::settle_and_check() {
  pass(kTimeToSettle);
  end_mount();
  check_uploads(left_to_the_next());
}

// What the mount could not end, since the store refused that or the disk failed while it ended, the next one aborts. Of
// the second its journal knows.
std::set<std::string> History::left_to_the_next() {
  std::set<std::string> left = world_.refused_aborts();
  if (!life_.disk_failed_at_its_end) return left;
  for (const auto& [id, key] : noted_uploads(directory_))
    if (world_.bucket().has_upload(key, cos::UploadId{id})) left.insert(id);
  return left;
}

void History::check_uploads(std::set<std::string> left) {
  left.merge(world_.unknown_uploads());
  const std::size_t uploads = world_.bucket().uploads() - left.size();
  if (uploads != 0) throw Wrong{fmt::format("{} uploads are left in the bucket", uploads)};
}

// A fresh mount shows what is in the bucket, and has kept what could not be stored.
void History::audit() {
  begin_life(vfs::Start::fresh, false);
  const auto ask_mount = [this](Question question) { return ask_and_wait(std::move(question)); };
  const auto attributes = plan_.others > 0 ? Audit::Attributes::any : Audit::Attributes::those_of_the_bucket;
  Audit(world_.bucket(), attributes, ask_mount, [this](std::string_view happened) { note(happened); }).run();
  judge(judge_->settled(bucket_view(world_.bucket()), kept_view(directory_)));
  (void)unmount();
  check_uploads({});
  if (const auto left = left_behind(directory_)) throw Wrong{"a mount that had nothing to do leaves " + *left};
}

// ---- lives ----

LifeSettings History::draw_life(vfs::Start start, bool may_die) {
  LifeSettings settings;
  settings.schedule.seed = choices_.next();
  settings.schedule.switch_one_in = plan_.switch_one_in;
  settings.schedule.by_priority = plan_.by_priority;
  if (may_die && choices_.below(100) < plan_.deaths_per_hundred_lives) {
    // As often in the first hundred steps as between the last two powers of two.
    std::uint64_t bound = 64;
    while (bound < plan_.longest_life && !choices_.one_in(5)) bound *= 2;
    settings.schedule.death = choices_.between(1, bound);
  }
  if (may_die && choices_.below(100) < plan_.disk_trouble_per_hundred_lives) settings.disk = draw_disk_trouble();
  settings.start = start;
  settings.directory = directory_;
  settings.url = std::string(World::kUrl);
  settings.bucket = std::string(kBucket);
  settings.metadata_ttl = plan_.ttl;
  settings.part_size = plan_.part_size;
  settings.cache_size = plan_.cache_size;
  return settings;
}

DiskTrouble History::draw_disk_trouble() {
  DiskTrouble trouble;
  trouble.from_step = choices_.below(plan_.longest_life / 4);
  trouble.to_step = trouble.from_step + choices_.between(1, plan_.longest_life / 4);
  trouble.errnum = plan_.disk_errnum;
  trouble.one_in = trouble.errnum == EIO ? choices_.between(1, 64) : choices_.between(1, 4);
  trouble.files = plan_.failing_files;
  return trouble;
}

void History::begin_life(vfs::Start start, bool may_die) {
  if (start == vfs::Start::fresh) not_removed_.clear();
  if (start == vfs::Start::fresh && choices_.below(100) < plan_.cache_lost_per_hundred_mounts) lose_cache();
  const LifeSettings settings = draw_life(start, may_die);
  if (!state_) {
    auto state = fuse::SharedMemory::create();
    if (!state) throw Wrong{state.error().context};
    state_ = *std::move(state);
  }
  trace_.note(now_, "life",
              fmt::format("{} death {} disk {}-{}", start == vfs::Start::fresh ? "fresh" : "resume",
                          settings.schedule.death.value_or(0), settings.disk.from_step, settings.disk.to_step));
  process_.begin(settings, **state_);
  life_ =
      Life{.began = now_, .may_die = settings.schedule.death.has_value(), .disk_fails_until = settings.disk.to_step};
}

void History::lose_cache() {
  note(kCacheIsLost);
  std::filesystem::remove_all(LifeSettings::cache_of(directory_));
}

Around History::unmount() {
  const SteadyTime begun = now_;
  trace_.note(now_, "umount");
  unmounting_ = true;
  to_send_.emplace_back(Unmount{});
  while (!life_.ended) pump();
  to_send_.clear();  // one that cannot begin hears nothing
  unmounting_ = false;
  wait_for_its_end();
  state_.reset();
  world_.life_ended(World::End::orderly, now_);
  Around around = around_since(begun);
  around.store = around.store || now_ - begun >= LifeSettings::kStopTimeout;
  around.failing_disk = around.failing_disk || life_.disk_failed;  // what it failed is not stored by this life
  end_disk_trouble();
  return around;
}

void History::end_disk_trouble() {
  if (last_disk_trouble_ == SteadyTime::max()) last_disk_trouble_ = now_;
}

// As a worker of the same mount does: the first that serves makes a mount of it.
vfs::Start History::next_start() const {
  return (*state_)->stage == fuse::Stage::serving ? vfs::Start::resume : vfs::Start::fresh;
}

void History::wait_for_its_end() {
  const LifeEnd end{process_.wait(), life_.ended, life_.may_die, life_.disk_failed};
  if (auto wrong = wrong_with(end)) throw Wrong{*std::move(wrong)};
}

// The other end of the pipe is gone.
void History::go_on_after_death() {
  wait_for_its_end();
  ++counted_.deaths;
  if (unmounting_) note(kDiesInTheEnd);
  if (next_start() == vfs::Start::fresh) note(kDiesEarly);
  to_send_.clear();
  world_.life_ended(World::End::killed, now_);
  end_disk_trouble();
  now_ += choices_.one_in(10) ? std::chrono::nanoseconds(hours(1)) : std::chrono::milliseconds(50);
  const bool both = choices_.below(100) < plan_.fresh_per_hundred_deaths;
  note(both ? kBothDie : kWorkerDies);
  trace_.note(now_, "death", both ? "of both" : "of the worker");
  if (both) {
    state_.reset();
    asked_at_.clear();
    interrupted_.clear();
    judge_->remounted(bucket_view(world_.bucket()));
    programs_.remounted();
  } else {
    judge_->resumed();
  }
  begin_life(both ? vfs::Start::fresh : next_start(), !finishing_);
  if (unmounting_) to_send_.emplace_back(Unmount{});
  if (both) return;
  for (const Call& call : programs_.resumed()) {
    trace_.note(now_, "again", describe(call));
    to_send_.emplace_back(Ask{call});
  }
}

// ---- between parent and child ----

void History::pump() {
  const std::optional<FromLife> message = process_.receive();
  if (!message) return go_on_after_death();
  std::visit([this](const auto& said) { take(said); }, *message);
}

void History::take(const Answered& answered) {
  const Answer& answer = answered.answer;
  trace_.note(now_, "answer", describe(answer));
  if (is_of_the_driver(answer.unique)) {
    for_driver_[answer.unique] = answer;
    return;
  }
  const auto asked = asked_at_.extract(answer.unique);
  if (asked.empty()) throw Wrong{fmt::format("call {} was answered and not asked, or twice", answer.unique)};
  Around around = around_since(asked.mapped());
  around.killed_caller = interrupted_.erase(answer.unique) > 0;
  judge(judge_->answered(answer, around, bucket_view(world_.bucket()), now_));
  ask(programs_.answered(answer, now_));
}

void History::take(const StoreRequest& request) {
  trace_.note(now_, "request", describe(request, world_.requests() + 1));
  const HttpRequest sent{request.method, request.url, request.headers, request.body};
  judge_->sent(sent);
  world_.send(request.id, sent, {request.first_byte_deadline, request.stall_deadline}, now_);
  if (others_act()) others_.mount_sent(sent, now_);
}

void History::take(const StoreCancel& cancel) {
  trace_.note(now_, "cancel", std::to_string(cancel.id));
  world_.cancel(cancel.id, now_);
}

void History::take(const LogLine& line) {
  trace_.note(now_, "log", line.text);
}

void History::take(const DiskFailed& failed) {
  note(happened_to_disk(failed.errnum, failed.operation));
  trace_.note(now_, "disk", fmt::format("{} {}", failed.operation, failed.errnum));
  life_.disk_failed = true;
  life_.disk_failed_at_its_end = life_.disk_failed_at_its_end || unmounting_;
  last_disk_trouble_ = SteadyTime::max();
  if (failed.operation == "ftruncate") last_failed_cut_ = now_;
  if (failed.operation == "unlink") not_removed_.emplace_back(failed.place);
}

void History::take(const Waiting& waiting) {
  now_ = std::max(now_, waiting.now);
  if (life_.disk_fails_until > 0 && waiting.steps >= life_.disk_fails_until) {
    life_.disk_fails_until = 0;
    if (life_.disk_failed) last_disk_trouble_ = now_;
  }
  if (!finishing_) disturb();
  trace_.note(now_, waiting.idle ? "idle" : "runs", fmt::format("step {} {:x}", waiting.steps, waiting.digest));
  std::vector<Event> events = events_due();
  if (events.empty() && waiting.idle) {
    const SteadyTime next = std::min(next_event(), waiting.wake.value_or(SteadyTime::max()));
    if (next == SteadyTime::max()) {
      events.emplace_back(Explain{"nothing will happen any more, and somebody waits"});
    } else {
      now_ = std::max(now_, next);
      events = events_due();
    }
  }
  for (const auto& [unique, at] : asked_at_)
    if (now_ - std::max(at, life_.began) > kLongestCall)
      events.emplace_back(Explain{fmt::format("call {} waits for too long", unique)});
  process_.send(Go{now_, next_event(), wall_offset_, std::move(events)});
}

void History::take(const Ended& ended) {
  trace_.note(now_, "ended", ended.text);
  for (const std::string& place : ended.stays) trace_.note(now_, "stays", place);
  life_.ended = ended;
  if (ended.how != Ended::How::in_order) return;
  if (const auto other = not_as_told(directory_, ended.stays, not_removed_))
    throw Wrong{"when the mount ended, " + *other};
}

void History::disturb() {
  if (plan_.interrupt_one_in > 0 && choices_.one_in(plan_.interrupt_one_in)) kill_a_caller();
  if (plan_.clock_jump_one_in == 0 || !choices_.one_in(plan_.clock_jump_one_in)) return;
  const std::chrono::nanoseconds by = choices_.magnitude(seconds(1), hours(100));
  wall_offset_ += choices_.one_in(2) ? by : -by;
  note(kCalendarIsSet);
  trace_.note(now_, "calendar", fmt::format("set by {} s", std::chrono::floor<seconds>(by).count()));
}

void History::kill_a_caller() {
  if (asked_at_.empty()) return;
  const std::uint64_t unique =
      std::next(asked_at_.begin(), static_cast<std::ptrdiff_t>(choices_.below(asked_at_.size())))->first;
  interrupted_.insert(unique);
  note(kCallerIsKilled);
  trace_.note(now_, "interrupt", std::to_string(unique));
  to_send_.emplace_back(Interrupt{unique});
}

std::vector<Event> History::events_due() {
  if (others_act()) others_.begin(now_);
  for (Delivery& delivery : world_.advance(now_)) {
    trace_.note(now_, "delivery",
                fmt::format("{} {} {} {}", delivery.id, delivery.answer.status, delivery.broken,
                            row_of(delivery.trouble).name));
    if (delivery.trouble != Trouble::none) note(happened_to_store(delivery.trouble));
    StoreAnswer answer{delivery.id,          delivery.answer.status, delivery.answer.headers,
                       delivery.answer.body, delivery.broken,        delivery.answer.body.size()};
    judge_->delivered(delivery.asked, delivery.answer, delivery.broken);
    for (const others::Told& told : others::told_by(delivery.asked, delivery.answer)) judge_->told(told.key, told.etag);
    to_send_.emplace_back(std::move(answer));
  }
  if (programs_run_) ask(programs_.begin(now_));
  return std::exchange(to_send_, {});
}

SteadyTime History::next_event() const {
  SteadyTime next = std::min(world_.next(), alarm_);
  if (programs_run_) next = std::min(next, programs_.next_start().value_or(SteadyTime::max()));
  if (others_act()) next = std::min(next, others_.next());
  return next;
}

void History::ask(const Call& call) {
  trace_.note(now_, "call", describe(call));
  ++counted_.calls;
  to_send_.emplace_back(Ask{call});
  if (is_of_the_driver(call.unique)) return;
  if (!std::holds_alternative<Forget>(call.question)) asked_at_[call.unique] = now_;
  judge_->asked(call, now_);
}

void History::ask(const std::vector<Call>& calls) {
  for (const Call& call : calls) ask(call);
}

Answer History::ask_and_wait(Question question) {
  Call call;
  call.unique = next_unique_ += 2;
  call.question = std::move(question);
  ask(call);
  while (!for_driver_.contains(call.unique)) pump();
  return for_driver_.extract(call.unique).mapped();
}

void History::pass(std::chrono::nanoseconds time) {
  alarm_ = now_ + time;
  while (now_ < alarm_) pump();
  alarm_ = SteadyTime::max();
}

Around History::around_since(SteadyTime asked) const {
  const bool disk = last_disk_trouble_ >= asked;
  return {.store = !world_.calm_since(asked),
          .full_disk = disk && plan_.disk_errnum == ENOSPC,
          .failing_disk = disk && plan_.disk_errnum == EIO,
          .failing_cut = last_failed_cut_ >= asked};
}

void History::judge(const Verdict& verdict) {
  if (verdict) throw Wrong{verdict->text};
}

}  // namespace pail::simulation
