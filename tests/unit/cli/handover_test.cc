#include "cli/handover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace pail::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

WorkerTask some_task() {
  WorkerTask task;
  EXPECT_TRUE(
      parse_mount_options("region=eu-de,passwd_file=/etc/a\\,b,uid=7,allow_other,metadata_ttl=0.5", task.options));
  task.source = {"bucket", "a/b/"};
  task.state_directory = "/var/lib/pailfs/x";
  task.cache_directory = "/var/cache/pailfs/x";
  return task;
}

WorkerSecrets some_secrets() {
  WorkerSecrets secrets;
  secrets.environment.aws_access_key_id = "AKID";
  secrets.environment.aws_secret_access_key = Secret("top=secret");
  secrets.environment.aws_profile = "work";
  secrets.resolved.file = "/etc/cred.json";
  secrets.resolved.credentials = auth::IamApiKey{Secret("api-key"), "crn:1", "https://iam.example/token"};
  return secrets;
}

TEST(WorkerArguments, ReadBackWhatTheyWereMadeFrom) {
  const WorkerTask task = some_task();
  const auto read = parse_worker_arguments(render_worker_arguments(task));
  ASSERT_TRUE(read) << read.error().context;
  EXPECT_EQ(read->options, task.options);
  EXPECT_EQ(read->source, task.source);
  EXPECT_EQ(read->state_directory, task.state_directory);
  EXPECT_EQ(read->cache_directory, task.cache_directory);
  EXPECT_EQ(read->log, task.log);
}
TEST(WorkerArguments, AreRefusedWhenTheyAreOthers) {
  EXPECT_EQ(errnum_of(parse_worker_arguments({"pailfs", "mount"})), EINVAL);
}

TEST(WorkerSecretsText, KeepsTheEnvironmentAndTheCredentials) {
  const auto read = parse_secrets(render_secrets(some_secrets()));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->environment.aws_access_key_id, "AKID");
  EXPECT_EQ(read->environment.aws_secret_access_key.reveal(), "top=secret");
  EXPECT_EQ(read->environment.aws_profile, "work");
  EXPECT_EQ(read->resolved.file, "/etc/cred.json");
  const auto& iam = std::get<auth::IamApiKey>(read->resolved.credentials);
  EXPECT_EQ(iam.key.reveal(), "api-key");
  EXPECT_EQ(iam.instance_id, "crn:1");
  EXPECT_EQ(iam.token_endpoint, "https://iam.example/token");
}
TEST(WorkerSecretsText, KeepsHmacKeys) {
  WorkerSecrets secrets;
  secrets.resolved.credentials = auth::HmacKeys{"id", Secret("secret"), Secret()};
  const auto read = parse_secrets(render_secrets(secrets));
  ASSERT_TRUE(read);
  const auto& hmac = std::get<auth::HmacKeys>(read->resolved.credentials);
  EXPECT_EQ(hmac.access_key_id, "id");
  EXPECT_EQ(hmac.secret_access_key.reveal(), "secret");
  EXPECT_TRUE(hmac.session_token.empty());
}
TEST(WorkerSecretsText, MayBeEmptyForPublicBuckets) {
  const auto read = parse_secrets(render_secrets({}));
  ASSERT_TRUE(read);
  EXPECT_TRUE(std::holds_alternative<auth::Anonymous>(read->resolved.credentials));
}
TEST(WorkerSecretsText, IsRefusedWhenMalformed) {
  EXPECT_EQ(errnum_of(parse_secrets(Secret("no end"))), EINVAL);
  EXPECT_EQ(errnum_of(parse_secrets(Secret(std::string("no equals\0", 10)))), EINVAL);
}

}  // namespace
}  // namespace pail::cli
