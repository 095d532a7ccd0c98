// Histories written by hand: what a mount is asked and answers, and what the bucket has meanwhile.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "simulation/model/model.h"

namespace pail::simulation {

inline constexpr InodeNumber kRootNumber = vfs::kRootInode;
inline constexpr Around kAnyTrouble{.store = true, .full_disk = true, .failing_disk = true};

class ModelTest : public testing::Test {
 protected:
  // ---- a call, and its answer later ----
  std::uint64_t ask(Question question);
  void answer(std::uint64_t call, decltype(Answer::value) value = Done{});
  void answer_error(std::uint64_t call, int errnum);
  // Both at once.
  void call(Question question, decltype(Answer::value) value = Done{});
  void call_error(Question question, int errnum);
  void fails(Question question, int errnum = EIO);  // amid any trouble

  ShownEntry file(InodeNumber number, std::uint64_t size = 0, std::uint32_t permissions = 0644) const;
  ShownEntry directory(InodeNumber number, std::uint32_t permissions = 0755) const;
  OpenedFile opened(const ShownEntry& entry) const;
  OpenedFile handle() const;
  ListedName listed(const std::string& name, InodeNumber number, std::uint64_t next_offset) const;

  // ---- whole stories, without trouble ----
  void create(const std::string& name, InodeNumber number, InodeNumber parent = kRootNumber);
  void write(InodeNumber number, const std::string& bytes, std::uint64_t at = 0);
  void flush(InodeNumber number);  // the bucket has what was put there before
  void release(InodeNumber number);
  void open(InodeNumber number, int flags = O_RDWR);
  // Made, written, stored and closed; its object is in the bucket.
  void store(const std::string& name, InodeNumber number, const std::string& bytes, InodeNumber parent = kRootNumber,
             const std::string& key = {});
  void mkdir(const std::string& name, InodeNumber number, InodeNumber parent = kRootNumber,
             const std::string& key = {});
  void reads(InodeNumber number, const std::string& bytes);
  void settles();
  void remounted() { model_.remounted(view()); }

  void put(const std::string& key, const std::string& bytes, std::uint32_t permissions = 0644);
  void remove(const std::string& key) { bucket_.erase(key); }
  BucketView view() const;

  // What the model found, once; the test fails where it found something and nobody asked.
  std::string violation();
  void TearDown() override { EXPECT_EQ(violation(), ""); }

  void note(Verdict verdict);

  Model model_{Model::Settings{}};
  Around around_ = Around::calm;  // around the answers that follow
  std::map<std::string, StoredObject> bucket_;
  std::vector<fake::Content> kept_;
  std::string violation_;
  std::uint64_t unique_ = 0;
  std::uint32_t process_ = 1;
};

}  // namespace pail::simulation
