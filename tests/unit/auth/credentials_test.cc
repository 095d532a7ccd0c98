#include "pailfs/auth/credentials.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>

namespace pail::auth {
namespace {

namespace fs = std::filesystem;

class ResolveCredentials : public testing::Test {
 protected:
  ResolveCredentials() {
    std::string pattern = testing::TempDir() + "pailfs-credentials-XXXXXX";
    home_ = mkdtemp(pattern.data());
    sources_.home = home_;
    sources_.system_passwd_file = home_ / "etc-passwd-s3fs";
    sources_.bucket = "b";
  }
  ~ResolveCredentials() override { fs::remove_all(home_); }

  fs::path write(const char* name, std::string_view text, mode_t mode = 0600) {
    const fs::path path = home_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    return path;
  }

  // The access key or API key that was taken, or "error N: ...".
  std::string taken() {
    const auto resolved = resolve_credentials(sources_);
    if (!resolved) return "error " + std::to_string(resolved.error().errnum) + ": " + resolved.error().context;
    if (const auto* keys = std::get_if<HmacKeys>(&resolved->credentials)) return keys->access_key_id;
    if (const auto* key = std::get_if<IamApiKey>(&resolved->credentials)) return std::string(key->key.reveal());
    return "anonymous";
  }

  bool refused_naming(std::string_view hint) {
    const std::string text = taken();
    return text.find("error " + std::to_string(EACCES)) == 0 && text.find(hint) != std::string::npos;
  }

  fs::path home_;
  Sources sources_;
};

constexpr const char* kServiceCredential = R"({"apikey":"json-key","resource_instance_id":"i"})";
constexpr const char* kAwsFile =
    "[default]\naws_access_key_id=ini\naws_secret_access_key=s\n[other]\n"
    "aws_access_key_id=other\naws_secret_access_key=s\n";

TEST_F(ResolveCredentials, TakesTheFirstSourceInOrder) {
  write("etc-passwd-s3fs", "etc:s", 0640);
  EXPECT_EQ(taken(), "etc");
  write(".passwd-s3fs", "own:s");
  EXPECT_EQ(taken(), "own");
  write(".aws/config", "[default]\naws_access_key_id=config\naws_secret_access_key=s\n");
  EXPECT_EQ(taken(), "config");
  write(".aws/credentials", kAwsFile);
  EXPECT_EQ(taken(), "ini");
  sources_.environment.aws_access_key_id = "env-hmac";
  sources_.environment.aws_secret_access_key = Secret("s");
  EXPECT_EQ(taken(), "env-hmac");
  sources_.environment.ibm_api_key_id = Secret("env-key");
  EXPECT_EQ(taken(), "env-key");
  write(".bluemix/cos_credentials", kServiceCredential);
  EXPECT_EQ(taken(), "json-key");
  sources_.environment.aws_profile = "other";
  EXPECT_EQ(taken(), "other");
  sources_.passwd_file = write("mine", "passwd:s");
  EXPECT_EQ(taken(), "passwd");
  sources_.credentials_file = write("c.json", R"({"apikey":"option"})");
  EXPECT_EQ(taken(), "option");
  sources_.anonymous = true;
  EXPECT_EQ(taken(), "anonymous");
}

TEST_F(ResolveCredentials, ExplainsEverySource) {
  write(".passwd-s3fs", "accesskey123:verysecret");
  sources_.environment.aws_access_key_id = "half";
  const auto resolved = resolve_credentials(sources_);
  ASSERT_TRUE(resolved);
  EXPECT_EQ(resolved->file, home_ / ".passwd-s3fs");
  std::string all;
  for (const std::string& line : resolved->explanation) all += line + "\n";
  EXPECT_NE(all.find("anonymous option: not asked for"), std::string::npos) << all;
  EXPECT_NE(all.find("AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY"), std::string::npos) << all;
  EXPECT_NE(all.find("taken (HMAC keys"), std::string::npos) << all;
  EXPECT_NE(all.find("not looked at, an earlier source was taken"), std::string::npos) << all;
  EXPECT_EQ(all.find("verysecret"), std::string::npos) << all;
}

TEST_F(ResolveCredentials, SaysWhatWasTriedWhenThereAreNone) {
  const std::string text = taken();
  EXPECT_EQ(text.find("error " + std::to_string(ENOKEY)), 0U);
  EXPECT_NE(text.find("IBM_API_KEY_ID is not set"), std::string::npos);
}

TEST_F(ResolveCredentials, IsAnonymousOnlyWhenAsked) {
  EXPECT_NE(taken(), "anonymous");
}

TEST_F(ResolveCredentials, RefusesFilesThatOthersMayRead) {
  sources_.credentials_file = write("c.json", kServiceCredential, 0644);
  EXPECT_TRUE(refused_naming("chmod 600"));
  chmod(sources_.credentials_file.c_str(), 0620);
  EXPECT_TRUE(refused_naming("chmod 600"));
  chmod(sources_.credentials_file.c_str(), 0400);
  EXPECT_EQ(taken(), "json-key");
}

TEST_F(ResolveCredentials, AFileOfAnotherUserIsHelpedByItsOwnerNotItsMode) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  constexpr uid_t kOwner = 12345, kReader = 12346;
  chmod(home_.c_str(), 0755);
  for (const mode_t mode : {0600, 0644}) {
    sources_.credentials_file = write("c.json", kServiceCredential, mode);
    ASSERT_EQ(chown(sources_.credentials_file.c_str(), kOwner, kOwner), 0);
    ASSERT_EQ(seteuid(kReader), 0);
    const bool refused = refused_naming("belongs to user 12345") && refused_naming("chown 12346 ");
    ASSERT_EQ(seteuid(0), 0);
    EXPECT_TRUE(refused) << mode;
  }
}

TEST_F(ResolveCredentials, AFileOfRootStaysAsItIs) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  chmod(home_.c_str(), 0755);
  for (const mode_t mode : {0600, 0644}) {
    write("etc-passwd-s3fs", "etc:s", mode);
    ASSERT_EQ(seteuid(12346), 0);
    const std::string said = taken();
    ASSERT_EQ(seteuid(0), 0);
    EXPECT_NE(said.find("passwd_file= or credentials="), std::string::npos) << said;
    for (const char* harm : {"chown", "chmod"}) EXPECT_EQ(said.find(harm), std::string::npos) << said;
  }
}

TEST_F(ResolveCredentials, RefusesAnIniFileOnlyWhereItHoldsKeys) {
  write(".aws/config", "[default]\nregion=r\n", 0644);
  write(".passwd-s3fs", "own:s");
  EXPECT_EQ(taken(), "own");
  write(".aws/credentials", kAwsFile, 0644);
  EXPECT_TRUE(refused_naming("chmod 600"));
}

TEST_F(ResolveCredentials, LetsTheGroupReadTheSystemsPasswordFileOnly) {
  write("etc-passwd-s3fs", "etc:s", 0660);
  EXPECT_TRUE(refused_naming("chmod 640"));
  write("etc-passwd-s3fs", "etc:s", 0644);
  EXPECT_TRUE(refused_naming("chmod 640"));
  write(".passwd-s3fs", "own:s", 0640);
  EXPECT_TRUE(refused_naming("chmod 600"));
}

TEST_F(ResolveCredentials, WantsExplicitFilesToBeThereAndGood) {
  sources_.passwd_file = home_ / "missing";
  EXPECT_EQ(taken().find("error " + std::to_string(ENOENT)), 0U);
  sources_.passwd_file = write("p", "other:AK:SK\n");
  EXPECT_NE(taken().find("no line for bucket"), std::string::npos);
  sources_.passwd_file = write("p", "AK:SK\nrubbish\n");
  EXPECT_NE(taken().find("/p\": line 2"), std::string::npos) << taken();
  sources_.passwd_file = home_;
  EXPECT_EQ(taken().find("error " + std::to_string(EINVAL)), 0U);
}

TEST_F(ResolveCredentials, LetsOptionsReplaceEndpointAndInstance) {
  sources_.credentials_file = write("c.json", kServiceCredential);
  sources_.token_endpoint = "https://private.iam.cloud.ibm.com";
  sources_.instance_id = "other";
  const auto resolved = resolve_credentials(sources_);
  ASSERT_TRUE(resolved);
  const auto& key = std::get<IamApiKey>(resolved->credentials);
  EXPECT_EQ(key.token_endpoint, "https://private.iam.cloud.ibm.com");
  EXPECT_EQ(key.instance_id, "other");
}

TEST(CaptureEnvironment, RemovesSecretsFromTheProcess) {
  setenv("IBM_API_KEY_ID", "k", 1);
  setenv("AWSACCESSKEYID", "a", 1);
  setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
  setenv("AWSSECRETACCESSKEY", "other", 1);
  const Environment taken = capture_environment();
  EXPECT_EQ(taken.ibm_api_key_id.reveal(), "k");
  EXPECT_EQ(taken.aws_access_key_id, "a");
  EXPECT_EQ(taken.aws_secret_access_key.reveal(), "s");
  for (const char* name : {"IBM_API_KEY_ID", "AWSACCESSKEYID", "AWS_SECRET_ACCESS_KEY", "AWSSECRETACCESSKEY"})
    EXPECT_EQ(getenv(name), nullptr) << name;
}

}  // namespace
}  // namespace pail::auth
