#include "simulation/others/told.h"

#include <optional>
#include <string_view>

#include "base/encoding.h"

namespace pail::simulation::others {
namespace {

// The text of the first element of this name, and the document behind it.
std::optional<std::string> take_element(std::string_view& document, std::string_view name) {
  const std::string open = "<" + std::string(name) + ">", close = "</" + std::string(name) + ">";
  const auto begin = document.find(open);
  if (begin == std::string_view::npos) return std::nullopt;
  const auto end = document.find(close, begin);
  if (end == std::string_view::npos) return std::nullopt;
  std::string text(document.substr(begin + open.size(), end - begin - open.size()));
  document.remove_prefix(end + close.size());
  return text;
}

std::string plain_etag(std::string text) {
  for (auto at = text.find("&quot;"); at != std::string::npos; at = text.find("&quot;")) text.replace(at, 6, "\"");
  return text;
}

std::vector<Told> told_by_list(const Asked& asked, std::string_view document) {
  const bool encoded = asked.parameter("encoding-type") == "url";
  std::vector<Told> told;
  while (auto contents = take_element(document, "Contents")) {
    std::string_view rest = *contents;
    const auto key = take_element(rest, "Key");
    const auto etag = take_element(rest, "ETag");
    if (key && etag) told.push_back({encoded ? percent_decode(*key).value_or(*key) : *key, plain_etag(*etag)});
  }
  return told;
}

}  // namespace

std::vector<Told> told_by(const Asked& asked, const HttpAnswer& answer) {
  if (answer.status / 100 != 2) return {};
  if (asked.operation == Operation::list) return told_by_list(asked, answer.body);
  const std::string in_header = field(answer.headers, "ETag");
  if (!in_header.empty() && asked.operation != Operation::upload_part) return {{asked.key, in_header}};
  std::string_view document = answer.body;
  const bool in_body = asked.operation == Operation::copy || asked.operation == Operation::complete_upload;
  const auto etag = in_body ? take_element(document, "ETag") : std::nullopt;
  if (!etag) return {};
  return {{asked.key, plain_etag(*etag)}};
}

}  // namespace pail::simulation::others
