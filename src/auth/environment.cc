#include <initializer_list>

#include "pailfs/auth/credentials.h"

namespace pail::auth {
namespace {

// The first of these variables that is set. All are taken, so that no alias keeps the secret visible.
Secret take_first(std::initializer_list<const char*> names) {
  Secret first;
  for (const char* name : names) {
    Secret value = take_environment(name);
    if (first.empty()) first = std::move(value);
  }
  return first;
}

std::string read(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

Environment capture_environment() {
  Environment taken;
  taken.ibm_api_key_id = take_first({"IBM_API_KEY_ID"});
  taken.ibm_service_instance_id = read("IBM_SERVICE_INSTANCE_ID");
  taken.ibm_auth_endpoint = read("IBM_AUTH_ENDPOINT");
  taken.aws_access_key_id = take_first({"AWS_ACCESS_KEY_ID", "AWSACCESSKEYID"}).reveal();
  taken.aws_secret_access_key = take_first({"AWS_SECRET_ACCESS_KEY", "AWSSECRETACCESSKEY"});
  taken.aws_session_token = take_first({"AWS_SESSION_TOKEN", "AWSSESSIONTOKEN"});
  taken.aws_profile = read("AWS_PROFILE");
  taken.aws_shared_credentials_file = read("AWS_SHARED_CREDENTIALS_FILE");
  taken.aws_config_file = read("AWS_CONFIG_FILE");
  taken.cos_credentials_file = read("COS_CREDENTIALS_FILE");
  return taken;
}

}  // namespace pail::auth
