// Takes a request's line and header apart, into strings that may have any length below the limits.
//
// Beast's own container of fields throws at a value of 64 KiB; here what is too much is an error.
#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <string>

#include "emulator/request.h"

namespace pail::emulator {

class HeadParser final : public boost::beast::http::basic_parser<true> {
 public:
  static constexpr std::uint32_t kLargestHead = 256 * 1024;  // bytes, with the request line
  static constexpr std::size_t kLargestTarget = 32 * 1024;   // a presigned URL of a long key needs 8 KiB
  static constexpr std::size_t kMostFields = 1000;

  HeadParser();

  const std::string& method() const { return method_; }
  const std::string& target() const { return target_; }
  Fields take_fields() { return std::move(fields_); }  // names in lower case; once

 private:
  using Code = boost::system::error_code;
  using Text = boost::beast::string_view;
  void on_request_impl(boost::beast::http::verb, Text method, Text target, int version, Code& failed) override;
  void on_field_impl(boost::beast::http::field, Text name, Text value, Code& failed) override;

  // Bodies are read by the session.
  void on_response_impl(int, Text, int, Code&) override {}
  void on_header_impl(Code&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, Code&) override {}
  std::size_t on_body_impl(Text body, Code&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, Text, Code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text body, Code&) override { return body.size(); }
  void on_finish_impl(Code&) override {}

  std::string method_, target_;
  Fields fields_;
};

}  // namespace pail::emulator
