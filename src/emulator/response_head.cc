#include "emulator/response_head.h"

#include <fmt/format.h>

namespace pail::emulator {
namespace {

std::string_view reason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 409:
      return "Conflict";
    case 412:
      return "Precondition Failed";
    case 416:
      return "Range Not Satisfiable";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    default:
      return "Status";
  }
}

// Metadata comes from clients and goes out in headers: what would end a line does not.
void append_header(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ");
  for (const char c : value) out += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
  out += "\r\n";
}

}  // namespace

std::string head_of(const Response& response, Connection connection) {
  std::string out = fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
  for (const auto& [name, value] : response.headers) append_header(out, name, value);
  if (response.status != 204 && response.status != 304)
    append_header(out, "Content-Length", std::to_string(response.body_length()));
  append_header(out, "Connection", connection == Connection::keep_alive ? "keep-alive" : "close");
  return out + "\r\n";
}

}  // namespace pail::emulator
