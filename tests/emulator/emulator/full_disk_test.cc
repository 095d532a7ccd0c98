// The emulator on a disk that is full: a small file system of its own, in the child's mount namespace.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>

#include "base/checksum.h"
#include "base/encoding.h"
#include "child.h"
#include "wire.h"

namespace pail::emulator {
namespace {

constexpr int kNoNamespace = 99;

// In the child: 16 MiB of tmpfs over `directory`, seen by nobody else.
int mount_small_disk(const std::filesystem::path& directory) {
  const int kinds = ::geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS;
  if (::unshare(kinds) != 0) return kNoNamespace;
  ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  return ::mount("small", directory.c_str(), "tmpfs", 0, "size=16m,mode=0700") == 0 ? 0 : kNoNamespace;
}

class FullDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/pailfs-full-disk-XXXXXX";
    directory_ = mkdtemp(name);
    std::filesystem::create_directory(directory_ / "store");
    write_credentials();
    server_ = std::make_unique<Child>(
        directory_ / "store", std::vector<std::string>{"--credentials", (directory_ / "credentials.json").string()},
        [this] { return mount_small_disk(directory_ / "store"); });
    if (!server_->runs()) GTEST_SKIP() << "this user may not mount a tmpfs in a namespace";
    wire_ = std::make_unique<Wire>(server_->port());
    fill();
  }
  void TearDown() override {
    server_.reset();
    std::filesystem::remove_all(directory_);
  }
  void write_credentials() {
    const auto file = directory_ / "credentials.json";
    ::close(::open(file.c_str(), O_CREAT | O_WRONLY, 0600));
    std::ofstream(file) << R"({"apikey": "api key", "resource_instance_id": "crn"})";
  }
  WireAnswer send(const std::string& method, const std::string& target, const std::string& body = {},
                  const std::string& headers = {}) {
    wire_->send(method + " " + target + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token_ + "\r\n" + headers +
                "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    return wire_->receive(method);
  }
  // Objects of falling size, until not one byte more is taken.
  void fill() {
    const std::string form = "grant_type=urn:ibm:params:oauth:grant-type:apikey&apikey=api%20key";
    const std::string answer = send("POST", "/identity/token", form).body;
    const std::size_t begin = answer.find("access_token\":\"") + 15;
    token_ = answer.substr(begin, answer.find('"', begin) - begin);
    for (const std::size_t size : {1'000'000, 100'000, 10'000, 1'000, 1}) {
      const std::string body(size, 'x');
      while (send("PUT", "/bucket/" + std::to_string(objects_), body).status == 200) ++objects_;
    }
    ASSERT_GT(objects_, 10);
    ASSERT_EQ(send("PUT", "/bucket/more", "x").status, 507);
  }

  std::filesystem::path directory_;
  std::unique_ptr<Child> server_;
  std::unique_ptr<Wire> wire_;
  std::string token_;
  int objects_ = 0;
};

TEST_F(FullDisk, GivesSpaceBackByDeletes) {
  for (int i = objects_; i-- > 0;)
    ASSERT_EQ(send("DELETE", "/bucket/" + std::to_string(i)).status, 204) << i << " of " << objects_;
  EXPECT_EQ(send("PUT", "/bucket/more", std::string(1'000'000, 'x')).status, 200);
}

TEST_F(FullDisk, GivesSpaceBackByMultiDeletes) {
  for (int i = 0; i < objects_; i += 5) {
    std::string document = "<Delete>";
    for (int j = i; j < i + 5; ++j) document += "<Object><Key>" + std::to_string(j) + "</Key></Object>";
    document += "</Delete>";
    const std::string md5 = to_base64(bytes_of(Digest::of(DigestKind::md5, bytes_of(document))));
    const WireAnswer answer = send("POST", "/bucket?delete", document, "Content-MD5: " + md5 + "\r\n");
    ASSERT_EQ(answer.code(), "") << answer.body;
  }
  EXPECT_EQ(send("PUT", "/bucket/more", "x").status, 200);
}

}  // namespace
}  // namespace pail::emulator
