#include "emulator/fault_rule.h"

#include <algorithm>

namespace pail::emulator {
namespace {

bool matches(const FaultRule& rule, std::string_view operation, std::string_view bucket, std::string_view key) {
  const bool named = std::any_of(rule.operations.begin(), rule.operations.end(),
                                 [&](const std::string& name) { return name == "*" || name == operation; });
  return named && (rule.bucket.empty() || rule.bucket == bucket) && key.starts_with(rule.key_prefix);
}

}  // namespace

void FaultPlan::add(FaultRule rule) {
  MutexLock lock(mutex_);
  const std::uint32_t seed = rule.seed;
  rules_.push_back({std::move(rule), 0, 0, std::mt19937(seed)});
}

void FaultPlan::clear() {
  MutexLock lock(mutex_);
  rules_.clear();
}

std::vector<FaultRule> FaultPlan::rules() const {
  MutexLock lock(mutex_);
  std::vector<FaultRule> out;
  for (const Armed& armed : rules_) out.push_back(armed.rule);
  return out;
}

std::optional<FaultRule> FaultPlan::strike(std::string_view operation, std::string_view bucket, std::string_view key) {
  MutexLock lock(mutex_);
  for (Armed& armed : rules_) {
    if (!matches(armed.rule, operation, bucket, key)) continue;
    if (armed.matched++ < armed.rule.after || armed.struck >= armed.rule.times) continue;
    if (armed.rule.probability < 1 && std::uniform_real_distribution<>(0, 1)(armed.random) >= armed.rule.probability)
      continue;
    ++armed.struck;
    return armed.rule;
  }
  return std::nullopt;
}

}  // namespace pail::emulator
