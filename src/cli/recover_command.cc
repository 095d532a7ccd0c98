#include "cli/recover_command.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/checksum.h"
#include "base/directory.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"
#include "base/owner.h"
#include "base/trusted_directory.h"
#include "cli/connect.h"
#include "cli/kept_notice.h"
#include "cli/kept_store.h"
#include "cli/left_staging.h"
#include "cli/mount_command.h"
#include "cli/say.h"
#include "cli/view_directory.h"
#include "local/staging/kept.h"

namespace pail::cli {
namespace {

constexpr std::size_t kIdDigits = 8;

struct Kept {
  std::string id;
  local::KeptFile file;
};

std::string id_of(const std::filesystem::path& view_directory, const std::filesystem::path& file) {
  const std::filesystem::path place = view_directory.filename() / file.filename();
  return xxh3_name(bytes_of(place.string())).substr(0, kIdDigits);
}

// Everything the command needs beside its action.
struct Task {
  const CommandLine& line;
  MountOptions options;
  std::vector<std::filesystem::path> roots;  // where directories of views lie; at least one
  std::vector<std::filesystem::path> views;  // what lies there, once find_views() has looked
  auth::Environment environment;
};

// Also what may not be looked at: that is told of, not passed over.
bool is_there(const std::filesystem::path& root) {
  std::error_code failed;
  return std::filesystem::status(root, failed).type() != std::filesystem::file_type::not_found;
}

Result<Task> make_task(const CommandLine& line, auth::Environment environment) {
  Task task{line, {}, {}, {}, std::move(environment)};
  for (const std::string& text : line.options) PAIL_CHECK(parse_mount_options(text, task.options));
  if (!line.state_dir.empty()) task.options.state_dir = line.state_dir;
  if (!line.cache_dir.empty()) task.options.cache_dir = line.cache_dir;
  for (const auto& root : {task.options.state_dir, task.options.cache_dir})
    if (!root.empty()) task.roots.push_back(root);
  if (!task.roots.empty()) return task;
  PAIL_TRY(const Roots usual, roots_of(task.options));
  // The cache may have been removed, and an older version had nothing else.
  for (const auto& root : {usual.state, usual.cache})
    if (is_there(root)) task.roots.push_back(root);
  if (task.roots.empty()) task.roots.push_back(usual.state);
  return task;
}

Error not_looked_at(const Error& why) {
  return {why.errnum, fmt::format("{}; run this as root, or as the user who mounted, or name the state directory of "
                                  "the mount with --state-dir DIR",
                                  why.context)};
}

// A path that other messages print leads into the directory of one bucket.
Result<Unit> check_no_view(const std::filesystem::path& root) {
  const auto whole = (std::filesystem::absolute(root) / "").lexically_normal().parent_path();
  for (const auto& path : {whole, whole.parent_path()}) {
    if (!is_view_directory(path)) continue;
    return Error{EINVAL, fmt::format("{}: lies in what belongs to one bucket; say --state-dir {}", root.string(),
                                     path.parent_path().string())};
  }
  return Unit{};
}

// What is kept is not known before all of it has been looked at. Errors: naming the directory and what helps.
Result<Unit> find_views(Task& task) {
  for (const auto& root : task.roots) {
    PAIL_CHECK(check_no_view(root));
    auto views = list_directory(root);
    if (!views) return not_looked_at(views.error());
    task.views.insert(task.views.end(), views->begin(), views->end());
  }
  return Unit{};
}

// A directory of others that may hold kept files is no error, but it is told of.
std::optional<std::string> why_left_out(const std::filesystem::path& view) {
  const auto trusted = find_trusted_directory(view);
  std::error_code failed;
  const bool of_a_view = std::filesystem::exists(local::kept_folder(view), failed) ||
                         std::filesystem::exists(view / "staging", failed) || failed;
  struct stat status {};
  if (trusted || !of_a_view || ::stat(view.c_str(), &status) != 0) return std::nullopt;
  if (status.st_uid == ::geteuid()) return fmt::format("{}: left out: {}", view.string(), trusted.error().context);
  return fmt::format("{}: left out, as it belongs to {}; run this as that user to see what is kept there",
                     view.string(), describe_user(status.st_uid));
}

void tell_left_out(const Task& task) {
  for (const auto& view : task.views)
    if (const auto why = why_left_out(view)) say("{}", *why);
}

// What is kept, as far as it could be looked at.
struct AllKept {
  std::vector<Kept> files;
  Result<Unit> looked = Unit{};  // why not at all of it
};

// Of the directories that belong to this user: what others describe is not believed.
AllKept all_kept(const Task& task) {
  AllKept all;
  for (const auto& view : task.views) {
    if (!find_trusted_directory(view)) continue;
    auto files = local::kept_files(view);
    if (!files) {
      all.looked = not_looked_at(files.error());
      continue;
    }
    for (local::KeptFile& file : *files) {
      std::string id = id_of(view, file.path);
      all.files.push_back({std::move(id), std::move(file)});
    }
  }
  return all;
}

std::string places_text(const Task& task) {
  std::string text;
  for (const auto& root : task.roots) text += (text.empty() ? "" : " or ") + root.string();
  return text;
}

Result<Kept> find_kept(const Task& task) {
  AllKept all = all_kept(task);
  for (Kept& kept : all.files)
    if (kept.id == task.line.kept) return std::move(kept);
  tell_left_out(task);
  PAIL_CHECK(all.looked);
  return Error{ENOENT, fmt::format("{}: no kept file has this ID in {}; pailfs recover list names them",
                                   quote(task.line.kept), places_text(task))};
}

// ---- what is shown --------------------------------------------------------------------------------------------------

std::string readable_time(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(std::chrono::system_clock::to_time_t(seconds)));
}

// Where it belongs, as far as that is known.
std::string place_of(const local::KeptFile& file) {
  if (!file.description) return fmt::format("{} (no description)", quote(file.path.filename().string()));
  const local::KeptDescription& about = *file.description;
  const std::string name = about.key.empty() ? about.name + " (key not known)" : about.key;
  return fmt::format("{}: {}", about.bucket, quote(name));
}

std::string list_line(const Kept& kept) {
  const auto& about = kept.file.description;
  return fmt::format("{:<10}{:<21}{:>12}  {:<18}{}{}\n", kept.id, about ? readable_time(about->kept) : "?",
                     readable_size(kept.file.size), name_of(about ? about->reason : local::KeptReason::unknown),
                     place_of(kept.file), about && !about->complete() ? " (incomplete)" : "");
}

constexpr std::string_view kNotStored = "not stored yet";

std::string list_line(const LeftFile& left) {
  const auto written = std::chrono::file_clock::to_sys(left.written);
  return fmt::format("{:<10}{:<21}{:>12}  {:<18}{}\n", "-", readable_time(written), readable_size(left.size),
                     kNotStored, left.path.string());
}

nlohmann::json json_of(const LeftFile& left) {
  return {{"why", kNotStored}, {"file", left.path.string()}, {"size", left.size.n}};
}

nlohmann::json json_of(const Kept& kept) {
  auto object = nlohmann::json::object();
  if (kept.file.description) object = nlohmann::json::parse(local::render_kept_description(*kept.file.description));
  object["id"] = kept.id;
  object["file"] = kept.file.path.string();
  object["size"] = kept.file.size.n;
  return object;
}

std::string text_of(const nlohmann::json& value) {
  return value.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string missing_text(const local::KeptDescription& about) {
  if (!about.missing) return "it is not known which of its bytes are there";
  std::string text;
  constexpr std::size_t kShown = 10;
  for (const Extent& extent : *about.missing) {
    if (&extent - about.missing->data() == kShown)
      return text + fmt::format(" and {} more", about.missing->size() - kShown);
    text += fmt::format("{}{}-{}", text.empty() ? "bytes " : ", ", extent.begin.n, extent.end.n - 1);
  }
  return text + " were never fetched from the object that it changes";
}

// In a sentence where a word could say more than is known.
std::string_view story_of(local::KeptReason reason) {
  if (reason == local::KeptReason::mount_ended) return "an earlier mount ended before it was stored";
  return local::name_of(reason);
}

std::string description_text(const Kept& kept) {
  std::string out = fmt::format("id         {}\nfile       {}\nsize       {}\n", kept.id, kept.file.path.string(),
                                readable_size(kept.file.size));
  if (!kept.file.description) return out + "There is no description of it: only its bytes are known.\n";
  const local::KeptDescription& about = *kept.file.description;
  out += fmt::format("belongs    {}\nstore      {}\nkept       {}, {}\n", place_of(kept.file), about.endpoint,
                     readable_time(about.kept), story_of(about.reason));
  if (!about.error.empty()) out += fmt::format("error      {}\n", quote(about.error));
  out += fmt::format("mode       {:04o}\nowner      {}:{}\nmodified   {}\n", about.permissions, about.uid, about.gid,
                     readable_time(about.modified));
  if (!about.complete()) out += fmt::format("incomplete {}\n", missing_text(about));
  return out;
}

Result<Unit> printed(const std::string& text) {
  if (!print_out(text)) return Error{EIO, "standard output cannot be written"};
  return Unit{};
}

// ---- the actions ----------------------------------------------------------------------------------------------------

AllKept kept_to_list(const Task& task) {
  AllKept all = all_kept(task);
  std::erase_if(all.files, [&](const Kept& kept) {
    if (task.line.kept.empty()) return false;
    return !kept.file.description || kept.file.description->bucket != task.line.kept;
  });
  return all;
}

std::string nothing_text(const Task& task, const LeftStaging& left) {
  return fmt::format("Nothing is kept in {}{}.\n", places_text(task),
                     left.live ? "; what running mounts have still to store is not looked at" : "");
}

std::string table_text(const std::vector<Kept>& kept, const std::vector<LeftFile>& left) {
  std::string out = fmt::format("{:<10}{:<21}{:>12}  {:<18}{}\n", "ID", "KEPT", "SIZE", "WHY", "BUCKET AND KEY");
  for (const Kept& file : kept) out += list_line(file);
  for (const LeftFile& file : left) out += list_line(file);
  if (!left.empty())
    out += fmt::format(
        "What is {} was left by a mount that has ended, of any bucket. The next mount of its bucket keeps it; it then "
        "has an ID, and can be stored or exported.\n",
        kNotStored);
  return out;
}

Result<Unit> print_list(const Task& task, const AllKept& all, const LeftStaging& left) {
  const std::vector<Kept>& kept = all.files;
  if (task.line.json) {
    auto array = nlohmann::json::array();
    for (const Kept& file : kept) array.push_back(json_of(file));
    for (const LeftFile& file : left.files) array.push_back(json_of(file));
    return printed(text_of(array));
  }
  if (!kept.empty() || !left.files.empty()) return printed(table_text(kept, left.files));
  return all.looked && left.looked ? printed(nothing_text(task, left)) : Result<Unit>(Unit{});
}

// The bucket of what is not stored yet is known to its index alone, so it is always named.
Result<Unit> list(const Task& task) {
  tell_left_out(task);
  const AllKept kept = kept_to_list(task);
  const LeftStaging left = find_left_staging(task.views);
  PAIL_CHECK(print_list(task, kept, left));
  PAIL_CHECK(kept.looked);
  if (!left.looked) return not_looked_at(left.looked.error());
  return Unit{};
}

Result<Unit> show(const Task& task) {
  PAIL_TRY(const Kept kept, find_kept(task));
  return printed(task.line.json ? text_of(json_of(kept)) : description_text(kept));
}

// Keeps other processes of this command from the file for as long as it is open.
Result<UniqueFd> lock(const Kept& kept) {
  PAIL_TRY(UniqueFd file, open_file(kept.file.path, O_RDONLY | O_NOFOLLOW));
  PAIL_TRY(const LockAttempt attempt, try_lock_file(file, kept.file.path));
  if (attempt == LockAttempt::taken) return file;
  return Error{EBUSY, fmt::format("{}: another pailfs recover is working on it", kept.id)};
}

Result<Unit> check_key(const std::string& key) {
  if (!key.starts_with('/') && !key.ends_with('/') && key.size() <= cos::kMaxKeyBytes) return Unit{};
  return Error{EINVAL, fmt::format("--as {}: expected a key of the bucket, such as dir/file, of at most {} bytes and "
                                   "without a slash at its ends",
                                   quote(key), cos::kMaxKeyBytes)};
}

Result<std::string> key_for(const Task& task, const local::KeptDescription& about) {
  const std::string key = task.line.as.empty() ? about.key : task.line.as;
  if (key.empty()) return Error{EINVAL, "the name of this file is not known; say which key it shall have: --as KEY"};
  PAIL_CHECK(check_key(key));
  return key;
}

Result<Unit> check_complete(const Kept& kept) {
  const std::string way = fmt::format("; what is there can be had with: pailfs recover export {} FILE", kept.id);
  if (!kept.file.description)
    return Error{EINVAL, "there is no description of this file, so it is not known where it belongs" + way};
  if (!kept.file.description->complete())
    return Error{EINVAL, "the file is not complete: " + missing_text(*kept.file.description) + way};
  if (kept.file.description->size != kept.file.size)
    return Error{EINVAL, "the file is not as long as when it was kept" + way};
  return Unit{};
}

Result<Connection> connect_to(const Task& task, const local::KeptDescription& about) {
  MountOptions options = task.options;
  if (options.url.empty() && options.region.empty()) options.url = about.endpoint;
  const auth::Sources sources = credential_sources(options, task.environment, about.bucket);
  PAIL_TRY(const auth::Resolved resolved, auth::resolve_credentials(sources));
  return connect(options, sources, resolved, Patience::working);
}

Result<Unit> store(const Task& task) {
  PAIL_TRY(const Kept kept, find_kept(task));
  PAIL_CHECK(check_complete(kept));
  PAIL_TRY(const UniqueFd locked, lock(kept));
  const local::KeptDescription& about = *kept.file.description;
  PAIL_TRY(const std::string key, key_for(task, about));
  PAIL_TRY(const Connection connection, connect_to(task, about));
  PAIL_CHECK(store_kept(*connection.store, kept.file, key, task.line.overwrite ? Overwrite::yes : Overwrite::no));
  PAIL_CHECK(local::remove_kept(kept.file.path));
  return printed(fmt::format("{} is stored in {} as {}\n", kept.id, about.bucket, quote(key)));
}

// On disk when it returns.
Result<Unit> copy_bytes(int from, int to) {
  PAIL_CHECK(copy_sparse(from, to));
  if (::fsync(to) != 0) return errno_error(errno, "write");
  return Unit{};
}

Result<Unit> export_to_file(const Task& task) {
  PAIL_TRY(const Kept kept, find_kept(task));
  PAIL_TRY(const UniqueFd from, lock(kept));
  PAIL_TRY(const UniqueFd to, open_file(task.line.file, O_WRONLY | O_CREAT | O_EXCL));
  if (auto copied = copy_bytes(from.get(), to.get()); !copied) {
    ::unlink(task.line.file.c_str());
    return Error{copied.error().errnum, fmt::format("{}: {}", task.line.file, copied.error().context)};
  }
  if (!kept.file.description || !kept.file.description->complete())
    say("the file is not complete: {}; they read as zeros",
        kept.file.description ? missing_text(*kept.file.description) : "it has no description, bytes may be missing");
  return printed(fmt::format("{} is copied to {} and still kept; pailfs recover drop {} removes it\n", kept.id,
                             task.line.file, kept.id));
}

Result<Unit> drop(const Task& task) {
  PAIL_TRY(const Kept kept, find_kept(task));
  PAIL_TRY(const UniqueFd locked, lock(kept));
  PAIL_CHECK(local::remove_kept(kept.file.path));
  return printed(fmt::format("{} is removed: {}, {}\n", kept.id, place_of(kept.file), readable_size(kept.file.size)));
}

enum class Needs { nothing, id, id_and_file };

struct Action {
  std::string_view name;
  Needs needs;
  Result<Unit> (*run)(const Task&);
};

constexpr auto kActions = std::to_array<Action>({{"list", Needs::nothing, list},
                                                 {"show", Needs::id, show},
                                                 {"store", Needs::id, store},
                                                 {"export", Needs::id_and_file, export_to_file},
                                                 {"drop", Needs::id, drop}});

// What the command line asks for. Errors: EINVAL it is no whole sentence.
Result<Action> asked_for(const Task& task) {
  const auto action = std::ranges::find(kActions, task.line.action, &Action::name);
  if (action == kActions.end())
    return Error{EINVAL, fmt::format("{}: expected list, show, store, export or drop", quote(task.line.action))};
  if (action->needs == Needs::id_and_file && task.line.file.empty())
    return Error{EINVAL, "where to? Say pailfs recover export ID FILE"};
  if (action->needs != Needs::nothing && task.line.kept.empty())
    return Error{EINVAL, fmt::format("which file? Say its ID: pailfs recover {} ID; pailfs recover list names them",
                                     task.line.action)};
  if (action->needs != Needs::id_and_file && !task.line.file.empty())
    return Error{EINVAL, fmt::format("{}: one word too many; pailfs recover {} takes one at a time",
                                     quote(task.line.file), task.line.action)};
  if (!task.line.as.empty()) PAIL_CHECK(check_key(task.line.as));
  return *action;
}

int ended(const Error& why, int exit_code) {
  say("{}", why.context);
  return exit_code;
}

}  // namespace

int run_recover(const CommandLine& line, auth::Environment environment) {
  auto task = make_task(line, std::move(environment));
  if (!task) return ended(task.error(), kExitUsage);
  const auto action = asked_for(*task);
  if (!action) return ended(action.error(), kExitUsage);
  if (const auto readable = find_views(*task); !readable) return ended(readable.error(), kExitSystem);
  const auto done = action->run(*task);
  return done ? 0 : ended(done.error(), kExitSystem);
}

}  // namespace pail::cli
