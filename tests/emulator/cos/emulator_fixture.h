// An emulator in this process with a folder of its own, and a client connected to it.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "emulator/emulator.h"
#include "store_suite.h"

namespace pail::cos {

class TestServer {
 public:
  explicit TestServer(emulator::Options options = {}) {
    std::string pattern = (std::filesystem::temp_directory_path() / "pailfs-cos-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    options.directory = directory_ / "store";
    options.buckets = {"bucket"};
    auto started = emulator::Emulator::start(options);
    if (!started) throw std::runtime_error(started.error().context);
    emulator_ = *std::move(started);
  }
  ~TestServer() {
    emulator_.reset();
    std::filesystem::remove_all(directory_);
  }
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  emulator::Emulator& operator*() { return *emulator_; }
  emulator::Emulator* operator->() { return emulator_.get(); }
  StoreUnderTest where() const {
    return {emulator_->url(), emulator_->credentials().access_key_id,
            std::string(emulator_->credentials().secret_access_key.reveal()), ""};
  }
  // Requests of an operation. The emulator counts after it has answered: waits for `least` of them, at most 10 s.
  std::uint64_t requests(const std::string& operation, std::uint64_t least) const {
    for (int tenths = 0; tenths < 1000 && requests(operation) < least; ++tenths)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return requests(operation);
  }
  std::uint64_t requests(const std::string& operation) const {
    const auto counters = emulator_->counters();
    const auto found = counters.find(operation);
    return found == counters.end() ? 0 : found->second.requests;
  }

 private:
  std::filesystem::path directory_;
  std::unique_ptr<emulator::Emulator> emulator_;
};

class EmulatorTest : public ::testing::Test {
 protected:
  Client& store() { return *connection_.store; }

  Result<PutResult> put(std::string key, std::string content, Preconditions conditions = {}) {
    PutRequest request;
    request.key = std::move(key);
    request.body = http::body_from_string(std::move(content));
    request.conditions = std::move(conditions);
    return store().put_object("bucket", request);
  }
  std::string get(std::string_view key) {
    auto content = store().get_object("bucket", key, 64_MiB);
    return content ? *content : "error: " + content.error().context;
  }
  template <class T>
  static std::string why(const Result<T>& result) {
    return result ? "" : result.error().context;
  }

  TestServer server_;
  Connection connection_ = connect(server_.where());
};

}  // namespace pail::cos
