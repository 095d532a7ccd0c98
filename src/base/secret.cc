#include "pailfs/base/secret.h"

#include <openssl/crypto.h>

#include <cstdlib>
#include <cstring>

namespace pail {
namespace {

void wipe(std::string& text) {
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

}  // namespace

Secret::Secret(Secret&& other) noexcept : text_(other.text_) {
  wipe(other.text_);
}

Secret& Secret::operator=(const Secret& other) {
  if (this != &other) {
    wipe(text_);
    text_ = other.text_;
  }
  return *this;
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe(text_);
    text_ = other.text_;
    wipe(other.text_);
  }
  return *this;
}

Secret::~Secret() {
  wipe(text_);
}

Secret take_environment(const char* name) {
  char* value = std::getenv(name);
  if (value == nullptr) return {};
  Secret taken{std::string(value)};
  OPENSSL_cleanse(value, std::strlen(value));
  unsetenv(name);
  return taken;
}

}  // namespace pail
