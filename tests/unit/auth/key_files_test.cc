#include "auth/key_files.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "auth/json.h"
#include "base/log.h"

namespace pail::auth {
namespace {

constexpr auto kDetect = PasswdFormat::detect;

// "access/secret", "iam instance/key" or "none", "error N: text".
std::string shown(const Result<std::optional<Credentials>>& result) {
  if (!result) return fmt::format("error {}: {}", result.error().errnum, result.error().context);
  if (!*result) return "none";
  if (const auto* keys = std::get_if<HmacKeys>(&**result))
    return fmt::format("{}/{}", keys->access_key_id, keys->secret_access_key.reveal());
  const auto& key = std::get<IamApiKey>(**result);
  return fmt::format("iam {}/{}", key.instance_id, key.key.reveal());
}

TEST(Passwd, ReadsAPairForEveryBucket) {
  EXPECT_EQ(shown(parse_passwd("# keys\n\n AK:SK \r\n", "b", kDetect)), "AK/SK");
}

TEST(Passwd, PrefersTheLineOfTheBucket) {
  const char* text = "AK:SK\none:A1:S1\ntwo:A2:S2";
  EXPECT_EQ(shown(parse_passwd(text, "two", kDetect)), "A2/S2");
  EXPECT_EQ(shown(parse_passwd(text, "three", kDetect)), "AK/SK");
  EXPECT_EQ(shown(parse_passwd("one:A1:S1\n", "three", kDetect)), "none");
  EXPECT_EQ(shown(parse_passwd("", "b", kDetect)), "none");
}

TEST(Passwd, ReadsApiKeys) {
  EXPECT_EQ(shown(parse_passwd(":key", "b", kDetect)), "iam /key");
  EXPECT_EQ(shown(parse_passwd("0f0e8bdb-c964-4208-957d-35b5d6ed310b:key", "b", kDetect)),
            "iam 0f0e8bdb-c964-4208-957d-35b5d6ed310b/key");
  EXPECT_EQ(shown(parse_passwd("crn:v1:bluemix:public:cloud-object-storage:global:a/1:2:::key", "b", kDetect)),
            "iam crn:v1:bluemix:public:cloud-object-storage:global:a/1:2::/key");
  EXPECT_EQ(shown(parse_passwd("instance:key", "b", PasswdFormat::api_key)), "iam instance/key");
}

TEST(Passwd, ReadsNamedKeys) {
  EXPECT_EQ(shown(parse_passwd("AWSAccessKeyId=AK\nAWSSecretKey=S/K=\n", "b", kDetect)), "AK/S/K=");
  EXPECT_EQ(shown(parse_passwd("AWSAccessKeyId=AK\n", "b", kDetect)).substr(0, 8), "error 22");
}

TEST(Passwd, NamesTheLineThatIsWrongButNotItsContent) {
  for (const char* text : {"A:B\nhunter2", "A:B\nhun ter2:x", "A:B\n[hunter2]", "A:B\nhunter2:", "A:B\n:hunter2::x",
                           "A:B\nC:hunter2", "A:B\nb::hunter2", "b:A:S\nb:A:hunter2"}) {
    const std::string text_shown = shown(parse_passwd(text, "b", kDetect));
    EXPECT_EQ(text_shown.find("error 22: line 2: "), 0U) << text << " gave " << text_shown;
    EXPECT_EQ(text_shown.find("hunter2"), std::string::npos);
  }
}

TEST(Ini, ReadsSectionsOfBothFiles) {
  const auto sections = parse_ini(
      "# c\n[default]\naws_access_key_id = AK\nAWS_SECRET_ACCESS_KEY=S=K\ns3 =\n  max = 1\n[profile x]\nregion = r\n");
  ASSERT_TRUE(sections);
  EXPECT_EQ(shown(keys_of_section(sections->at("default"))), "AK/S=K");
  EXPECT_EQ(shown(keys_of_section(sections->at("x"))), "none");
}

TEST(Ini, PrefersTheApiKey) {
  const auto sections =
      parse_ini("[p]\naws_access_key_id=A\naws_secret_access_key=S\nibm_api_key_id=k\nibm_service_instance_id=i\n");
  EXPECT_EQ(shown(keys_of_section(sections->at("p"))), "iam i/k");
}

TEST(Ini, NamesTheLineThatIsWrong) {
  EXPECT_EQ(parse_ini("[a]\nSECRET\n").error().context, "line 2: expected name = value");
  EXPECT_EQ(parse_ini("a=b\n").error().context, "line 1: a setting before the first [section]");
  EXPECT_EQ(parse_ini("\n[a\n").error().context, "line 2: a section without its ]");
  EXPECT_EQ(errnum_of(keys_of_section({{"aws_access_key_id", "A"}})), EINVAL);
}

std::string shown(const Result<Credentials>& result) {
  if (!result) return shown(Result<std::optional<Credentials>>(result.error()));
  return shown(Result<std::optional<Credentials>>(std::optional(*result)));
}

TEST(ServiceCredential, PrefersHmacKeys) {
  EXPECT_EQ(shown(parse_service_credential(
                R"({"apikey":"k","cos_hmac_keys":{"access_key_id":"A","secret_access_key":"S"}})")),
            "A/S");
}

TEST(ServiceCredential, ReadsTheApiKeyBareAndWrapped) {
  EXPECT_EQ(shown(parse_service_credential(R"({"apikey":"k","resource_instance_id":"crn:1"})")), "iam crn:1/k");
  EXPECT_EQ(shown(parse_service_credential(R"([{"name":"n","credentials":{"apikey":"k"}}])")), "iam /k");
}

TEST(ServiceCredential, NamesTheLineButNotTheContent) {
  const std::string text = shown(parse_service_credential("{\"apikey\":\n\"SECRET\"\n\"b\"}"));
  EXPECT_EQ(text, "error 22: line 3: not valid JSON");
}

TEST(ServiceCredential, RefusesDocumentsWithoutKeys) {
  for (const char* text : {"{}", "[]", "3", "{\"apikey\":7}", "{\"cos_hmac_keys\":[]}",
                           "{\"cos_hmac_keys\":{\"access_key_id\":\"a\"}}", "", "[[[[["})
    EXPECT_EQ(shown(parse_service_credential(text)).substr(0, 8), "error 22") << text;
}

TEST(TokenAnswer, CountsTheLifetimeRatherThanComparingDates) {
  const auto answer = parse_token_answer(R"({"access_token":"t","expires_in":3600,"expiration":1})", {});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->access_token.reveal(), "t");
  EXPECT_EQ(answer->lifetime, std::chrono::seconds(3600));
  EXPECT_EQ(parse_token_answer(R"({"access_token":"t","expiration":90})", WallTime(std::chrono::seconds(30)))->lifetime,
            std::chrono::seconds(60));
}

TEST(TokenAnswer, RefusesWhatCannotBeUsed) {
  for (const char* text : {"", "{}", R"({"access_token":"t"})", R"({"access_token":"","expires_in":5})",
                           R"({"access_token":"a\r\nb","expires_in":5})", R"({"access_token":"t","expires_in":-5})"})
    EXPECT_EQ(errnum_of(parse_token_answer(text, {})), EPROTO) << text;
}

}  // namespace
}  // namespace pail::auth
