#include "cos/answers.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "base/log.h"
#include "cos/errors.h"
#include "cos/xml.h"

namespace pail::cos {
namespace {

constexpr std::size_t kMaxEntries = 1000;  // of a page, whatever was asked for

Error broken(std::string_view why) {
  return not_a_store(std::string(why));
}

// Undoes encoding-type=url, when the answer says it was applied.
//
// Most stores write a space as '+' and a plus as "%2B", as forms do; some write "%20" and leave the plus alone. A page
// that holds "%20" is of the second kind.
class KeyDecoder {
 public:
  KeyDecoder(XmlElement root, std::string_view body)
      : encoded_(root.child("EncodingType").trimmed() == "url"), plus_is_space_(body.find("%20") == body.npos) {}

  std::string operator()(std::string text) const {
    if (!encoded_) return text;
    if (plus_is_space_) std::ranges::replace(text, '+', ' ');
    // Old servers announce the encoding and do not apply it: what does not decode stands as it is.
    if (auto decoded = percent_decode(text)) return *std::move(decoded);
    return text;
  }

 private:
  bool encoded_;
  bool plus_is_space_;
};

bool can_be_key(std::string_view key, std::string_view prefix) {
  if (key.starts_with(prefix) && !key.empty() && key.size() <= kMaxKeyBytes) return true;
  spdlog::debug("a listing of prefix {} holds {}, which is left out", quote(prefix), quote(key));
  return false;
}

Result<ListedObject> parse_object(XmlElement entry, std::string key) {
  const auto size = entry.number("Size");
  if (!size) return broken("an entry of the listing has no size");
  ListedObject object;
  object.key = std::move(key);
  object.size = ByteCount{*size};
  object.etag.text = entry.child("ETag").trimmed();
  object.last_modified = parse_xml_time(entry.text_of("LastModified")).value_or(WallTime{});
  object.storage_class = entry.child("StorageClass").trimmed();
  return object;
}

Result<ListPage> parse_entries(XmlElement root, const KeyDecoder& decode, std::string_view prefix) {
  ListPage page;
  bool sizes_present = true;
  root.each("Contents", [&](XmlElement entry) {
    std::string key = decode(entry.text_of("Key"));
    if (!can_be_key(key, prefix)) return;
    auto object = parse_object(entry, std::move(key));
    if (object)
      page.objects.push_back(*std::move(object));
    else
      sizes_present = false;
  });
  root.each("CommonPrefixes", [&](XmlElement group) {
    group.each("Prefix", [&](XmlElement element) {
      std::string text = decode(element.text());
      if (can_be_key(text, prefix)) page.common_prefixes.push_back(std::move(text));
    });
  });
  if (!sizes_present) return broken("an entry of the listing has no size");
  if (page.objects.size() + page.common_prefixes.size() > kMaxEntries) return broken("the listing's page is too long");
  std::ranges::sort(page.objects, {}, &ListedObject::key);
  std::ranges::sort(page.common_prefixes);
  return page;
}

// Where a v1 listing goes on: NextMarker is only promised with a delimiter.
std::string next_v1_marker(XmlElement root, const KeyDecoder& decode, const ListPage& page) {
  std::string marker = decode(root.text_of("NextMarker"));
  if (!marker.empty()) return marker;
  if (!page.objects.empty()) marker = page.objects.back().key;
  if (!page.common_prefixes.empty()) marker = std::max(marker, page.common_prefixes.back());
  return marker;
}

std::string marked(ListVersion version, std::string_view text) {
  return fmt::format("{}:{}", version == ListVersion::v1 ? '1' : '2', text);
}

}  // namespace

Result<Continuation> read_continuation(std::string_view text) {
  if (text.starts_with("1:")) return Continuation{ListVersion::v1, std::string(text.substr(2))};
  if (text.starts_with("2:")) return Continuation{ListVersion::v2, std::string(text.substr(2))};
  return Error{EINVAL, "this is no continuation of a listing"};
}

Result<ParsedListing> parse_listing(std::string_view body, const ListRequest& request, ListVersion asked) {
  PAIL_TRY(const XmlDocument document, XmlDocument::parse(body));
  const XmlElement root = document.root();
  if (root.name() != "ListBucketResult") return broken("the answer is no listing");
  const KeyDecoder decode(root, body);
  ParsedListing out;
  PAIL_TRY(out.page, parse_entries(root, decode, request.prefix));
  if (!root.flag("IsTruncated")) return out;

  const std::string token = root.child("NextContinuationToken").trimmed();
  const bool as_v2 = asked == ListVersion::v2 && !token.empty();
  out.answered_as_v1 = asked == ListVersion::v2 && !as_v2;
  out.page.continuation =
      as_v2 ? marked(ListVersion::v2, token) : marked(ListVersion::v1, next_v1_marker(root, decode, out.page));
  // A page that leads back to itself would be read for ever.
  if (out.page.continuation == request.continuation || out.page.continuation == "1:")
    return broken("the listing does not advance");
  return out;
}

Result<BucketsPage> parse_buckets(std::string_view body) {
  PAIL_TRY(const XmlDocument document, XmlDocument::parse(body));
  const XmlElement root = document.root();
  if (!root.name().starts_with("ListAllMyBuckets")) return broken("the answer is no list of buckets");
  BucketsPage page;
  root.child("Buckets").each("Bucket", [&](XmlElement entry) {
    BucketInfo bucket;
    bucket.name = entry.child("Name").trimmed();
    bucket.created = parse_xml_time(entry.text_of("CreationDate")).value_or(WallTime{});
    bucket.location = entry.child("LocationConstraint").trimmed();
    if (!bucket.name.empty()) page.buckets.push_back(std::move(bucket));
  });
  if (root.flag("IsTruncated")) {
    page.next_marker = root.child("NextMarker").trimmed();
    if (page.next_marker.empty() && !page.buckets.empty()) page.next_marker = page.buckets.back().name;
  }
  return page;
}

Result<std::string> parse_location(std::string_view body) {
  PAIL_TRY(const XmlDocument document, XmlDocument::parse(body));
  if (document.root().name() != "LocationConstraint") return broken("the answer is no location");
  return document.root().trimmed();
}

Result<CopyResult> parse_copy(std::string_view body) {
  PAIL_TRY(const XmlDocument document, XmlDocument::parse(body));
  const XmlElement root = document.root();
  CopyResult result;
  result.etag.text = root.child("ETag").trimmed();
  result.last_modified = parse_xml_time(root.text_of("LastModified")).value_or(WallTime{});
  if (result.etag.empty()) return broken("the answer to the copy has no ETag");
  return result;
}

Result<UploadId> parse_initiate(std::string_view body) {
  PAIL_TRY(const XmlDocument document, XmlDocument::parse(body));
  UploadId id{document.root().child("UploadId").trimmed()};
  if (id.text.empty()) return broken("the answer has no upload id");
  return id;
}

Result<ETag> parse_complete(std::string_view body) {
  PAIL_TRY(const XmlDocument document, XmlDocument::parse(body));
  ETag etag{document.root().child("ETag").trimmed()};
  if (etag.empty()) return broken("the answer to the completed upload has no ETag");
  return etag;
}

Result<PartsPage> parse_parts(std::string_view body) {
  PAIL_TRY(const XmlDocument document, XmlDocument::parse(body));
  const XmlElement root = document.root();
  if (!root.name().starts_with("ListParts")) return broken("the answer is no list of parts");
  PartsPage page;
  bool whole = true;
  root.each("Part", [&](XmlElement entry) {
    const auto number = entry.number("PartNumber");
    const auto size = entry.number("Size");
    if (!number || *number < 1 || *number > kMaxParts || !size) {
      whole = false;
      return;
    }
    page.parts.push_back({static_cast<unsigned>(*number), ETag{entry.child("ETag").trimmed()}, ByteCount{*size},
                          parse_xml_time(entry.text_of("LastModified")).value_or(WallTime{})});
  });
  if (!whole) return broken("an entry of the list of parts has no number or size");
  std::ranges::sort(page.parts, {}, &PartInfo::number);
  if (root.flag("IsTruncated") && !page.parts.empty()) page.next_marker = page.parts.back().number;
  return page;
}

Result<UploadsPage> parse_uploads(std::string_view body, std::string_view prefix) {
  PAIL_TRY(const XmlDocument document, XmlDocument::parse(body));
  const XmlElement root = document.root();
  if (root.name() != "ListMultipartUploadsResult") return broken("the answer is no list of uploads");
  const KeyDecoder decode(root, body);
  UploadsPage page;
  root.each("Upload", [&](XmlElement entry) {
    UploadInfo upload{decode(entry.text_of("Key")), UploadId{entry.child("UploadId").trimmed()},
                      parse_xml_time(entry.text_of("Initiated")).value_or(WallTime{})};
    if (can_be_key(upload.key, prefix) && !upload.id.text.empty()) page.uploads.push_back(std::move(upload));
  });
  root.each("CommonPrefixes", [&](XmlElement group) {
    std::string text = decode(group.text_of("Prefix"));
    if (can_be_key(text, prefix)) page.common_prefixes.push_back(std::move(text));
  });
  // The markers are filled in on a last page too.
  if (root.flag("IsTruncated")) {
    page.next_key_marker = decode(root.text_of("NextKeyMarker"));
    page.next_upload_id_marker = root.child("NextUploadIdMarker").trimmed();
    if (page.next_key_marker.empty()) return broken("the list of uploads does not say where it goes on");
  }
  return page;
}

Result<std::vector<DeleteRefusal>> parse_delete(std::string_view body) {
  PAIL_TRY(const XmlDocument document, XmlDocument::parse(body));
  const XmlElement root = document.root();
  if (root.name() != "DeleteResult") return broken("the answer is no result of a delete");
  std::vector<DeleteRefusal> refusals;
  root.each("Error", [&](XmlElement entry) {
    DeleteRefusal refusal{entry.text_of("Key"), entry.child("Code").trimmed(), entry.child("Message").trimmed()};
    // What is not there is deleted.
    if (refusal.code != "NoSuchKey") refusals.push_back(std::move(refusal));
  });
  return refusals;
}

std::string delete_body(const std::vector<std::string>& keys) {
  std::string body = "<Delete><Quiet>true</Quiet>";
  for (const std::string& key : keys) body += "<Object><Key>" + xml_escape(key) + "</Key></Object>";
  return body + "</Delete>";
}

std::string complete_body(const std::vector<CompletedPart>& parts) {
  std::string body = "<CompleteMultipartUpload>";
  for (const CompletedPart& part : parts)
    body +=
        fmt::format("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", part.number, xml_escape(part.etag.text));
  return body + "</CompleteMultipartUpload>";
}

std::string create_bucket_body(std::string_view location) {
  return fmt::format(
      "<CreateBucketConfiguration><LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>",
      xml_escape(location));
}

}  // namespace pail::cos
