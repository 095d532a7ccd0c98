// Signature Version 4 as a client computes it, over headers that the test chooses.
#pragma once

#include <string>
#include <vector>

#include "emulator/request.h"

namespace pail::emulator {

class Signer {
 public:
  // `date` is of the form 20260101T000000Z. `extra` is signed beside host; names in lower case.
  Signer(std::string access_key, std::string secret, std::string date)
      : access_key_(std::move(access_key)), secret_(std::move(secret)), date_(std::move(date)) {}

  // A whole request without a body, signed in its Authorization header. With `date_header` that
  // header tells the time, and not x-amz-date.
  std::string request(const std::string& method, const std::string& path, Fields extra = {},
                      const std::string& date_header = {}) const;
  // The target of a presigned request: path, question mark and parameters, `more` of them unsorted.
  std::string presigned(const std::string& method, const std::string& path, const Fields& extra = {},
                        const Fields& more = {}) const;

 private:
  std::string scope() const { return date_.substr(0, 8) + "/us-south/s3/aws4_request"; }
  std::string signature(const std::string& canonical) const;

  std::string access_key_, secret_, date_;
};

inline constexpr const char* kSignedHost = "127.0.0.1";

}  // namespace pail::emulator
