#include "vfs/listed_page.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/log.h"
#include "vfs/tree.h"

namespace pail::vfs {

using local::DirectoryForm;
using local::ListedDirectory;
using local::ListedFile;

namespace {

constexpr std::string_view kFolderSuffix = "_$folder$";

bool is_folder_marker(std::string_view name, const cos::ListedObject& object) {
  return object.size.n == 0 && name.ends_with(kFolderSuffix) && name.size() > kFolderSuffix.size();
}

// The last name that a listing has come to, as its keys have it; nothing: it has come to its end.
std::optional<std::string> last_of(const std::string& prefix, const cos::ListPage& page) {
  if (page.continuation.empty()) return std::nullopt;
  std::string last = prefix;
  if (!page.objects.empty()) last = std::max(last, page.objects.back().key);
  if (!page.common_prefixes.empty()) last = std::max(last, page.common_prefixes.back());
  return last.substr(prefix.size());
}

bool may_be_a_directory(const std::string& file, const std::optional<std::string>& last) {
  return last && file + "/" > *last;
}

}  // namespace

DecidedPage listed_page(const std::string& prefix, const cos::ListPage& page, const UndecidedFiles& before) {
  std::map<std::string, std::variant<ListedFile, ListedDirectory>, std::less<>> names;
  auto [listed, undecided] = DecidedPage();
  for (const std::string& below : page.common_prefixes) {
    std::string name = below.substr(prefix.size());
    if (name.ends_with('/')) name.pop_back();
    names[std::move(name)] = ListedDirectory{};
  }
  for (const local::ListedName& file : before) names.try_emplace(file.name, file.what);
  for (const cos::ListedObject& object : page.objects) {
    std::string name = object.key.substr(prefix.size());
    if (name.empty()) {
      listed.marker = object.last_modified;
    } else if (is_folder_marker(name, object)) {
      name.resize(name.size() - kFolderSuffix.size());
      names.try_emplace(std::move(name), ListedDirectory{DirectoryForm::folder_marker, object.last_modified});
    } else {
      names.try_emplace(std::move(name), ListedFile{object.size, object.etag.text, object.last_modified});
    }
  }
  const auto last = last_of(prefix, page);
  for (auto& [name, what] : names) {
    if (!check_name(name))
      spdlog::debug("{}: not shown, no file can have this name", quote(prefix + name));
    else if (std::holds_alternative<ListedFile>(what) && may_be_a_directory(name, last))
      undecided.push_back({name, std::move(what)});
    else
      listed.names.push_back({name, std::move(what)});
  }
  return {std::move(listed), std::move(undecided)};
}

}  // namespace pail::vfs
