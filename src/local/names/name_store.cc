#include "local/names/name_store.h"

#include "local/names/absent_names.h"
#include "local/names/intents.h"
#include "local/names/moments.h"
#include "local/names/name_change.h"
#include "local/names/recent_changes.h"

namespace pail::local {

ContentVersion content_of(const InodeRecord& inode) {
  return {inode.etag, inode.size, inode.epoch};
}

InodeVersion version_of(const InodeRecord& inode) {
  return {inode.number, inode.changed_seq, content_of(inode)};
}

Result<std::unique_ptr<NameStore>> NameStore::open(const std::filesystem::path& directory, Settings settings,
                                                   const InodeUses& uses) {
  PAIL_TRY(auto index, Index::open(directory, settings.identity, settings.clock, settings.journal));
  std::unique_ptr<NameStore> store(new NameStore(std::move(index), std::move(settings), uses));
  PAIL_CHECK(store->begin());
  return store;
}

NameStore::NameStore(std::unique_ptr<Index> index, Settings settings, const InodeUses& uses)
    : index_(std::move(index)),
      settings_(std::move(settings)),
      uses_(uses),
      moments_(std::make_unique<Moments>(settings_.clock)),
      absent_(std::make_unique<AbsentNames>()),
      moves_(std::make_unique<RecentChanges>()),
      voided_(std::make_unique<RecentChanges>()),
      doubtful_(std::make_unique<RecentChanges>()) {}

NameStore::~NameStore() = default;

// No object holds the root's attributes. Until somebody sets them they are what this mount's settings say.
Result<Unit> NameStore::begin() {
  NameChange change(*this);
  moments_->begin(change.records());
  PAIL_TRY(InodeRecord root, change.require(kRootInode));
  if (root.changed_seq == 0) {
    const InodeRecord shown = change.new_inode({}, kRootInode, FileType::directory);
    root.permissions = shown.permissions;
    root.uid = shown.uid;
    root.gid = shown.gid;
    root.knowledge = Knowledge::exact;
    change.records().put(root);
  }
  for (const InodeNumber number : change.attributes_left()) {
    if (auto inode = change.records().inode(number))
      change.doubt(std::move(*inode));
    else
      change.forget_attributes_sent(number);
  }
  change.sequence();  // what is asked from now on is asked after all that is known
  return change.commit();
}

// ---- reading --------------------------------------------------------------------------------------------------------

View NameStore::view() const {
  return View(*index_, *absent_);
}

Result<InodeRecord> NameStore::inode(InodeNumber number) const {
  return view().require(number);
}

WallTime NameStore::moment() const {
  return moments_->now();
}

WallTime NameStore::trusted_from() const {
  return moments_->trusted_from();
}

std::uint64_t NameStore::generation() const {
  return index_->generation();
}

Result<Unit> NameStore::sync() {
  return index_->sync();
}

// ---- requests -------------------------------------------------------------------------------------------------------

Result<Unit> NameStore::begun(RequestNumber request, const Begun& begun) {
  if (request == 0) return Unit{};
  NameChange change(*this);
  change.note_attempt(request, begun);
  return change.commit();
}

Result<Unit> NameStore::found_done(RequestNumber request, InodeNumber subject) {
  if (request == 0) return Unit{};
  NameChange change(*this);
  change.note_attempt(request, Answered{subject, {}});
  return change.commit();
}

Result<Unit> NameStore::failed(RequestNumber request, const Error& why) {
  const auto earlier = view().attempt(request);
  const auto* begun = earlier ? std::get_if<Begun>(&*earlier) : nullptr;
  if (begun == nullptr) return Unit{};
  NameChange change(*this);
  change.note_attempt(request, Answered{begun->subject, why});
  return change.commit();
}

RequestNumber NameStore::request_of_deletes(RequestNumber request, std::uint64_t job) {
  return request != 0 ? request : kOwnRequests | job;
}

bool NameStore::may_be_asked_again(RequestNumber request) {
  return request < kOwnRequests;
}

Result<std::vector<DeletesLeft>> NameStore::mount_begun() {
  NameChange change(*this);
  std::vector<DeletesLeft> deletes;
  bool in_doubt = false;
  for (const auto& [request, intent] : change.records().intents()) {
    if (intent.state == IntentState::begun && !says_attributes_sent(request)) {
      in_doubt = true;
      change.doubt_replaced(std::get<Begun>(attempt_of(request, intent)));
    }
    if (intent.state != IntentState::local) continue;
    const RequestNumber own = request >= kOwnRequests ? request : kOwnRequests | change.records().next_sequence();
    deletes.push_back({own, intent.subject, intent.detail});
  }
  if (in_doubt) moments_->distrust(change.records());
  change.records().clear_intents();
  for (const DeletesLeft& left : deletes) change.note_attempt(left.request, left);
  PAIL_CHECK(change.commit());
  return deletes;
}

}  // namespace pail::local
