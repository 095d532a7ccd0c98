// Files that hold keys: who may read them, and the formats of s3fs and of the AWS tools.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "pailfs/auth/credentials.h"
#include "pailfs/base/result.h"

namespace pail::auth {

enum class GroupAccess { refused, may_read };

// The text of a file of keys, and whether its mode keeps them secret.
struct KeyFile {
  std::filesystem::path path;
  Secret text;
  unsigned mode = 0;
  uid_t owner = 0;

  // Errors: EACCES others may use the file; the message names what helps.
  Result<Unit> check_private(GroupAccess group) const;
};

// Errors: ENOENT as open(2); EACCES, naming the owner who may; EINVAL no regular file; EFBIG more than 256 KiB. The
// message names the path.
Result<KeyFile> read_key_file(const std::filesystem::path& path);

// Finds the keys for `bucket` in an s3fs password file: its own line bucket:ACCESS:SECRET, else ACCESS:SECRET,
// :APIKEY, INSTANCE:APIKEY, or AWSAccessKeyId= with AWSSecretKey=. None when no line fits.
// Errors: EINVAL "line N: ..." for lines that are malformed or contradict each other.
Result<std::optional<Credentials>> parse_passwd(std::string_view text, std::string_view bucket, PasswdFormat format);

// Sections of an INI file as the AWS tools write it. A "profile " before a name is dropped; keys are lower case.
using IniSections = std::map<std::string, std::map<std::string, std::string>, std::less<>>;
Result<IniSections> parse_ini(std::string_view text);  // Errors: EINVAL "line N: ..."

// The keys of one section; the API key wins. None when it has no keys. Errors: EINVAL half a key pair.
Result<std::optional<Credentials>> keys_of_section(const std::map<std::string, std::string>& section);

}  // namespace pail::auth
