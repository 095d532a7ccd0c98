#include "model_fixture.h"

#include <utility>

namespace pail::simulation {

std::uint64_t ModelTest::ask(Question question) {
  unique_ += 2;
  model_.asked({.unique = unique_, .process = process_, .question = std::move(question)});
  return unique_;
}

void ModelTest::note(Verdict verdict) {
  if (verdict && violation_.empty()) violation_ = verdict->text;
}

void ModelTest::answer(std::uint64_t call, decltype(Answer::value) value) {
  note(model_.answered({.unique = call, .context = {}, .value = std::move(value)}, around_, view()));
}

void ModelTest::answer_error(std::uint64_t call, int errnum) {
  note(model_.answered({.unique = call, .errnum = errnum, .context = "for a test", .value = {}}, around_, view()));
}

void ModelTest::call(Question question, decltype(Answer::value) value) {
  answer(ask(std::move(question)), std::move(value));
}

void ModelTest::call_error(Question question, int errnum) {
  answer_error(ask(std::move(question)), errnum);
}

void ModelTest::fails(Question question, int errnum) {
  around_ = kAnyTrouble;
  call_error(std::move(question), errnum);
  around_ = Around::calm;
}

ShownEntry ModelTest::file(InodeNumber number, std::uint64_t size, std::uint32_t permissions) const {
  return {.number = number, .permissions = permissions, .size = size};
}

ShownEntry ModelTest::directory(InodeNumber number, std::uint32_t permissions) const {
  return {.number = number, .type = vfs::FileType::directory, .permissions = permissions};
}

OpenedFile ModelTest::opened(const ShownEntry& entry) const {
  return {.entry = entry, .handle = 1};
}

OpenedFile ModelTest::handle() const {
  return {.entry = {}, .handle = 1};
}

ListedName ModelTest::listed(const std::string& name, InodeNumber number, std::uint64_t next_offset) const {
  return {.name = name, .number = number, .type = {}, .next_offset = next_offset, .entry = {}};
}

void ModelTest::create(const std::string& name, InodeNumber number, InodeNumber parent) {
  call(Create{.parent = parent, .name = name, .flags = O_CREAT | O_RDWR}, opened(file(number)));
}

void ModelTest::write(InodeNumber number, const std::string& bytes, std::uint64_t at) {
  call(Write{.number = number, .handle = 1, .at = at, .bytes = bytes}, Written{bytes.size()});
}

void ModelTest::flush(InodeNumber number) {
  call(Flush{.number = number, .handle = 1});
}

void ModelTest::release(InodeNumber number) {
  call(Release{.number = number, .handle = 1});
}

void ModelTest::open(InodeNumber number, int flags) {
  call(Open{.number = number, .flags = flags}, handle());
}

void ModelTest::store(const std::string& name, InodeNumber number, const std::string& bytes, InodeNumber parent,
                      const std::string& key) {
  create(name, number, parent);
  write(number, bytes);
  put(key.empty() ? name : key, bytes);
  flush(number);
  release(number);
}

void ModelTest::mkdir(const std::string& name, InodeNumber number, InodeNumber parent, const std::string& key) {
  put(key.empty() ? name + "/" : key, "", 0755);
  call(MakeDirectory{.parent = parent, .name = name}, directory(number));
}

void ModelTest::reads(InodeNumber number, const std::string& bytes) {
  call(Read{.number = number, .handle = 1, .at = 0, .size = 1000}, Bytes{bytes});
}

void ModelTest::settles() {
  note(model_.settled(view(), kept_));
}

void ModelTest::put(const std::string& key, const std::string& bytes, std::uint32_t permissions) {
  bucket_[key] = {fake::Content(bytes), permissions};
}

BucketView ModelTest::view() const {
  return {[this](const std::string& key) -> std::optional<StoredObject> {
            const auto found = bucket_.find(key);
            return found != bucket_.end() ? std::optional(found->second) : std::nullopt;
          },
          [this] {
            std::vector<std::string> keys;
            for (const auto& [key, object] : bucket_) keys.push_back(key);
            return keys;
          }};
}

std::string ModelTest::violation() {
  return std::exchange(violation_, {});
}

}  // namespace pail::simulation
