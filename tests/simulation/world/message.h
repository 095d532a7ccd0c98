// Requests and answers of an object store as HTTP has them, and what a request asks for.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pailfs/base/clock.h"
#include "pailfs/http/message.h"

namespace pail::simulation {

struct HttpRequest {
  std::string method, url;
  http::Headers headers;
  std::string body;
};

// Content-Length is always set; that of an answer to HEAD is the object's, and the body is empty.
struct HttpAnswer {
  int status = 0;
  http::Headers headers;
  std::string body;
};

enum class Operation {
  unknown,
  head_bucket,
  locate_bucket,
  list,
  head,
  get,
  put,
  copy,
  remove,
  remove_many,
  create_upload,
  upload_part,
  copy_part,
  complete_upload,
  abort_upload,
};
std::string_view name_of(Operation operation);
// Changes objects or uploads.
bool writes(Operation operation);

inline constexpr std::string_view kBucket = "bucket";  // the only one

// A request whose URL is read: "http://host/bucket/key?query", or "http://bucket.host/key?query" as redirects have it.
struct Asked {
  Operation operation = Operation::unknown;
  std::string host;  // with its port, where the URL has one
  std::string bucket, key;
  std::map<std::string, std::string> query;  // decoded

  std::string parameter(const std::string& name) const;  // empty when there is none
};
Asked understand(const HttpRequest& request);

// What a copy is made of; none: the request says nothing of it, or nothing that can be read.
struct CopySource {
  std::string bucket, key;
};
std::optional<CopySource> copy_source_of(const HttpRequest& request);

// Of objects that it may make, replace or remove.
std::vector<std::string> keys_changed_by(const HttpRequest& request);
// What it is about: keys, also of the source of a copy, or the directory that it lists.
std::vector<std::string> places_of(const HttpRequest& request);
// If-Match, If-None-Match or a condition on the source of a copy.
bool has_condition(const HttpRequest& request);
// The value of a header field; empty when there is none.
std::string field(const http::Headers& headers, std::string_view name);

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::string http_time(WallTime time);
// "1994-11-06T08:49:37.000Z"
std::string xml_time(WallTime time);
// How the store names its answer to the request of this number.
std::string request_id(std::uint64_t number);

}  // namespace pail::simulation
