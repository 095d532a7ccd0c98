// XML as the service writes and reads it. Shares nothing with the client's XML code.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/api_error.h"
#include "emulator/store.h"

namespace pail::emulator {

// Builds a document; elements are closed in the order the caller says.
class XmlWriter {
 public:
  enum class Namespace { s3, none };
  XmlWriter(std::string_view root, Namespace name_space);
  XmlWriter& open(std::string_view name);
  XmlWriter& close(std::string_view name);
  XmlWriter& element(std::string_view name, std::string_view text);
  XmlWriter& number(std::string_view name, std::uint64_t value) { return element(name, std::to_string(value)); }
  XmlWriter& boolean(std::string_view name, bool value) { return element(name, value ? "true" : "false"); }
  XmlWriter& text(std::string_view text);  // of the element at hand
  std::string finish();                    // closes the root; once

 private:
  std::string root_;
  std::string out_;
};

// Bodies of requests. Errors: MalformedXML.
struct DeleteRequest {
  struct Item {
    std::string key;  // exactly as the document has it
    std::optional<std::string> version;
    std::optional<std::string> etag;  // remove only this one
    bool unknown_condition = false;   // LastModifiedTime or Size
  };
  std::vector<Item> items;
  bool quiet = false;
};
ApiResult<DeleteRequest> parse_delete(const std::string& xml);
struct CompleteRequest {
  std::vector<CompletedPart> parts;
  std::vector<Fields> checksums;  // beside each part: Checksum* elements, names without that word, in lower case
};
ApiResult<CompleteRequest> parse_complete(const std::string& xml);
// The LocationConstraint of a CreateBucketConfiguration; none for an empty body.
ApiResult<std::optional<std::string>> parse_location(const std::string& xml);
// <place>-<class>, such as eu-de-smart or us-standard. New places come, so that the form decides.
bool valid_location(std::string_view location);

}  // namespace pail::emulator
