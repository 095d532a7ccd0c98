#include "simulation/kernel/requests.h"

#include <utility>

namespace pail::simulation::kernel {

void Requests::ask(Process process, Question question, Answered then) {
  if (ended_) return;
  unique_ += 2;
  const Call call{unique_, false, process, std::move(question)};
  calls_.push_back(call);
  pending_.emplace(unique_, Pending{call, std::move(then)});
}

void Requests::forget(InodeNumber number) {
  if (ended_) return;
  unique_ += 2;
  calls_.push_back({unique_, false, 0, Forget{number}});
}

void Requests::answered(const Answer& answer) {
  auto found = pending_.extract(answer.unique);
  if (!found.empty() && found.mapped().then) found.mapped().then(answer);
}

std::vector<Call> Requests::take() {
  while (!ready_.empty()) {
    const auto next = std::move(ready_.front());
    ready_.pop_front();
    next();
  }
  return std::exchange(calls_, {});
}

std::vector<Call> Requests::unanswered() const {
  std::vector<Call> calls;
  for (const auto& [unique, pending] : pending_) {
    calls.push_back(pending.call);
    calls.back().resent = true;
  }
  return calls;
}

bool Requests::idle() const {
  return pending_.empty() && calls_.empty() && ready_.empty();
}

void Requests::drop() {
  pending_.clear();
  while (!ready_.empty()) {
    const ReadyQueue dropped = std::exchange(ready_, {});  // what it held may free others
  }
}

}  // namespace pail::simulation::kernel
