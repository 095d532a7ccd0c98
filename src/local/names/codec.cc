#include "local/names/codec.h"

#include "base/checksum.h"
#include "base/encoding.h"

namespace pail::local {
namespace {

constexpr std::uint8_t kInodeVersion = 1;
constexpr std::uint8_t kDirentVersion = 1;
constexpr std::uint8_t kIntentVersion = 1;
constexpr std::uint8_t kUploadVersion = 2;
constexpr std::uint8_t kUploadWithoutHeaders = 1;  // of version 0.1.0: nobody goes on with it
constexpr std::uint8_t kUploadPartVersion = 1;
constexpr std::uint8_t kMomentAnchorVersion = 1;

// Bits of an inode record's second byte.
constexpr std::uint8_t kRemoved = 1;
constexpr std::uint8_t kAccessedDiffers = 2;  // from `modified`: a time of its own follows
constexpr std::uint8_t kChangedDiffers = 4;
constexpr std::uint8_t kHasDevice = 8;
constexpr std::uint8_t kVanished = 16;
constexpr std::uint8_t kWritten = 32;
constexpr std::uint8_t kAttempted = 64;

constexpr std::size_t kSha256Size = 32;
constexpr std::size_t kLongestNameInKey = IndexKey::kLimit - 1 - sizeof(std::uint64_t);

bool name_fits_key(std::string_view name) {
  return name.size() <= kLongestNameInKey;
}

template <class Enum>
bool take_enum(RecordReader& reader, Enum last, Enum& value) {
  const std::uint8_t byte = reader.byte();
  value = static_cast<Enum>(byte);
  return byte <= static_cast<std::uint8_t>(last);
}

}  // namespace

IndexKey dirent_key(InodeNumber parent, std::string_view name) {
  IndexKey key(parent);
  if (name_fits_key(name)) {
    key.add(name);
    return key;
  }
  key.add(name.substr(0, IndexKey::kLimit - sizeof(parent) - kSha256Size));
  key.add(Digest::of(DigestKind::sha256, bytes_of(name)));
  return key;
}

std::string encode(const InodeRecord& record) {
  std::uint8_t flags = 0;
  if (record.binding == Binding::removed) flags |= kRemoved;
  if (record.binding == Binding::vanished) flags |= kVanished;
  if (record.written) flags |= kWritten;
  if (!record.attempted.empty()) flags |= kAttempted;
  if (record.accessed != record.modified) flags |= kAccessedDiffers;
  if (record.changed != record.modified) flags |= kChangedDiffers;
  if (record.device != 0) flags |= kHasDevice;

  RecordWriter out;
  out.byte(kInodeVersion);
  out.byte(flags);
  out.byte(static_cast<std::uint8_t>(record.type));
  out.byte(static_cast<std::uint8_t>(record.knowledge));
  out.byte(static_cast<std::uint8_t>(record.form));
  out.byte(static_cast<std::uint8_t>(record.content));
  out.number(record.parent);
  out.number(record.permissions);
  out.number(record.uid);
  out.number(record.gid);
  if ((flags & kHasDevice) != 0) out.number(record.device);
  out.number(record.size.n);
  out.time(record.modified);
  if ((flags & kAccessedDiffers) != 0) out.time(record.accessed);
  if ((flags & kChangedDiffers) != 0) out.time(record.changed);
  out.time(record.stored);
  out.time(record.checked);
  out.time(record.listed);
  out.number(record.epoch);
  out.number(record.changed_seq);
  out.text(record.name);
  out.text(record.etag);
  out.text(record.link_target);
  out.text(record.headers);
  if (record.written) {
    out.time(record.written->sent);
    out.time(record.written->answered);
  }
  if (!record.attempted.empty()) out.text(record.attempted);
  return out.take();
}

std::optional<InodeRecord> decode_inode(InodeNumber number, std::string_view bytes) {
  RecordReader in(bytes);
  if (in.byte() != kInodeVersion) return std::nullopt;
  const std::uint8_t flags = in.byte();
  InodeRecord record;
  if (!take_enum(in, FileType::block_device, record.type)) return std::nullopt;
  if (!take_enum(in, Knowledge::exact, record.knowledge)) return std::nullopt;
  if (!take_enum(in, DirectoryForm::folder_marker, record.form)) return std::nullopt;
  if (!take_enum(in, Content::staged, record.content)) return std::nullopt;
  record.number = number;
  if ((flags & kRemoved) != 0) record.binding = Binding::removed;
  if ((flags & kVanished) != 0) record.binding = Binding::vanished;
  record.parent = in.number();
  record.permissions = static_cast<std::uint32_t>(in.number());
  record.uid = static_cast<std::uint32_t>(in.number());
  record.gid = static_cast<std::uint32_t>(in.number());
  if ((flags & kHasDevice) != 0) record.device = in.number();
  record.size = ByteCount{in.number()};
  record.modified = in.time();
  record.accessed = (flags & kAccessedDiffers) != 0 ? in.time() : record.modified;
  record.changed = (flags & kChangedDiffers) != 0 ? in.time() : record.modified;
  record.stored = in.time();
  record.checked = in.time();
  record.listed = in.time();
  record.epoch = in.number();
  record.changed_seq = in.number();
  record.name = in.text();
  record.etag = in.text();
  record.link_target = in.text();
  record.headers = in.text();
  if ((flags & kWritten) != 0) {
    const WallTime sent = in.time();
    record.written = WriteWindow{sent, in.time()};
  }
  if ((flags & kAttempted) != 0) record.attempted = in.text();
  if (!in.complete()) return std::nullopt;
  return record;
}

std::string encode(std::string_view name, const Dirent& dirent) {
  RecordWriter out;
  out.byte(kDirentVersion);
  out.number(dirent.number);
  out.time(dirent.checked);
  out.number(dirent.changed_seq);
  if (!name_fits_key(name)) out.text(name);
  return out.take();
}

std::optional<Dirent> decode_dirent(std::string_view name, std::string_view bytes) {
  RecordReader in(bytes);
  if (in.byte() != kDirentVersion) return std::nullopt;
  Dirent dirent;
  dirent.number = in.number();
  dirent.checked = in.time();
  dirent.changed_seq = in.number();
  if (!name_fits_key(name) && in.text() != name) return std::nullopt;
  if (!in.complete()) return std::nullopt;
  return dirent;
}

std::optional<std::string> name_of_dirent(std::string_view key, std::string_view bytes) {
  if (key.size() < sizeof(InodeNumber)) return std::nullopt;
  if (key.size() < IndexKey::kLimit) return std::string(key.substr(sizeof(InodeNumber)));
  RecordReader in(bytes);
  if (in.byte() != kDirentVersion) return std::nullopt;
  in.number();
  in.time();
  in.number();
  std::string name = in.text();
  if (!in.complete()) return std::nullopt;
  return name;
}

std::string name_tag(std::string_view name) {
  RecordWriter out;
  out.fixed64(xxh3(bytes_of(name)));
  return out.take();
}

std::string encode(const Intent& intent) {
  RecordWriter out;
  out.byte(kIntentVersion);
  out.byte(static_cast<std::uint8_t>(intent.state));
  out.byte(intent.operation);
  out.number(intent.subject);
  out.text(intent.detail);
  return out.take();
}

std::optional<Intent> decode_intent(std::string_view bytes) {
  RecordReader in(bytes);
  if (in.byte() != kIntentVersion) return std::nullopt;
  Intent intent;
  if (!take_enum(in, IntentState::done, intent.state)) return std::nullopt;
  intent.operation = in.byte();
  intent.subject = in.number();
  intent.detail = in.text();
  if (!in.complete()) return std::nullopt;
  return intent;
}

std::string encode(const UploadRecord& record) {
  RecordWriter out;
  out.byte(kUploadVersion);
  out.number(record.part_size.n);
  out.number(record.size.n);
  out.fixed64(record.headers);
  out.text(record.key);
  out.text(record.upload_id);
  return out.take();
}

std::optional<UploadRecord> decode_upload(std::string_view bytes) {
  RecordReader in(bytes);
  const std::uint8_t version = in.byte();
  if (version != kUploadVersion && version != kUploadWithoutHeaders) return std::nullopt;
  UploadRecord record;
  record.part_size = ByteCount{in.number()};
  record.size = ByteCount{in.number()};
  if (version == kUploadVersion) record.headers = in.fixed64();
  record.key = in.text();
  record.upload_id = in.text();
  if (!in.complete()) return std::nullopt;
  return record;
}

std::string encode(const UploadPartRecord& part) {
  RecordWriter out;
  out.byte(kUploadPartVersion);
  out.text(part.etag);
  out.text(part.md5);
  return out.take();
}

std::optional<UploadPartRecord> decode_upload_part(unsigned number, std::string_view bytes) {
  RecordReader in(bytes);
  if (in.byte() != kUploadPartVersion) return std::nullopt;
  UploadPartRecord part;
  part.number = number;
  part.etag = in.text();
  part.md5 = in.text();
  if (!in.complete()) return std::nullopt;
  return part;
}

std::string encode(const MomentAnchor& anchor) {
  RecordWriter out;
  out.byte(kMomentAnchorVersion);
  out.text(anchor.boot_id);
  out.fixed64(static_cast<std::uint64_t>(anchor.boot.time_since_epoch().count()));
  for (const WallTime time : {anchor.moment, anchor.trusted_from, anchor.limit}) out.time(time);
  return out.take();
}

std::optional<MomentAnchor> decode_moment_anchor(std::string_view bytes) {
  RecordReader in(bytes);
  if (in.byte() != kMomentAnchorVersion) return std::nullopt;
  MomentAnchor anchor;
  anchor.boot_id = in.text();
  anchor.boot = SteadyTime(std::chrono::nanoseconds(static_cast<std::int64_t>(in.fixed64())));
  for (WallTime* time : {&anchor.moment, &anchor.trusted_from, &anchor.limit}) *time = in.time();
  if (!in.complete()) return std::nullopt;
  return anchor;
}

}  // namespace pail::local
