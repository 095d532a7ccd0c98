#include "simulation/messages.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "base/thread.h"
#include "base/unique_fd.h"

namespace pail::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

// What decoding made of a message is encoded again: the same bytes, if nothing was lost or mixed up.
template <class Message>
FromLife there_and_back(Message message) {
  const std::string bytes = encode(FromLife(std::move(message)));
  const auto decoded = decode_from_life(bytes);
  EXPECT_TRUE(decoded);
  if (!decoded) return Ended{"not decoded", {}};
  EXPECT_EQ(encode(*decoded), bytes);
  return *decoded;
}

Go there_and_back(Go message) {
  const std::string bytes = encode(message);
  auto decoded = decode_go(bytes);
  EXPECT_TRUE(decoded);
  if (!decoded) return {};
  EXPECT_EQ(encode(*decoded), bytes);
  return *decoded;
}

template <class Question_>
Question_ asked(Question_ question) {
  const Go go = there_and_back(Go{.events = {Ask{{.unique = 4, .resent = true, .process = 3, .question = question}}}});
  const Call& call = std::get<Ask>(go.events.at(0)).call;
  EXPECT_EQ(call.unique, 4);
  EXPECT_TRUE(call.resent);
  EXPECT_EQ(call.process, 3);
  return std::get<Question_>(call.question);
}

Answer answered(decltype(Answer::value) value) {
  const FromLife message = there_and_back(Answered{{8, 0, {}, std::move(value)}});
  return std::get<Answered>(message).answer;
}

ShownEntry some_entry() {
  return {7, vfs::FileType::symlink, 0640, 9, WallTime(nanoseconds(10)), nanoseconds(11), nanoseconds(12)};
}

TEST(Messages, QuestionsOfNamesComeOverWhole) {
  EXPECT_EQ(asked(Lookup{5, "n"}).name, "n");
  EXPECT_EQ(asked(Forget{5}).number, 5);
  EXPECT_EQ(asked(ReadLink{5}).number, 5);
  EXPECT_EQ(asked(MakeDirectory{5, "d", 0700}).permissions, 0700);
  EXPECT_EQ(asked(MakeSymlink{5, "l", "target"}).target, "target");
  EXPECT_EQ(asked(Unlink{5, "u"}).name, "u");
  EXPECT_EQ(asked(RemoveDirectory{5, "r"}).parent, 5);
  const Rename renamed = asked(Rename{5, "a", 6, "b", vfs::RenameMode::exchange});
  EXPECT_EQ(renamed.name + renamed.new_name, "ab");
  EXPECT_EQ(renamed.mode, vfs::RenameMode::exchange);
}

TEST(Messages, QuestionsOfFilesComeOverWhole) {
  EXPECT_EQ(asked(GetAttributes{5}).number, 5);
  const SetAttributes set = asked(SetAttributes{5, 6, 0600, {}, WallTime(nanoseconds(7))});
  EXPECT_EQ(set.handle, 6);
  EXPECT_EQ(set.permissions, 0600);
  EXPECT_FALSE(set.size);
  EXPECT_EQ(set.modified, WallTime(nanoseconds(7)));
  EXPECT_EQ(asked(Open{5, 2}).flags, 2);
  EXPECT_EQ(asked(Create{5, "c", 0600, 66}).flags, 66);
  EXPECT_EQ(asked(Read{5, 6, 7, 8}).size, 8);
  EXPECT_EQ(asked(Write{5, 6, 7, std::string("\0b", 2)}).bytes, std::string("\0b", 2));
  EXPECT_TRUE(asked(Flush{5, 6, true}).caller_has_another);
  EXPECT_EQ(asked(Sync{5, 6}).handle, 6);
  EXPECT_EQ(asked(Release{5, 6}).handle, 6);
  EXPECT_TRUE(asked(ReadDirectory{5, 6, 7, true}).with_attributes);
  asked(StatFs{});
}

TEST(Messages, AnswersComeOverWhole) {
  answered(Done{});
  EXPECT_EQ(std::get<Written>(answered(Written{5}).value).size, 5);
  const ShownEntry entry = std::get<ShownEntry>(answered(some_entry()).value);
  EXPECT_EQ(entry.permissions, 0640);
  EXPECT_EQ(entry.attributes_ttl, nanoseconds(12));
  EXPECT_EQ(std::get<OpenedFile>(answered(OpenedFile{some_entry(), 3, true}).value).entry->size, 9);
  EXPECT_EQ(std::get<Bytes>(answered(Bytes{"bytes"}).value).bytes, "bytes");
  const Listed listed{{{"a", 1, vfs::FileType::directory, 2, {}}, {"b", 3, {}, 4, some_entry()}}};
  EXPECT_EQ(std::get<Listed>(answered(listed).value).names.at(1).entry->number, 7);
}

TEST(Messages, AnErrorComesOverWithItsStory) {
  const FromLife message = there_and_back(Answered{{8, 5, "why", {}}});
  EXPECT_EQ(std::get<Answered>(message).answer.errnum, 5);
  EXPECT_EQ(std::get<Answered>(message).answer.context, "why");
}

TEST(Messages, RequestsOfTheStoreComeOverWhole) {
  const FromLife message = there_and_back(
      StoreRequest{1, "PUT", "http://s/b/k", {{"a", "1"}, {"a", "2"}}, "body", milliseconds(5), milliseconds(6)});
  const auto& request = std::get<StoreRequest>(message);
  EXPECT_EQ(request.method + request.url + request.body, "PUThttp://s/b/kbody");
  EXPECT_EQ(request.headers.size(), 2);
  EXPECT_EQ(request.stall_deadline, milliseconds(6));
  EXPECT_EQ(std::get<StoreCancel>(there_and_back(StoreCancel{9})).id, 9);
}

TEST(Messages, LogAndLifeComeOverWhole) {
  EXPECT_EQ(std::get<LogLine>(there_and_back(LogLine{"line"})).text, "line");
  EXPECT_EQ(std::get<LogLine>(there_and_back(LogLine{})).text, "");
  const auto failed = std::get<DiskFailed>(there_and_back(DiskFailed{"fsync", 5, "staging/5"}));
  EXPECT_EQ(failed.operation, "fsync");
  EXPECT_EQ(failed.errnum, 5);
  EXPECT_EQ(failed.place, "staging/5");
  EXPECT_FALSE(std::get<Waiting>(there_and_back(Waiting{})).wake);
  const auto waiting =
      std::get<Waiting>(there_and_back(Waiting{SteadyTime(nanoseconds(1)), true, SteadyTime(nanoseconds(2)), 3, 4}));
  EXPECT_TRUE(waiting.idle);
  EXPECT_EQ(waiting.wake, SteadyTime(nanoseconds(2)));
  EXPECT_EQ(waiting.steps, 3u);
  EXPECT_EQ(waiting.digest, 4u);
  const auto ended = std::get<Ended>(there_and_back(Ended{"text", {"staging/5", "kept"}, Ended::How::stuck}));
  EXPECT_EQ(ended.text, "text");
  EXPECT_EQ(ended.stays, (std::vector<std::string>{"staging/5", "kept"}));
  EXPECT_EQ(ended.how, Ended::How::stuck);
}

TEST(Messages, EventsComeOverInTheirOrder) {
  const Go go = there_and_back(Go{SteadyTime(nanoseconds(1)),
                                  SteadyTime(nanoseconds(2)),
                                  nanoseconds(5),
                                  {Interrupt{3}, StoreAnswer{4, 206, {{"etag", "x"}}, "part", 104, 2}, Unmount{}}});
  EXPECT_EQ(go.until, SteadyTime(nanoseconds(2)));
  EXPECT_EQ(go.wall_offset, nanoseconds(5));
  EXPECT_EQ(std::get<Interrupt>(go.events.at(0)).unique, 3);
  EXPECT_EQ(std::get<StoreAnswer>(go.events.at(1)).headers.find("ETag"), "x");
  EXPECT_EQ(std::get<StoreAnswer>(go.events.at(1)).arriving, 2);
  EXPECT_TRUE(std::holds_alternative<Unmount>(go.events.at(2)));
}

TEST(Messages, BytesThatAreCutOrTooManyAreNoMessage) {
  const std::string bytes = encode(FromLife(Answered{{8, 0, {}, OpenedFile{some_entry(), 3, true}}}));
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode_from_life(bytes.substr(0, size))) << size;
  EXPECT_FALSE(decode_from_life(bytes + "x"));
  EXPECT_FALSE(decode_from_life(std::string(64, '\xff')));
}

TEST(Messages, ALengthBeyondTheBytesIsNoMessage) {
  std::string bytes = encode(FromLife(LogLine{"text"}));
  bytes[8] = '\x7f';  // behind the kind: the length of the text
  EXPECT_FALSE(decode_from_life(bytes));
}

TEST(Messages, LargeOnesGoThroughAPipe) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const UniqueFd from(ends[0]);
  UniqueFd to(ends[1]);
  std::string body(8 << 20, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i % 251);
  Thread sender("sender", [&] {
    EXPECT_TRUE(send(to.get(), FromLife(StoreRequest{.id = 1, .body = body})));
    EXPECT_TRUE(send(to.get(), Go{.events = {Unmount{}}}));
    to.reset();
  });
  const auto request = receive_from_life(from.get());
  ASSERT_TRUE(request);
  EXPECT_TRUE(std::get<StoreRequest>(*request).body == body);
  const auto go = receive_go(from.get());
  ASSERT_TRUE(go);
  EXPECT_EQ(go->events.size(), 1);
  EXPECT_EQ(errnum_of(receive_go(from.get())), ECONNRESET);
}

}  // namespace
}  // namespace pail::simulation
