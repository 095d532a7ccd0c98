#include "pailfs/http/message.h"

#include <algorithm>
#include <cstring>

#include "base/file.h"

namespace pail::http {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

class StringBody : public BodySource {
 public:
  explicit StringBody(std::string bytes) : bytes_(std::move(bytes)) {}
  ByteCount size() const override { return {bytes_.size()}; }
  Result<std::size_t> read_at(ByteOffset at, std::span<std::byte> out) override {
    if (at.n >= bytes_.size()) return std::size_t{0};
    const std::size_t count = std::min<std::size_t>(out.size(), bytes_.size() - at.n);
    std::memcpy(out.data(), bytes_.data() + at.n, count);
    return count;
  }

 private:
  const std::string bytes_;
};

class FileBody : public BodySource {
 public:
  FileBody(int fd, Extent extent) : fd_(fd), extent_(extent) {}
  ByteCount size() const override { return extent_.empty() ? ByteCount{} : extent_.size(); }
  Result<std::size_t> read_at(ByteOffset at, std::span<std::byte> out) override {
    if (at.n >= size().n) return std::size_t{0};
    const std::size_t count = std::min<std::uint64_t>(out.size(), size().n - at.n);
    return pail::read_at(fd_, extent_.begin + ByteCount{at.n}, out.first(count));
  }

 private:
  const int fd_;
  const Extent extent_;
};

}  // namespace

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

std::optional<std::string_view> Headers::find(std::string_view name) const {
  for (const Header& field : fields_)
    if (same_name(field.name, name)) return field.value;
  return std::nullopt;
}

void Headers::add(std::string name, std::string value) {
  fields_.push_back({std::move(name), std::move(value)});
}

void Headers::set(std::string_view name, std::string value) {
  std::string kept_name(name);  // `name` may point into a field that goes
  remove(kept_name);
  add(std::move(kept_name), std::move(value));
}

void Headers::remove(std::string_view name) {
  const std::string wanted(name);
  std::erase_if(fields_, [&](const Header& field) { return same_name(field.name, wanted); });
}

std::shared_ptr<BodySource> body_from_string(std::string bytes) {
  return std::make_shared<StringBody>(std::move(bytes));
}

std::shared_ptr<BodySource> body_from_file(int fd, Extent extent) {
  return std::make_shared<FileBody>(fd, extent);
}

}  // namespace pail::http
