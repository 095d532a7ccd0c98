// Requests as a client of the simulated store sends them.
#pragma once

#include <string>

#include "base/checksum.h"
#include "base/encoding.h"
#include "simulation/world/face.h"
#include "simulation/world/world.h"

namespace pail::simulation {

inline HttpRequest request(std::string method, const std::string& path, std::string body = "") {
  HttpRequest made{std::move(method), std::string(World::kUrl) + path, {}, std::move(body)};
  made.headers.add("Authorization", "AWS4-HMAC-SHA256 signed");
  return made;
}
inline HttpRequest request(std::string method, const std::string& path, std::string name, std::string value) {
  HttpRequest made = request(std::move(method), path);
  made.headers.add(std::move(name), std::move(value));
  return made;
}
inline HttpRequest get(const std::string& key) {
  return request("GET", "/bucket/" + key);
}
inline HttpRequest put(const std::string& key, std::string body) {
  return request("PUT", "/bucket/" + key, std::move(body));
}

inline std::string md5_field(const std::string& body) {
  return to_base64(bytes_of(Digest::of(DigestKind::md5, bytes_of(body))));
}

}  // namespace pail::simulation
