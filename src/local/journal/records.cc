#include "local/journal/records.h"

#include <algorithm>
#include <array>
#include <utility>

#include "local/codec.h"

namespace pail::local {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::uint64_t kMostKeys = 100'000;  // more do not fit into a record

// ---- fields that several records have ----

void put(RecordWriter& out, const ObjectTarget& target) {
  out.text(target.bucket);
  out.text(target.key);
  out.text(target.base_etag);
}

ObjectTarget take_target(RecordReader& in) {
  ObjectTarget target;
  target.bucket = in.text();
  target.key = in.text();
  target.base_etag = in.text();
  return target;
}

void put(RecordWriter& out, const FileAttributes& attributes) {
  out.number(attributes.permissions);
  out.number(attributes.uid);
  out.number(attributes.gid);
  out.time(attributes.modified);
  out.time(attributes.accessed);
  out.text(attributes.headers);
}

FileAttributes take_attributes(RecordReader& in) {
  FileAttributes attributes;
  attributes.permissions = static_cast<std::uint32_t>(in.number());
  attributes.uid = static_cast<std::uint32_t>(in.number());
  attributes.gid = static_cast<std::uint32_t>(in.number());
  attributes.modified = in.time();
  attributes.accessed = in.time();
  attributes.headers = in.text();
  return attributes;
}

// ---- each record ----

void put(RecordWriter& out, const InodeNumbersReserved& record) {
  out.number(record.below);
}
void take(RecordReader& in, InodeNumbersReserved& record) {
  record.below = in.number();
}

void put(RecordWriter& out, const IndexGenerationBegun& record) {
  out.number(record.generation);
}
void take(RecordReader& in, IndexGenerationBegun& record) {
  record.generation = in.number();
}

void put(RecordWriter& out, const StagedFileBegun& record) {
  out.number(record.file);
  put(out, record.target);
  put(out, record.attributes);
}
void take(RecordReader& in, StagedFileBegun& record) {
  record.file = in.number();
  record.target = take_target(in);
  record.attributes = take_attributes(in);
}

void put(RecordWriter& out, const SmallFileWritten& record) {
  out.number(record.file);
  put(out, record.target);
  put(out, record.attributes);
  out.text(record.bytes);
}
void take(RecordReader& in, SmallFileWritten& record) {
  record.file = in.number();
  record.target = take_target(in);
  record.attributes = take_attributes(in);
  record.bytes = in.text();
}

void put(RecordWriter& out, const StagedFileEnded& record) {
  out.number(record.file);
  out.byte(static_cast<std::uint8_t>(record.how));
}
void take(RecordReader& in, StagedFileEnded& record) {
  record.file = in.number();
  record.how = static_cast<StagedFileEnded::How>(in.byte());
}
bool known(const StagedFileEnded& record) {
  return record.how <= StagedFileEnded::How::dropped;
}

void put(RecordWriter& out, const UploadBegun& record) {
  out.number(record.file);
  out.text(record.key);
  out.text(record.upload_id);
}
void take(RecordReader& in, UploadBegun& record) {
  record.file = in.number();
  record.key = in.text();
  record.upload_id = in.text();
}

void put(RecordWriter& out, const UploadEnded& record) {
  out.text(record.upload_id);
}
void take(RecordReader& in, UploadEnded& record) {
  record.upload_id = in.text();
}

void put(RecordWriter& out, const JobBegun& record) {
  out.number(record.job);
  out.byte(static_cast<std::uint8_t>(record.kind));
  out.number(record.keys.size());
  for (const std::string& key : record.keys) out.text(key);
}
void take(RecordReader& in, JobBegun& record) {
  record.job = in.number();
  record.kind = static_cast<JobBegun::Kind>(in.byte());
  const std::uint64_t keys = in.number();
  for (std::uint64_t i = 0; i < std::min(keys, kMostKeys); ++i) record.keys.push_back(in.text());
}
bool known(const JobBegun& record) {
  return record.kind <= JobBegun::Kind::remove;
}

void put(RecordWriter& out, const JobProgressed& record) {
  out.number(record.job);
  out.text(record.done_to);
}
void take(RecordReader& in, JobProgressed& record) {
  record.job = in.number();
  record.done_to = in.text();
}

void put(RecordWriter& out, const JobEnded& record) {
  out.number(record.job);
}
void take(RecordReader& in, JobEnded& record) {
  record.job = in.number();
}

// Records without an enumeration have no unknown values.
template <class T>
bool known(const T&) {
  return true;
}

template <class T>
std::optional<Record> decode_as(std::string_view payload) {
  RecordReader in(payload);
  if (in.byte() != kVersion) return std::nullopt;
  T record;
  take(in, record);
  if (!in.complete() || !known(record)) return std::nullopt;
  return record;
}

using Decoder = std::optional<Record> (*)(std::string_view payload);
template <std::size_t... Index>
constexpr auto decoders(std::index_sequence<Index...>) {
  return std::array<Decoder, sizeof...(Index)>{
      decode_as<std::variant_alternative_t<Index, Record>>...};
}
constexpr auto kDecoders = decoders(std::make_index_sequence<std::variant_size_v<Record>>());

}  // namespace

JournalRecord encode(const Record& record) {
  RecordWriter out;
  out.byte(kVersion);
  std::visit([&](const auto& one) { put(out, one); }, record);
  return {static_cast<std::uint8_t>(record.index() + 1), out.take()};
}

std::optional<Record> decode_journal_record(std::uint8_t type, std::string_view payload) {
  if (type == 0 || type > kDecoders.size()) return std::nullopt;
  return kDecoders[type - 1u](payload);
}

}  // namespace pail::local
