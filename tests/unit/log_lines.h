// What the log says while this lives. Thread-safe.
#pragma once

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/thread.h"

namespace pail {

class LogLines {
 public:
  LogLines() { spdlog::set_default_logger(std::make_shared<spdlog::logger>("test", sink_)); }
  ~LogLines() { spdlog::set_default_logger(before_); }
  LogLines(const LogLines&) = delete;
  LogLines& operator=(const LogLines&) = delete;

  std::string text() const { return sink_->text(); }
  // How many lines hold this.
  int count(std::string_view part) const {
    const std::string lines = text();
    int found = 0;
    for (std::size_t at = lines.find(part); at != std::string::npos; at = lines.find(part, at + 1)) ++found;
    return found;
  }
  // False: no line has held it within five seconds.
  bool await(std::string_view part) const {
    constexpr int kTries = 5000;
    for (int i = 0; i < kTries && count(part) == 0; ++i) (void)sleep_for(std::chrono::milliseconds(1));
    return count(part) > 0;
  }

 private:
  class Sink final : public spdlog::sinks::base_sink<std::mutex> {
   public:
    std::string text() {
      const std::lock_guard lock(mutex_);
      return lines_;
    }

   private:
    void sink_it_(const spdlog::details::log_msg& message) override {
      lines_.append(message.payload.data(), message.payload.size());
      lines_ += '\n';
    }
    void flush_() override {}
    std::string lines_;  // under the mutex of the base
  };

  const std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
  const std::shared_ptr<Sink> sink_ = std::make_shared<Sink>();
};

}  // namespace pail
