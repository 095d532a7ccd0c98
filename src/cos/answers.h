// XML answers as typed pages. What is parsed is untrusted: a page that breaks the protocol is EBADMSG, an entry that
// cannot be a key of the request is left out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pailfs/cos/types.h"

namespace pail::cos {

// A page of a listing, its `continuation` marked with the version of the protocol it belongs to.
struct ParsedListing {
  ListPage page;
  // Asked by v2, answered as v1 does: the store does not know v2.
  bool answered_as_v1 = false;
};
Result<ParsedListing> parse_listing(std::string_view body, const ListRequest& request, ListVersion asked);

// The marker or token inside ListRequest::continuation. Errors: EINVAL it was not made by parse_listing().
struct Continuation {
  ListVersion version;
  std::string text;
};
Result<Continuation> read_continuation(std::string_view text);

Result<BucketsPage> parse_buckets(std::string_view body);
Result<std::string> parse_location(std::string_view body);
Result<CopyResult> parse_copy(std::string_view body);  // of an object or of a part
Result<UploadId> parse_initiate(std::string_view body);
Result<ETag> parse_complete(std::string_view body);
Result<PartsPage> parse_parts(std::string_view body);
Result<UploadsPage> parse_uploads(std::string_view body, std::string_view prefix);
Result<std::vector<DeleteRefusal>> parse_delete(std::string_view body);

// Bodies of requests.
std::string delete_body(const std::vector<std::string>& keys);
std::string complete_body(const std::vector<CompletedPart>& parts);
std::string create_bucket_body(std::string_view location);

}  // namespace pail::cos
