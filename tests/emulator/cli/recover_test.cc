#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>
#include <fstream>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "base/file.h"
#include "cli/connect.h"
#include "cli/mount_command.h"
#include "cli/recover_command.h"
#include "emulator/emulator.h"
#include "local/staging/staging.h"

namespace pail::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr local::InodeNumber kNumber = 12;

// The command beside an emulator, on kept files that the cache layer made.
class Recover : public ::testing::Test {
 protected:
  Recover() {
    std::string pattern = (std::filesystem::temp_directory_path() / "pailfs-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    emulator::Options options;
    options.directory = directory_ / "store";
    options.buckets = {"demo"};
    auto started = emulator::Emulator::start(options);
    EXPECT_TRUE(started) << started.error().context;
    server_ = *std::move(started);
    options_.credentials = server_->credentials().file;
    options_.url = server_->url();
  }
  ~Recover() override {
    server_.reset();
    std::filesystem::remove_all(directory_);
  }

  local::KeptDescription about(const std::string& key) {
    local::KeptDescription about;
    about.reason = local::KeptReason::conflict;
    about.endpoint = server_->url();
    about.bucket = "demo";
    about.key = key;
    about.name = "report.csv";
    about.permissions = 0640;
    about.uid = 7;
    about.headers = "sContent-Type\ntext/csv\nmcolour\nblue\n";
    return about;
  }

  // Keeps `text`, written at the begin of a base of `base` bytes. Returns the ID.
  std::string keep(std::string_view text, const local::KeptDescription& about, std::uint64_t base = 0) {
    auto area = local::StagingArea::open(directory_ / "cache/view/staging", ByteCount{0}, system_clock());
    auto file = (*area)->create(kNumber, ByteCount{base});
    EXPECT_TRUE((*file)->write({}, bytes_of(text)));
    EXPECT_TRUE((*area)->set_aside(kNumber, about));
    EXPECT_EQ(run({"list", "--json"}), 0);
    return nlohmann::json::parse(said_).at(0).at("id");
  }

  // Runs `pailfs recover WORDS`; what it printed is in said_.
  int run(std::vector<std::string> words) { return run_in(directory_ / "cache", std::move(words)); }
  int run_in(const std::filesystem::path& root, std::vector<std::string> words) {
    words.insert(words.begin(), "recover");
    for (const char* word : {"--cache-dir", "", "-o", ""}) words.emplace_back(word);
    words[words.size() - 3] = root;
    words.back() = "credentials=" + server_->credentials().file.string();
    const auto parsed = parse_command_line(words);
    if (!parsed) return said_ = parsed.error().context, -1;
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    const int code = run_recover(std::get<CommandLine>(*parsed), {});
    said_ = ::testing::internal::GetCapturedStdout() + ::testing::internal::GetCapturedStderr();
    return code;
  }

  std::shared_ptr<cos::Client> store() {
    const auto sources = credential_sources(options_, {}, "demo");
    const auto resolved = auth::resolve_credentials(sources);
    auto connection = connect(options_, sources, *resolved, Patience::serving);
    EXPECT_TRUE(connection) << connection.error().context;
    return connection->store;
  }
  std::string object(const std::string& key) {
    const auto content = store()->get_object("demo", key, 1_MiB);
    return content ? *content : "<none>";
  }
  bool anything_kept() { return !local::kept_files(directory_ / "cache/view").value().empty(); }

  std::filesystem::path directory_;
  std::unique_ptr<emulator::Emulator> server_;
  MountOptions options_;
  std::string said_;
};

TEST_F(Recover, StoresAFileUnderItsNameWithItsAttributes) {
  const std::string id = keep("bytes", about("dir/report.csv"));
  EXPECT_EQ(run({"store", id}), 0) << said_;
  EXPECT_EQ(object("dir/report.csv"), "bytes");
  const auto info = store()->head_object("demo", "dir/report.csv");
  ASSERT_TRUE(info);
  std::string headers;
  for (const auto& header : info->headers.metadata) headers += header.name + "=" + header.value + " ";
  EXPECT_THAT(headers, AllOf(HasSubstr("mode=33184 "), HasSubstr("uid=7 "), HasSubstr("colour=blue ")));
  EXPECT_FALSE(anything_kept());
}
TEST_F(Recover, SaysWhichDirectoriesOfOthersItLeftOut) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  keep("bytes", about("dir/report.csv"));
  const std::string view = directory_ / "cache/view";
  ASSERT_EQ(::chown(view.c_str(), 12345, 12345), 0);
  EXPECT_EQ(run({"list"}), 0);
  EXPECT_THAT(said_, AllOf(HasSubstr("Nothing is kept"), HasSubstr(view + ": left out"), HasSubstr("user 12345")));
  EXPECT_NE(run({"show", "12345678"}), 0);
  EXPECT_THAT(said_, HasSubstr(view + ": left out"));
}
TEST_F(Recover, SaysOfWhatAnEndedMountLeftNoMoreThanIsKnown) {
  auto file = about("dir/report.csv");
  file.reason = local::parse_kept_description(R"({"version": 1, "why": "never closed", "error": "", "endpoint": "",
      "bucket": "demo", "key": "", "name": "", "kept_ns": 0, "inode": 1, "permissions": 0, "uid": 0, "gid": 0,
      "mtime_ns": 0, "atime_ns": 0, "headers": "", "base_etag": "", "size": 0, "missing": []})")
                    ->reason;
  const std::string id = keep("bytes", file);
  EXPECT_EQ(run({"show", id}), 0);
  EXPECT_THAT(said_, AllOf(HasSubstr("an earlier mount ended before it was stored"), Not(HasSubstr("closed"))));
  EXPECT_EQ(run({"list"}), 0);
  EXPECT_THAT(said_, AllOf(HasSubstr("mount ended"), Not(HasSubstr("closed"))));
}
TEST_F(Recover, NeverReplacesAnObjectUnlessItIsTold) {
  const std::string id = keep("ours", about("report.csv"));
  ASSERT_TRUE(store()->put_object("demo", {.key = "report.csv", .body = http::body_from_string("theirs")}));
  EXPECT_NE(run({"store", id}), 0);
  EXPECT_THAT(said_, AllOf(HasSubstr("--overwrite"), HasSubstr("--as KEY")));
  EXPECT_EQ(object("report.csv"), "theirs");
  EXPECT_EQ(run({"store", id, "--as", "other.csv"}), 0) << said_;
  EXPECT_EQ(object("other.csv"), "ours");
  const std::string again = keep("newest", about("report.csv"));
  EXPECT_EQ(run({"store", again, "--overwrite"}), 0) << said_;
  EXPECT_EQ(object("report.csv"), "newest");
}
TEST_F(Recover, NeverReplacesAnObjectOnAStoreWithoutConditions) {
  const std::string id = keep("ours", about("report.csv"));
  ASSERT_TRUE(store()->put_object("demo", {.key = "report.csv", .body = http::body_from_string("theirs")}));
  server_->add_fault({.operations = {"PutObject"},
                      .kind = emulator::FaultKind::status,
                      .times = 1,
                      .status = 501,
                      .code = "NotImplemented"});
  EXPECT_NE(run({"store", id}), 0);
  EXPECT_EQ(object("report.csv"), "theirs");
  EXPECT_TRUE(anything_kept());
}
TEST_F(Recover, StoresNoFileOfWhichBytesAreMissing) {
  const std::string id = keep("patch", about("report.csv"), 100);
  EXPECT_NE(run({"store", id, "--as", "x"}), 0);
  EXPECT_THAT(said_, AllOf(HasSubstr("bytes 5-99"), HasSubstr("export " + id)));
  EXPECT_EQ(run({"export", id, directory_ / "copy"}), 0) << said_;
  EXPECT_THAT(said_, HasSubstr("bytes 5-99"));
  EXPECT_EQ(*read_file(directory_ / "copy", 1_KiB), "patch" + std::string(95, '\0'));
  EXPECT_TRUE(anything_kept());
}
TEST_F(Recover, ExportsToNoFileThatExists) {
  const std::string id = keep("bytes", about("report.csv"));
  ASSERT_TRUE(write_file_atomically(directory_ / "there", "precious"));
  EXPECT_NE(run({"export", id, directory_ / "there"}), 0);
  EXPECT_EQ(*read_file(directory_ / "there", 1_KiB), "precious");
}
TEST_F(Recover, StoresALargeFileInParts) {
  const std::string large(20 << 20, 'x');
  const std::string id = keep(large, about("large"));
  EXPECT_EQ(run({"store", id}), 0) << said_;
  const auto info = store()->head_object("demo", "large");
  ASSERT_TRUE(info);
  EXPECT_EQ(info->size.n, large.size());
  EXPECT_THAT(info->etag.text, HasSubstr("-2"));
}
TEST_F(Recover, AFileThatCannotBeStoredIsStillKept) {
  const std::string id = keep("bytes", about("report.csv"));
  server_->add_fault(
      {.operations = {"PutObject"}, .kind = emulator::FaultKind::status, .status = 403, .code = "AccessDenied"});
  EXPECT_NE(run({"store", id}), 0);
  EXPECT_TRUE(anything_kept());
}
TEST_F(Recover, ListsAndShowsWhatIsKnown) {
  const std::string id = keep("bytes", about("dir/report.csv"));
  EXPECT_EQ(run({"list"}), 0);
  EXPECT_THAT(said_, AllOf(HasSubstr(id), HasSubstr("dir/report.csv"), HasSubstr("conflict"), HasSubstr("5 bytes")));
  EXPECT_EQ(run({"list", "other-bucket"}), 0);
  EXPECT_THAT(said_, HasSubstr("Nothing is kept"));
  EXPECT_EQ(run({"show", id}), 0);
  EXPECT_THAT(said_, AllOf(HasSubstr("0640"), HasSubstr(server_->url()), HasSubstr("kept/report.csv.12")));
}
TEST_F(Recover, AFileWithoutADescriptionIsListedAndExported) {
  keep("bytes", about("report.csv"));
  std::filesystem::remove_all(directory_ / "cache/view/descriptions");
  EXPECT_EQ(run({"list", "--json"}), 0);
  const std::string id = nlohmann::json::parse(said_).at(0).at("id");
  EXPECT_NE(run({"store", id, "--as", "x"}), 0);
  EXPECT_EQ(run({"export", id, directory_ / "copy"}), 0) << said_;
  EXPECT_EQ(*read_file(directory_ / "copy", 1_KiB), "bytes");
}
TEST_F(Recover, DropRemovesTheFileAndItsDescription) {
  const std::string id = keep("bytes", about("report.csv"));
  EXPECT_NE(run({"drop"}), 0);
  EXPECT_EQ(run({"drop", id}), 0) << said_;
  EXPECT_FALSE(anything_kept());
  EXPECT_TRUE(std::filesystem::is_empty(directory_ / "cache/view/descriptions"));
  EXPECT_NE(run({"show", id}), 0);
}
TEST_F(Recover, DropsNothingWhenItIsGivenMoreThanOne) {
  const std::string id = keep("bytes", about("report.csv"));
  EXPECT_EQ(run({"drop", id, "another"}), kExitUsage);
  EXPECT_THAT(said_, HasSubstr("another"));
  EXPECT_TRUE(anything_kept());
}

TEST_F(Recover, WhereItCannotLookItDoesNotSayThatNothingIsKept) {
  const std::string root = directory_ / "cache";
  EXPECT_EQ(run({"list"}), kExitSystem);
  EXPECT_THAT(said_,
              AllOf(HasSubstr(root), HasSubstr("No such file"), HasSubstr("--state-dir"), Not(HasSubstr("Nothing"))));
  ASSERT_TRUE(write_file_atomically(root, "a file"));
  EXPECT_EQ(run({"list", "--json"}), kExitSystem);
  EXPECT_THAT(said_, AllOf(HasSubstr(root), HasSubstr("Not a directory")));
  EXPECT_EQ(run({"show", "12345678"}), kExitSystem);
  EXPECT_THAT(said_, HasSubstr("Not a directory"));
}
TEST_F(Recover, AFolderOfKeptFilesThatCannotBeReadIsNoEmptyOne) {
  std::filesystem::create_directories(directory_ / "cache/view/staging");
  std::filesystem::permissions(directory_ / "cache/view", std::filesystem::perms::owner_all);
  const std::string kept = directory_ / "cache/view/kept";
  ASSERT_TRUE(write_file_atomically(kept, "in its place"));
  EXPECT_EQ(run({"list"}), kExitSystem);
  EXPECT_THAT(said_, AllOf(HasSubstr(kept), Not(HasSubstr("Nothing"))));
}
TEST_F(Recover, ABucketThatCannotBeLookedAtDoesNotHideTheOthers) {
  const std::string id = keep("precious", about("dir/report.csv"));
  std::filesystem::create_directories(directory_ / "cache/other");
  std::filesystem::permissions(directory_ / "cache/other", std::filesystem::perms::owner_all);
  ASSERT_TRUE(write_file_atomically(directory_ / "cache/other/kept", "in its place"));
  EXPECT_EQ(run({"list"}), kExitSystem);
  EXPECT_THAT(said_, AllOf(HasSubstr(id), HasSubstr("cache/other/kept")));
  EXPECT_EQ(run({"show", id}), 0);
  EXPECT_EQ(run({"show", "12345678"}), kExitSystem);
  EXPECT_THAT(said_, HasSubstr("cache/other/kept"));
}
TEST_F(Recover, ThePathOfOneBucketIsToldFromThatOfAll) {
  std::filesystem::create_directories(directory_ / "cache/staging");
  std::ofstream(directory_ / "cache/mount.lock");
  for (const char* written : {"cache", "cache/", "cache/staging"}) {
    EXPECT_NE(run_in(directory_ / written, {"list"}), 0);
    EXPECT_THAT(said_, AllOf(HasSubstr("--state-dir " + directory_.string() + "\n"), Not(HasSubstr("Nothing"))));
  }
}
TEST_F(Recover, WhoMayNotReadADirectoryIsToldToBecomeRoot) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  std::filesystem::create_directory(directory_ / "cache");
  constexpr uid_t kStranger = 12345;
  ASSERT_EQ(::seteuid(kStranger), 0);
  const int code = run({"list"});
  ASSERT_EQ(::seteuid(0), 0);
  EXPECT_EQ(code, kExitSystem);
  EXPECT_THAT(said_, AllOf(HasSubstr(directory_ / "cache"), HasSubstr("run this as root")));
}
TEST_F(Recover, ADirectoryWithoutViewsKeepsNothing) {
  std::filesystem::create_directory(directory_ / "cache");
  EXPECT_EQ(run({"list"}), 0);
  EXPECT_THAT(said_, AllOf(HasSubstr("Nothing is kept"), HasSubstr(directory_ / "cache")));
}

}  // namespace
}  // namespace pail::cli
