#include "served.h"

#include <fmt/format.h>

#include <sstream>

namespace pail::simulation {
namespace {

HttpRequest request_of(const test::TinyRequest& came) {
  HttpRequest request{
      came.head.substr(0, came.head.find(' ')), std::string(World::kUrl) + came.target(), {}, came.body};
  std::istringstream lines(came.head);
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line) && line != "\r") {
    const auto colon = line.find(':');
    request.headers.add(line.substr(0, colon), line.substr(colon + 2, line.size() - colon - 3));
  }
  return request;
}

std::string text_of(const HttpAnswer& answer) {
  std::string text = fmt::format("HTTP/1.1 {} Text\r\n", answer.status);
  for (const http::Header& field : answer.headers) text += fmt::format("{}: {}\r\n", field.name, field.value);
  return text + "\r\n" + answer.body;
}

}  // namespace

Served::Served(AnswerOne answer, cos::ListVersion version)
    : answer_(std::move(answer)),
      connection_(cos::connect({server_.url(""), "key id", "secret", ""}, {.list_version = version})),
      store_(cos::open_bucket(*connection_.store, std::string(kBucket))) {}

void Served::serve(test::TinyConnection& connection) {
  while (const auto came = connection.read_request()) {
    const MutexLock lock(mutex_);
    const Delivery delivery = answer_(request_of(*came));
    if (delivery.answer.status != 0) connection.send(text_of(delivery.answer));
    if (delivery.broken != 0) return;
  }
}

}  // namespace pail::simulation
