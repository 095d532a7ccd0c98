// What an operation asks of the store, before anybody has decided where it is sent.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "cos/wire.h"
#include "pailfs/auth/authorizer.h"
#include "pailfs/http/message.h"

namespace pail::cos {

// Whether a second execution of the same request has the same outcome. Where it has not, no layer
// below may send twice without telling.
enum class Repetition { harmless, matters };

enum class AnswerKind { plain, may_hold_error };  // 200 with an <Error> inside: copy and complete

struct Call {
  std::string what;    // "PUT bucket/key", safe text
  std::string method;  // upper case
  std::string bucket;  // empty: on the service
  std::string key;     // empty: on the bucket
  Query query;
  http::Headers headers;
  std::shared_ptr<http::BodySource> body;  // null: none
  auth::PayloadHash payload = auth::PayloadHash::empty();
  ByteCount largest_answer = 16_MiB;  // body of a success that is not streamed
  AnswerKind kind = AnswerKind::plain;
  Repetition repetition = Repetition::harmless;
  std::chrono::milliseconds bound{0};  // and silence that is endured; 0: as ClientOptions says
  // Where given, a stop ends the wait for the answer and not the attempt: this gets the successful
  // answer that comes after its caller has left, on a thread of the store.
  std::function<void(const http::Response&)> late;
};

// Calls without body on the service, a bucket or an object.
Call service_call(std::string_view method, std::string_view origin, Query query = {});
Call bucket_call(std::string_view method, std::string_view bucket, Query query = {});
Call object_call(std::string_view method, std::string_view bucket, std::string_view key, Query query = {});

// A small XML document as the body of a call, with its length, type and MD5.
void set_xml_body(Call& call, std::string xml);

}  // namespace pail::cos
