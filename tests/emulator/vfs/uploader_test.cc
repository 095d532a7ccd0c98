// Uploads beside one another, and uploads that nobody waits for any more.
#include <chrono>
#include <future>
#include <thread>

#include "pailfs/base/stop.h"
#include "vfs_fixture.h"

namespace pail::vfs {
namespace {

using namespace std::chrono_literals;
using emulator::FaultKind;
using emulator::FaultTime;

class UploaderTest : public VfsTest {
 protected:
  void SetUp() override {
    options_.part_size = 5_MiB;
    options_.parallel = 2;  // one part at a time
    VfsTest::SetUp();
  }

  // An open file of zeros.
  Handle zeros(std::string_view path, ByteCount size) {
    const Handle file = create(path);
    EXPECT_EQ(write_to(file, std::string_view("", 1), size.n - 1), 0);
    return file;
  }
  void await_open_uploads(std::size_t wanted) {
    for (int tries = 0; tries < 1000 && open_uploads() != wanted; ++tries) std::this_thread::sleep_for(10ms);
    EXPECT_EQ(open_uploads(), wanted);
  }
};

TEST_F(UploaderTest, AnUploadOfManyPartsDoesNotHoldUpOneOfFew) {
  const Handle large = zeros("large", 60_MiB);
  const Handle small = zeros("small", 10_MiB);
  server_->add_fault(
      {.operations = {"UploadPart"}, .key_prefix = "large", .kind = FaultKind::stall, .stall_time = 100ms});
  auto closing = flush_beside(large);
  while (requests("UploadPart") < 1) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(flush_beside(small).get(), 0);
  EXPECT_EQ(closing.wait_for(0s), std::future_status::timeout);
  EXPECT_EQ(closing.get(), 0);
  EXPECT_EQ(requests("UploadPart"), 14u);
  close(large);
  close(small);
}

TEST_F(UploaderTest, AnInterruptedUploadDoesNotWaitForThePartOfAnotherOne) {
  const Handle first = zeros("first", 10_MiB);
  const Handle second = zeros("second", 10_MiB);
  server_->add_fault({.operations = {"UploadPart"}, .kind = FaultKind::stall});
  StopSource stop_first, stop_second;
  auto closing_first = flush_beside(first, stop_first.token());
  await_open_uploads(1);
  auto closing_second = flush_beside(second, stop_second.token());
  await_open_uploads(2);
  stop_second.request_stop();
  EXPECT_EQ(closing_second.wait_for(20s), std::future_status::ready);
  EXPECT_EQ(closing_first.wait_for(0s), std::future_status::timeout);
  stop_first.request_stop();
  EXPECT_EQ(closing_second.get(), EINTR);
  EXPECT_EQ(closing_first.get(), EINTR);
  server_->clear_faults();
  close(first);
  close(second);
}

TEST_F(UploaderTest, AnUploadWhoseBeginWasInterruptedDoesNotStayInTheBucket) {
  const Handle file = zeros("file", 10_MiB);
  server_->add_fault({.operations = {"CreateMultipartUpload"},
                      .kind = FaultKind::stall,
                      .time = FaultTime::after,
                      .times = 1,
                      .stall_time = 3s});
  StopSource stop;
  auto closing = flush_beside(file, stop.token());
  await_open_uploads(1);
  stop.request_stop();
  EXPECT_EQ(closing.get(), EINTR);
  EXPECT_EQ(requests("CreateMultipartUpload"), 0u);  // counted when answered
  await_open_uploads(0);
  EXPECT_EQ(flush_beside(file).get(), 0);
  EXPECT_EQ(attributes("file").size, 10_MiB);
  EXPECT_EQ(open_uploads(), 0u);
  close(file);
}

}  // namespace
}  // namespace pail::vfs
