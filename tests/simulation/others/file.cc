#include "simulation/others/file.h"

#include <algorithm>

namespace pail::simulation::others {

void KnownBytes::set(std::uint64_t at, std::string_view bytes) {
  forget(at, at + bytes.size());
  if (bytes_.size() < at + bytes.size()) {
    bytes_.resize(at + bytes.size());
    is_known_.resize(bytes_.size());
  }
  std::ranges::copy(bytes, bytes_.begin() + static_cast<std::ptrdiff_t>(at));
  std::fill_n(is_known_.begin() + static_cast<std::ptrdiff_t>(at), bytes.size(), '\1');
  known_ += bytes.size();
}

void KnownBytes::forget(std::uint64_t from, std::uint64_t to) {
  for (std::uint64_t at = from; at < std::min<std::uint64_t>(to, is_known_.size()); ++at)
    known_ -= static_cast<std::size_t>(std::exchange(is_known_[at], '\0'));
}

KnownBytes KnownBytes::slice(std::uint64_t at, std::uint64_t size) const {
  KnownBytes part;
  if (at >= bytes_.size()) return part;
  part.bytes_ = bytes_.substr(at, size);
  part.is_known_ = is_known_.substr(at, size);
  part.known_ = static_cast<std::size_t>(std::ranges::count(part.is_known_, '\1'));
  return part;
}

KnownBytes KnownBytes::common(const KnownBytes& other) const {
  KnownBytes both = slice(0, other.bytes_.size());
  for (std::size_t at = 0; at < both.bytes_.size(); ++at)
    if (other.is_known_[at] == 0 || other.bytes_[at] != both.bytes_[at]) both.forget(at, at + 1);
  return both;
}

std::size_t KnownBytes::first_difference(std::string_view content) const {
  for (std::size_t at = 0; at < bytes_.size(); ++at)
    if (is_known_[at] != 0 && (at >= content.size() || content[at] != bytes_[at])) return at;
  return npos;
}

std::vector<std::size_t> Written::unexplained(std::uint64_t at, std::string_view content) const {
  std::string explained(content.size(), '\0');
  for (const Write& write : writes_) {
    const std::uint64_t begin = std::max(at, write.at);
    const std::uint64_t end = std::min(at + content.size(), write.at + write.bytes.size());
    for (std::uint64_t position = begin; position < end; ++position)
      if (content[position - at] == write.bytes[position - write.at]) explained[position - at] = 1;
  }
  const bool may_have_holes = !nothing();
  std::vector<std::size_t> left;
  for (std::size_t position = 0; position < content.size(); ++position)
    if (explained[position] == 0 && !(may_have_holes && content[position] == 0)) left.push_back(position);
  return left;
}

bool Written::is_in(std::string_view content) const {
  constexpr std::size_t kDistinct = 4;
  return std::ranges::any_of(writes_, [&](const Write& write) {
    return write.bytes.size() >= kDistinct && write.at <= content.size() &&
           content.substr(write.at, write.bytes.size()) == write.bytes;
  });
}

bool explains(const Version* version, std::uint64_t at, std::string_view content,
              const std::vector<std::size_t>& positions) {
  if (version == nullptr) return positions.empty();
  return std::ranges::all_of(positions, [&](std::size_t position) {
    return at + position < version->bytes.size() && version->bytes[at + position] == content[position];
  });
}

bool reads_as(const Version* version, std::uint64_t at, std::uint64_t size, std::string_view content) {
  if (version == nullptr || at >= version->bytes.size()) return content.empty();
  return std::string_view(version->bytes).substr(at, size) == content;
}

}  // namespace pail::simulation::others
