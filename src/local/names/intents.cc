#include "local/names/intents.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <string>

namespace pail::local {
namespace {

// The detail of a beginning: nothing, or the number of the inode that is replaced.
std::string detail_of(InodeNumber replaced) {
  return replaced != 0 ? std::to_string(replaced) : std::string();
}

InodeNumber replaced_of(const std::string& detail) {
  return std::strtoull(detail.c_str(), nullptr, 10);
}

// The detail of an answer: nothing, or the errno and its sentence.
std::string detail_of(const std::optional<Error>& failure) {
  return failure ? fmt::format("{} {}", failure->errnum, failure->context) : std::string();
}

std::optional<Error> failure_of(const std::string& detail) {
  if (detail.empty()) return std::nullopt;
  const int errnum = std::atoi(detail.c_str());
  return Error{errnum > 0 ? errnum : EIO, detail.substr(detail.find(' ') + 1)};
}

struct ToIntent {
  Intent operator()(const Begun& begun) const {
    return {.subject = begun.subject, .detail = detail_of(begun.replaced)};
  }
  Intent operator()(const DeletesLeft& left) const {
    return {.state = IntentState::local, .subject = left.subject, .detail = left.job};
  }
  Intent operator()(const Answered& answered) const {
    return {.state = IntentState::done, .subject = answered.subject, .detail = detail_of(answered.failure)};
  }
};

}  // namespace

InodeNumber subject_of(const Attempt& attempt) {
  return std::visit([](const auto& each) { return each.subject; }, attempt);
}

Attempt attempt_of(RequestNumber request, const Intent& intent) {
  switch (intent.state) {
    case IntentState::begun:
      return Begun{intent.subject, replaced_of(intent.detail)};
    case IntentState::local:
      return DeletesLeft{request, intent.subject, intent.detail};
    case IntentState::done:
      return Answered{intent.subject, failure_of(intent.detail)};
  }
  return Begun{intent.subject};
}

Intent intent_of(const Attempt& attempt) {
  return std::visit(ToIntent{}, attempt);
}

}  // namespace pail::local
