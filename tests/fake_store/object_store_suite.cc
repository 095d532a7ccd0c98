#include "fake_store/object_store_suite.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/promise.h"

namespace pail::cos {

using testing::ElementsAre;
using testing::IsEmpty;

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ObjectStoreSuite);

namespace {

// The MD5 of "hello", with which S3 tags it.
constexpr char kHello[] = "\"5d41402abc4b2a76b9719d911017c592\"";

class Collector final : public GetHandler {
 public:
  bool on_data(std::span<const std::byte> data) override {
    bytes_.append(reinterpret_cast<const char*>(data.data()), data.size());
    return true;
  }
  void on_done(Result<ObjectInfo> outcome) override {
    done_.set(outcome ? bytes_
                      : fmt::format("<fault {}>", static_cast<int>(outcome.error().fault)));
  }
  std::string wait() { return done_.wait(); }

 private:
  std::string bytes_;
  Promise<std::string> done_;
};

std::string fault_text(Fault fault) {
  return fmt::format("<fault {}>", static_cast<int>(fault));
}

CopyRequest copy_of(std::string from, std::string to) {
  CopyRequest request;
  request.source_key = std::move(from);
  request.key = std::move(to);
  return request;
}

std::vector<std::string> names_of(const Result<ListPage>& page) {
  std::vector<std::string> names;
  if (!page) return {"<" + page.error().context + ">"};
  for (const ListedObject& object : page->objects) names.push_back(object.key);
  for (const std::string& prefix : page->common_prefixes) names.push_back("(" + prefix + ")");
  return names;
}

}  // namespace

Result<PutResult> ObjectStoreSuite::put(std::string key, std::string bytes,
                                        Preconditions conditions) {
  return store_->put_object({.key = std::move(key),
                             .body = http::body_from_string(std::move(bytes)),
                             .conditions = std::move(conditions)});
}

std::string ObjectStoreSuite::bytes(const std::string& key) {
  const auto content = store_->get_object(key, 1_GiB);
  return content ? *content : "<none>";
}

std::string ObjectStoreSuite::range(const std::string& key, Extent extent, ETag if_match) {
  const auto collector = std::make_shared<Collector>();
  store_->get_object_range({"", key, extent, std::move(if_match)}, collector, {});
  return collector->wait();
}

TEST_P(ObjectStoreSuite, WhatWasPutIsThereWithItsMd5AsETagAndItsMetadata) {
  const auto stored = store_->put_object(
      {.key = "a", .body = http::body_from_string("hello"), .headers = {{}, {{"mode", "0600"}}}});
  ASSERT_TRUE(stored) << stored.error().context;
  EXPECT_EQ(stored->etag.text, kHello);
  const auto info = store_->head_object("a");
  ASSERT_TRUE(info) << info.error().context;
  EXPECT_EQ(info->size.n, 5u);
  EXPECT_EQ(info->etag, stored->etag);
  ASSERT_EQ(info->headers.metadata.size(), 1u);
  EXPECT_EQ(info->headers.metadata[0].name, "mode");
  EXPECT_EQ(info->headers.metadata[0].value, "0600");
  EXPECT_EQ(bytes("a"), "hello");
}

TEST_P(ObjectStoreSuite, TimesAreThoseOfTheStoreInWholeSeconds) {
  const auto stored = put("a", "hello");
  ASSERT_TRUE(stored) << stored.error().context;
  const auto info = store_->head_object("a");
  ASSERT_TRUE(info) << info.error().context;
  const auto whole = [](WallTime time) {
    return time == std::chrono::floor<std::chrono::seconds>(time) && time != WallTime{};
  };
  EXPECT_TRUE(whole(info->last_modified));
  EXPECT_TRUE(whole(stored->date));
  EXPECT_LT(stored->date - info->last_modified, std::chrono::seconds(10));
}

TEST_P(ObjectStoreSuite, WhatIsNotThereIsNoKey) {
  EXPECT_EQ(fault_of(store_->head_object("none")), Fault::no_key);
  EXPECT_EQ(errnum_of(store_->head_object("none")), ENOENT);
  EXPECT_EQ(fault_of(store_->get_object("none", 1_KiB)), Fault::no_key);
  EXPECT_EQ(range("none", {{0}, {1}}), fault_text(Fault::no_key));
  EXPECT_EQ(fault_of(store_->copy_object(copy_of("none", "b"))), Fault::no_key);
  EXPECT_TRUE(store_->delete_object("none"));
}

TEST_P(ObjectStoreSuite, AKeyThatIsTooLongIsRefused) {
  EXPECT_EQ(errnum_of(put(std::string(kMaxKeyBytes + 1, 'k'), "x")), ENAMETOOLONG);
  EXPECT_TRUE(put(std::string(kMaxKeyBytes, 'k'), "x"));
}

TEST_P(ObjectStoreSuite, OnlyAFreeKeyIsTakenWhereThatIsAsked) {
  const Preconditions absent{.if_match = {}, .if_none_match = {}, .if_absent = true};
  ASSERT_TRUE(put("a", "hello", absent));
  EXPECT_EQ(fault_of(put("a", "again", absent)), Fault::precondition);
  EXPECT_EQ(errnum_of(put("a", "again", absent)), ESTALE);
  EXPECT_EQ(bytes("a"), "hello");
}

TEST_P(ObjectStoreSuite, OnlyTheVersionThatIsNamedIsReplaced) {
  ASSERT_TRUE(put("a", "hello"));
  EXPECT_EQ(fault_of(put("a", "again", {.if_match = {"\"00\""}})), Fault::precondition);
  EXPECT_EQ(fault_of(put("b", "again", {.if_match = {kHello}})), Fault::precondition);
  EXPECT_EQ(bytes("a"), "hello");
  EXPECT_EQ(bytes("b"), "<none>");
  EXPECT_TRUE(put("a", "again", {.if_match = {kHello}}));
  EXPECT_EQ(bytes("a"), "again");
}

TEST_P(ObjectStoreSuite, BytesThatDoNotFitTheirDigestAreNotStored) {
  const auto stored = store_->put_object({.key = "a",
                                          .body = http::body_from_string("hello"),
                                          .content_md5 = "AAAAAAAAAAAAAAAAAAAAAA=="});
  EXPECT_EQ(errnum_of(stored), EIO);
  EXPECT_EQ(bytes("a"), "<none>");
}

TEST_P(ObjectStoreSuite, ARangeIsCutAtTheEndAndPinnedToAVersion) {
  ASSERT_TRUE(put("a", "hello"));
  EXPECT_EQ(range("a", {{1}, {3}}), "el");
  EXPECT_EQ(range("a", {{3}, {100}}, {kHello}), "lo");
  EXPECT_EQ(range("a", {{0}, {5}}, {"\"00\""}), fault_text(Fault::precondition));
  EXPECT_EQ(range("a", {{5}, {6}}), fault_text(Fault::refused));
}

TEST_P(ObjectStoreSuite, AnObjectLargerThanItsReaderTakesIsEfbig) {
  ASSERT_TRUE(put("a", std::string(100'000, 'x')));
  EXPECT_EQ(errnum_of(store_->get_object("a", ByteCount{99'999})), EFBIG);
  EXPECT_TRUE(store_->get_object("a", ByteCount{100'000}));
}

TEST_P(ObjectStoreSuite, AListingIsInTheOrderOfBytesAndFoldsAtTheDelimiter) {
  for (const auto* key : {"a", "a!", "a/1", "a/2", "a0", "B", "\xC3\xA4", "b/x/y"})
    ASSERT_TRUE(put(key, "x"));
  EXPECT_THAT(names_of(store_->list_objects({})),
              ElementsAre("B", "a", "a!", "a/1", "a/2", "a0", "b/x/y", "\xC3\xA4"));
  EXPECT_THAT(names_of(store_->list_objects({.delimiter = "/"})),
              ElementsAre("B", "a", "a!", "a0", "\xC3\xA4", "(a/)", "(b/)"));
  EXPECT_THAT(names_of(store_->list_objects({.prefix = "a/", .delimiter = "/"})),
              ElementsAre("a/1", "a/2"));
  EXPECT_THAT(names_of(store_->list_objects({.prefix = "b/", .delimiter = "/"})),
              ElementsAre("(b/x/)"));
  EXPECT_THAT(names_of(store_->list_objects({.start_after = "a/1"})),
              ElementsAre("a/2", "a0", "b/x/y", "\xC3\xA4"));
  EXPECT_THAT(names_of(store_->list_objects({.prefix = "none"})), IsEmpty());
}

TEST_P(ObjectStoreSuite, PagesOfAListingMeetWithoutGapOrRepetition) {
  for (const auto* key : {"a", "d/1", "d/2", "d/3", "e", "f/1", "g"}) ASSERT_TRUE(put(key, "x"));
  for (unsigned size = 1; size <= 6; ++size) {
    ListRequest request{.delimiter = "/", .max_keys = size};
    std::vector<std::string> all;
    for (;;) {
      const auto page = store_->list_objects(request);
      ASSERT_TRUE(page) << page.error().context;
      EXPECT_LE(page->objects.size() + page->common_prefixes.size(), size);
      for (const std::string& name : names_of(page)) all.push_back(name);
      if (page->continuation.empty()) break;
      request.continuation = page->continuation;
    }
    EXPECT_THAT(all, testing::UnorderedElementsAre("a", "(d/)", "e", "(f/)", "g")) << size;
  }
}

TEST_P(ObjectStoreSuite, AListingTellsSizeETagAndTime) {
  ASSERT_TRUE(put("a", "hello"));
  const auto info = store_->head_object("a");
  const auto page = store_->list_objects({.prefix = "a", .max_keys = 1});
  ASSERT_TRUE(page && page->objects.size() == 1 && info);
  EXPECT_EQ(page->objects[0].size.n, 5u);
  EXPECT_EQ(page->objects[0].etag.text, kHello);
  EXPECT_EQ(std::chrono::floor<std::chrono::seconds>(page->objects[0].last_modified),
            info->last_modified);
}

TEST_P(ObjectStoreSuite, ACopyHasTheBytesAndTheHeadersOrThoseThatAreGiven) {
  ASSERT_TRUE(store_->put_object(
      {.key = "a", .body = http::body_from_string("hello"), .headers = {{}, {{"mode", "0600"}}}}));
  const auto copied = store_->copy_object(copy_of("a", "b"));
  ASSERT_TRUE(copied) << copied.error().context;
  EXPECT_EQ(copied->etag.text, kHello);
  EXPECT_EQ(store_->head_object("b")->headers.metadata[0].value, "0600");
  CopyRequest replace = copy_of("a", "a");
  replace.directive = MetadataDirective::replace;
  replace.headers = {{}, {{"mode", "0644"}}};
  ASSERT_TRUE(store_->copy_object(replace));
  EXPECT_EQ(store_->head_object("a")->headers.metadata[0].value, "0644");
  EXPECT_EQ(bytes("a"), "hello");
  EXPECT_EQ(bytes("b"), "hello");
}

TEST_P(ObjectStoreSuite, ACopyOntoItselfThatChangesNothingIsRefused) {
  ASSERT_TRUE(put("a", "hello"));
  EXPECT_EQ(fault_of(store_->copy_object(copy_of("a", "a"))), Fault::refused);
}

TEST_P(ObjectStoreSuite, ACopyIsOfTheVersionThatIsNamed) {
  ASSERT_TRUE(put("a", "hello"));
  CopyRequest request = copy_of("a", "b");
  request.source_if_match = {"\"00\""};
  EXPECT_EQ(fault_of(store_->copy_object(request)), Fault::precondition);
  request.source_if_match = {kHello};
  EXPECT_TRUE(store_->copy_object(request));
}

TEST_P(ObjectStoreSuite, DeletedIsGoneAlsoAmongMany) {
  for (const auto* key : {"a", "b", "c", "d"}) ASSERT_TRUE(put(key, "x"));
  EXPECT_TRUE(store_->delete_object("a"));
  const auto refused = store_->delete_objects({"b", "none", "c"});
  ASSERT_TRUE(refused) << refused.error().context;
  EXPECT_THAT(*refused, IsEmpty());
  EXPECT_THAT(names_of(store_->list_objects({})), ElementsAre("d"));
}

TEST_P(ObjectStoreSuite, PartsThatCameInAnyOrderMakeOneObject) {
  const std::string first(5 << 20, 'a'), second = "the end";
  const auto id = store_->create_upload("a", {{}, {{"mode", "0600"}}}, {});
  ASSERT_TRUE(id) << id.error().context;
  const auto two = store_->upload_part({"a", *id, 2, http::body_from_string(second), ""});
  const auto one = store_->upload_part({"a", *id, 1, http::body_from_string(first), ""});
  ASSERT_TRUE(one && two);
  EXPECT_EQ(bytes("a"), "<none>");
  EXPECT_EQ(fault_of(store_->complete_upload({"a", *id, {{1, {"\"00\""}}}, {}})), Fault::refused);
  const auto done = store_->complete_upload({"a", *id, {*one, *two}, {}});
  ASSERT_TRUE(done) << done.error().context;
  EXPECT_TRUE(done->etag.text.ends_with("-2\"")) << done->etag.text;
  EXPECT_TRUE(bytes("a") == first + second);
  const auto info = store_->head_object("a");
  EXPECT_EQ(info->etag, done->etag);
  EXPECT_EQ(info->headers.metadata[0].value, "0600");
  // The copy of an object in parts is one that is not, with another ETag.
  EXPECT_FALSE(store_->copy_object(copy_of("a", "b"))->etag == done->etag);
}

TEST_P(ObjectStoreSuite, AnUploadThatIsOverIsNone) {
  const auto id = store_->create_upload("a", {}, {});
  ASSERT_TRUE(id) << id.error().context;
  EXPECT_TRUE(store_->abort_upload("a", *id));
  EXPECT_TRUE(store_->abort_upload("a", *id));
  const auto part = store_->upload_part({"a", *id, 1, http::body_from_string("x"), ""});
  EXPECT_EQ(fault_of(part), Fault::no_upload);
  EXPECT_EQ(fault_of(store_->complete_upload({"a", *id, {{1, {kHello}}}, {}})), Fault::no_upload);
}

TEST_P(ObjectStoreSuite, ASmallPartIsTheLast) {
  const auto id = store_->create_upload("a", {}, {});
  ASSERT_TRUE(id) << id.error().context;
  std::vector<CompletedPart> parts;
  for (const unsigned number : {1u, 2u})
    parts.push_back(*store_->upload_part({"a", *id, number, http::body_from_string("x"), ""}));
  EXPECT_EQ(fault_of(store_->complete_upload({"a", *id, parts, {}})), Fault::refused);
  parts.pop_back();
  EXPECT_TRUE(store_->complete_upload({"a", *id, parts, {}}));
  EXPECT_EQ(bytes("a"), "x");
}

TEST_P(ObjectStoreSuite, PartsAreCopiedFromRangesOfObjects) {
  ASSERT_TRUE(put("from", std::string(5 << 20, 'a') + "hello"));
  const auto id = store_->create_upload("a", {}, {});
  ASSERT_TRUE(id) << id.error().context;
  const CopyRequest source = copy_of("from", "");
  const std::uint64_t half = 5 << 20;
  const auto one = store_->upload_part_copy({"a", *id, 1, source, {{0}, {half}}});
  const auto two = store_->upload_part_copy({"a", *id, 2, source, {{half}, {half + 5}}});
  ASSERT_TRUE(one && two);
  EXPECT_EQ(two->etag.text, kHello);
  EXPECT_EQ(fault_of(store_->upload_part_copy({"a", *id, 3, source, {{half}, {half + 6}}})),
            Fault::refused);
  ASSERT_TRUE(store_->complete_upload({"a", *id, {*one, *two}, {}}));
  EXPECT_TRUE(bytes("a") == bytes("from"));
}

TEST_P(ObjectStoreSuite, AnUploadIsCompletedUnderItsConditions) {
  const Preconditions absent{.if_match = {}, .if_none_match = {}, .if_absent = true};
  const auto id = store_->create_upload("a", {}, {});
  ASSERT_TRUE(id) << id.error().context;
  const auto part = store_->upload_part({"a", *id, 1, http::body_from_string("ours"), ""});
  ASSERT_TRUE(put("a", "theirs"));
  EXPECT_EQ(fault_of(store_->complete_upload({"a", *id, {*part}, absent})), Fault::precondition);
  EXPECT_EQ(bytes("a"), "theirs");
  EXPECT_EQ(fault_of(store_->create_upload("a", {}, absent)), Fault::precondition);
}

TEST_P(ObjectStoreSuite, WhatWasStoppedBeforeItBeganIsStopped) {
  const StopSource stop;
  stop.request_stop();
  const auto head = store_->head_object("a", stop.token());
  EXPECT_EQ(fault_of(head), Fault::stopped);
  EXPECT_EQ(errnum_of(head), EINTR);
  EXPECT_EQ(fault_of(store_->put_object({.key = "a"}, stop.token())), Fault::stopped);
  EXPECT_EQ(bytes("a"), "<none>");
}

TEST_P(ObjectStoreSuite, WhatIsStartedAnswersAsWhatIsWaitedFor) {
  ASSERT_TRUE(put("a", "hello"));
  const Promise<Result<ObjectInfo>> head;
  const Promise<Result<ListPage>> list;
  const Promise<Result<std::string>> get;
  const Promise<Result<PutResult>> put;
  const Promise<Result<CopyResult>> copy;
  store_->head_object("a", {}, [head](auto info) { head.set(std::move(info)); });
  store_->list_objects({}, {}, [list](auto page) { list.set(std::move(page)); });
  store_->get_object("a", 1_KiB, {}, [get](auto bytes) { get.set(std::move(bytes)); });
  EXPECT_EQ(head.wait()->size.n, 5u);
  EXPECT_EQ(list.wait()->objects.size(), 1u);
  EXPECT_EQ(*get.wait(), "hello");
  store_->put_object({.key = "b"}, {}, [put](auto stored) { put.set(std::move(stored)); });
  store_->copy_object(copy_of("a", "c"), {}, [copy](auto made) { copy.set(std::move(made)); });
  EXPECT_TRUE(put.wait());
  EXPECT_TRUE(copy.wait());
  const Promise<Result<Unit>> removed;
  const Promise<Result<std::vector<DeleteRefusal>>> more;
  store_->delete_object("a", {}, [removed](auto done) { removed.set(std::move(done)); });
  store_->delete_objects({"b"}, {}, [more](auto refused) { more.set(std::move(refused)); });
  EXPECT_TRUE(removed.wait());
  EXPECT_TRUE(more.wait());
  EXPECT_THAT(names_of(store_->list_objects({})), ElementsAre("c"));
}

TEST_P(ObjectStoreSuite, AnUploadIsStartedInPartsToo) {
  const Promise<Result<UploadId>> id;
  store_->create_upload("a", {}, {}, {}, [id](auto made) { id.set(std::move(made)); });
  const UploadId upload = *id.wait();
  const Promise<Result<CompletedPart>> part, copy;
  ASSERT_TRUE(put("from", "hello"));
  store_->upload_part({"a", upload, 1, http::body_from_string("x"), ""}, {},
                      [part](auto done) { part.set(std::move(done)); });
  store_->upload_part_copy({"a", upload, 1, copy_of("from", ""), {{0}, {5}}}, {},
                           [copy](auto done) { copy.set(std::move(done)); });
  EXPECT_TRUE(part.wait());
  const CompletedPart last = *copy.wait();
  const Promise<Result<PutResult>> done;
  const auto again = store_->upload_part_copy({"a", upload, 1, copy_of("from", ""), {{0}, {5}}});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->etag, last.etag);
  store_->complete_upload({"a", upload, {*again}, {}}, {},
                          [done](auto put) { done.set(std::move(put)); });
  EXPECT_TRUE(done.wait());
  EXPECT_EQ(bytes("a"), "hello");
  const Promise<Result<Unit>> aborted;
  store_->abort_upload("a", upload, {}, [aborted](auto end) { aborted.set(std::move(end)); });
  EXPECT_TRUE(aborted.wait());
}

}  // namespace pail::cos
