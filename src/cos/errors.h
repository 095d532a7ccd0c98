// What a store says when it refuses, as a fault, an errno and a story. The one table of codes is in errors.cc.
#pragma once

#include <string>
#include <string_view>

#include "pailfs/base/result.h"
#include "pailfs/cos/fault.h"
#include "pailfs/cos/types.h"
#include "pailfs/http/message.h"

namespace pail::cos {

// The largest error answer that is looked at.
inline constexpr ByteCount kMaxErrorBody = 64_KiB;

// A refusal as the server words it. Text is untrusted.
struct ServerError {
  int status = 0;          // of HTTP, or what the code stands for when it came inside a 200 answer
  std::string code;        // "NoSuchKey"; empty when the answer holds none, as to a HEAD
  std::string message;     // may be empty
  std::string request_id;  // may be empty
  // The code came in the error document of the S3 protocol: no proxy and no web server says it.
  bool has_store_code = false;
  // A header field shows that a store answered, and not somebody on the way to it.
  bool has_store_header = false;
  std::string redirect_to;  // a URL or host, of a redirect that names one
  std::string region;       // where the bucket is, of a redirect that tells
};

// What kept any answer from coming.
enum class Loss {
  no_way,       // the host has no address, or no way leads there
  no_listener,  // nothing listens at its port
  silence,      // nothing came in time
  no_trust,     // TLS failed, or the certificate is not trusted
  broken,       // a connection that broke, and anything else
};

// A failure of the network, or of authorizing a request, as callers of the client see it. `what` is safe text.
Error loss_error(std::string_view what, const Error& loss);

// Of an Error with Fault::lost.
Loss loss_of(const Error& lost);

// Reads an answer that is no success. Its body may be XML, JSON, HTML or nothing.
ServerError parse_server_error(int status, const http::Headers& headers, std::string_view body);

// The refusal inside an answer of status 200 (copy, complete): its status is that of the code.
// False when `body` is no <Error> document.
bool parse_embedded_error(const http::Headers& headers, std::string_view body, ServerError& out);

// How the server names the request in its own log; empty when it does not say. Untrusted.
std::string request_id_of(const http::Headers& headers);

// What the refusal proves. A 404 without the store's own code proves nothing: not_a_store.
Fault fault_of(const ServerError& error);

// The errno that a caller or the kernel sees.
int errnum_of(const ServerError& error);

// 301, 302, 303, 307 or 308.
bool is_redirect(int status);

// True for refusals that may go away by themselves.
bool may_pass(const ServerError& error);

// An answer that breaks the protocol: EBADMSG.
Error not_a_store(std::string context);

// Text from outside as it stands where it is plain, otherwise through quote().
std::string readable(std::string_view untrusted);

// One key of a multi-object delete.
Error to_error(const DeleteRefusal& refusal);

// "PUT bucket/key: 403 AccessDenied (Access denied.), request id 1234". `what` is safe text.
Error to_error(std::string_view what, const ServerError& error);

}  // namespace pail::cos
