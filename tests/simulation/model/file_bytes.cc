#include "simulation/model/file_bytes.h"

#include <algorithm>

#include "simulation/model/digest.h"

namespace pail::simulation::model {

void FileBytes::append(const Piece& piece) {
  if (piece.length == 0) return;
  size_ += piece.length;
  if (!pieces_.empty()) {
    Piece& last = pieces_.back();
    const bool goes_on = last.source == piece.source && (piece.source == 0 || last.begin + last.length == piece.begin);
    if (goes_on) {
      last.length += piece.length;
      return;
    }
  }
  pieces_.push_back(piece);
}

void FileBytes::append(const FileBytes& other) {
  for (const Piece& piece : other.pieces_) append(piece);
}

FileBytes FileBytes::slice(std::uint64_t begin, std::uint64_t end) const {
  FileBytes out;
  std::uint64_t at = 0;
  for (const Piece& piece : pieces_) {
    const std::uint64_t from = std::max(begin, at), to = std::min(end, at + piece.length);
    if (from < to)
      out.append(
          {piece.source, piece.text, piece.source == 0 ? 0 : piece.begin + (from - at), to - from, piece.others});
    at += piece.length;
  }
  return out;
}

void FileBytes::resize(std::uint64_t size) {
  if (size < size_) *this = slice(0, size);
  append(Piece{.length = size - size_});
}

void FileBytes::write(std::uint64_t at, Source source, std::shared_ptr<const std::string> bytes) {
  if (bytes->empty()) return;
  const std::uint64_t length = bytes->size();
  FileBytes out = slice(0, at);
  out.resize(at);
  out.append({source, std::move(bytes), 0, length, {}});
  if (at + length < size_) out.append(slice(at + length, size_));
  *this = std::move(out);
}

void FileBytes::renew(const FileBytes& written, std::uint64_t at, std::string_view shown) {
  if (shown.empty()) return;
  if (at + shown.size() > size_) {
    *this = written;
    return;
  }
  const std::string own = read(at, shown.size()), other = written.read(at, shown.size());
  FileBytes out = slice(0, at);
  for (std::uint64_t i = 0; i < shown.size(); ++i) {
    const bool is_new = own[i] != shown[i] && other[i] == shown[i];
    out.append((is_new ? written : *this).slice(at + i, at + i + 1));
  }
  out.append(slice(at + shown.size(), size_));
  *this = std::move(out);
}

void FileBytes::doubt(const FileBytes& before, std::uint64_t at, std::uint64_t length, Source write) {
  const std::uint64_t end = std::min(at + length, size_);
  if (at >= end) return;
  FileBytes old = before;
  old.resize(std::max(end, old.size_));
  Piece piece{write + 1, std::make_shared<const std::string>(read(at, end - at)), 0, end - at, {}};
  for (std::string& each : old.read_all(at, end - at))
    piece.others.push_back(std::make_shared<const std::string>(std::move(each)));
  FileBytes out = slice(0, at);
  out.append(piece);
  out.append(slice(end, size_));
  *this = std::move(out);
}

void FileBytes::take_back(const FileBytes& before, std::uint64_t begin, std::uint64_t end) {
  if (begin >= std::min(end, size_)) return;
  const std::uint64_t left = end < size_ ? size_ : std::max(begin, std::min(before.size_, size_));
  end = std::min(end, size_);
  FileBytes old = before;
  old.resize(std::max(end, old.size_));
  FileBytes out = slice(0, begin);
  out.append(old.slice(begin, end));
  out.append(slice(end, size_));
  out.resize(left);
  *this = std::move(out);
}

std::vector<std::string> FileBytes::read_all(std::uint64_t at, std::uint64_t size) const {
  std::vector<std::string> all{read(at, size)};
  std::uint64_t done = 0;
  for (const Piece& piece : slice(at, at + size).pieces_) {
    for (std::size_t i = 0; i < piece.others.size(); ++i) {
      if (i + 1 == all.size()) all.push_back(all.front());
      all[i + 1].replace(done, piece.length, *piece.others[i], piece.begin, piece.length);
    }
    done += piece.length;
  }
  return all;
}

bool FileBytes::Piece::may_be(std::uint64_t at, char byte) const {
  if (byte == (source == 0 ? '\0' : (*text)[begin + at])) return true;
  return std::ranges::any_of(others, [&](const auto& other) { return (*other)[begin + at] == byte; });
}

std::string FileBytes::read(std::uint64_t at, std::uint64_t size) const {
  std::string out;
  for (const Piece& piece : slice(at, at + size).pieces_) {
    if (piece.source == 0) {
      out.append(piece.length, '\0');
    } else {
      out.append(*piece.text, piece.begin, piece.length);
    }
  }
  return out;
}

bool FileBytes::equals(std::string_view bytes) const {
  if (bytes.size() != size_) return false;
  std::uint64_t at = 0;
  for (const Piece& piece : pieces_) {
    if (!shows(bytes, at, piece)) return false;
    at += piece.length;
  }
  return true;
}

bool FileBytes::shows(std::string_view bytes, std::uint64_t at, const Piece& piece) const {
  const std::string_view part = bytes.substr(at, piece.length);
  if (piece.source == 0) return part.find_first_not_of('\0') == std::string_view::npos;
  if (part == std::string_view(*piece.text).substr(piece.begin, piece.length)) return true;
  for (std::uint64_t i = 0; i < part.size(); ++i)
    if (!piece.may_be(i, part[i])) return false;
  return true;
}

// Whether this has at `at` what the piece has at `offset` of it.
bool FileBytes::comes_from(std::uint64_t at, const Piece& piece, std::uint64_t offset) const {
  for (const Piece& own : pieces_) {
    if (at < own.length) return own.source == piece.source && own.begin + at == piece.begin + offset;
    at -= own.length;
  }
  return false;
}

bool FileBytes::equals_but_for_holes(std::string_view bytes, const FileBytes& base) const {
  if (bytes.size() != size_) return false;
  std::uint64_t at = 0;
  for (const Piece& piece : pieces_) {
    for (std::uint64_t i = 0; i < piece.length && !shows(bytes, at, piece); ++i) {
      const char found = bytes[at + i];
      if (!piece.may_be(i, found) && (found != '\0' || !base.comes_from(at + i, piece, i))) return false;
    }
    at += piece.length;
  }
  return true;
}

std::uint64_t FileBytes::digest() const {
  ValueDigest digest;
  for (const Piece& piece : pieces_) {
    digest.add(piece.source).add(piece.begin).add(piece.length).add(piece.others.size());
    for (const auto& other : piece.others) digest.add(std::string_view(*other));
  }
  return digest.value();
}

}  // namespace pail::simulation::model
