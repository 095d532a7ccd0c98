#include "vfs/old_objects.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace pail::vfs {
namespace {

int told(int errnum, Fault fault) {
  return errnum_of_leftover({errnum, "x", fault});
}

TEST(Leftover, SaysNothingOfTheNamesThatTheProgramGave) {
  EXPECT_EQ(told(ENOENT, Fault::no_key), EIO);
  EXPECT_EQ(told(ESTALE, Fault::no_version), EIO);
  EXPECT_EQ(told(ESTALE, Fault::precondition), EIO);
  EXPECT_EQ(told(EEXIST, Fault::exists), EIO);
  EXPECT_EQ(told(ENOTEMPTY, Fault::not_empty), EIO);
  EXPECT_EQ(told(EINVAL, Fault::refused), EIO);
  EXPECT_EQ(told(ENOENT, Fault::none), EIO);  // of the job's own file
}

TEST(Leftover, SaysWhyTheStoreKeepsIt) {
  EXPECT_EQ(told(EACCES, Fault::denied), EACCES);
  EXPECT_EQ(told(EPERM, Fault::retained), EPERM);
  EXPECT_EQ(told(EBUSY, Fault::busy), EBUSY);
  EXPECT_EQ(told(ETIMEDOUT, Fault::lost), ETIMEDOUT);
  EXPECT_EQ(told(EINTR, Fault::stopped), EINTR);
}

}  // namespace
}  // namespace pail::vfs
