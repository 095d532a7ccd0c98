// What several families of operations share.
#include <algorithm>
#include <iterator>
#include <utility>

#include "base/encoding.h"
#include "emulator/operations.h"

namespace pail::emulator {
namespace {

constexpr std::size_t kLongestKey = 1024;
constexpr std::size_t kMostMetadata = 64 * 1024;
constexpr std::string_view kMetadata = "x-amz-meta-";

constexpr std::string_view kKeptHeaders[] = {"cache-control",    "content-disposition", "content-encoding",
                                             "content-language", "content-type",        "expires"};

// The x-amz-, ibm- and retention headers that the emulator keeps to. With any other one a request would
// be answered as if something had been done that was not: encrypted, tagged, locked, shared.
constexpr std::string_view kKnownHeaders[] = {"ibm-service-instance-id",
                                              "x-amz-api-version",
                                              "x-amz-bypass-governance-retention",
                                              "x-amz-checksum-algorithm",
                                              "x-amz-checksum-crc32",
                                              "x-amz-checksum-crc32c",
                                              "x-amz-checksum-crc64nvme",
                                              "x-amz-checksum-mode",
                                              "x-amz-checksum-sha1",
                                              "x-amz-checksum-sha256",
                                              "x-amz-checksum-type",
                                              "x-amz-content-sha256",
                                              "x-amz-copy-source",
                                              "x-amz-copy-source-if-match",
                                              "x-amz-copy-source-if-modified-since",
                                              "x-amz-copy-source-if-none-match",
                                              "x-amz-copy-source-if-unmodified-since",
                                              "x-amz-copy-source-range",
                                              "x-amz-date",
                                              "x-amz-decoded-content-length",
                                              "x-amz-metadata-directive",
                                              "x-amz-request-payer",
                                              "x-amz-sdk-checksum-algorithm",
                                              "x-amz-security-token",
                                              "x-amz-tagging-directive",
                                              "x-amz-trailer",
                                              "x-amz-user-agent"};

// Those of which the one value that says what is so anyway may be sent.
constexpr std::pair<std::string_view, std::string_view> kKnownValues[] = {{"x-amz-acl", "private"},
                                                                          {"x-amz-bucket-object-lock-enabled", "false"},
                                                                          {"x-amz-storage-class", "STANDARD"},
                                                                          {"x-ibm-forbid-overwrite", "false"}};

bool asks_for_something(std::string_view name) {
  constexpr std::string_view kFamilies[] = {"x-amz-", "ibm-", "x-ibm-", "retention-"};
  return std::any_of(std::begin(kFamilies), std::end(kFamilies),
                     [&](std::string_view family) { return name.starts_with(family); });
}

bool is_known(std::string_view name, std::string_view value) {
  if (name.starts_with(kMetadata)) return true;
  for (const auto& [known, only] : kKnownValues)
    if (name == known) return lower_case(value) == lower_case(only);
  return std::find(std::begin(kKnownHeaders), std::end(kKnownHeaders), name) != std::end(kKnownHeaders);
}

std::string without_aws_chunked(const std::string& encodings) {
  std::string out, rest = encodings;
  while (!rest.empty()) {
    std::string item = rest.substr(0, rest.find(','));
    rest.erase(0, item.size() + 1);
    std::erase(item, ' ');
    if (item == "aws-chunked" || item.empty()) continue;
    out += (out.empty() ? "" : ",") + item;
  }
  return out;
}

}  // namespace

Response xml_response(std::string xml) {
  Response out;
  out.set("Content-Type", "application/xml");
  out.body = std::move(xml);
  return out;
}

std::string in_quotes(std::string_view etag) {
  return '"' + std::string(etag) + '"';
}

ApiError precondition_failed() {
  return {"PreconditionFailed", "At least one of the preconditions you specified did not hold."};
}

void write_owner(XmlWriter& xml, const Call& call, std::string_view element) {
  const std::string& id = call.state.credentials.resource_instance_id;
  xml.open(element).element("ID", id).element("DisplayName", id).close(element);
}

ApiResult<std::size_t> count_parameter(const Call& call, std::string_view name, std::size_t most) {
  const auto text = call.request.parameter(name);
  if (!text || text->empty()) return most;
  const auto value = parse_number(*text);
  if (!value) return ApiError("InvalidArgument", "Argument " + std::string(name) + " must be a number of 0 or more.");
  return std::min<std::size_t>(*value, most);
}

ApiResult<Unit> check_key(std::string_view key) {
  if (key.size() > kLongestKey) return ApiError("KeyTooLong", "Your key is too long.");
  if (key.find('\0') != std::string_view::npos) return ApiError("InvalidURI", "A key cannot hold a NUL byte.");
  return Unit{};
}

ApiResult<Unit> check_headers(const Request& request) {
  for (const auto& [name, value] : request.headers)
    if (asks_for_something(name) && !is_known(name, value))
      return ApiError("NotImplemented", "A header you provided implies functionality that is not implemented: " + name);
  return Unit{};
}

ApiResult<GivenHeaders> given_headers(const Request& request) {
  GivenHeaders out;
  for (const std::string_view name : kKeptHeaders) {
    auto value = request.header(name);
    if (value && name == "content-encoding") value = without_aws_chunked(*value);
    if (value && !value->empty()) out.headers.emplace_back(name, std::move(*value));
  }
  std::size_t total = 0;
  for (const auto& [name, value] : request.headers) {
    if (!name.starts_with(kMetadata)) continue;
    const std::string key = name.substr(kMetadata.size());
    total += key.size() + value.size();
    const auto same =
        std::find_if(out.metadata.begin(), out.metadata.end(), [&](const auto& field) { return field.first == key; });
    if (same == out.metadata.end()) {
      out.metadata.emplace_back(key, value);
    } else {
      same->second += "," + value;
    }
  }
  if (total > kMostMetadata)
    return ApiError("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size.");
  return out;
}

ApiResult<unsigned> part_number(const Call& call) {
  const auto number = parse_number(call.request.parameter("partNumber").value_or(""));
  if (!number || *number < 1 || *number > 10000)
    return ApiError("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive.");
  return static_cast<unsigned>(*number);
}

ApiResult<std::optional<ByteRange>> parse_range(const std::optional<std::string>& header, std::uint64_t size) {
  const std::optional<ByteRange> none;
  if (!header || !header->starts_with("bytes=") || header->find(',') != std::string::npos) return none;
  const std::string_view text = std::string_view(*header).substr(6);
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return none;
  const auto first = parse_number(text.substr(0, dash)), last = parse_number(text.substr(dash + 1));
  const bool open_end = dash + 1 == text.size();
  const ApiError unsatisfiable("InvalidRange", "The requested range is not satisfiable.");
  if (dash == 0) {
    if (!last) return none;
    if (*last == 0 || size == 0) return unsatisfiable;
    return std::optional(ByteRange{size - std::min(*last, size), size - 1});
  }
  if (!first || (!last && !open_end) || (last && *last < *first)) return none;
  if (*first >= size) return unsatisfiable;
  return std::optional(ByteRange{*first, last ? std::min(*last, size - 1) : size - 1});
}

std::vector<Payload::Piece> cut(const std::vector<Payload::Piece>& pieces, ByteRange range) {
  std::vector<Payload::Piece> out;
  std::uint64_t begin = 0;
  for (const Payload::Piece& piece : pieces) {
    const std::uint64_t end = begin + piece.length;
    const std::uint64_t from = std::max(begin, range.first), to = std::min(end, range.last + 1);
    if (from < to) out.push_back({piece.file, piece.offset + (from - begin), to - from});
    begin = end;
  }
  return out;
}

}  // namespace pail::emulator
