// What a mount shows when its local index was damaged, cut or put together from pieces of several states.
#include <gmock/gmock.h>

#include <fstream>
#include <random>

#include "base/file.h"
#include "vfs_fixture.h"

namespace pail::vfs {
namespace {

constexpr std::size_t kPage = 4096;
constexpr int kNames = 300;

// A directory is listed, the mount ends, its index is damaged, and the next one lists it.
class DamagedIndexTest : public VfsTest {
 protected:
  void SetUp() override {
    options_.metadata_ttl = std::chrono::hours(1);  // what the index says counts, not another listing
    VfsTest::SetUp();
    for (int i = 0; i < kNames; ++i) {
      expected_.push_back("file-" + std::to_string(1000 + i));
      put("dir/" + expected_.back(), std::string(static_cast<std::size_t>(i % 7 + 1), 'x'));
    }
    ASSERT_EQ(names("dir"), expected_);
    ASSERT_EQ(read("dir/file-1003"), "xxxx");
    ASSERT_EQ(write("made", "here"), 0);
    fs_.reset();
    const auto content = read_file(index_file(), 1_GiB);
    ASSERT_TRUE(content) << content.error().context;
    sound_ = *content;
    length_ = sound_.size();
    sound_.resize(pages().back() + kPage);  // what follows is reserved space
    std::filesystem::remove(index_file());
    std::filesystem::copy(options_.cache_directory, directory_ / "sound", std::filesystem::copy_options::recursive);
  }

  std::filesystem::path index_file() const { return options_.state_directory / "names" / "data.mdb"; }
  std::filesystem::path index_directory() const { return options_.state_directory / "names"; }

  // The cache directory as the mount left it, with other bytes in the file of the index.
  void put_back(const std::string& bytes, std::size_t length) {
    fs_.reset();
    std::filesystem::remove_all(options_.cache_directory);
    std::filesystem::copy(directory_ / "sound", options_.cache_directory, std::filesystem::copy_options::recursive);
    std::ofstream(index_file(), std::ios::binary | std::ios::trunc) << bytes;
    std::filesystem::resize_file(index_file(), length);
  }

  // Cuts the index of the file system that runs, which ends with that.
  void cut_index() {
    fs_.reset();
    std::filesystem::resize_file(index_file(), 3 * kPage);
  }

  // Pages that were ever written.
  std::vector<std::size_t> pages() const {
    const std::string zeros(kPage, '\0');
    std::vector<std::size_t> used;
    for (std::size_t at = 0; at + kPage <= sound_.size(); at += kPage)
      if (sound_.compare(at, kPage, zeros) != 0) used.push_back(at);
    return used;
  }

  void expect_all_names_with(const std::string& bytes, Start how, const std::string& what) {
    SCOPED_TRACE(what);
    put_back(bytes, bytes.size() == sound_.size() ? length_ : bytes.size());
    ASSERT_NO_FATAL_FAILURE(start(how));
    EXPECT_EQ(names("dir"), expected_);
    EXPECT_THAT(names(""), testing::UnorderedElementsAre("dir", "made"));
    EXPECT_EQ(attributes("dir/file-1006").size, ByteCount{7});
    EXPECT_EQ(read("dir/file-1003"), "xxxx");
  }

  std::size_t set_aside() const {
    std::size_t found = 0;
    for (const auto& entry : std::filesystem::directory_iterator(index_directory()))
      if (entry.path().filename().string().starts_with("damaged-")) ++found;
    return found;
  }

  std::vector<std::string> expected_;
  std::string sound_;  // the pages of its index
  std::size_t length_ = 0;
  std::mt19937 random_{20};
};

TEST_F(DamagedIndexTest, ASoundIndexIsKept) {
  expect_all_names_with(sound_, Start::fresh, "as it was");
  EXPECT_EQ(set_aside(), 0u);
}

TEST_F(DamagedIndexTest, AZeroedPageHidesNoName) {
  for (const std::size_t page : pages()) {
    std::string bytes = sound_;
    bytes.replace(page, kPage, kPage, '\0');
    expect_all_names_with(bytes, Start::fresh, "zeroed page at " + std::to_string(page));
  }
}

TEST_F(DamagedIndexTest, AGarbledPageHidesNoName) {
  for (const std::size_t page : pages()) {
    std::string bytes = sound_;
    for (std::size_t i = 0; i < kPage; ++i) bytes[page + i] = static_cast<char>(random_());
    expect_all_names_with(bytes, Start::resume, "garbled page at " + std::to_string(page));
  }
}

TEST_F(DamagedIndexTest, AFlippedBitHidesNoName) {
  const std::vector<std::size_t> used = pages();
  for (int flip = 0; flip < 100; ++flip) {
    std::string bytes = sound_;
    const std::size_t at = used[random_() % used.size()] + random_() % kPage;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << random_() % 8));
    expect_all_names_with(bytes, Start::fresh, "flipped bit at " + std::to_string(at));
  }
}

TEST_F(DamagedIndexTest, TwoSwappedPagesHideNoName) {
  const std::vector<std::size_t> used = pages();
  for (std::size_t i = 2; i + 1 < used.size(); ++i) {
    std::string bytes = sound_;
    bytes.replace(used[i], kPage, sound_, used[i + 1], kPage);
    bytes.replace(used[i + 1], kPage, sound_, used[i], kPage);
    expect_all_names_with(bytes, Start::fresh, "swapped pages at " + std::to_string(used[i]));
  }
}

TEST_F(DamagedIndexTest, ACutFileHidesNoName) {
  const std::size_t end = pages().back() + kPage;
  for (const std::size_t size : {std::size_t{0}, kPage / 2, kPage, 2 * kPage, end / 2, end - kPage, end - 1})
    for (const Start how : {Start::fresh, Start::resume})
      expect_all_names_with(sound_.substr(0, size), how, "cut to " + std::to_string(size));
}

TEST_F(DamagedIndexTest, IsSetAsideAsAWhole) {
  expect_all_names_with(sound_.substr(0, 3 * kPage), Start::fresh, "cut");
  EXPECT_EQ(set_aside(), 1u);
}

TEST_F(DamagedIndexTest, NumbersOfItAreNeverGivenToOtherFiles) {
  put_back(sound_, length_);
  start();
  InodeNumber last = look("made");
  for (int round = 0; round < 3; ++round) {
    cut_index();
    start(Start::resume);
    EXPECT_EQ(errnum_of(fs_->getattr(request(), last)), ESTALE);
    const auto entries = fs_->read_directory(request(), last, 0, 100, WithAttributes::no);
    EXPECT_EQ(errnum_of(entries), ESTALE);
    const InodeNumber now = look("made");
    EXPECT_GT(now, last);
    last = now;
  }
}

TEST_F(DamagedIndexTest, WhatWasBeingWrittenIsKept) {
  put_back(sound_, length_);
  start();
  const auto [number, handle] = create("half");
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, std::as_bytes(std::span("half a file"))));
  cut_index();
  start(Start::resume);
  EXPECT_EQ(names("dir"), expected_);
  const std::filesystem::directory_iterator kept(options_.cache_directory / "kept"), end;
  EXPECT_EQ(std::distance(kept, end), 1);
}

}  // namespace
}  // namespace pail::vfs
