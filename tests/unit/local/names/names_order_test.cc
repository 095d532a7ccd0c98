// Orders of events: our side begins to work on an inode while an answer about it is being taken.
#include "names_fixture.h"

namespace pail::local {
namespace {

class OrderOfNamesTest : public NamesTest {
 protected:
  // Others removed the object of the inode; our side begins to work on it after the answer that says so was weighed and
  // before it is taken, and reads it.
  void begin_work_while_it_goes(InodeNumber number, const std::string& name) {
    const auto asked = names->ask(number, Asker::anybody);
    ASSERT_TRUE(asked) << asked.error().context;
    uses.after_busy([&] {
      uses.begin_work(number);
      EXPECT_TRUE(names->view().leads_to(kRoot, name, number));
      seen_ = inode(number);
    });
    ASSERT_EQ(*names->gone(*asked), Taken::taken);
    ASSERT_EQ(seen_.number, number);
  }

  InodeRecord seen_;
};

TEST_F(OrderOfNamesTest, NothingIsStagedInAFileThatWentWhileItWasRead) {
  list(kRoot, {file("f", "e")});
  const InodeNumber f = *look(kRoot, "f");
  begin_work_while_it_goes(f, "f");
  EXPECT_EQ(errnum_of(names->staged(f, content_of(seen_))), ESTALE);
  EXPECT_TRUE(names->view().staged().empty());
  EXPECT_FALSE(exists(f));
}

TEST_F(OrderOfNamesTest, ARenameIsDoneAlthoughItsSourceWentWhileItWasReadAndTheNewNameIsLookedUp) {
  list(kRoot, {file("f", "e"), file("g", "x")});
  const InodeNumber f = *look(kRoot, "f"), g = *look(kRoot, "g");
  begin_work_while_it_goes(f, "f");
  ASSERT_TRUE(names->begun(3, f));
  // The object was put there again before the copy was made, and has its new key now.
  const auto renamed = names->renamed(3, {{kRoot, "f"}, {kRoot, "g"}, f, g}, {.etag = "e"});
  ASSERT_TRUE(renamed) << renamed.error().context;
  EXPECT_EQ(look(kRoot, "f"), 0u);
  EXPECT_EQ(look(kRoot, "g"), std::nullopt);
  EXPECT_EQ(inode(g).binding, Binding::removed);
  EXPECT_EQ(inode(kRoot).listed, WallTime{});
  const auto attempt = names->view().attempt(3);
  ASSERT_TRUE(attempt && std::holds_alternative<Answered>(*attempt));
  EXPECT_FALSE(std::get<Answered>(*attempt).failure);
}

TEST_F(OrderOfNamesTest, ACopyWhoseOldObjectStaysIsLookedUpAlthoughItsSourceWentWhileItWasRead) {
  list(kRoot, {file("f", "e"), file("g", "x")});
  const InodeNumber f = *look(kRoot, "f"), g = *look(kRoot, "g");
  begin_work_while_it_goes(f, "f");
  const Error why{EIO, "no delete"};
  ASSERT_TRUE(names->rename_left_both(3, {{kRoot, "f"}, {kRoot, "g"}, f, g}, why));
  EXPECT_EQ(look(kRoot, "g"), std::nullopt);
  EXPECT_EQ(inode(kRoot).listed, WallTime{});
  const auto attempt = names->view().attempt(3);
  ASSERT_TRUE(attempt && std::holds_alternative<Answered>(*attempt));
  EXPECT_EQ(std::get<Answered>(*attempt).failure->context, why.context);
}

}  // namespace
}  // namespace pail::local
