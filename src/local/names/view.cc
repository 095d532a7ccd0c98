#include "local/names/view.h"

#include <fmt/format.h>

#include "base/log.h"
#include "local/names/absent_names.h"
#include "local/names/index.h"
#include "local/names/intents.h"
#include "local/names/tree_walk.h"

namespace pail::local {

View::View(Index& index, const AbsentNames& absent) : index_(&index), absent_(&absent), read_(index.read()) {}

View::View(View&&) noexcept = default;

View::~View() = default;

std::optional<InodeRecord> View::inode(InodeNumber number) const {
  return read_->inode(number);
}

Result<InodeRecord> View::require(InodeNumber number) const {
  auto found = read_->inode(number);
  if (!found) return no_longer_exists(number);
  return std::move(*found);
}

std::optional<KnownName> View::name(InodeNumber parent, std::string_view name) const {
  const auto dirent = read_->dirent(parent, name);
  if (!dirent) {
    const auto absence = absent_->find(parent, name);
    return absence ? std::optional(KnownName{absence->checked, {}}) : std::nullopt;
  }
  if (dirent->number == 0) return KnownName{dirent->checked, {}};
  auto inode = read_->inode(dirent->number);
  if (!inode || inode->parent != parent || inode->name != name || inode->unlinked())
    index_->end_damaged(
        fmt::format("{} leads to inode {}, which does not have this name", quote(name), dirent->number));
  return KnownName{dirent->checked, std::move(inode)};
}

bool View::leads_to(InodeNumber parent, std::string_view name, InodeNumber number) const {
  const auto dirent = read_->dirent(parent, name);
  return (dirent ? dirent->number : 0) == number;
}

WallTime View::last_free(InodeNumber parent, std::string_view name) const {
  return local::last_free(*read_, *absent_, {parent, std::string(name)});
}

void View::children(InodeNumber directory, InodeNumber after, const std::function<bool(InodeRecord)>& visit) const {
  read_->children(directory, after, [&](InodeNumber number) {
    auto inode = read_->inode(number);
    if (!inode || inode->parent != directory || !has_its_name(*read_, *inode))
      index_->end_damaged(fmt::format("inode {} is in directory {} and does not say so", number, directory));
    return visit(std::move(*inode));
  });
}

Result<std::string> View::path(InodeNumber number) const {
  return path_of(*read_, number);
}

bool View::lies_below(InodeNumber number, InodeNumber directory) const {
  return local::lies_below(*read_, number, directory);
}

bool View::holds_staged(InodeNumber directory) const {
  return local::holds_staged(*read_, directory);
}

std::optional<Attempt> View::attempt(RequestNumber request) const {
  const auto intent = read_->intent(request);
  return intent ? std::optional(attempt_of(request, *intent)) : std::nullopt;
}

std::vector<std::pair<RequestNumber, Begun>> View::begun() const {
  std::vector<std::pair<RequestNumber, Begun>> found;
  for (const auto& [request, intent] : read_->intents())
    if (intent.state == IntentState::begun && !says_attributes_sent(request))
      found.emplace_back(request, std::get<Begun>(attempt_of(request, intent)));
  return found;
}

std::vector<DeletesLeft> View::deletes_left() const {
  std::vector<DeletesLeft> found;
  for (const auto& [request, intent] : read_->intents())
    if (intent.state == IntentState::local) found.push_back({request, intent.subject, intent.detail});
  return found;
}

std::vector<InodeNumber> View::orphans() const {
  return read_->orphans();
}

std::vector<InodeNumber> View::staged() const {
  return read_->staged();
}

std::optional<UploadRecord> View::upload(InodeNumber number) const {
  return read_->upload(number);
}

std::vector<UploadPartRecord> View::upload_parts(InodeNumber number) const {
  return read_->upload_parts(number);
}

std::vector<InodeNumber> View::uploads() const {
  return read_->uploads();
}

}  // namespace pail::local
