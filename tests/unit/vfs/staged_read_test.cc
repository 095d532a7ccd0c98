#include "vfs/staged_read.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <string>

#include "../../manual_clock.h"
#include "../temporary_directory.h"
#include "base/encoding.h"

namespace pail::vfs {
namespace {

std::string text_of(const Result<ReadData>& data) {
  std::string text;
  EXPECT_TRUE(data) << data.error().context;
  if (!data) return text;
  for (const auto piece : data->pieces) text.append(reinterpret_cast<const char*>(piece.data()), piece.size());
  return text;
}

Extent extent(std::uint64_t begin, std::uint64_t end) {
  return {{begin}, {end}};
}

// A staged file to which something happens after it was read and before it is asked what is missing.
class MovingFile final : public local::StagedFile {
 public:
  MovingFile(std::shared_ptr<local::StagedFile> file, std::function<void(local::StagedFile&)> happens)
      : file_(std::move(file)), happens_(std::move(happens)) {}

  ByteCount size() const override { return file_->size(); }
  Result<ByteCount> write(ByteOffset at, std::span<const std::byte> data) override { return file_->write(at, data); }
  Result<Unit> truncate(ByteCount size) override { return file_->truncate(size); }
  Result<Unit> reserve(Extent extent) override { return file_->reserve(extent); }
  std::vector<Extent> missing(Extent within) const override {
    if (const auto happens = std::exchange(happens_, {})) happens(*file_);
    return file_->missing(within);
  }
  Result<Unit> fill(ByteOffset at, std::span<const std::byte> data) override { return file_->fill(at, data); }
  Result<std::size_t> read(ByteOffset at, std::span<std::byte> out) const override { return file_->read(at, out); }
  WallTime modified() const override { return file_->modified(); }
  Result<Unit> set_modified(WallTime modified) override { return file_->set_modified(modified); }
  Result<Unit> sync() override { return file_->sync(); }
  int descriptor() const override { return file_->descriptor(); }
  const std::filesystem::path& path() const override { return file_->path(); }

 private:
  const std::shared_ptr<local::StagedFile> file_;
  mutable std::function<void(local::StagedFile&)> happens_;
};

class StagedReadTest : public ::testing::Test {
 protected:
  // Over a base of ten bytes, of which it has written four behind the fifth.
  std::shared_ptr<local::StagedFile> written() {
    auto file = area_->create(42, ByteCount{base_.size()});
    EXPECT_TRUE(file && (*file)->write(ByteOffset{5}, bytes_of("WXYZ")));
    return *file;
  }

  FetchBase base() {
    return [this](Extent gap) -> Result<ReadData> {
      fetched_.push_back(gap);
      const auto bytes = std::as_bytes(std::span(base_)).subspan(gap.begin.n, gap.size().n);
      return ReadData{{bytes}, nullptr};
    };
  }

  TemporaryDirectory directory_;
  ManualClock clock_;
  std::unique_ptr<local::StagingArea> area_ =
      *local::StagingArea::open(directory_.path() / "staging", ByteCount{0}, clock_);
  const std::string base_ = "0123456789";
  std::vector<Extent> fetched_;
};

TEST_F(StagedReadTest, GapsAreOfTheBase) {
  EXPECT_EQ(text_of(read_with_base(*written(), extent(0, 100), base())), "01234WXYZ9");
  EXPECT_EQ(fetched_, (std::vector{extent(0, 5), extent(9, 10)}));
}

TEST_F(StagedReadTest, WhatIsThereIsNotFetched) {
  EXPECT_EQ(text_of(read_with_base(*written(), extent(6, 8), base())), "XY");
  EXPECT_TRUE(fetched_.empty());
}

TEST_F(StagedReadTest, AGapThatIsFilledMeanwhileIsNotTheEndOfTheFile) {
  const MovingFile file(
      written(), [this](local::StagedFile& moving) { EXPECT_TRUE(moving.fill(ByteOffset{0}, bytes_of(base_))); });
  EXPECT_EQ(text_of(read_with_base(file, extent(0, 100), base())), "01234WXYZ9");
}

TEST_F(StagedReadTest, AFileThatIsCutMeanwhileEndsThere) {
  const MovingFile file(written(), [](local::StagedFile& moving) { EXPECT_TRUE(moving.truncate(ByteCount{0})); });
  EXPECT_EQ(text_of(read_with_base(file, extent(0, 100), base())), "");
  EXPECT_TRUE(fetched_.empty());
}

TEST_F(StagedReadTest, WhatCannotBeFetchedIsAnError) {
  const auto read = read_with_base(*written(), extent(0, 100), [](Extent) -> Result<ReadData> {
    return Error{EIO, "no answer"};
  });
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().errnum, EIO);
}

}  // namespace
}  // namespace pail::vfs
