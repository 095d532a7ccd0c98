#include "emulator/head_parser.h"

#include <limits>

namespace pail::emulator {
namespace {

namespace http = boost::beast::http;

std::string_view view_of(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

HeadParser::HeadParser() {
  header_limit(kLargestHead);
  // Operations have limits of their own; boost 1.74 reads boost::none as 0.
  body_limit(std::numeric_limits<std::uint64_t>::max());
}

void HeadParser::on_request_impl(http::verb, Text method, Text target, int, Code& failed) {
  if (target.size() > kLargestTarget) {
    failed = http::error::bad_target;
    return;
  }
  method_ = view_of(method);
  target_ = view_of(target);
}

void HeadParser::on_field_impl(http::field, Text name, Text value, Code& failed) {
  if (fields_.size() == kMostFields) {
    failed = http::error::header_limit;
    return;
  }
  fields_.emplace_back(lower_case(view_of(name)), view_of(value));
}

}  // namespace pail::emulator
