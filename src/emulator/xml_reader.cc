#include "emulator/xml_reader.h"

#include <charconv>
#include <cstdint>
#include <utility>

namespace pail::emulator {
namespace {

constexpr int kDeepest = 16;
constexpr std::size_t kMostElements = 200'000;  // 10,000 parts with all their checksums have 80,000
constexpr std::string_view kSpace = " \t\r\n";

bool is_space(std::string_view text) {
  return text.find_first_not_of(kSpace) == std::string_view::npos;
}

bool is_character(std::uint32_t code) {
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return code != 0 && !surrogate && code <= 0x10FFFF;
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto tail = [&](unsigned shift) { out += static_cast<char>(0x80 | (code >> shift & 0x3F)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    tail(6), tail(0);
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    tail(12), tail(6), tail(0);
  }
}

// `digits` of a reference: 65 or x41.
std::optional<std::uint32_t> character_of(std::string_view digits) {
  const bool hex = digits.starts_with('x');
  if (hex) digits.remove_prefix(1);
  std::uint32_t code = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, failed] = std::from_chars(digits.data(), end, code, hex ? 16 : 10);
  if (failed != std::errc{} || stop != end || !is_character(code)) return std::nullopt;
  return code;
}

// `name` stands between & and ;
bool append_reference(std::string& out, std::string_view name) {
  constexpr std::pair<std::string_view, char> kNamed[] = {
      {"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
  for (const auto& [known, character] : kNamed) {
    if (name != known) continue;
    out += character;
    return true;
  }
  if (!name.starts_with('#')) return false;
  const auto code = character_of(name.substr(1));
  if (code) append_utf8(out, *code);
  return code.has_value();
}

// XML counts a line's end as one line feed, however it was written.
void append_lines(std::string& out, std::string_view raw) {
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const bool before_line_feed = i + 1 < raw.size() && raw[i + 1] == '\n';
    if (raw[i] != '\r') {
      out += raw[i];
    } else if (!before_line_feed) {
      out += '\n';
    }
  }
}

bool append_text(std::string& out, std::string_view raw) {
  while (!raw.empty()) {
    const std::size_t reference = raw.find('&');
    append_lines(out, raw.substr(0, reference));
    if (reference == std::string_view::npos) return true;
    const std::size_t end = raw.find(';', reference);
    if (end == std::string_view::npos) return false;
    if (!append_reference(out, raw.substr(reference + 1, end - reference - 1))) return false;
    raw.remove_prefix(end + 1);
  }
  return true;
}

bool is_name(std::string_view name) {
  constexpr std::string_view kNever = " \t\r\n<>&\"'/=!?;";
  return !name.empty() && name.find_first_of(kNever) == std::string_view::npos;
}

// The text between a tag's name and its end: name="value" pairs, which no request of ours needs.
bool are_attributes(std::string_view text) {
  while (!is_space(text)) {
    const std::size_t begin = text.find_first_not_of(kSpace);
    const std::size_t equals = text.find('=');
    if (begin == 0 || equals == std::string_view::npos || equals + 1 == text.size()) return false;
    if (!is_name(text.substr(begin, equals - begin))) return false;
    const char quote = text[equals + 1];
    const std::size_t end = text.find(quote, equals + 2);
    if ((quote != '"' && quote != '\'') || end == std::string_view::npos) return false;
    text.remove_prefix(end + 1);
  }
  return true;
}

class Reader {
 public:
  explicit Reader(std::string_view document) : rest_(document) {}

  std::optional<XmlElement> document() {
    XmlElement around;  // holds the root
    if (rest_.find('\0') != std::string_view::npos || !content(around, 0)) return std::nullopt;
    if (!rest_.empty() || around.children.size() != 1 || !is_space(around.text)) return std::nullopt;
    return std::move(around.children.front());
  }

 private:
  bool skip(std::string_view what) {
    if (!rest_.starts_with(what)) return false;
    rest_.remove_prefix(what.size());
    return true;
  }

  // Takes all up to `end` and `end` itself.
  std::optional<std::string_view> take_until(std::string_view end) {
    const std::size_t at = rest_.find(end);
    if (at == std::string_view::npos) return std::nullopt;
    const std::string_view out = rest_.substr(0, at);
    rest_.remove_prefix(at + end.size());
    return out;
  }

  // What stands between a start tag and its end tag, or in the whole document.
  bool content(XmlElement& into, int depth) {
    while (!rest_.empty() && !rest_.starts_with("</")) {
      if (!piece(into, depth)) return false;
    }
    return true;
  }

  bool piece(XmlElement& into, int depth) {
    if (skip("<!--")) return take_until("-->").has_value();
    if (skip("<?")) return take_until("?>").has_value();
    if (skip("<![CDATA[")) {
      const auto raw = take_until("]]>");
      if (raw) append_lines(into.text, *raw);
      return raw.has_value();
    }
    if (skip("<")) return element(into, depth + 1);
    const std::string_view raw = rest_.substr(0, rest_.find('<'));
    rest_.remove_prefix(raw.size());
    return append_text(into.text, raw);
  }

  bool element(XmlElement& parent, int depth) {
    const std::size_t end = tag_end();
    if (depth > kDeepest || ++elements_ > kMostElements) return false;
    if (end == std::string_view::npos) return false;
    std::string_view tag = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    const bool empty = tag.ends_with('/');
    if (empty) tag.remove_suffix(1);
    const std::string_view name = tag.substr(0, tag.find_first_of(kSpace));
    if (!is_name(name) || !are_attributes(tag.substr(name.size()))) return false;
    XmlElement& made = parent.children.emplace_back();
    made.name = name.substr(name.rfind(':') + 1);
    return empty || (content(made, depth) && end_tag(name));
  }

  // Where the tag at hand ends: a > in an attribute's value is not its end.
  std::size_t tag_end() const {
    char quote = 0;
    for (std::size_t i = 0; i < rest_.size(); ++i) {
      const char c = rest_[i];
      if (c == '<') break;
      if (quote == 0 && c == '>') return i;
      if (quote == 0 && (c == '"' || c == '\'')) {
        quote = c;
      } else if (c == quote) {
        quote = 0;
      }
    }
    return std::string_view::npos;
  }

  bool end_tag(std::string_view name) {
    if (!skip("</") || !skip(name)) return false;
    const auto space = take_until(">");
    return space && is_space(*space);
  }

  std::string_view rest_;
  std::size_t elements_ = 0;
};

}  // namespace

const XmlElement* XmlElement::child(std::string_view wanted) const {
  const XmlElement* found = nullptr;
  for (const XmlElement& at : children) {
    if (at.name != wanted) continue;
    if (found != nullptr) return nullptr;
    found = &at;
  }
  return found;
}

std::optional<XmlElement> read_xml(std::string_view document) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (document.starts_with(kByteOrderMark)) document.remove_prefix(kByteOrderMark.size());
  return Reader(document).document();
}

}  // namespace pail::emulator
