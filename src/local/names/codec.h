// Index records as bytes and back. docs/format.md describes them; a change of one needs a new version byte.
//
// Decoding trusts nothing: bytes that are no record of a known version give nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "local/codec.h"
#include "local/records.h"

namespace pail::local {

// The key of a name: parent and name; a name too long for a key is cut and its SHA-256 appended, which makes the key
// IndexKey::kLimit bytes long.
IndexKey dirent_key(InodeNumber parent, std::string_view name);

std::string encode(const InodeRecord& record);
std::optional<InodeRecord> decode_inode(InodeNumber number, std::string_view bytes);

// The name stands in the value too when the key cannot hold it.
std::string encode(std::string_view name, const Dirent& dirent);
std::optional<Dirent> decode_dirent(std::string_view name, std::string_view bytes);
// The name of an entry, from its key and its value; none when they are no entry.
std::optional<std::string> name_of_dirent(std::string_view key, std::string_view bytes);

// Tells two names of one inode apart when one is taken while the other was just bound (an exchange).
std::string name_tag(std::string_view name);

std::string encode(const Intent& intent);
std::optional<Intent> decode_intent(std::string_view bytes);

std::string encode(const UploadRecord& record);
std::optional<UploadRecord> decode_upload(std::string_view bytes);

std::string encode(const UploadPartRecord& part);
std::optional<UploadPartRecord> decode_upload_part(unsigned number, std::string_view bytes);

std::string encode(const MomentAnchor& anchor);
std::optional<MomentAnchor> decode_moment_anchor(std::string_view bytes);

}  // namespace pail::local
