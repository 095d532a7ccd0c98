#include "cli/s3fs_options.h"

#include <algorithm>
#include <array>

namespace pail::cli {
namespace {

constexpr std::string_view kCacheDir = "cache_dir=DIR; its size is cache_size=SIZE";
constexpr std::string_view kCertificate = "ca_bundle=FILE, as server and name are always checked";
constexpr std::string_view kDirectories = "not needed: directories of all conventions are shown";
constexpr std::string_view kDiskFree = "not needed: 256 MiB of the disk of state_dir stay free";
constexpr std::string_view kKeys = "no such source: keys come from credentials=FILE, passwd_file=FILE or profile=NAME";
constexpr std::string_view kMetadataTtl = "metadata_ttl=SECONDS";
constexpr std::string_view kMissing = "not supported";
constexpr std::string_view kNotNeeded = "not needed";
constexpr std::string_view kOfTheBucket = "not supported: objects are as the bucket's own settings say";
constexpr std::string_view kParallel = "not needed: pailfs decides how many requests run at a time";
constexpr std::string_view kParts = "not needed: pailfs chooses the size of parts";
constexpr std::string_view kProxy = "the environment variables http_proxy and https_proxy";
constexpr std::string_view kSigned = "not needed: requests are signed with version 4";
constexpr std::string_view kTimeout = "timeout=SECONDS";

constexpr auto kS3fsOptions = std::to_array<S3fsOption>({
    {"bucket", "the first word: pailfs mount BUCKET DIR"},
    {"host", "url=URL"},
    {"endpoint", "region=CODE"},
    {"use_path_request_style", "path_style, the default: leave it out"},
    {"listobjectsv2", "list_version=2, the default: leave it out"},
    {"sigv2", kSigned},
    {"sigv4", kSigned},
    {"connect_timeout", kTimeout},
    {"readwrite_timeout", kTimeout},
    {"no_check_certificate", kCertificate},
    {"ssl_verify_hostname", kCertificate},
    {"proxy", kProxy},
    {"proxy_cred_file", kProxy},
    {"public_bucket", "anonymous"},
    {"ibm_iam_auth", "not needed: credentials=FILE or passwd_file=FILE with an API key says so itself"},
    {"ibm_iam_endpoint", "iam_endpoint=URL"},
    {"accessKeyId", "passwd_file=FILE"},
    {"secretAccessKey", "passwd_file=FILE"},
    {"iam_role", kKeys},
    {"imdsv1only", kKeys},
    {"ecs", kKeys},
    {"credlib", kKeys},
    {"credlib_opts", kKeys},
    {"use_session_token", "not needed: a token beside the keys is used"},
    {"use_cache", kCacheDir},
    {"tmpdir", "state_dir=DIR"},
    {"del_cache", "not needed: the cache is kept and stays true"},
    {"check_cache_dir_exist", "not needed: the cache directory is made where missing"},
    {"ensure_diskfree", kDiskFree},
    {"free_space_ratio", kDiskFree},
    {"stat_cache_expire", kMetadataTtl},
    {"stat_cache_interval_expire", kMetadataTtl},
    {"enable_noobj_cache", kMetadataTtl},
    {"disable_noobj_cache", kMetadataTtl},
    {"max_stat_cache_size", "not needed: names and attributes are kept on disk"},
    {"parallel_count", kParallel},
    {"multireq_max", kParallel},
    {"max_thread_count", kParallel},
    {"multipart_size", kParts},
    {"multipart_copy_size", kParts},
    {"multipart_threshold", kParts},
    {"singlepart_copy_limit", kParts},
    {"nomultipart", kParts},
    {"nomixupload", kParts},
    {"streamupload", kParts},
    {"max_dirty_data", "not needed: files wait on disk for close() and fsync()"},
    {"enable_content_md5", "not needed: bytes damaged on their way are always noticed"},
    {"mp_umask", "dir_mode=OCTAL, which holds for the mount point, too"},
    {"complement_stat", "file_mode=OCTAL and dir_mode=OCTAL"},
    {"compat_dir", kDirectories},
    {"notsup_compat_dir", kDirectories},
    {"use_xattr", "not needed: extended attributes are always kept"},
    {"update_parent_dir_stat", "not needed: the time of a directory changes with its names"},
    {"dbglevel", "log_level=LEVEL"},
    {"curldbg", "log_level=trace"},
    {"logfile", "none: the log goes to syslog, with -f to stderr"},
    {"default_acl", kOfTheBucket},
    {"storage_class", kOfTheBucket},
    {"use_rrs", kOfTheBucket},
    {"use_sse", kOfTheBucket},
    {"enable_unsigned_payload", kNotNeeded},
    {"instance_name", kNotNeeded},
    {"list_object_max_keys", kNotNeeded},
    {"no_time_stamp_msg", kNotNeeded},
    {"nocopyapi", kNotNeeded},
    {"nodnscache", kNotNeeded},
    {"norenameapi", kNotNeeded},
    {"nosscache", kNotNeeded},
    {"noua", kNotNeeded},
    {"noxmlns", kNotNeeded},
    {"set_check_cache_sigusr1", kNotNeeded},
    {"ahbe_conf", kMissing},
    {"bucket_size", kMissing},
    {"cipher_suites", kMissing},
    {"load_sse_c", kMissing},
    {"mime", kMissing},
    {"requester_pays", kMissing},
    {"servicepath", kMissing},
    {"ssl_client_cert", kMissing},
    {"use_wtf8", kMissing},
});

}  // namespace

std::span<const S3fsOption> s3fs_options() {
  return kS3fsOptions;
}

std::optional<std::string_view> counterpart_of_s3fs(std::string_view name) {
  const auto found = std::ranges::find(kS3fsOptions, name, &S3fsOption::name);
  return found == kS3fsOptions.end() ? std::nullopt : std::optional(found->here);
}

}  // namespace pail::cli
