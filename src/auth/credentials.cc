#include "pailfs/auth/credentials.h"

#include <cerrno>
#include <functional>
#include <optional>

#include "auth/json.h"
#include "auth/key_files.h"
#include "base/log.h"

namespace pail::auth {
namespace {

namespace fs = std::filesystem;

// What one source had to say.
struct Answer {
  std::optional<Credentials> credentials;
  std::string reason;  // why there are none
  fs::path file;       // where they were
};

Answer none(std::string reason) {
  return {std::nullopt, std::move(reason), {}};
}

struct Candidate {
  std::string name;
  std::function<Result<Answer>()> look;
};

Error in_file(const fs::path& path, const Error& error) {
  return Error{error.errnum, fmt::format("{}: {}", quote(path.string()), error.context)};
}

Answer from_file(Credentials credentials, const fs::path& path) {
  return {std::move(credentials), {}, path};
}

enum class Presence { required, optional };

// The file, or none where it may be missing.
Result<std::optional<KeyFile>> read_if_there(const fs::path& path, Presence presence) {
  auto file = read_key_file(path);
  if (file) return std::optional(*std::move(file));
  const int errnum = file.error().errnum;
  if (presence == Presence::optional && (errnum == ENOENT || errnum == ENOTDIR)) return std::optional<KeyFile>();
  return std::move(file).error();
}

Result<Answer> from_service_credential(const fs::path& path, Presence presence) {
  PAIL_TRY(const auto file, read_if_there(path, presence));
  if (!file) return none("no such file");
  PAIL_CHECK(file->check_private(GroupAccess::refused));
  auto credentials = parse_service_credential(file->text.reveal());
  if (!credentials) return in_file(path, credentials.error());
  return from_file(*std::move(credentials), path);
}

Result<Answer> from_passwd(const fs::path& path, Presence presence, GroupAccess group, const Sources& sources) {
  PAIL_TRY(const auto file, read_if_there(path, presence));
  if (!file) return none("no such file");
  PAIL_CHECK(file->check_private(group));
  auto credentials = parse_passwd(file->text.reveal(), sources.bucket, sources.passwd_format);
  if (!credentials) return in_file(path, credentials.error());
  if (*credentials) return from_file(**std::move(credentials), path);
  const std::string reason = fmt::format("no line for bucket {}, nor one for every bucket", quote(sources.bucket));
  if (presence == Presence::required) return in_file(path, Error{EINVAL, reason});
  return none(reason);
}

Result<Answer> from_environment_iam(const Environment& environment) {
  if (environment.ibm_api_key_id.empty()) return none("IBM_API_KEY_ID is not set");
  IamApiKey key{environment.ibm_api_key_id, environment.ibm_service_instance_id};
  if (!environment.ibm_auth_endpoint.empty()) key.token_endpoint = environment.ibm_auth_endpoint;
  return Answer{Credentials(std::move(key)), {}, {}};
}

Result<Answer> from_environment_hmac(const Environment& environment) {
  const bool access = !environment.aws_access_key_id.empty(), secret = !environment.aws_secret_access_key.empty();
  if (!access && !secret) return none("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set");
  if (!secret) return none("AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY");
  if (!access) return none("AWS_SECRET_ACCESS_KEY is set without AWS_ACCESS_KEY_ID");
  return Answer{Credentials(HmacKeys{environment.aws_access_key_id, environment.aws_secret_access_key,
                                     environment.aws_session_token}),
                {},
                {}};
}

// One section of one INI file.
Result<Answer> from_ini(const fs::path& path, const std::string& profile) {
  if (path.empty()) return none("no home directory");
  PAIL_TRY(const auto file, read_if_there(path, Presence::optional));
  if (!file) return none("no such file");
  auto sections = parse_ini(file->text.reveal());
  if (!sections) return in_file(path, sections.error());
  const auto section = sections->find(profile);
  if (section == sections->end()) return none(fmt::format("no section [{}]", quote(profile)));
  auto credentials = keys_of_section(section->second);
  if (!credentials) return in_file(path, credentials.error());
  if (!*credentials) return none(fmt::format("section [{}] has no keys", quote(profile)));
  // A file of settings without keys may well be readable by all; one with keys may not.
  PAIL_CHECK(file->check_private(GroupAccess::refused));
  return from_file(**std::move(credentials), path);
}

fs::path below_home(const Sources& sources, const char* relative) {
  return sources.home.empty() ? fs::path() : sources.home / relative;
}

fs::path named_or(const std::string& named, fs::path standard) {
  return named.empty() ? std::move(standard) : fs::path(named);
}

void add_profile(std::vector<Candidate>& list, const Sources& sources, const std::string& profile) {
  const Environment& environment = sources.environment;
  for (const fs::path& path :
       {named_or(environment.aws_shared_credentials_file, below_home(sources, ".aws/credentials")),
        named_or(environment.aws_config_file, below_home(sources, ".aws/config"))})
    list.push_back({fmt::format("profile {} of {}", quote(profile), quote(path.string())),
                    [path, profile] { return from_ini(path, profile); }});
}

void add_explicit(std::vector<Candidate>& list, const Sources& sources) {
  list.push_back({"anonymous option", [&sources]() -> Result<Answer> {
                    if (!sources.anonymous) return none("not asked for");
                    return Answer{Credentials(Anonymous{}), {}, {}};
                  }});
  list.push_back({"credentials option", [&sources]() -> Result<Answer> {
                    if (sources.credentials_file.empty()) return none("not given");
                    return from_service_credential(sources.credentials_file, Presence::required);
                  }});
  list.push_back({"passwd_file option", [&sources]() -> Result<Answer> {
                    if (sources.passwd_file.empty()) return none("not given");
                    const bool system = sources.passwd_file == sources.system_passwd_file;
                    return from_passwd(sources.passwd_file, Presence::required,
                                       system ? GroupAccess::may_read : GroupAccess::refused, sources);
                  }});
}

std::vector<Candidate> candidates(const Sources& sources) {
  const Environment& environment = sources.environment;
  std::vector<Candidate> list;
  add_explicit(list, sources);
  const std::string& named = sources.profile.empty() ? environment.aws_profile : sources.profile;
  if (!named.empty()) add_profile(list, sources, named);

  const fs::path cos = named_or(environment.cos_credentials_file, below_home(sources, ".bluemix/cos_credentials"));
  list.push_back({fmt::format("service credential {}", quote(cos.string())), [cos, &environment]() -> Result<Answer> {
                    if (cos.empty()) return none("no home directory");
                    return from_service_credential(
                        cos, environment.cos_credentials_file.empty() ? Presence::optional : Presence::required);
                  }});
  list.push_back({"environment, IBM", [&environment] { return from_environment_iam(environment); }});
  list.push_back({"environment, AWS", [&environment] { return from_environment_hmac(environment); }});
  if (named.empty()) add_profile(list, sources, "default");
  const fs::path own = below_home(sources, ".passwd-s3fs");
  list.push_back({fmt::format("password file {}", quote(own.string())), [own, &sources]() -> Result<Answer> {
                    if (own.empty()) return none("no home directory");
                    return from_passwd(own, Presence::optional, GroupAccess::refused, sources);
                  }});
  list.push_back(
      {fmt::format("password file {}", quote(sources.system_passwd_file.string())), [&sources]() -> Result<Answer> {
         if (sources.system_passwd_file.empty()) return none("not looked for");
         return from_passwd(sources.system_passwd_file, Presence::optional, GroupAccess::may_read, sources);
       }});
  return list;
}

void apply_overrides(Credentials& credentials, const Sources& sources) {
  auto* key = std::get_if<IamApiKey>(&credentials);
  if (key == nullptr) return;
  if (!sources.token_endpoint.empty()) key->token_endpoint = sources.token_endpoint;
  if (!sources.instance_id.empty()) key->instance_id = sources.instance_id;
}

struct Describe {
  std::string operator()(const Anonymous&) const { return "anonymous"; }
  // The access key is a name, not a secret: it travels in clear text in every request.
  std::string operator()(const HmacKeys& keys) const {
    return fmt::format("HMAC keys, access key {}", quote(keys.access_key_id));
  }
  std::string operator()(const IamApiKey& key) const {
    return fmt::format("IAM API key, tokens from {}", quote(key.token_endpoint));
  }
};

}  // namespace

std::string describe(const Credentials& credentials) {
  return std::visit(Describe{}, credentials);
}

Result<Resolved> resolve_credentials(const Sources& sources) {
  std::optional<Resolved> taken;
  std::vector<std::string> explanation;
  for (const Candidate& candidate : candidates(sources)) {
    if (taken) {
      explanation.push_back(fmt::format("{}: not looked at, an earlier source was taken", candidate.name));
      continue;
    }
    PAIL_TRY(Answer answer, candidate.look());
    if (!answer.credentials) {
      explanation.push_back(fmt::format("{}: {}", candidate.name, answer.reason));
      continue;
    }
    apply_overrides(*answer.credentials, sources);
    explanation.push_back(fmt::format("{}: taken ({})", candidate.name, describe(*answer.credentials)));
    taken = Resolved{*std::move(answer.credentials), std::move(answer.file), {}};
  }
  if (taken) {
    taken->explanation = std::move(explanation);
    return *std::move(taken);
  }
  std::string tried;
  for (const std::string& line : explanation) tried.append(tried.empty() ? "" : "; ").append(line);
  return Error{ENOKEY, fmt::format("no credentials found; looked at: {}", tried)};
}

}  // namespace pail::auth
