#include "cos/xml.h"

#include <fmt/format.h>
#include <tinyxml2.h>

#include <algorithm>
#include <charconv>

namespace pail::cos {
namespace {

// A page of 1000 entries with owners and checksums has about 30 tags an entry. A document of nothing but tags would
// take 30 times its own size in memory.
constexpr std::ptrdiff_t kMaxTags = 150'000;

std::string_view local_name(const char* name) {
  const std::string_view full = name == nullptr ? std::string_view() : name;
  const auto colon = full.find(':');
  return colon == full.npos ? full : full.substr(colon + 1);
}

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

template <class Number>
bool take_number(std::string_view& text, std::size_t digits, Number& out) {
  if (text.size() < digits) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, out);
  if (error != std::errc() || end != text.data() + digits) return false;
  text.remove_prefix(digits);
  return true;
}

bool take(std::string_view& text, char expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(1);
  return true;
}

// Digits after the point, as nanoseconds; further digits are dropped.
std::chrono::nanoseconds take_fraction(std::string_view& text) {
  std::int64_t nanoseconds = 0;
  std::int64_t unit = 100'000'000;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    nanoseconds += (text.front() - '0') * unit;
    unit /= 10;
    text.remove_prefix(1);
  }
  return std::chrono::nanoseconds(nanoseconds);
}

}  // namespace

std::string_view XmlElement::name() const {
  return present() ? local_name(element_->Name()) : std::string_view();
}

XmlElement XmlElement::child(std::string_view name) const {
  if (!present()) return XmlElement();
  for (auto* at = element_->FirstChildElement(); at != nullptr; at = at->NextSiblingElement())
    if (local_name(at->Name()) == name) return XmlElement(at);
  return XmlElement();
}

void XmlElement::each(std::string_view name, const std::function<void(XmlElement)>& visit) const {
  if (!present()) return;
  for (auto* at = element_->FirstChildElement(); at != nullptr; at = at->NextSiblingElement())
    if (local_name(at->Name()) == name) visit(XmlElement(at));
}

std::string XmlElement::text() const {
  std::string all;
  if (!present()) return all;
  for (auto* at = element_->FirstChild(); at != nullptr; at = at->NextSibling())
    if (at->ToText() != nullptr) all += at->Value();
  return all;
}

std::string XmlElement::trimmed() const {
  return std::string(trim(text()));
}

bool XmlElement::flag(std::string_view child_name) const {
  std::string value = child(child_name).trimmed();
  std::ranges::transform(value, value.begin(), [](unsigned char c) { return std::tolower(c); });
  return value == "true";
}

std::optional<std::uint64_t> XmlElement::number(std::string_view child_name) const {
  const std::string value = child(child_name).trimmed();
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
  if (value.empty() || error != std::errc() || end != value.data() + value.size()) return std::nullopt;
  return out;
}

XmlDocument::XmlDocument(std::unique_ptr<tinyxml2::XMLDocument> document) : document_(std::move(document)) {}
XmlDocument::~XmlDocument() = default;
XmlDocument::XmlDocument(XmlDocument&&) noexcept = default;
XmlDocument& XmlDocument::operator=(XmlDocument&&) noexcept = default;

Result<XmlDocument> XmlDocument::parse(std::string_view text) {
  // Long operations send white space to keep the connection alive, before the XML declaration.
  text = trim(text);
  if (text.starts_with("\xEF\xBB\xBF")) text = trim(text.substr(3));
  if (text.empty()) return Error{EBADMSG, "the answer is empty where XML was expected"};
  if (std::ranges::count(text, '<') > kMaxTags) return Error{EBADMSG, "the XML of the answer has too many elements"};
  auto document = std::make_unique<tinyxml2::XMLDocument>();
  if (document->Parse(text.data(), text.size()) != tinyxml2::XML_SUCCESS || document->RootElement() == nullptr)
    return Error{EBADMSG, fmt::format("the answer is not well-formed XML ({})", document->ErrorName())};
  return XmlDocument(std::move(document));
}

XmlElement XmlDocument::root() const {
  return XmlElement(document_->RootElement());
}

std::string xml_escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
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
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
          out += fmt::format("&#{};", static_cast<int>(c));
        else
          out += c;
    }
  }
  return out;
}

std::optional<WallTime> parse_xml_time(std::string_view text) {
  using namespace std::chrono;
  text = trim(text);
  int year_number = 0;
  unsigned month_number = 0, day_number = 0;
  int hour = 0, minute = 0, second = 0;
  const bool shape = take_number(text, 4, year_number) && take(text, '-') && take_number(text, 2, month_number) &&
                     take(text, '-') && take_number(text, 2, day_number) && take(text, 'T') &&
                     take_number(text, 2, hour) && take(text, ':') && take_number(text, 2, minute) && take(text, ':') &&
                     take_number(text, 2, second);
  if (!shape) return std::nullopt;
  nanoseconds fraction{0};
  if (take(text, '.')) fraction = take_fraction(text);
  const bool utc = text == "Z" || text == "+00:00" || text.empty();
  const year_month_day date{year{year_number}, month{month_number}, day{day_number}};
  if (!utc || !date.ok() || hour > 23 || minute > 59 || second > 60 || hour < 0 || minute < 0 || second < 0)
    return std::nullopt;
  // Nanoseconds since 1970 reach from 1678 to 2261; a time beyond is no time an object was written.
  if (year_number < 1700 || year_number > 2250) return std::nullopt;
  return WallTime(sys_days(date).time_since_epoch() + hours(hour) + minutes(minute) + seconds(second) + fraction);
}

}  // namespace pail::cos
