// What the emulator does not have is refused, and never answered as if it had been done.
#include <gtest/gtest.h>

#include "base/checksum.h"
#include "base/encoding.h"
#include "wire.h"

namespace pail::emulator {
namespace {

constexpr const char* kNotThere[] = {"x-amz-tagging: a=b",
                                     "x-amz-acl: public-read",
                                     "x-amz-grant-read: id=somebody",
                                     "x-amz-object-lock-mode: COMPLIANCE",
                                     "x-amz-object-lock-retain-until-date: 2030-01-01T00:00:00Z",
                                     "x-amz-object-lock-legal-hold: ON",
                                     "ibm-sse-kp-encryption-algorithm: AES256",
                                     "ibm-sse-kp-customer-root-key-crn: crn:v1:bluemix:public:kms:us-south:a/1:2:key:3",
                                     "x-amz-server-side-encryption: AES256",
                                     "x-amz-server-side-encryption-aws-kms-key-id: key",
                                     "x-amz-server-side-encryption-customer-algorithm: AES256",
                                     "Retention-Period: 60",
                                     "Retention-Expiration-Date: 2030-01-01T00:00:00Z",
                                     "Retention-Legal-Hold-ID: hold",
                                     "Retention-Directive: REPLACE",
                                     "x-amz-website-redirect-location: /elsewhere",
                                     "x-amz-storage-class: GLACIER",
                                     "x-amz-storage-class: UNHEARD_OF",
                                     "x-amz-write-offset-bytes: 4",
                                     "x-amz-expected-bucket-owner: somebody",
                                     "x-ibm-forbid-overwrite: true"};

class Promise : public ::testing::Test {
 protected:
  void SetUp() override { server_.ask("PUT", "/bucket/key", "body"); }
  WireAnswer ask(const std::string& method, const std::string& target, const std::string& body = {},
                 const std::vector<std::string>& headers = {}) {
    return server_.ask(method, target, body, headers);
  }
  void expect_refused(const WireAnswer& answer, const std::string& what) {
    EXPECT_EQ(answer.status, 501) << what;
    EXPECT_EQ(answer.code(), "NotImplemented") << what;
  }

  Serving server_;
};

TEST_F(Promise, OfAHeaderThatIsNotThereIsRefusedAndNothingIsStored) {
  for (const char* header : kNotThere) {
    expect_refused(ask("PUT", "/bucket/key", "other", {header}), header);
    expect_refused(ask("PUT", "/bucket/copy", "", {"x-amz-copy-source: /bucket/key", header}), header);
    expect_refused(ask("POST", "/bucket/key?uploads", "", {header}), header);
  }
  EXPECT_EQ(ask("GET", "/bucket/key").body, "body");
  EXPECT_EQ(ask("GET", "/bucket/copy").status, 404);
}

TEST_F(Promise, OfAHeaderOfABucketIsRefusedAndNoBucketIsMade) {
  for (const char* header :
       {"x-amz-acl: public-read", "x-amz-grant-write: id=somebody", "x-amz-bucket-object-lock-enabled: true",
        "x-amz-object-ownership: ObjectWriter", "ibm-sse-kp-encryption-algorithm: AES256"}) {
    expect_refused(ask("PUT", "/new-bucket", "", {header}), header);
    EXPECT_EQ(ask("HEAD", "/new-bucket").status, 404) << header;
  }
}

TEST_F(Promise, OfWhatIsSoAnywayIsKept) {
  for (const char* header : {"x-amz-acl: private", "x-amz-storage-class: STANDARD", "x-amz-tagging-directive: COPY",
                             "x-amz-meta-tagging: kept", "x-amz-request-payer: requester"})
    EXPECT_EQ(ask("PUT", "/bucket/key", "body", {header}).status, 200) << header;
}

TEST_F(Promise, OfAnUnknownSubResourceOfABucketIsRefusedAndTheBucketStays) {
  for (const char* name : {"encryption", "ownershipControls", "intelligent-tiering", "metadataTable", "versioning",
                           "notification", "requestPayment", "unheard-of", "uploads", "location"})
    expect_refused(ask("DELETE", std::string("/bucket?") + name), name);
  for (const char* name : {"encryption", "policyStatus", "session", "versions", "list-type=3", "delete", "Prefix=a"})
    expect_refused(ask("GET", std::string("/bucket?") + name), name);
  for (const char* name : {"encryption", "notification", "tagging", "versioning"}) {
    expect_refused(ask("PUT", std::string("/bucket?") + name), name);
    EXPECT_EQ(ask("PUT", std::string("/new-bucket?") + name).code(), "NoSuchBucket") << name;
  }
  expect_refused(ask("GET", "/?max-buckets=1"), "max-buckets");
  EXPECT_EQ(ask("HEAD", "/bucket").status, 200);
  EXPECT_EQ(ask("HEAD", "/new-bucket").status, 404);
  EXPECT_EQ(ask("GET", "/bucket/key").body, "body");
}

TEST_F(Promise, OfAnUnknownSubResourceOfAnObjectIsRefusedAndTheObjectStays) {
  for (const char* name :
       {"metadata", "acl", "tagging", "renameObject", "encryption", "uploads", "append", "versionId=1"})
    expect_refused(ask("PUT", std::string("/bucket/key?") + name, "other"), name);
  for (const char* name : {"tagging", "acl", "uploads", "versionId=1", "unheard-of"})
    expect_refused(ask("DELETE", std::string("/bucket/key?") + name), name);
  for (const char* name : {"attributes", "torrent", "versionId=1"})
    expect_refused(ask("GET", std::string("/bucket/key?") + name), name);
  EXPECT_EQ(ask("GET", "/bucket/key").body, "body");
}

TEST_F(Promise, OfTheOperationsNameInTheQueryIsNone) {
  EXPECT_EQ(ask("GET", "/bucket/key?x-id=GetObject").body, "body");
  EXPECT_EQ(ask("PUT", "/bucket/key?x-id=PutObject", "new").status, 200);
  EXPECT_EQ(ask("GET", "/bucket?list-type=2&prefix=k&delimiter=%2F&max-keys=2&fetch-owner=true").status, 200);
}

TEST_F(Promise, OfADeleteOnAConditionIsKept) {
  EXPECT_EQ(ask("DELETE", "/bucket/key", "", {"If-Match: \"other\""}).status, 412);
  EXPECT_EQ(ask("GET", "/bucket/key").body, "body");
  const std::string etag = ask("HEAD", "/bucket/key").headers["etag"];
  EXPECT_EQ(ask("DELETE", "/bucket/key", "", {"If-Match: " + etag}).status, 204);
  EXPECT_EQ(ask("GET", "/bucket/key").status, 404);
}

TEST_F(Promise, OfALocationIsKeptToTheFormOfLocationsAndEscaped) {
  const std::string instance(server_.emulator().credentials().resource_instance_id);
  const auto create = [&](const std::string& location) {
    const std::string document = "<CreateBucketConfiguration><LocationConstraint>" + location +
                                 "</LocationConstraint></CreateBucketConfiguration>";
    return ask("PUT", "/new-bucket", document, {"ibm-service-instance-id: " + instance});
  };
  for (const char* bad : {"-", "x-", "us-east-1", "us-south-&lt;b&gt;", "a&amp;b-standard", "&lt;/x&gt;-standard", "",
                          "US-SOUTH-STANDARD", "us south-standard"})
    EXPECT_EQ(create(bad).code(), "InvalidLocationConstraint") << bad;
  EXPECT_EQ(ask("HEAD", "/new-bucket").status, 404);
  EXPECT_EQ(create("jp-tok-onerate_active").status, 200);
  EXPECT_NE(ask("GET", "/new-bucket?location").body.find(">jp-tok-onerate_active<"), std::string::npos);
}

class MultiDelete : public Promise {
 protected:
  // Objects as the document has them, between <Object> and its end.
  WireAnswer remove(const std::vector<std::string>& objects) {
    std::string document = "<Delete>";
    for (const std::string& object : objects) document += "<Object>" + object + "</Object>";
    document += "</Delete>";
    const auto md5 = Digest::of(DigestKind::md5, bytes_of(document));
    return ask("POST", "/bucket?delete", document, {"Content-MD5: " + to_base64(bytes_of(md5))});
  }
  bool has(const std::string& key) { return ask("HEAD", "/bucket/" + percent_encode(key)).status == 200; }
  void put(const std::vector<std::string>& keys) {
    for (const std::string& key : keys) ask("PUT", "/bucket/" + percent_encode(key), "x");
  }
};

TEST_F(MultiDelete, OfAKeyWithANulReferenceRemovesNothing) {
  put({"vic", "victim", "tim"});
  for (const char* key : {"vic&#0;tim", "vic&#x0;tim", "vic&#xD800;tim", "vic&#x110000;", "vic&tim;", "vic&#;"})
    EXPECT_EQ(remove({std::string("<Key>") + key + "</Key>"}).code(), "MalformedXML") << key;
  EXPECT_EQ(remove({std::string("<Key>vic\0tim</Key>", 18)}).code(), "MalformedXML");
  EXPECT_TRUE(has("vic") && has("victim") && has("tim"));
}

TEST_F(MultiDelete, OfAKeyInSeveralPiecesOfTextRemovesThatKey) {
  put({"vic", "victim", "a", "a<b&c", "tim"});
  EXPECT_EQ(remove({"<Key>vic<!-- a comment -->tim</Key>", "<Key>a<![CDATA[<b&]]>c</Key>"}).status, 200);
  EXPECT_TRUE(has("vic") && has("tim") && has("a"));
  EXPECT_FALSE(has("victim") || has("a<b&c"));
}

TEST_F(MultiDelete, OfAKeyOfSpaceRemovesThatKey) {
  put({" ", "\n", " a "});
  const WireAnswer answer = remove({"<Key> </Key>", "<Key> a </Key>"});
  EXPECT_NE(answer.body.find("<Key> </Key>"), std::string::npos) << answer.body;
  EXPECT_FALSE(has(" ") || has(" a "));
  EXPECT_TRUE(has("\n"));
}

TEST_F(MultiDelete, OfAnAmbiguousKeyRemovesNothing) {
  put({"a", "b"});
  for (const char* object : {"<Key>a</Key><Key>b</Key>", "<Key>a<x/></Key>", "<Key>a</Key><Unknown/>", "<key>a</key>"})
    EXPECT_EQ(remove({object}).code(), "MalformedXML") << object;
  EXPECT_EQ(remove({"<Key></Key>"}).code(), "UserKeyMustBeSpecified");
  EXPECT_EQ(remove({"<Key>" + std::string(1025, 'k') + "</Key>"}).code(), "KeyTooLong");
  EXPECT_TRUE(has("a") && has("b"));
}

TEST_F(MultiDelete, OfAVersionThatIsNotThereRemovesNothing) {
  put({"a", "b", "c"});
  const WireAnswer answer = remove({"<Key>a</Key><VersionId>7</VersionId>", "<Key>b</Key><VersionId>null</VersionId>"});
  EXPECT_EQ(answer.code(), "NoSuchVersion");
  EXPECT_NE(answer.body.find("<Error><Key>a</Key><VersionId>7</VersionId>"), std::string::npos) << answer.body;
  EXPECT_TRUE(has("a") && has("c"));
  EXPECT_FALSE(has("b"));
}

TEST_F(MultiDelete, OnAConditionRemovesOnlyWhatMeetsIt) {
  put({"a", "b", "c"});
  const std::string etag = ask("HEAD", "/bucket/a").headers["etag"];
  const WireAnswer answer =
      remove({"<Key>a</Key><ETag>" + etag + "</ETag>", "<Key>b</Key><ETag>\"0\"</ETag>", "<Key>c</Key><Size>1</Size>"});
  EXPECT_NE(answer.body.find("PreconditionFailed"), std::string::npos) << answer.body;
  EXPECT_NE(answer.body.find("NotImplemented"), std::string::npos) << answer.body;
  EXPECT_FALSE(has("a"));
  EXPECT_TRUE(has("b") && has("c"));
}

}  // namespace
}  // namespace pail::emulator
