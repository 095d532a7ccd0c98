// What our side did to contents and attributes.
#include <algorithm>

#include "local/names/name_change.h"

namespace pail::local {

Result<Taken> NameStore::staged(InodeNumber number, const ContentVersion& base) {
  NameChange change(*this);
  PAIL_TRY(InodeRecord inode, change.require(number));
  if (content_of(inode) != base) return Taken::stale;
  inode.content = Content::staged;
  inode.changed_seq = change.sequence();
  change.records().put(inode);
  PAIL_CHECK(change.commit());
  return Taken::taken;
}

Result<Unit> NameStore::attempted(InodeNumber number, const std::string& etag) {
  NameChange change(*this);
  PAIL_TRY(InodeRecord inode, change.require(number));
  constexpr std::size_t kMost = 4096;  // bytes: the last few; quotes keep the tags apart
  if (inode.attempted.size() > kMost) inode.attempted.erase(0, inode.attempted.size() - kMost / 2);
  inode.attempted += etag;
  change.records().put(inode);
  return change.commit();
}

Result<Unit> NameStore::not_attempted(InodeNumber number, const std::string& etag) {
  NameChange change(*this);
  PAIL_TRY(InodeRecord inode, change.require(number));
  const auto at = inode.attempted.rfind(etag);
  if (at == std::string::npos) return Unit{};
  inode.attempted.erase(at, etag.size());
  change.records().put(inode);
  return change.commit();
}

Result<Unit> NameStore::stored(InodeNumber number, const StoredContent& content) {
  NameChange change(*this);
  PAIL_TRY(InodeRecord inode, change.require(number));
  inode.content = Content::remote;
  inode.size = content.size;
  inode.modified = content.modified;
  inode.changed = content.changed;
  inode.etag = content.etag;
  inode.stored = {};
  inode.written = content.written;
  inode.attempted.clear();
  inode.checked = content.confirmed;
  inode.knowledge = Knowledge::exact;
  inode.changed_seq = change.sequence();
  change.records().put(inode);
  return change.commit();
}

Result<Unit> NameStore::unstaged(InodeNumber number) {
  NameChange change(*this);
  auto inode = change.records().inode(number);
  if (!inode) return Unit{};
  inode->content = Content::remote;
  change.records().put(*inode);
  return change.commit();
}

// A file that never was in the bucket has nothing to fall back to. One that is open keeps its number for what was lost:
// the name gets another, since the kernel's pages belong to the number.
Result<Unit> NameStore::content_lost(InodeNumber number) {
  NameChange change(*this);
  auto inode = change.records().inode(number);
  if (!inode) return Unit{};
  if (inode->unlinked()) {
    change.records().erase(number);
    return change.commit();
  }
  inode->content = Content::remote;
  put_in_doubt(*inode);
  inode->attempted.clear();
  inode->changed_seq = change.sequence();
  ++inode->epoch;
  change.records().put(*inode);
  if (inode->etag.empty() || uses_.open(number)) {
    change.doubt_name({inode->parent, inode->name});
    if (!change.vanish(std::move(*inode), NameChange::kOurs)) return Error{EIO, "staged bytes are elsewhere and stay"};
  }
  return change.commit();
}

Result<Unit> NameStore::attributes_sent(InodeNumber number) {
  NameChange change(*this);
  change.note_attributes_sent(number);
  return change.commit();
}

Result<Unit> NameStore::copy_sent(const InodeRecord& copy) {
  NameChange change(*this);
  change.note_copy_sent(copy);
  return change.commit();
}

Result<Taken> NameStore::attributes_changed(const InodeVersion& decided_on, const AttributePatch& patch,
                                            const std::optional<AttributeObject>& object) {
  NameChange change(*this);
  PAIL_TRY(InodeRecord inode, change.require(decided_on.number));
  if (inode.changed_seq != decided_on.sequence || content_of(inode) != decided_on.content) return Taken::stale;
  const auto set = [](auto& member, const auto& value) {
    if (value) member = *value;
  };
  set(inode.permissions, patch.permissions);
  set(inode.uid, patch.uid);
  set(inode.gid, patch.gid);
  set(inode.headers, patch.headers);
  set(inode.accessed, patch.accessed);
  set(inode.modified, patch.modified);
  if (patch.changed) inode.changed = std::max(inode.changed, *patch.changed);
  inode.checked = object ? object->confirmed : change.moment();
  inode.knowledge = Knowledge::exact;
  inode.changed_seq = change.sequence();
  if (object) {
    inode.form = object->form;
    inode.etag = object->etag;
    inode.stored = object->stored;
    inode.written = object->written;
    change.forget_attributes_sent(inode.number);
  }
  change.records().put(inode);
  PAIL_CHECK(change.commit());
  return Taken::taken;
}

// ---- uploads --------------------------------------------------------------------------------------------------------

Result<Unit> NameStore::upload_begun(InodeNumber number, const UploadRecord& upload) {
  NameChange change(*this);
  change.records().put_upload(number, upload);
  return change.commit();
}

Result<Unit> NameStore::upload_part_sent(InodeNumber number, const UploadPartRecord& part) {
  NameChange change(*this);
  change.records().put_upload_part(number, part);
  return change.commit();
}

Result<Unit> NameStore::upload_ended(InodeNumber number) {
  NameChange change(*this);
  change.records().erase_upload(number);
  return change.commit();
}

}  // namespace pail::local
