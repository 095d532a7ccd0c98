// XML of answers and requests: a reader that survives hostile input, and escaping for a writer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "pailfs/base/clock.h"
#include "pailfs/base/result.h"

namespace tinyxml2 {
class XMLElement;
class XMLDocument;
}  // namespace tinyxml2

namespace pail::cos {

// An element of a document, valid as long as the document. An absent element is one without children or text.
// Names compare without their namespace prefix.
class XmlElement {
 public:
  explicit XmlElement(const tinyxml2::XMLElement* element = nullptr) : element_(element) {}

  bool present() const { return element_ != nullptr; }
  std::string_view name() const;
  XmlElement child(std::string_view name) const;  // the first of this name
  void each(std::string_view name, const std::function<void(XmlElement)>& visit) const;

  std::string text() const;     // as it stands, without entities
  std::string trimmed() const;  // without white space around it
  std::string text_of(std::string_view child_name) const { return child(child_name).text(); }
  bool flag(std::string_view child_name) const;  // true for "true" in any case

  // None when absent, empty, or no decimal number that fits.
  std::optional<std::uint64_t> number(std::string_view child_name) const;

 private:
  const tinyxml2::XMLElement* element_;
};

class XmlDocument {
 public:
  // White space and a byte order mark before the document are skipped. No entity but the five of XML and character
  // references is known, nothing is fetched or expanded.
  // Errors: EBADMSG not well-formed, too deep, or with more elements than any page of an answer holds.
  static Result<XmlDocument> parse(std::string_view text);
  ~XmlDocument();
  XmlDocument(XmlDocument&&) noexcept;
  XmlDocument& operator=(XmlDocument&&) noexcept;

  XmlElement root() const;

 private:
  explicit XmlDocument(std::unique_ptr<tinyxml2::XMLDocument> document);
  std::unique_ptr<tinyxml2::XMLDocument> document_;
};

// Text for the inside of an element. Control characters become character references, so that a parser neither drops
// nor normalises them.
std::string xml_escape(std::string_view text);

// "2016-08-25T17:38:38.549Z", with or without a fraction. None when it is no such time.
std::optional<WallTime> parse_xml_time(std::string_view text);

}  // namespace pail::cos
