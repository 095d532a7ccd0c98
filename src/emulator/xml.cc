#include "emulator/xml.h"

#include <algorithm>
#include <iterator>

#include "emulator/xml_reader.h"

namespace pail::emulator {
namespace {

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\r':
        out += "&#13;";
        break;  // a parser would turn a bare one into a line feed
      default:
        out += c;
    }
  }
}

ApiError malformed() {
  return {"MalformedXML", "The XML you provided was not well-formed or did not validate against our schema."};
}

std::optional<XmlElement> parse(const std::string& xml, std::string_view root) {
  auto element = read_xml(xml);
  if (!element || element->name != root) return std::nullopt;
  return element;
}

std::string unquoted(std::string text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') return text.substr(1, text.size() - 2);
  return text;
}

}  // namespace

XmlWriter::XmlWriter(std::string_view root, Namespace name_space)
    : root_(root), out_(R"(<?xml version="1.0" encoding="UTF-8" standalone="yes"?>)") {
  out_.append("<").append(root);
  if (name_space == Namespace::s3) out_ += R"( xmlns="http://s3.amazonaws.com/doc/2006-03-01/")";
  out_ += '>';
}

XmlWriter& XmlWriter::open(std::string_view name) {
  out_.append("<").append(name).append(">");
  return *this;
}

XmlWriter& XmlWriter::close(std::string_view name) {
  out_.append("</").append(name).append(">");
  return *this;
}

XmlWriter& XmlWriter::element(std::string_view name, std::string_view text) {
  open(name);
  append_escaped(out_, text);
  return close(name);
}

XmlWriter& XmlWriter::text(std::string_view text) {
  append_escaped(out_, text);
  return *this;
}

std::string XmlWriter::finish() {
  close(root_);
  return std::move(out_);
}

namespace {

bool is_delete_field(std::string_view name) {
  return name == "Key" || name == "VersionId" || name == "ETag" || name == "LastModifiedTime" || name == "Size";
}

// One Object of a Delete document; none when it says something that cannot be told apart or is unknown.
std::optional<DeleteRequest::Item> delete_item(const XmlElement& object) {
  DeleteRequest::Item out;
  for (const XmlElement& field : object.children) {
    if (!is_delete_field(field.name) || !field.children.empty()) return std::nullopt;
    if (object.child(field.name) == nullptr) return std::nullopt;  // it is there twice
    if (field.name == "Key") out.key = field.text;
    if (field.name == "VersionId") out.version = field.text;
    if (field.name == "ETag") out.etag = field.text;
    if (field.name == "LastModifiedTime" || field.name == "Size") out.unknown_condition = true;
  }
  if (object.child("Key") == nullptr) return std::nullopt;
  return out;
}

}  // namespace

ApiResult<DeleteRequest> parse_delete(const std::string& xml) {
  const auto root = parse(xml, "Delete");
  if (!root) return malformed();
  DeleteRequest out;
  for (const XmlElement& at : root->children) {
    if (at.name == "Quiet") out.quiet = at.text == "true";
    if (at.name != "Object") continue;
    auto item = delete_item(at);
    if (!item || out.items.size() >= 1000) return malformed();
    out.items.push_back(*std::move(item));
  }
  if (out.items.empty()) return malformed();
  return out;
}

namespace {

Fields checksums_of(const XmlElement& part) {
  constexpr std::string_view kChecksum = "Checksum";
  Fields out;
  for (const XmlElement& field : part.children)
    if (field.name.starts_with(kChecksum))
      out.emplace_back(lower_case(std::string_view(field.name).substr(kChecksum.size())), field.text);
  return out;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") + 1 - begin);
}

}  // namespace

ApiResult<CompleteRequest> parse_complete(const std::string& xml) {
  const auto root = parse(xml, "CompleteMultipartUpload");
  if (!root) return malformed();
  CompleteRequest out;
  for (const XmlElement& at : root->children) {
    if (at.name != "Part") continue;
    const XmlElement* number = at.child("PartNumber");
    const XmlElement* etag = at.child("ETag");
    if (number == nullptr || etag == nullptr || out.parts.size() >= 10000) return malformed();
    const auto value = parse_number(trimmed(number->text));
    if (!value || *value < 1 || *value > 10000) return malformed();
    out.parts.push_back({static_cast<unsigned>(*value), unquoted(std::string(trimmed(etag->text)))});
    out.checksums.push_back(checksums_of(at));
  }
  if (out.parts.empty()) return malformed();
  return out;
}

ApiResult<std::optional<std::string>> parse_location(const std::string& xml) {
  if (trimmed(xml).empty()) return std::optional<std::string>();
  const auto root = parse(xml, "CreateBucketConfiguration");
  if (!root) return malformed();
  const XmlElement* location = root->child("LocationConstraint");
  if (location == nullptr && !root->children.empty()) return malformed();
  return location == nullptr ? std::optional<std::string>() : std::optional(std::string(trimmed(location->text)));
}

bool valid_location(std::string_view location) {
  constexpr std::string_view kClasses[] = {"standard", "vault", "cold", "smart", "flex", "onerate_active"};
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz0123456789-";
  const std::size_t dash = location.rfind('-');  // places have dashes of their own, classes do not
  if (dash == std::string_view::npos || dash < 2 || dash > 32) return false;
  const std::string_view place = location.substr(0, dash);
  if (place.find_first_not_of(kLetters) != std::string_view::npos) return false;
  if (place.front() == '-' || place.back() == '-') return false;
  const std::string_view storage_class = location.substr(dash + 1);
  return std::find(std::begin(kClasses), std::end(kClasses), storage_class) != std::end(kClasses);
}

}  // namespace pail::emulator
