#include "cli/handover.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <map>
#include <utility>
#include <variant>

namespace pail::cli {
namespace {

constexpr std::string_view kWorker = "worker", kToStderr = "stderr", kToSyslog = "syslog";

using auth::Environment;

struct EnvironmentRow {
  std::string_view name;
  std::variant<std::string Environment::*, Secret Environment::*> field;
};

constexpr auto kEnvironment = std::to_array<EnvironmentRow>({
    {"ibm_api_key_id", &Environment::ibm_api_key_id},
    {"ibm_service_instance_id", &Environment::ibm_service_instance_id},
    {"ibm_auth_endpoint", &Environment::ibm_auth_endpoint},
    {"aws_access_key_id", &Environment::aws_access_key_id},
    {"aws_secret_access_key", &Environment::aws_secret_access_key},
    {"aws_session_token", &Environment::aws_session_token},
    {"aws_profile", &Environment::aws_profile},
    {"aws_shared_credentials_file", &Environment::aws_shared_credentials_file},
    {"aws_config_file", &Environment::aws_config_file},
    {"cos_credentials_file", &Environment::cos_credentials_file},
});

// "name=value" fields, each ended by a NUL byte, which no variable of an environment and no key can hold.
class Fields {
 public:
  void add(std::string_view name, std::string_view value) {
    if (!value.empty()) text_.append(name).append("=").append(value).push_back('\0');
  }
  Secret take() { return Secret(std::move(text_)); }

 private:
  std::string text_;
};

void add_credentials(Fields& fields, const auth::Credentials& credentials) {
  if (const auto* hmac = std::get_if<auth::HmacKeys>(&credentials)) {
    fields.add("hmac.id", hmac->access_key_id);
    fields.add("hmac.secret", hmac->secret_access_key.reveal());
    fields.add("hmac.token", hmac->session_token.reveal());
  } else if (const auto* iam = std::get_if<auth::IamApiKey>(&credentials)) {
    fields.add("iam.key", iam->key.reveal());
    fields.add("iam.instance", iam->instance_id);
    fields.add("iam.endpoint", iam->token_endpoint);
  }
}

using FieldMap = std::map<std::string_view, std::string_view>;

std::string field(const FieldMap& fields, std::string_view name) {
  const auto found = fields.find(name);
  return found == fields.end() ? "" : std::string(found->second);
}

auth::Credentials read_credentials(const FieldMap& fields) {
  if (fields.contains("hmac.id"))
    return auth::HmacKeys{field(fields, "hmac.id"), Secret(field(fields, "hmac.secret")),
                          Secret(field(fields, "hmac.token"))};
  if (fields.contains("iam.key"))
    return auth::IamApiKey{Secret(field(fields, "iam.key")), field(fields, "iam.instance"),
                           field(fields, "iam.endpoint")};
  return auth::Anonymous{};
}

Result<FieldMap> split_fields(std::string_view text) {
  FieldMap fields;
  while (!text.empty()) {
    const std::size_t end = text.find('\0'), equals = text.find('=');
    if (end == std::string_view::npos || equals > end) return Error{EINVAL, "the worker's secrets are malformed"};
    fields.emplace(text.substr(0, equals), text.substr(equals + 1, end - equals - 1));
    text.remove_prefix(end + 1);
  }
  return fields;
}

}  // namespace

std::vector<std::string> render_worker_arguments(const WorkerTask& task) {
  return {"pailfs",
          std::string(kWorker),
          render_source(task.source),
          render_mount_options(task.options),
          task.state_directory.string(),
          task.cache_directory.string(),
          std::string(task.log == LogTarget::syslog ? kToSyslog : kToStderr)};
}

Result<WorkerTask> parse_worker_arguments(const std::vector<std::string>& arguments) {
  if (arguments.size() != 7 || arguments[1] != kWorker) return Error{EINVAL, "not the command line of a worker"};
  WorkerTask task;
  PAIL_TRY(task.source, parse_source(arguments[2]));
  PAIL_CHECK(parse_mount_options(arguments[3], task.options));
  task.state_directory = arguments[4];
  task.cache_directory = arguments[5];
  task.log = arguments[6] == kToSyslog ? LogTarget::syslog : LogTarget::stderr_stream;
  return task;
}

Secret render_secrets(const WorkerSecrets& secrets) {
  Fields fields;
  for (const EnvironmentRow& row : kEnvironment) {
    if (const auto* plain = std::get_if<std::string Environment::*>(&row.field))
      fields.add(row.name, secrets.environment.*(*plain));
    else
      fields.add(row.name, (secrets.environment.*std::get<Secret Environment::*>(row.field)).reveal());
  }
  fields.add("file", secrets.resolved.file.string());
  add_credentials(fields, secrets.resolved.credentials);
  return fields.take();
}

Result<WorkerSecrets> parse_secrets(const Secret& text) {
  PAIL_TRY(const FieldMap fields, split_fields(text.reveal()));
  WorkerSecrets secrets;
  for (const EnvironmentRow& row : kEnvironment) {
    if (const auto* plain = std::get_if<std::string Environment::*>(&row.field))
      secrets.environment.*(*plain) = field(fields, row.name);
    else
      secrets.environment.*std::get<Secret Environment::*>(row.field) = Secret(field(fields, row.name));
  }
  secrets.resolved.file = field(fields, "file");
  secrets.resolved.credentials = read_credentials(fields);
  return secrets;
}

}  // namespace pail::cli
