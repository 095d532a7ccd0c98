#include "simulation/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "simulation/seeded_random.h"

namespace pail::simulation {
namespace {

constexpr std::uint64_t kEnough = std::uint64_t{10} << 30;
// Enough, a few blocks, and one: what was read or written is soon fetched anew. A file that is removed while it is open
// stays readable up to half of it, and those of large histories are larger.
constexpr std::array<std::uint64_t, 4> kCacheSizes{kEnough, kEnough, 4 << 20, 1 << 20};

template <class T, std::size_t kCount>
T one_of(Random& random, const std::array<T, kCount>& choices) {
  return choices[random.below(kCount)];
}

Climate draw_climate(Random& random) {
  Climate climate;
  switch (random.below(4)) {
    case 0:
      climate.weights = {{Kind::calm, 1}};
      break;
    case 1:
      climate.weights = {{Kind::calm, 2}, {Kind::hidden, 3}};
      break;
    default:
      break;
  }
  return climate;
}

// Listings of several requests each, also of small directories.
void draw_pages(Random& random, Plan& plan) {
  if (random.one_in(3)) plan.store.page = static_cast<unsigned>(random.between(2, 5));
  if (random.one_in(4)) plan.names = 8;
}

constexpr std::uint64_t kNothingInParts = 16 << 20;

// Where the store encrypts, nothing tells the object of a write whose answer was lost from one of others: that is a
// conflict.
bool may_lose_answers(const Plan& plan) {
  const auto is_rough = [](const auto& weight) { return weight.first != Kind::calm && weight.first != Kind::hidden; };
  return plan.deaths_per_hundred_lives > 0 || plan.interrupt_one_in > 0 ||
         std::ranges::any_of(plan.climate.weights, is_rough);
}

// Where conditions do not count, what others write just before may be replaced, and nobody can say by which request:
// those stores have no others. Where those of copies do not count, a file whose copy has another ETag is ESTALE for who
// has it open: those stores have neither files in parts nor keys of their own.
void draw_store(Random& random, Plan& plan) {
  constexpr std::array<fake::Support, 4> kSupport{fake::Support::yes, fake::Support::yes, fake::Support::ignored,
                                                  fake::Support::refused};
  fake::Rules& store = plan.store;
  store.encrypts = !may_lose_answers(plan) && random.one_in(2);
  if (!random.one_in(3)) return;
  store.ends_refused_uploads = random.one_in(3);
  store.no_key_to_match = random.one_in(3);
  store.copies_markers = !random.one_in(4);
  if (plan.others > 0) return;
  store.put_conditions = one_of(random, kSupport);
  store.create_conditions = one_of(random, kSupport);
  store.complete_conditions = one_of(random, kSupport);
  // Else no upload ever ends: the client cannot see that it would have ended without the condition.
  if (store.complete_conditions == fake::Support::refused) store.ends_refused_uploads = false;
  const bool copies_keep_etags = plan.part_size == kNothingInParts && !store.encrypts;
  if (copies_keep_etags && random.one_in(3)) store.copy_conditions = fake::Support::ignored;
}

std::string text_of(const Climate& climate) {
  std::string text = "climate";
  for (const auto& [kind, weight] : climate.weights) text += fmt::format(" {} {}", name_of(kind), weight);
  return text;
}

std::string text_of(std::string_view what, fake::Support conditions) {
  if (conditions == fake::Support::yes) return "";
  return fmt::format(", {} conditions of {}", conditions == fake::Support::ignored ? "ignores" : "refuses", what);
}

std::string text_of(const fake::Rules& store) {
  std::string text = fmt::format("store: pages of {}", store.page);
  if (store.encrypts) text += ", encrypts";
  if (store.ends_refused_uploads) text += ", ends refused uploads";
  if (store.no_key_to_match) text += ", no key to match is no 412";
  if (!store.copies_markers) text += ", copies no markers";
  return text + text_of("PUTs", store.put_conditions) + text_of("begins of uploads", store.create_conditions) +
         text_of("ends of uploads", store.complete_conditions) + text_of("copies", store.copy_conditions);
}

std::string programs_text(const Plan& plan) {
  return fmt::format("{} operations of {} programs {}, {} names{}, {} other clients, {} unmounts", plan.operations,
                     plan.programs, plan.together ? "together" : "apart", plan.names,
                     plan.large_files ? ", large files" : "", plan.others, plan.unmounts);
}

std::string deaths_text(const Plan& plan) {
  return fmt::format("deaths: {}% of lives in {} steps, {}% of both", plan.deaths_per_hundred_lives, plan.longest_life,
                     plan.fresh_per_hundred_deaths);
}

std::string disk_text(const Plan& plan) {
  return fmt::format("disk: {} of {} in {}% of lives", ::strerrorname_np(plan.disk_errnum),
                     plan.failing_files == FailingFiles::all ? "all files" : "bytes",
                     plan.disk_trouble_per_hundred_lives);
}

std::string cache_text(const Plan& plan) {
  return fmt::format("cache: {} bytes, lost before {}% of mounts", plan.cache_size, plan.cache_lost_per_hundred_mounts);
}

std::string never_or(unsigned one_in) {
  return one_in == 0 ? "never" : fmt::format("one in {}", one_in);
}

std::string choices_text(const Plan& plan) {
  return fmt::format("callers killed {}, calendar set {}, baton handed on {}", never_or(plan.interrupt_one_in),
                     never_or(plan.clock_jump_one_in), plan.by_priority ? "by priority" : never_or(plan.switch_one_in));
}

}  // namespace

Plan draw_plan(std::uint64_t seed) {
  Random random(seed);
  Plan plan;
  plan.seed = seed;
  plan.operations = random.between(20, 400);
  plan.programs = static_cast<unsigned>(random.between(1, 4));
  plan.together = random.one_in(2);
  plan.large_files = random.one_in(40);
  plan.ttl = std::chrono::seconds(one_of(random, std::array<int, 4>{0, 1, 30, 3600}));
  plan.part_size = std::uint64_t{plan.large_files ? 1u : 16u} << 20;
  plan.climate = draw_climate(random);
  plan.deaths_per_hundred_lives = one_of(random, std::array<unsigned, 3>{0, 70, 97});
  plan.longest_life = one_of(random, std::array<std::uint64_t, 3>{2'000, 20'000, 200'000});
  plan.fresh_per_hundred_deaths = one_of(random, std::array<unsigned, 3>{0, 20, 60});
  plan.disk_trouble_per_hundred_lives = one_of(random, std::array<unsigned, 3>{0, 0, 30});
  plan.interrupt_one_in = one_of(random, std::array<unsigned, 3>{0, 0, 150});
  plan.clock_jump_one_in = one_of(random, std::array<unsigned, 3>{0, 0, 400});
  plan.switch_one_in = one_of(random, std::array<unsigned, 4>{2, 6, 30, 200});
  plan.by_priority = random.one_in(3);
  plan.others = random.one_in(3) ? static_cast<unsigned>(random.between(1, 2)) : 0;
  if (random.one_in(2)) {
    plan.disk_errnum = EIO;
    plan.failing_files = FailingFiles::bytes;
  }
  plan.cache_size = one_of(random, kCacheSizes);
  if (plan.large_files) plan.cache_size = kEnough;
  plan.cache_lost_per_hundred_mounts = one_of(random, std::array<unsigned, 3>{0, 30, 100});
  plan.unmounts = one_of(random, std::array<unsigned, 4>{0, 0, 1, 4});
  draw_pages(random, plan);
  if (!plan.large_files && random.one_in(8)) plan.part_size = 1 << 10;
  draw_store(random, plan);
  return plan;
}

std::string text_of(const Plan& plan) {
  return fmt::format("{}; ttl {} s, parts above {} bytes; {}; {}; {}; {}; {}; {}", programs_text(plan),
                     std::chrono::duration<double>(plan.ttl).count(), plan.part_size, cache_text(plan),
                     text_of(plan.store), text_of(plan.climate), deaths_text(plan), disk_text(plan),
                     choices_text(plan));
}

}  // namespace pail::simulation
