#include "emulator/xml.h"

#include <tinyxml2.h>

#include <cstring>

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

// The name without a namespace prefix.
std::string_view local_name(const tinyxml2::XMLElement& element) {
  const std::string_view name = element.Name();
  const std::size_t colon = name.rfind(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

std::string text_of(const tinyxml2::XMLElement& element) {
  const char* text = element.GetText();
  return text == nullptr ? std::string() : std::string(text);
}

const tinyxml2::XMLElement* child(const tinyxml2::XMLElement& parent, std::string_view name) {
  for (const auto* at = parent.FirstChildElement(); at != nullptr; at = at->NextSiblingElement())
    if (local_name(*at) == name) return at;
  return nullptr;
}

const tinyxml2::XMLElement* parse(tinyxml2::XMLDocument& document, const std::string& xml, std::string_view root) {
  if (document.Parse(xml.data(), xml.size()) != tinyxml2::XML_SUCCESS) return nullptr;
  const auto* element = document.RootElement();
  return element != nullptr && local_name(*element) == root ? element : nullptr;
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

std::string XmlWriter::finish() {
  close(root_);
  return std::move(out_);
}

ApiResult<DeleteRequest> parse_delete(const std::string& xml) {
  tinyxml2::XMLDocument document(true, tinyxml2::PRESERVE_WHITESPACE);
  const auto* root = parse(document, xml, "Delete");
  if (root == nullptr) return malformed();
  DeleteRequest out;
  for (const auto* at = root->FirstChildElement(); at != nullptr; at = at->NextSiblingElement()) {
    if (local_name(*at) == "Quiet") out.quiet = text_of(*at) == "true";
    if (local_name(*at) != "Object") continue;
    const auto* key = child(*at, "Key");
    if (key == nullptr || out.keys.size() >= 1000) return malformed();
    out.keys.push_back(text_of(*key));
  }
  if (out.keys.empty()) return malformed();
  return out;
}

ApiResult<CompleteRequest> parse_complete(const std::string& xml) {
  tinyxml2::XMLDocument document;
  const auto* root = parse(document, xml, "CompleteMultipartUpload");
  if (root == nullptr) return malformed();
  CompleteRequest out;
  for (const auto* at = root->FirstChildElement(); at != nullptr; at = at->NextSiblingElement()) {
    if (local_name(*at) != "Part") continue;
    const auto* number = child(*at, "PartNumber");
    const auto* etag = child(*at, "ETag");
    const auto value = number == nullptr ? std::nullopt : parse_number(text_of(*number));
    if (!value || *value < 1 || *value > 10000 || etag == nullptr || out.parts.size() >= 10000) return malformed();
    out.parts.push_back({static_cast<unsigned>(*value), unquoted(text_of(*etag))});
    Fields checksums;
    for (const auto* field = at->FirstChildElement(); field != nullptr; field = field->NextSiblingElement())
      if (local_name(*field).starts_with("Checksum"))
        checksums.emplace_back(lower_case(local_name(*field).substr(std::strlen("Checksum"))), text_of(*field));
    out.checksums.push_back(std::move(checksums));
  }
  if (out.parts.empty()) return malformed();
  return out;
}

ApiResult<std::optional<std::string>> parse_location(const std::string& xml) {
  if (xml.find_first_not_of(" \t\r\n") == std::string::npos) return std::optional<std::string>();
  tinyxml2::XMLDocument document;
  const auto* root = parse(document, xml, "CreateBucketConfiguration");
  if (root == nullptr) return malformed();
  const auto* location = child(*root, "LocationConstraint");
  return location == nullptr ? std::optional<std::string>() : std::optional(text_of(*location));
}

}  // namespace pail::emulator
