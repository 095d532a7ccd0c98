// What log_level=debug tells of requests.
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <gmock/gmock.h>

#include <sstream>

#include "emulator_fixture.h"

namespace pail::cos {
namespace {

using emulator::FaultKind;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::Not;

// The lines of this process from now on, at level debug.
class LogLines {
 public:
  LogLines() {
    auto logger = std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(lines_));
    logger->set_level(spdlog::level::debug);
    logger->set_pattern("%l: %v");
    spdlog::set_default_logger(std::move(logger));
  }
  ~LogLines() { spdlog::set_default_logger(std::move(before_)); }
  LogLines(const LogLines&) = delete;
  LogLines& operator=(const LogLines&) = delete;

  std::string text() const { return lines_.str(); }

 private:
  std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
  std::ostringstream lines_;
};

class RequestLogTest : public EmulatorTest {
 protected:
  LogLines log_;
};

TEST_F(RequestLogTest, ARequestThatIsNeitherSlowNorRepeatedIsNotLogged) {
  EXPECT_EQ(why(put("a", "x")), "");
  EXPECT_EQ(get("a"), "x");
  EXPECT_THAT(log_.text(), IsEmpty());
}

TEST_F(RequestLogTest, EachRepetitionIsLoggedWithItsReasonAndPause) {
  server_->add_fault({.operations = {"PutObject"}, .times = 2, .status = 503, .code = "SlowDown"});
  EXPECT_EQ(why(put("a", "x")), "");
  EXPECT_THAT(log_.text(),
              MatchesRegex("debug: PUT bucket/a: 503 SlowDown .*, request id .*; attempt 2 follows in [0-9]+ ms\n"
                           "debug: PUT bucket/a: 503 SlowDown .*, request id .*; attempt 3 follows in [0-9]+ ms\n.*"));
}

TEST_F(RequestLogTest, EachRepetitionOfAReadIsLogged) {
  ASSERT_EQ(why(put("a", "content")), "");
  server_->add_fault({.operations = {"GetObject"}, .kind = FaultKind::reset, .times = 1, .at_byte = 3});
  EXPECT_EQ(why(read_range(store(), "bucket", "a", 0, 7)), "");
  EXPECT_THAT(log_.text(), MatchesRegex("debug: GET bucket/a: .*; attempt 2 follows in [0-9]+ ms\n.*"));
}

TEST_F(RequestLogTest, ASlowRequestIsLoggedWithItsTimeAndItsIdWithoutItsSignature) {
  server_->add_fault({.operations = {"ListObjectsV2"}, .times = 1, .status = 503});
  server_->add_fault(
      {.operations = {"ListObjectsV2"}, .kind = FaultKind::stall, .stall_time = std::chrono::milliseconds(1100)});
  ASSERT_EQ(why(store().list_objects("bucket", {})), "");
  EXPECT_THAT(log_.text(), MatchesRegex(".*debug: LIST bucket: took [0-9]+ ms, attempts: 2, request id: [^ ]+\n"));
  EXPECT_THAT(log_.text(), Not(HasSubstr("none")));
  EXPECT_THAT(log_.text(), Not(HasSubstr("Signature")));
}

}  // namespace
}  // namespace pail::cos
