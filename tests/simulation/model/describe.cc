#include "simulation/model/describe.h"

#include <fmt/format.h>

#include <cstring>

#include "base/log.h"
#include "base/overloaded.h"

namespace pail::simulation::model {
namespace {

std::string errno_name(int errnum) {
  const char* name = strerrorname_np(errnum);
  return name != nullptr ? name : fmt::format("errno {}", errnum);
}

std::string name_of(FileType type) {
  switch (type) {
    case FileType::regular:
      return "file";
    case FileType::directory:
      return "directory";
    case FileType::symlink:
      return "symbolic link";
    default:
      return "special file";
  }
}

std::string inode_text(const State& state, InodeNumber number) {
  const Inode* inode = state.by_number(number);
  return inode != nullptr ? fmt::format("#{} /{}", number, state.path(inode->id)) : fmt::format("#{}", number);
}

std::string place_text(const State& state, InodeNumber parent, const std::string& name) {
  return fmt::format("{} in {}", quote(name), inode_text(state, parent));
}

std::string entry_text(const ShownEntry& entry) {
  return fmt::format("#{} {} {:04o}, {} bytes, modified {}", entry.number, name_of(entry.type), entry.permissions,
                     entry.size, entry.modified.time_since_epoch().count());
}

std::string listing_text(const Listed& listed) {
  std::string text = fmt::format("{} names:", listed.names.size());
  for (const ListedName& name : listed.names) {
    text += fmt::format(" {} #{}", quote(name.name), name.number);
    if (name.entry) text += fmt::format(" ({})", entry_text(*name.entry));
  }
  return text;
}

std::string set_text(const SetAttributes& asked) {
  std::string text;
  if (asked.permissions) text += fmt::format(" permissions {:04o}", *asked.permissions);
  if (asked.size) text += fmt::format(" size {}", *asked.size);
  if (asked.modified) text += fmt::format(" modified {}", asked.modified->time_since_epoch().count());
  return text;
}

std::string list_of_names(const State& state, Id directory) {
  std::string text;
  for (const auto& [name, dirent] : state.at(directory).names)
    text += fmt::format(" {}{}{}", quote(name), dirent.sure ? "" : "?",
                        state.at(dirent.inode).number != 0 ? fmt::format(" #{}", state.at(dirent.inode).number) : "");
  return text.empty() ? " none" : text;
}

}  // namespace

std::string describe_bytes(const std::string& bytes) {
  constexpr std::size_t kShown = 32;
  return fmt::format("{} bytes {}{}", bytes.size(), quote(bytes.substr(0, kShown)), bytes.size() > kShown ? "..." : "");
}

std::string describe(const SnapshotPtr& snapshot) {
  if (!snapshot) return "no object";
  std::string text = describe_bytes(snapshot->bytes.bytes());
  if (snapshot->permissions) text += fmt::format(", {:04o}", *snapshot->permissions);
  if (snapshot->modified) text += fmt::format(", modified {}", snapshot->modified->time_since_epoch().count());
  return text;
}

std::string describe(const Call& call, const State& state) {
  const auto inode = [&](InodeNumber number) { return inode_text(state, number); };
  const auto place = [&](const auto& asked) { return place_text(state, asked.parent, asked.name); };
  const std::string text = std::visit(
      Overloaded{
          [&](const Lookup& asked) { return "lookup " + place(asked); },
          [&](const Forget& asked) { return "forget " + inode(asked.number); },
          [&](const GetAttributes& asked) { return "getattr " + inode(asked.number); },
          [&](const SetAttributes& asked) { return "setattr " + inode(asked.number) + set_text(asked); },
          [&](const ReadLink& asked) { return "readlink " + inode(asked.number); },
          [&](const MakeDirectory& asked) { return fmt::format("mkdir {} {:04o}", place(asked), asked.permissions); },
          [&](const MakeSymlink& asked) { return fmt::format("symlink {} to {}", place(asked), quote(asked.target)); },
          [&](const Unlink& asked) { return "unlink " + place(asked); },
          [&](const RemoveDirectory& asked) { return "rmdir " + place(asked); },
          [&](const Rename& asked) {
            return fmt::format("rename {} to {}", place(asked), place_text(state, asked.new_parent, asked.new_name));
          },
          [&](const Open& asked) { return fmt::format("open {} flags {:#o}", inode(asked.number), asked.flags); },
          [&](const Create& asked) { return fmt::format("create {} flags {:#o}", place(asked), asked.flags); },
          [&](const Read& asked) {
            return fmt::format("read {} {} bytes at {}", inode(asked.number), asked.size, asked.at);
          },
          [&](const Write& asked) {
            return fmt::format("write {} {} at {}", inode(asked.number), describe_bytes(asked.bytes), asked.at);
          },
          [&](const Flush& asked) {
            return fmt::format("flush {}{}", inode(asked.number), asked.caller_has_another ? " of two" : "");
          },
          [&](const Sync& asked) { return "fsync " + inode(asked.number); },
          [&](const Release& asked) { return "release " + inode(asked.number); },
          [&](const ReadDirectory& asked) {
            return fmt::format("readdir {} from {}, {} at most", inode(asked.number), asked.offset, asked.most);
          },
          [&](const StatFs&) { return std::string("statfs"); },
      },
      call.question);
  return fmt::format("({}) process {}: {}", call.unique, call.process, text);
}

std::string describe(const Answer& answer) {
  if (answer.errnum != 0) return fmt::format("{} ({})", errno_name(answer.errnum), answer.context);
  return std::visit(Overloaded{
                        [](const Done&) { return std::string("done"); },
                        [](const Written& written) { return fmt::format("{} bytes written", written.size); },
                        [](const ShownEntry& entry) { return entry_text(entry); },
                        [](const OpenedFile& file) {
                          return fmt::format("handle {}{}", file.handle,
                                             file.entry ? " of " + entry_text(*file.entry) : std::string());
                        },
                        [](const Bytes& bytes) { return describe_bytes(bytes.bytes); },
                        [](const Listed& listed) { return listing_text(listed); },
                    },
                    answer.value);
}

std::string describe(const Expectation& expected, const State& state) {
  switch (expected.promise) {
    case Promise::anything:
      return "anything but an error";
    case Promise::errors: {
      std::string text;
      for (const int errnum : expected.errnums) text += (text.empty() ? "" : " or ") + errno_name(errnum);
      return text;
    }
    case Promise::done:
      return "done";
    case Promise::written:
      return fmt::format("{} bytes written", expected.size);
    case Promise::opened:
      return "a handle";
    case Promise::created:
    case Promise::entry: {
      const Inode* inode = state.find(expected.inode);
      const std::string number = inode != nullptr && inode->number != 0 ? std::to_string(inode->number) : " a new one";
      if (!expected.shown) return fmt::format("#{}", number);
      const Snapshot& shown = *expected.shown;
      std::string text = fmt::format("#{} {}", number, name_of(expected.type));
      if (shown.permissions) text += fmt::format(" {:04o}", *shown.permissions);
      if (expected.type != FileType::directory) text += fmt::format(", {} bytes", shown.bytes.size());
      if (shown.modified) text += fmt::format(", modified {}", shown.modified->time_since_epoch().count());
      return text;
    }
    case Promise::bytes:
      return describe_bytes(expected.shown->bytes.read(expected.at, expected.size));
    case Promise::listing:
      return "of these names:" + list_of_names(state, expected.inode);
  }
  return "";
}

}  // namespace pail::simulation::model
