// Who we are to the store, and where that was learnt.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "pailfs/base/result.h"
#include "pailfs/base/secret.h"

namespace pail::auth {

inline constexpr std::string_view kDefaultTokenEndpoint = "https://iam.cloud.ibm.com/identity/token";

// An access key pair, for signatures (AWS4-HMAC-SHA256).
struct HmacKeys {
  std::string access_key_id;
  Secret secret_access_key;
  Secret session_token;  // empty: none. IBM COS has none; other stores do
};

// An API key of IBM Cloud, exchanged for tokens.
struct IamApiKey {
  Secret key;
  std::string instance_id;  // of the service, CRN or UUID; may be empty, then buckets can be neither listed nor made
  std::string token_endpoint{kDefaultTokenEndpoint};  // full URL
};

// Requests without a signature: public buckets.
struct Anonymous {};

using Credentials = std::variant<Anonymous, HmacKeys, IamApiKey>;

// Variables of the process's environment that name or hold credentials. Empty: not set.
struct Environment {
  Secret ibm_api_key_id;
  std::string ibm_service_instance_id;
  std::string ibm_auth_endpoint;  // full token URL
  std::string aws_access_key_id;
  Secret aws_secret_access_key;
  Secret aws_session_token;
  std::string aws_profile;
  std::string aws_shared_credentials_file;  // default ~/.aws/credentials
  std::string aws_config_file;              // default ~/.aws/config
  std::string cos_credentials_file;         // default ~/.bluemix/cos_credentials
};

// Reads the variables, also under the names that s3fs knows, and removes those with secrets from the environment, so
// that they are no longer in /proc/PID/environ. Call it once, before threads start.
Environment capture_environment();

// What INSTANCE:KEY in a password file means. detect: an API key when INSTANCE is empty, a UUID or a CRN.
enum class PasswdFormat { detect, hmac_keys, api_key };

// Where to look. Files may be absent; what is named explicitly must be there and be good.
struct Sources {
  std::filesystem::path passwd_file;  // explicit, in s3fs's format; empty: none
  PasswdFormat passwd_format = PasswdFormat::detect;
  std::filesystem::path credentials_file;  // explicit, service credential JSON; empty: none
  std::string profile;                     // explicit section of ~/.aws; empty: AWS_PROFILE, then "default"
  bool anonymous = false;                  // explicit wish for no signature
  Environment environment;
  std::filesystem::path home;  // empty: no home directory is looked at
  std::filesystem::path system_passwd_file = "/etc/passwd-s3fs";
  std::string bucket;          // chooses among bucket:ACCESS:SECRET lines; may be empty
  std::string token_endpoint;  // overrides that of every source; empty: the source's own
  std::string instance_id;     // likewise
};

struct Resolved {
  Credentials credentials;
  std::filesystem::path file;            // it came from this file; empty: from elsewhere
  std::vector<std::string> explanation;  // a line for each source: which one was taken, why not the others; no secret
};

// Takes the first source that has credentials, in this order: explicit options (anonymous, credentials_file,
// passwd_file); a service credential JSON at COS_CREDENTIALS_FILE or ~/.bluemix/cos_credentials; environment (IBM's
// before AWS's); ~/.aws/credentials and ~/.aws/config (an explicit profile or AWS_PROFILE goes before the two above);
// ~/.passwd-s3fs; /etc/passwd-s3fs.
// Errors: EACCES a file may be read by others (the message says which chmod helps) or not by us; EINVAL a file is
// malformed (names file and line, never the content); ENOENT an explicit file is missing; ENOKEY no source has any (the
// message lists what was tried).
Result<Resolved> resolve_credentials(const Sources& sources);

// "HMAC keys, access key ...", "IAM API key, tokens from ...", "anonymous": for people, without secrets.
std::string describe(const Credentials& credentials);

}  // namespace pail::auth
