// The emulator as a process of its own that dies at any moment.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "base/encoding.h"
#include "base/file.h"
#include "child.h"
#include "wire.h"

namespace pail::emulator {
namespace {

class Persistence : public ::testing::Test {
 protected:
  Persistence() {
    char name[] = "/tmp/pailfs-persistence-XXXXXX";
    directory_ = mkdtemp(name);
  }
  ~Persistence() override { std::filesystem::remove_all(directory_); }
  std::string head(const std::string& method, const std::string& key, std::size_t size) {
    return method + " /bucket/" + key + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token_ +
           "\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n";
  }
  void fetch_token(std::uint16_t port) {
    const std::string credential = *read_file(directory_ / "credentials.json", 64_KiB);
    const std::size_t at = credential.find("\"apikey\": \"") + 11;
    const std::string form = "grant_type=urn:ibm:params:oauth:grant-type:apikey&apikey=" +
                             credential.substr(at, credential.find('"', at) - at);
    Wire wire(port);
    wire.send("POST /identity/token HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(form.size()) +
              "\r\n\r\n" + form);
    const std::string answer = wire.receive().body;
    const std::size_t begin = answer.find("access_token\":\"") + 15;
    token_ = answer.substr(begin, answer.find('"', begin) - begin);
  }

  std::filesystem::path directory_;
  std::string token_;
};

TEST_F(Persistence, WhatWasAnsweredSurvivesAKillAndHalfAPutLeavesNothing) {
  const std::string large(300'000, 'x');
  {
    Child server(directory_);
    fetch_token(server.port());
    Wire wire(server.port());
    for (const std::string& body : {std::string("small"), large}) {
      wire.send(head("PUT", std::to_string(body.size()), body.size()) + body);
      ASSERT_EQ(wire.receive().status, 200);
    }
    wire.send(head("PUT", "half", large.size()) + large.substr(0, 200'000));
    server.kill_at_once();
  }
  Child server(directory_);
  Wire wire(server.port());
  wire.send(head("GET", "5", 0) + head("GET", "300000", 0) + head("GET", "half", 0));
  EXPECT_EQ(wire.receive().body, "small");  // the token survives too
  EXPECT_TRUE(wire.receive().body == large);
  EXPECT_EQ(wire.receive().status, 404);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_ / "data"))
    files += entry.is_regular_file();
  EXPECT_EQ(files, 1u);
}

}  // namespace
}  // namespace pail::emulator
