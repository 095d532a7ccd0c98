#include "emulator/record.h"

#include <cstring>

namespace pail::emulator {
namespace {

class Writer {
 public:
  void number(std::uint64_t value) { out_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void text(std::string_view value) {
    number(value.size());
    out_.append(value);
  }
  void fields(const Fields& fields) {
    number(fields.size());
    for (const auto& [name, value] : fields) {
      text(name);
      text(value);
    }
  }
  void checksum(const Checksum& value) {
    text(value.algorithm);
    text(value.value);
    number(value.composite ? 1 : 0);
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  std::uint64_t number() {
    std::uint64_t value = 0;
    if (rest_.size() < sizeof value) {
      rest_ = {};
      return 0;
    }
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
    return value;
  }
  std::int64_t time() { return static_cast<std::int64_t>(number()); }
  std::string text() {
    const std::string_view value = rest_.substr(0, number_of_bytes());
    rest_.remove_prefix(value.size());
    return std::string(value);
  }
  Fields fields() {
    Fields out;
    for (std::uint64_t left = number(); left > 0 && !rest_.empty(); --left) {
      std::string name = text();
      out.emplace_back(std::move(name), text());
    }
    return out;
  }
  Checksum checksum() {
    Checksum out;
    out.algorithm = text();
    out.value = text();
    out.composite = number() != 0;
    return out;
  }
  bool empty() const { return rest_.empty(); }

 private:
  std::size_t number_of_bytes() { return static_cast<std::size_t>(number()); }
  std::string_view rest_;
};

void read_head(Reader& in, ObjectHead& out) {
  out.size = in.number();
  out.modified = in.time();
  out.etag = in.text();
}

}  // namespace

std::string encode(const BucketRecord& record) {
  Writer out;
  out.number(record.root);
  out.number(static_cast<std::uint64_t>(record.created));
  out.text(record.location);
  return out.take();
}

BucketRecord decode_bucket(std::string_view bytes) {
  Reader in(bytes);
  BucketRecord out;
  out.root = in.number();
  out.created = in.time();
  out.location = in.text();
  return out;
}

std::string encode(const ObjectRecord& record) {
  Writer out;
  out.number(record.size);
  out.number(static_cast<std::uint64_t>(record.modified));
  out.text(record.etag);
  out.fields(record.headers);
  out.fields(record.metadata);
  out.checksum(record.checksum);
  out.number(record.parts);
  out.number(record.pieces.size());
  for (const Payload::Piece& piece : record.pieces) {
    out.number(piece.file);
    out.number(piece.offset);
    out.number(piece.length);
  }
  out.text(record.small);
  return out.take();
}

ObjectHead decode_head(std::string_view bytes) {
  Reader in(bytes);
  ObjectHead out;
  read_head(in, out);
  return out;
}

ObjectRecord decode_object(std::string_view bytes) {
  Reader in(bytes);
  ObjectRecord out;
  read_head(in, out);
  out.headers = in.fields();
  out.metadata = in.fields();
  out.checksum = in.checksum();
  out.parts = static_cast<std::uint32_t>(in.number());
  for (std::uint64_t left = in.number(); left > 0 && !in.empty(); --left) {
    const std::uint64_t file = in.number();
    const std::uint64_t offset = in.number();
    out.pieces.push_back({file, offset, in.number()});
  }
  out.small = in.text();
  return out;
}

std::string encode(const UploadRecord& record) {
  Writer out;
  out.number(static_cast<std::uint64_t>(record.initiated));
  out.fields(record.headers);
  out.fields(record.metadata);
  out.fields(record.conditions);
  out.text(record.algorithm);
  out.number(record.composite ? 1 : 0);
  return out.take();
}

UploadRecord decode_upload(std::string_view bytes) {
  Reader in(bytes);
  UploadRecord out;
  out.initiated = in.time();
  out.headers = in.fields();
  out.metadata = in.fields();
  out.conditions = in.fields();
  out.algorithm = in.text();
  out.composite = in.number() != 0;
  return out;
}

std::string encode(const PartRecord& record) {
  Writer out;
  out.number(record.size);
  out.number(static_cast<std::uint64_t>(record.modified));
  out.text(record.etag);
  out.number(record.crc64);
  out.checksum(record.checksum);
  out.number(record.file);
  return out.take();
}

PartRecord decode_part(std::string_view bytes) {
  Reader in(bytes);
  PartRecord out;
  out.size = in.number();
  out.modified = in.time();
  out.etag = in.text();
  out.crc64 = in.number();
  out.checksum = in.checksum();
  out.file = in.number();
  return out;
}

}  // namespace pail::emulator
