#include "emulator/store.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <random>
#include <set>

#include "base/checksum.h"
#include "base/encoding.h"
#include "base/file.h"

namespace pail::emulator {
namespace {

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/pailfs-store-XXXXXX";
    dir_ = mkdtemp(name);
    reopen();
    ASSERT_TRUE(store_->create_bucket("bucket", {}));
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(dir_);
  }
  void reopen() {
    store_.reset();
    auto opened = Store::open(dir_);
    ASSERT_TRUE(opened) << opened.error().context;
    store_ = *std::move(opened);
  }
  std::string_view put(const std::string& key, const std::string& body, const Conditions& conditions = {}) {
    const auto data = store_->new_data(NewData::Placement::small_in_index);
    EXPECT_TRUE(data->append(bytes_of(body)));
    ObjectRecord record;
    record.size = body.size();
    record.etag = to_hex(bytes_of(Digest::of(DigestKind::md5, bytes_of(body))));
    const auto done = store_->put("bucket", key, record, *data, conditions);
    return done ? "" : done.error().code;
  }
  std::string get(const std::string& key) {
    const auto object = store_->open_object("bucket", key);
    if (!object) return "error " + std::string(object.error().code);
    return object->record.pieces.empty() ? object->record.small : read(*object);
  }
  static std::string read(const OpenObject& object) {
    std::string out;
    for (const Payload::Piece& piece : object.record.pieces) {
      const auto fd = object.pin->open(piece.file);
      if (!fd) return "error: " + fd.error().context;
      std::string bytes(piece.length, '\0');
      EXPECT_EQ(*read_at(fd->get(), {piece.offset}, std::as_writable_bytes(std::span(bytes))), piece.length);
      out += bytes;
    }
    return out;
  }
  std::vector<std::string> list(ListQuery query) {
    std::vector<std::string> out;
    const auto page = store_->list("bucket", query);
    EXPECT_TRUE(page);
    for (const ListedKey& item : page->items) out.push_back(item.key);
    truncated_ = page->truncated;
    return out;
  }
  std::size_t data_files() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir_ / "data"))
      count += entry.is_regular_file();
    return count;
  }

  std::filesystem::path dir_;
  std::unique_ptr<Store> store_;
  bool truncated_ = false;
};

using Names = std::vector<std::string>;
const std::string kLarge(100'000, 'L');

TEST_F(StoreTest, GivesBackWhatWasPut) {
  EXPECT_EQ(put("small", "text"), "");
  EXPECT_EQ(put("large", kLarge), "");
  EXPECT_EQ(get("small"), "text");
  EXPECT_EQ(get("large"), kLarge);
  EXPECT_EQ(get("none"), "error NoSuchKey");
}

TEST_F(StoreTest, KeepsObjectsOverARestart) {
  put("small", "text");
  put("large", kLarge);
  reopen();
  EXPECT_EQ(get("small"), "text");
  EXPECT_EQ(get("large"), kLarge);
}

TEST_F(StoreTest, RemovesTheFileOfAnObjectThatWasReplacedOrDeleted) {
  put("a", kLarge);
  put("b", kLarge);
  put("a", "small now");
  ASSERT_TRUE(store_->remove("bucket", "b", {}));
  EXPECT_EQ(data_files(), 0u);
}

TEST_F(StoreTest, LeavesNothingBehindOfBytesThatWereNeverStored) {
  {
    const auto data = store_->new_data(NewData::Placement::small_in_index);
    ASSERT_TRUE(data->append(bytes_of(kLarge)));
    EXPECT_EQ(data_files(), 1u);
  }
  EXPECT_EQ(data_files(), 0u);
}

TEST_F(StoreTest, RemovesAtItsStartFilesThatNoObjectNames) {
  put("kept", kLarge);
  std::filesystem::create_directory(dir_ / "data/07");
  ASSERT_TRUE(write_file_atomically(dir_ / "data/07/0000000000000f07", "half a put"));
  reopen();
  EXPECT_EQ(data_files(), 1u);
  EXPECT_EQ(get("kept"), kLarge);
}

TEST_F(StoreTest, AReaderKeepsItsVersionWhileTheObjectIsReplaced) {
  put("key", kLarge);
  const auto object = store_->open_object("bucket", "key");
  put("key", "new");
  EXPECT_EQ(read(*object), kLarge);
}

TEST_F(StoreTest, IsServedByOneProcessAtATime) {
  EXPECT_EQ(errnum_of(Store::open(dir_)), EBUSY);
}

TEST_F(StoreTest, EvaluatesConditionsWhenItStores) {
  EXPECT_EQ(put("key", "one", {.if_none_match = "*"}), "");
  EXPECT_EQ(put("key", "two", {.if_none_match = "*"}), "PreconditionFailed");
  EXPECT_EQ(put("key", "two", {.if_match = "\"f97c5d29941bfb1b2fdab0874906ab82\""}), "");
  EXPECT_EQ(put("key", "three", {.if_match = "\"f97c5d29941bfb1b2fdab0874906ab82\""}), "PreconditionFailed");
  EXPECT_EQ(put("other", "x", {.if_match = "*"}), "PreconditionFailed");
  EXPECT_EQ(get("key"), "two");
}

TEST_F(StoreTest, ABucketWithObjectsIsNotDeleted) {
  put("key", "x");
  EXPECT_EQ(store_->delete_bucket("bucket").error().code, "BucketNotEmpty");
  ASSERT_TRUE(store_->remove("bucket", "key", {}));
  EXPECT_TRUE(store_->delete_bucket("bucket"));
  EXPECT_EQ(store_->bucket("bucket").error().code, "NoSuchBucket");
}

TEST_F(StoreTest, ListsInByteOrder) {
  for (const char* key : {"b", "a", "a/b", "a0", "\xc3\xbc", "Z", "a\x01"}) put(key, "");
  EXPECT_EQ(list({}), (Names{"Z", "a", "a\x01", "a/b", "a0", "b", "\xc3\xbc"}));
}

TEST_F(StoreTest, ListsKeysOfAnyLengthInByteOrder) {
  std::mt19937 random(7);
  std::set<std::string> model;
  while (model.size() < 300) {
    std::string key(std::uniform_int_distribution<std::size_t>(490, 1024)(random), 'k');
    for (int i = 0; i < 3; ++i) key[random() % key.size()] = static_cast<char>('a' + random() % 20);
    model.insert(key);
  }
  for (const std::string& key : model) put(key, key.substr(0, 5));
  EXPECT_EQ(list({}), Names(model.begin(), model.end()));
  const std::string middle = *std::next(model.begin(), 150);
  EXPECT_EQ(list({.after = middle}), Names(model.upper_bound(middle), model.end()));
  for (const std::string& key : model) {
    EXPECT_EQ(get(key), key.substr(0, 5));
    ASSERT_TRUE(store_->remove("bucket", key, {}));
  }
  EXPECT_EQ(list({}), Names{});
  EXPECT_TRUE(store_->delete_bucket("bucket"));
}

TEST_F(StoreTest, GroupsAtTheDelimiter) {
  for (const char* key : {"a/1", "a/2", "b", "c/1", "c/d/1", "d"}) put(key, "");
  EXPECT_EQ(list({.delimiter = "/"}), (Names{"a/", "b", "c/", "d"}));
  EXPECT_EQ(list({.prefix = "c/", .delimiter = "/"}), (Names{"c/1", "c/d/"}));
  EXPECT_EQ(list({.prefix = "c", .delimiter = "/"}), (Names{"c/"}));
  EXPECT_EQ(list({.delimiter = "/d"}), (Names{"a/1", "a/2", "b", "c/1", "c/d", "d"}));
}

TEST_F(StoreTest, PagesGoOnBehindKeysAndCommonPrefixes) {
  for (const char* key : {"a/1", "a/2", "b", "c/1", "d"}) put(key, "");
  EXPECT_EQ(list({.delimiter = "/", .limit = 1}), (Names{"a/"}));
  EXPECT_TRUE(truncated_);
  EXPECT_EQ(list({.delimiter = "/", .after = "a/", .limit = 2}), (Names{"b", "c/"}));
  EXPECT_TRUE(truncated_);
  EXPECT_EQ(list({.delimiter = "/", .after = "c/"}), (Names{"d"}));
  EXPECT_FALSE(truncated_);
  EXPECT_EQ(list({.limit = 0}), Names{});
  EXPECT_FALSE(truncated_);
}

TEST_F(StoreTest, APageThatEndsWithTheLastNameIsNotTruncated) {
  for (const char* key : {"a", "b/1", "b/2"}) put(key, "");
  EXPECT_EQ(list({.delimiter = "/", .limit = 2}), (Names{"a", "b/"}));
  EXPECT_FALSE(truncated_);
}

TEST_F(StoreTest, AnUploadBecomesAnObjectOfItsParts) {
  const auto id = store_->create_upload("bucket", "key", {});
  ASSERT_TRUE(id);
  const auto part = [&](unsigned number, const std::string& body, const std::string& etag) {
    const auto data = store_->new_data(NewData::Placement::always_file);
    EXPECT_TRUE(data->append(bytes_of(body)));
    PartRecord record;
    record.size = body.size();
    record.etag = etag;
    EXPECT_TRUE(store_->put_part("bucket", "key", *id, number, record, *data));
  };
  part(1, "first", "e1");
  part(2, "old", "e2");
  part(2, "second", "e2b");
  part(9, "left out", "e9");
  EXPECT_EQ(get("key"), "error NoSuchKey");
  const auto finish = [](const UploadRecord&, const std::vector<ListedPart>& parts) -> ApiResult<ObjectRecord> {
    ObjectRecord record;
    for (const ListedPart& listed : parts) record.size += listed.part.size;
    return record;
  };
  EXPECT_EQ(store_->complete_upload("bucket", "key", *id, {{1, "e1"}, {2, "e2"}}, {}, finish).error().code,
            "InvalidPart");
  ASSERT_TRUE(store_->complete_upload("bucket", "key", *id, {{1, "e1"}, {2, "e2b"}}, {}, finish));
  EXPECT_EQ(get("key"), "firstsecond");
  EXPECT_EQ(data_files(), 2u);
  EXPECT_EQ(store_->upload("bucket", "key", *id).error().code, "NoSuchUpload");
}

TEST(AfterPrefix, IsTheLeastStringBehindAllThatStartWithIt) {
  EXPECT_EQ(after_prefix("a/"), "a0");
  EXPECT_EQ(after_prefix("a\xff"), "b");
  EXPECT_EQ(after_prefix("\xff\xff"), std::nullopt);
}

}  // namespace
}  // namespace pail::emulator
