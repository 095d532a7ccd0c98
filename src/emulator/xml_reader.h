// A strict reader of the small documents that requests carry.
//
// What names an object must come out as it was written or not at all, so nothing is skipped, cut or
// guessed: text on both sides of a comment is one text, space is text, and a reference to a character
// that cannot be (&#0;) makes the whole document malformed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pail::emulator {

struct XmlElement {
  std::string name;  // without its namespace prefix
  std::string text;  // its own: CDATA and references resolved, comments left out
  std::vector<XmlElement> children;

  // The only child of this name; null when there is none or more than one.
  const XmlElement* child(std::string_view wanted) const;
};

// The root element; none when the document is malformed, has a document type, nests deeper
// than 16 or has more than 200,000 elements.
std::optional<XmlElement> read_xml(std::string_view document);

}  // namespace pail::emulator
