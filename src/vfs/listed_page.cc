#include "vfs/listed_page.h"

#include <map>

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

}  // namespace

local::ListedPage listed_page(const std::string& prefix, const cos::ListPage& page) {
  std::map<std::string, std::variant<ListedFile, ListedDirectory>, std::less<>> names;
  local::ListedPage listed;
  for (const std::string& below : page.common_prefixes) {
    std::string name = below.substr(prefix.size());
    if (name.ends_with('/')) name.pop_back();
    names[std::move(name)] = ListedDirectory{};
  }
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
  for (auto& [name, what] : names) {
    if (check_name(name))
      listed.names.push_back({name, std::move(what)});
    else
      spdlog::debug("{}: not shown, no file can have this name", quote(prefix + name));
  }
  return listed;
}

}  // namespace pail::vfs
