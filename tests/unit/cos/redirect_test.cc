#include "cos/redirect.h"

#include <gtest/gtest.h>

namespace pail::cos {
namespace {

// Where a request to `asked` goes on after a redirect to `location`; "refused" when nowhere.
std::string followed(std::string_view asked, std::string_view location, std::string_view endpoint) {
  return redirect_target(asked, location, endpoint).value_or("refused");
}

constexpr std::string_view kAmazon = "https://s3.amazonaws.com";

TEST(Redirect, ToAnotherHostOfAmazonsS3IsFollowed) {
  for (const std::string target : {"https://s3.eu-west-1.amazonaws.com/b/k", "https://s3-eu-west-1.amazonaws.com/b/k",
                                   "https://s3.dualstack.us-gov-east-1.amazonaws.com/b/k"})
    EXPECT_EQ(followed("https://s3.amazonaws.com/b/k", target, kAmazon), target);
}

TEST(Redirect, ToTheBucketsOwnHostIsFollowed) {
  EXPECT_EQ(followed("https://s3.amazonaws.com/b/dir/k?uploads", "https://b.s3.eu-west-1.amazonaws.com/dir/k?uploads",
                     kAmazon),
            "https://b.s3.eu-west-1.amazonaws.com/dir/k?uploads");
  EXPECT_EQ(followed("https://s3.amazonaws.com/b?list-type=2", "https://b.s3.eu-west-1.amazonaws.com/", kAmazon),
            "https://b.s3.eu-west-1.amazonaws.com/?list-type=2");
  EXPECT_EQ(followed("http://localhost:9000/b/k", "http://b.localhost:9000/k", "http://localhost:9000"),
            "http://b.localhost:9000/k");
}

TEST(Redirect, ToAnotherLocationOfTheSameServiceIsFollowed) {
  EXPECT_EQ(followed("https://s3.us.cloud-object-storage.appdomain.cloud/b/k",
                     "https://s3.eu-de.cloud-object-storage.appdomain.cloud/b/k",
                     "https://s3.us.cloud-object-storage.appdomain.cloud"),
            "https://s3.eu-de.cloud-object-storage.appdomain.cloud/b/k");
}

TEST(Redirect, ToTlsIsFollowedAndFromItIsNot) {
  EXPECT_EQ(followed("http://s3.example/b/k", "https://s3.example/b/k", "http://s3.example"), "https://s3.example/b/k");
  EXPECT_EQ(followed("https://s3.example/b/k", "http://s3.example/b/k", "https://s3.example"), "refused");
}

TEST(Redirect, ToAForeignHostIsNotFollowed) {
  for (const std::string target :
       {"https://evil.example/b/k", "https://s3.amazonaws.com.evil.example/b/k", "https://evils3.amazonaws.com/b/k",
        "https://ec2-1-2-3-4.compute-1.amazonaws.com/b/k", "https://s3-123.us-east-1.elb.amazonaws.com/b/k",
        "https://s3.us-east-1.elb.amazonaws.com/b/k", "https://user@s3.amazonaws.com/b/k"})
    EXPECT_EQ(followed("https://s3.amazonaws.com/b/k", target, kAmazon), "refused") << target;
  EXPECT_EQ(followed("https://s3.example/b/k", "https://notthes3.example/b/k", "https://s3.example"), "refused");
}

TEST(Redirect, ToAnotherPortIsNotFollowed) {
  EXPECT_EQ(followed("http://127.0.0.1:9000/b/k", "http://127.0.0.1:9001/b/k", "http://127.0.0.1:9000"), "refused");
}

TEST(Redirect, ToAnotherResourceIsNotFollowed) {
  for (const std::string target : {"https://s3.example/login", "https://s3.example/", "https://s3.example/b/other",
                                   "https://b.s3.example/b/k", "https://other.s3.example/k", "/b/k", "", "nonsense"})
    EXPECT_EQ(followed("https://s3.example/b/k", target, "https://s3.example"), "refused") << target;
}

TEST(Redirect, ToItselfIsNotFollowed) {
  EXPECT_EQ(followed("https://s3.example/b/k?a=b", "https://s3.example/b/k", "https://s3.example"), "refused");
}

TEST(Redirect, KeepsThePathAsWeWriteIt) {
  EXPECT_EQ(followed("https://s3.amazonaws.com/b/a%20b", "https://b.s3.eu-west-1.amazonaws.com/a+b", kAmazon),
            "refused");
  EXPECT_EQ(followed("https://s3.amazonaws.com/b/%41", "https://b.s3.eu-west-1.amazonaws.com/A", kAmazon),
            "https://b.s3.eu-west-1.amazonaws.com/%41");
}

}  // namespace
}  // namespace pail::cos
