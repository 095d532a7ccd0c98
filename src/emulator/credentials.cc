// The service credential: one JSON file that the server accepts and a client mounts with.
#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/rand.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/encoding.h"
#include "base/file.h"
#include "emulator/state.h"

namespace pail::emulator {
namespace {

using Json = nlohmann::json;

Result<std::string> random_hex(std::size_t bytes) {
  std::string raw(bytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(raw.data()), static_cast<int>(bytes)) != 1)
    return Error{EIO, "no random bytes"};
  return to_hex(bytes_of(raw));
}

// Whole or not at all, mode 0600. Not synced: an emulator that a test starts should not wait for the disk.
Result<Unit> write_private(const std::filesystem::path& file, const std::string& content) {
  const std::filesystem::path temporary = file.string() + ".new";
  PAIL_TRY(const UniqueFd fd, open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600));
  PAIL_CHECK(write_at(fd.get(), {}, bytes_of(content)));
  if (::rename(temporary.c_str(), file.c_str()) != 0) return errno_error(errno, file.string());
  return Unit{};
}

Result<Unit> make_credentials(const std::filesystem::path& file) {
  PAIL_TRY(const std::string api_key, random_hex(22));
  PAIL_TRY(const std::string access_key, random_hex(16));
  PAIL_TRY(const std::string secret, random_hex(24));
  PAIL_TRY(const std::string account, random_hex(16));
  PAIL_TRY(const std::string id, random_hex(16));
  const std::string instance = fmt::format("{}-{}-{}-{}-{}", id.substr(0, 8), id.substr(8, 4), id.substr(12, 4),
                                           id.substr(16, 4), id.substr(20));
  const Json credential = {
      {"apikey", api_key},
      {"cos_hmac_keys", {{"access_key_id", access_key}, {"secret_access_key", secret}}},
      {"iam_apikey_description", "made by the pailfs emulator"},
      {"resource_instance_id",
       fmt::format("crn:v1:bluemix:public:cloud-object-storage:global:a/{}:{}::", account, instance)}};
  return write_private(file, credential.dump(2) + "\n");
}

std::string text_at(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

Result<ServiceCredentials> load_credentials(const std::filesystem::path& directory, const std::filesystem::path& path) {
  const std::filesystem::path file = path.empty() ? directory / "credentials.json" : path;
  std::error_code ignored;
  if (path.empty() && !std::filesystem::exists(file, ignored)) PAIL_CHECK(make_credentials(file));
  PAIL_CHECK(check_private_file(file));
  PAIL_TRY(const std::string text, read_file(file, 64_KiB));
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return Error{EINVAL, fmt::format("{}: not a JSON object", file.string())};
  const auto keys = json.find("cos_hmac_keys");
  ServiceCredentials out;
  out.api_key = Secret(text_at(json, "apikey"));
  out.resource_instance_id = text_at(json, "resource_instance_id");
  if (keys != json.end() && keys->is_object()) {
    out.access_key_id = text_at(*keys, "access_key_id");
    out.secret_access_key = Secret(text_at(*keys, "secret_access_key"));
  }
  out.file = file;
  const bool has_hmac = !out.access_key_id.empty() && !out.secret_access_key.empty();
  if (out.api_key.empty() && !has_hmac)
    return Error{EINVAL, fmt::format("{}: holds neither apikey nor cos_hmac_keys", file.string())};
  return out;
}

Result<Unit> write_token_endpoint(const ServiceCredentials& credentials, const std::string& url) {
  PAIL_TRY(const std::string text, read_file(credentials.file, 64_KiB));
  Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || text_at(json, "iam_auth_endpoint") == url) return Unit{};
  json["iam_auth_endpoint"] = url;
  return write_private(credentials.file, json.dump(2) + "\n");
}

}  // namespace pail::emulator
