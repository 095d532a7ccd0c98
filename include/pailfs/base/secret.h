// A string that must not be seen: an API key, a secret access key, a bearer token.
//
// It has no operator<< and no formatter, so it cannot reach a log by accident; its bytes are wiped when it goes.
#pragma once

#include <string>
#include <string_view>

namespace pail {

class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  Secret(const Secret&) = default;
  Secret(Secret&& other) noexcept;
  Secret& operator=(const Secret& other);
  Secret& operator=(Secret&& other) noexcept;
  ~Secret();

  bool empty() const { return text_.empty(); }
  // The text itself, for signing and for request headers only. Borrowed until the Secret changes.
  std::string_view reveal() const { return text_; }

 private:
  std::string text_;
};

// Overwrites and removes a variable of the process's environment; its value is no longer in /proc/PID/environ.
// Call it before other threads start. An unset variable gives an empty Secret.
Secret take_environment(const char* name);

}  // namespace pail
