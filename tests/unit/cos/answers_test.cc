#include "cos/answers.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace pail::cos {
namespace {

std::string listing(std::string_view inner) {
  return fmt::format(
      "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
      "<Name>b</Name>{}</ListBucketResult>",
      inner);
}

std::string entry(std::string_view key, std::string_view size = "3") {
  return fmt::format(
      "<Contents><Key>{}</Key><LastModified>2016-08-25T17:38:38.549Z</LastModified>"
      "<ETag>&quot;0cc175b9c0f1b6a831c399e269772661&quot;</ETag><Size>{}</Size>"
      "<StorageClass>STANDARD</StorageClass></Contents>",
      key, size);
}

ParsedListing parsed(std::string_view inner, const ListRequest& request = {}, ListVersion asked = ListVersion::v2) {
  auto result = parse_listing(listing(inner), request, asked);
  EXPECT_TRUE(result) << result.error().context;
  return result ? *std::move(result) : ParsedListing{};
}

TEST(Listing, EntriesCarrySizeETagAndTime) {
  const ListPage page = parsed(entry("a", "42")).page;
  ASSERT_EQ(page.objects.size(), 1u);
  EXPECT_EQ(page.objects[0].key, "a");
  EXPECT_EQ(page.objects[0].size, ByteCount{42});
  EXPECT_EQ(page.objects[0].etag.text, "\"0cc175b9c0f1b6a831c399e269772661\"");
  EXPECT_EQ(page.objects[0].storage_class, "STANDARD");
  EXPECT_NE(page.objects[0].last_modified, WallTime{});
  EXPECT_EQ(page.continuation, "");
}

TEST(Listing, PagesAreSortedInByteOrder) {
  const ListPage page = parsed(entry("b") + entry("\xC3\xA4") + entry("a") + entry("B") +
                               "<CommonPrefixes><Prefix>z/</Prefix></CommonPrefixes>"
                               "<CommonPrefixes><Prefix>y/</Prefix></CommonPrefixes>")
                            .page;
  ASSERT_EQ(page.objects.size(), 4u);
  EXPECT_EQ(page.objects[0].key, "B");
  EXPECT_EQ(page.objects[3].key, "\xC3\xA4");
  EXPECT_EQ(page.common_prefixes, (std::vector<std::string>{"y/", "z/"}));
}

TEST(Listing, KeysAreDecodedOnlyWhenTheAnswerSaysSo) {
  EXPECT_EQ(parsed(entry("a%2Fb+c")).page.objects[0].key, "a%2Fb+c");
  const std::string said = "<EncodingType>url</EncodingType>";
  EXPECT_EQ(parsed(said + entry("a%2Fb%0A")).page.objects[0].key, "a/b\n");
}

TEST(Listing, APlusIsASpaceUnlessSpacesAreWrittenInHex) {
  const std::string said = "<EncodingType>url</EncodingType>";
  EXPECT_EQ(parsed(said + entry("a+b%2Bc")).page.objects[0].key, "a b+c");
  const ListPage page = parsed(said + entry("a%20b") + entry("c+d")).page;
  EXPECT_EQ(page.objects[0].key, "a b");
  EXPECT_EQ(page.objects[1].key, "c+d");
}

TEST(Listing, AnEncodingThatWasAnnouncedAndNotAppliedIsLeftAlone) {
  EXPECT_EQ(parsed("<EncodingType>url</EncodingType>" + entry("100%")).page.objects[0].key, "100%");
}

TEST(Listing, KeysOutsideThePrefixAreDropped) {
  const ListPage page =
      parsed(entry("in/a") + entry("out/b") + entry("../../etc/passwd") + entry("") +
                 entry("in/" + std::string(1024, 'x')) + "<CommonPrefixes><Prefix>out/</Prefix></CommonPrefixes>",
             {.prefix = "in/"})
          .page;
  ASSERT_EQ(page.objects.size(), 1u);
  EXPECT_EQ(page.objects[0].key, "in/a");
  EXPECT_TRUE(page.common_prefixes.empty());
}

TEST(Listing, GoesOnWithTheTokenOfV2) {
  const ListPage page =
      parsed(entry("a") + "<IsTruncated>true</IsTruncated><NextContinuationToken>tok</NextContinuationToken>").page;
  const auto next = read_continuation(page.continuation);
  ASSERT_TRUE(next);
  EXPECT_EQ(next->version, ListVersion::v2);
  EXPECT_EQ(next->text, "tok");
}

TEST(Listing, GoesOnAfterTheLastNameWhenV1NamesNoMarker) {
  const auto parsed_v1 = parsed(entry("b") + entry("a") +
                                    "<CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes>"
                                    "<IsTruncated>true</IsTruncated>",
                                {}, ListVersion::v1);
  EXPECT_EQ(read_continuation(parsed_v1.page.continuation)->text, "c/");
  EXPECT_FALSE(parsed_v1.answered_as_v1);
  const auto with_marker =
      parsed(entry("a") + "<IsTruncated>true</IsTruncated><NextMarker>m</NextMarker>", {}, ListVersion::v1);
  EXPECT_EQ(read_continuation(with_marker.page.continuation)->text, "m");
}

TEST(Listing, AStoreThatIgnoresV2IsUnderstood) {
  const auto answer = parsed(entry("a") + "<IsTruncated>true</IsTruncated>");
  EXPECT_TRUE(answer.answered_as_v1);
  EXPECT_EQ(read_continuation(answer.page.continuation)->version, ListVersion::v1);
}

TEST(Listing, ThatWouldNeverEndIsRefused) {
  const std::string same = listing(entry("a") +
                                   "<IsTruncated>true</IsTruncated>"
                                   "<NextContinuationToken>tok</NextContinuationToken>");
  EXPECT_EQ(errnum_of(parse_listing(same, {.continuation = "2:tok"}, ListVersion::v2)), EBADMSG);
  const std::string nothing = listing("<IsTruncated>true</IsTruncated>");
  EXPECT_EQ(errnum_of(parse_listing(nothing, {}, ListVersion::v1)), EBADMSG);
}

TEST(Listing, WithImpossibleSizesIsRefused) {
  for (const std::string_view size : {"-1", "", "1e9", "99999999999999999999"})
    EXPECT_EQ(errnum_of(parse_listing(listing(entry("a", size)), {}, ListVersion::v2)), EBADMSG) << size;
}

TEST(Listing, LongerThanAPageIsRefused) {
  std::string entries;
  for (int i = 0; i <= 1000; ++i) entries += entry(fmt::format("{:05}", i));
  EXPECT_EQ(errnum_of(parse_listing(listing(entries), {}, ListVersion::v2)), EBADMSG);
}

TEST(Listing, OfAnotherKindIsRefused) {
  EXPECT_EQ(errnum_of(parse_listing("<html/>", {}, ListVersion::v2)), EBADMSG);
  EXPECT_EQ(errnum_of(parse_listing("", {}, ListVersion::v2)), EBADMSG);
}

TEST(Buckets, CarryTheirLocationInTheExtendedForm) {
  const auto page = parse_buckets(
      "<ListAllMyBucketsResult><Owner><ID>o</ID></Owner><IsTruncated>true</IsTruncated><Buckets><Bucket>"
      "<Name>b1</Name><CreationDate>2016-08-25T17:38:38.549Z</CreationDate>"
      "<LocationConstraint>eu-de-smart</LocationConstraint></Bucket></Buckets></ListAllMyBucketsResult>");
  ASSERT_TRUE(page);
  ASSERT_EQ(page->buckets.size(), 1u);
  EXPECT_EQ(page->buckets[0].location, "eu-de-smart");
  EXPECT_EQ(page->next_marker, "b1");
  EXPECT_TRUE(parse_buckets("<ListAllMyBucketsExtendedResult/>"));
}

TEST(Location, IsTrimmed) {
  EXPECT_EQ(*parse_location("<LocationConstraint>\n  us-south-standard \n</LocationConstraint>"), "us-south-standard");
  EXPECT_EQ(*parse_location("<LocationConstraint/>"), "");
}

TEST(Parts, AreOrderedAndSayWhereTheyGoOn) {
  const auto page = parse_parts(
      "<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>2</NextPartNumberMarker>"
      "<Part><PartNumber>2</PartNumber><ETag>\"b\"</ETag><Size>5</Size></Part>"
      "<Part><PartNumber>1</PartNumber><ETag>\"a\"</ETag><Size>6</Size></Part></ListPartsResult>");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->parts[0].number, 1u);
  EXPECT_EQ(page->parts[1].size, ByteCount{5});
  EXPECT_EQ(page->next_marker, 2u);
}

TEST(Parts, OutsideTheProtocolAreRefused) {
  for (const std::string_view number : {"0", "10001", "x", "-3"})
    EXPECT_EQ(
        errnum_of(parse_parts(fmt::format(
            "<ListPartsResult><Part><PartNumber>{}</PartNumber><Size>1</Size></Part></ListPartsResult>", number))),
        EBADMSG)
        << number;
}

TEST(Uploads, MarkersOfALastPageAreIgnored) {
  const auto page = parse_uploads(
      "<ListMultipartUploadsResult><NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>u</NextUploadIdMarker>"
      "<IsTruncated>false</IsTruncated><Upload><Key>k</Key><UploadId>u</UploadId>"
      "<Initiated>2016-08-25T17:38:38.549Z</Initiated></Upload></ListMultipartUploadsResult>",
      "");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->uploads[0].id.text, "u");
  EXPECT_EQ(page->next_key_marker, "");
}

TEST(DeleteResult, NamesWhatWasRefused) {
  const auto refusals = parse_delete(
      "<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code><Message>No.</Message></Error>"
      "<Error><Key>gone</Key><Code>NoSuchKey</Code></Error><Deleted><Key>b</Key></Deleted></DeleteResult>");
  ASSERT_TRUE(refusals);
  ASSERT_EQ(refusals->size(), 1u);
  EXPECT_EQ((*refusals)[0].key, "a");
  EXPECT_EQ((*refusals)[0].code, "AccessDenied");
}

TEST(Answers, WithoutWhatTheyAreForAreRefused) {
  EXPECT_EQ(errnum_of(parse_copy("<CopyObjectResult/>")), EBADMSG);
  EXPECT_EQ(errnum_of(parse_initiate("<InitiateMultipartUploadResult/>")), EBADMSG);
  EXPECT_EQ(errnum_of(parse_complete("<CompleteMultipartUploadResult/>")), EBADMSG);
  EXPECT_EQ(errnum_of(parse_delete("<html/>")), EBADMSG);
}

TEST(RequestBodies, EscapeWhatTheyCarry) {
  EXPECT_EQ(delete_body({"a&b"}), "<Delete><Quiet>true</Quiet><Object><Key>a&amp;b</Key></Object></Delete>");
  EXPECT_EQ(complete_body({{1, {"\"x\""}}}),
            "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;x&quot;</ETag></Part>"
            "</CompleteMultipartUpload>");
}

}  // namespace
}  // namespace pail::cos
