#include "auth/key_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "base/owner.h"

namespace pail::auth {
namespace {

constexpr ByteCount kLargestKeyFile = 256_KiB;

std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

Error at_line(std::size_t line, std::string_view what) {
  return Error{EINVAL, fmt::format("line {}: {}", line, what)};
}

// Calls `take(line number, line)` for each line until one returns an error.
template <class Take>
Result<Unit> for_each_line(std::string_view text, Take take) {
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    PAIL_CHECK(take(number, line));
  }
  return Unit{};
}

// 8-4-4-4-12 hexadecimal digits: how IBM names service instances. Access keys have no dashes.
bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0) return false;
  }
  return true;
}

Credentials api_key(std::string_view instance, std::string_view key) {
  return IamApiKey{Secret(std::string(key)), std::string(instance)};
}

Credentials hmac(std::string_view access, std::string_view secret) {
  return HmacKeys{std::string(access), Secret(std::string(secret)), Secret()};
}

// Lines of a password file, put together: one set of keys for each bucket, and one for all others (bucket "").
class PasswdReader {
 public:
  explicit PasswdReader(PasswdFormat format) : format_(format) {}

  Result<Unit> take(std::size_t number, std::string_view raw) {
    const std::string_view line = trim(raw);
    if (line.empty() || line.front() == '#') return Unit{};
    if (line.find_first_of(" \t") != std::string_view::npos) return at_line(number, "spaces are not allowed");
    if (line.front() == '[') return at_line(number, "a section header; this is not a file of the AWS tools");
    for (auto [name, value] : {std::pair{std::string_view("AWSAccessKeyId="), &access_},
                               std::pair{std::string_view("AWSSecretKey="), &secret_}})
      if (line.starts_with(name)) {
        *value = Secret(std::string(line.substr(name.size())));
        return Unit{};
      }
    return take_colons(number, line);
  }

  Result<std::optional<Credentials>> keys_for(std::string_view bucket) {
    if (access_.empty() != secret_.empty())
      return Error{EINVAL, "AWSAccessKeyId and AWSSecretKey go together, one is missing"};
    if (!access_.empty()) PAIL_CHECK(add(0, "", hmac(access_.reveal(), secret_.reveal())));
    for (const std::string_view wanted : {bucket, std::string_view()})
      if (const auto found = keys_.find(wanted); found != keys_.end()) return std::optional(found->second);
    return std::optional<Credentials>();
  }

 private:
  Result<Unit> take_colons(std::size_t number, std::string_view line) {
    const std::size_t last = line.rfind(':');
    if (last == std::string_view::npos) return at_line(number, "expected ACCESS:SECRET");
    const std::string_view head = line.substr(0, last), tail = line.substr(last + 1);
    if (tail.empty()) return at_line(number, "nothing stands after the last colon");
    if (head.empty() || head.starts_with("crn:") || is_uuid(head) || format_ == PasswdFormat::api_key)
      return format_ == PasswdFormat::hmac_keys ? at_line(number, "an API key, where HMAC keys are asked for")
                                                : add(number, "", api_key(head, tail));
    const std::size_t first = line.find(':');
    if (first == last) return add(number, "", hmac(head, tail));
    const std::string_view bucket = line.substr(0, first), access = head.substr(first + 1);
    if (bucket.empty() || access.empty() || access.find(':') != std::string_view::npos)
      return at_line(number, "expected bucket:ACCESS:SECRET");
    return add(number, bucket, hmac(access, tail));
  }

  Result<Unit> add(std::size_t number, std::string_view bucket, Credentials credentials) {
    if (keys_.emplace(bucket, std::move(credentials)).second) return Unit{};
    if (number == 0) return Error{EINVAL, "AWSAccessKeyId stands beside another pair of keys"};
    return at_line(number, bucket.empty() ? "a second line without a bucket" : "a second line for the same bucket");
  }

  const PasswdFormat format_;
  Secret access_, secret_;
  std::map<std::string, Credentials, std::less<>> keys_;
};

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

std::string advice_on(const std::filesystem::path& path, uid_t owner, unsigned mode) {
  return advice_on_file(quote(path.string()), owner, mode, "name a file of your own with passwd_file= or credentials=");
}

// Whose it is, where that is what is wrong.
Error not_opened(const std::filesystem::path& path, const Error& why) {
  struct stat status {};
  if (why.errnum != EACCES || ::stat(path.c_str(), &status) != 0 || status.st_uid == ::geteuid()) return why;
  return {why.errnum, fmt::format("{}; {}", why.context, advice_on(path, status.st_uid, 0600))};
}

}  // namespace

Result<Unit> KeyFile::check_private(GroupAccess group) const {
  const unsigned allowed = group == GroupAccess::may_read ? 0640 : 0600;
  if ((mode & 0077 & ~allowed) == 0) return Unit{};
  return Error{EACCES, fmt::format("{}: other users may use this file of keys (mode {:04o}); {}", quote(path.string()),
                                   mode, advice_on(path, owner, allowed))};
}

Result<KeyFile> read_key_file(const std::filesystem::path& path) {
  const std::string name = quote(path.string());
  const auto opened = open_file(path, O_RDONLY);
  if (!opened) return not_opened(path, opened.error());
  const UniqueFd& fd = *opened;
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) return errno_error(errno, name);
  if (static_cast<std::uint64_t>(status.st_size) > kLargestKeyFile.n)
    return Error{EFBIG, fmt::format("{}: too large for a file of keys", name)};
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  PAIL_TRY(const std::size_t size, read_at(fd.get(), {}, std::as_writable_bytes(std::span(text))));
  text.resize(size);
  return KeyFile{path, Secret(std::move(text)), static_cast<unsigned>(status.st_mode & 07777), status.st_uid};
}

Result<std::optional<Credentials>> parse_passwd(std::string_view text, std::string_view bucket, PasswdFormat format) {
  PasswdReader reader(format);
  PAIL_CHECK(for_each_line(text, [&](std::size_t number, std::string_view line) { return reader.take(number, line); }));
  return reader.keys_for(bucket);
}

Result<IniSections> parse_ini(std::string_view text) {
  IniSections sections;
  std::map<std::string, std::string>* current = nullptr;
  PAIL_CHECK(for_each_line(text, [&](std::size_t number, std::string_view raw) -> Result<Unit> {
    const std::string_view line = trim(raw);
    if (line.empty() || line.front() == '#' || line.front() == ';') return Unit{};
    if (line.front() == '[') {
      if (line.back() != ']') return at_line(number, "a section without its ]");
      std::string_view name = trim(line.substr(1, line.size() - 2));
      if (name.starts_with("profile ")) name = trim(name.substr(8));
      current = &sections[std::string(name)];
      return Unit{};
    }
    if (raw.front() == ' ' || raw.front() == '\t') return Unit{};  // settings nested below another: none of ours
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) return at_line(number, "expected name = value");
    if (current == nullptr) return at_line(number, "a setting before the first [section]");
    (*current)[lower(trim(line.substr(0, equals)))] = trim(line.substr(equals + 1));
    return Unit{};
  }));
  return sections;
}

Result<std::optional<Credentials>> keys_of_section(const std::map<std::string, std::string>& section) {
  const auto value = [&](const char* name) {
    const auto found = section.find(name);
    return found == section.end() ? std::string() : found->second;
  };
  if (std::string key = value("ibm_api_key_id"); !key.empty()) {
    IamApiKey credentials{Secret(std::move(key)), value("ibm_service_instance_id")};
    if (std::string endpoint = value("ibm_auth_endpoint"); !endpoint.empty())
      credentials.token_endpoint = std::move(endpoint);
    return std::optional<Credentials>(std::move(credentials));
  }
  HmacKeys keys{value("aws_access_key_id"), Secret(value("aws_secret_access_key")), Secret(value("aws_session_token"))};
  if (keys.access_key_id.empty() && keys.secret_access_key.empty()) return std::optional<Credentials>();
  if (keys.access_key_id.empty() || keys.secret_access_key.empty())
    return Error{EINVAL, "aws_access_key_id and aws_secret_access_key go together, one is missing"};
  return std::optional<Credentials>(std::move(keys));
}

}  // namespace pail::auth
