#include "simulation/trace.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstring>

#include "base/checksum.h"
#include "base/encoding.h"
#include "base/log.h"
#include "base/overloaded.h"

namespace pail::simulation {
namespace {

// Short, and the same for the same bytes.
std::string shown(std::string_view bytes) {
  return fmt::format("{} bytes {:016x}", bytes.size(), xxh3(bytes_of(bytes)));
}

std::string shown(const ShownEntry& entry) {
  return fmt::format("#{} type {} mode {:o} size {}", entry.number, static_cast<int>(entry.type), entry.permissions,
                     entry.size);
}

std::string names_of(const Listed& listed) {
  std::string names;
  for (const ListedName& name : listed.names) names += fmt::format(" {}#{}", name.name, name.number);
  return names;
}

std::string text_of(const SetAttributes& set) {
  std::string text = fmt::format("setattr #{}", set.number);
  if (set.handle) text += fmt::format(" handle {}", *set.handle);
  if (set.permissions) text += fmt::format(" mode {:o}", *set.permissions);
  if (set.size) text += fmt::format(" size {}", *set.size);
  if (set.modified) text += fmt::format(" modified {}", set.modified->time_since_epoch().count());
  return text;
}

std::string text_of(const Question& question) {
  return std::visit(
      Overloaded{
          [](const Lookup& q) { return fmt::format("lookup #{}/{}", q.parent, q.name); },
          [](const Forget& q) { return fmt::format("forget #{}", q.number); },
          [](const GetAttributes& q) { return fmt::format("getattr #{}", q.number); },
          [](const SetAttributes& q) { return text_of(q); },
          [](const ReadLink& q) { return fmt::format("readlink #{}", q.number); },
          [](const MakeDirectory& q) { return fmt::format("mkdir #{}/{} mode {:o}", q.parent, q.name, q.permissions); },
          [](const MakeSymlink& q) { return fmt::format("symlink #{}/{} -> {}", q.parent, q.name, q.target); },
          [](const Unlink& q) { return fmt::format("unlink #{}/{}", q.parent, q.name); },
          [](const RemoveDirectory& q) { return fmt::format("rmdir #{}/{}", q.parent, q.name); },
          [](const Rename& q) {
            return fmt::format("rename #{}/{} to #{}/{} mode {}", q.parent, q.name, q.new_parent, q.new_name,
                               static_cast<int>(q.mode));
          },
          [](const Open& q) { return fmt::format("open #{} flags {:o}", q.number, q.flags); },
          [](const Create& q) {
            return fmt::format("create #{}/{} mode {:o} flags {:o}", q.parent, q.name, q.permissions, q.flags);
          },
          [](const Read& q) {
            return fmt::format("read #{} handle {} at {} size {}", q.number, q.handle, q.at, q.size);
          },
          [](const Write& q) {
            return fmt::format("write #{} handle {} at {} {}", q.number, q.handle, q.at, shown(q.bytes));
          },
          [](const Flush& q) {
            return fmt::format("flush #{} handle {}{}", q.number, q.handle, q.caller_has_another ? " has another" : "");
          },
          [](const Sync& q) { return fmt::format("fsync #{} handle {}", q.number, q.handle); },
          [](const Release& q) { return fmt::format("release #{} handle {}", q.number, q.handle); },
          [](const ReadDirectory& q) {
            return fmt::format("readdir #{} from {} most {}{}", q.number, q.offset, q.most,
                               q.with_attributes ? " with attributes" : "");
          },
          [](const StatFs&) { return std::string("statfs"); },
      },
      question);
}

}  // namespace

void Trace::note(SteadyTime now, std::string_view what, std::string_view more) {
  const std::string line =
      fmt::format("{:.6f} {} {}\n", std::chrono::duration<double>(now.time_since_epoch()).count(), what, more);
  for (const char c : line) digest_ = (digest_ ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  if (shown_ == Shown::everything) std::fwrite(line.data(), 1, line.size(), stdout);
  tail_ += line;
  if (tail_.size() > 2 * kKept) tail_.erase(0, tail_.find('\n', tail_.size() - kKept) + 1);
}

std::string Trace::digest_text() const {
  return fmt::format("{:016x}", digest_);
}

std::string Trace::tail() const {
  return tail_;
}

std::string describe(const Call& call) {
  return fmt::format("p{} {}{} {}", call.process, call.unique, call.resent ? " again" : "", text_of(call.question));
}

std::string describe(const Answer& answer) {
  if (answer.errnum != 0)
    return fmt::format("{} {} {}", answer.unique, ::strerrorname_np(answer.errnum), answer.context);
  const std::string value = std::visit(
      Overloaded{
          [](const Done&) { return std::string("done"); },
          [](const Written& written) { return fmt::format("{} written", written.size); },
          [](const ShownEntry& entry) { return shown(entry); },
          [](const OpenedFile& file) {
            return fmt::format("handle {}{}{}", file.handle, file.keep_page_cache ? " keep" : "",
                               file.entry ? " " + shown(*file.entry) : "");
          },
          [](const Bytes& bytes) { return shown(bytes.bytes); },
          [](const Listed& listed) { return fmt::format("{} names{}", listed.names.size(), names_of(listed)); },
      },
      answer.value);
  return fmt::format("{} {}", answer.unique, value);
}

std::string describe(const StoreRequest& request, std::uint64_t number) {
  std::string text = fmt::format("{} as {} {} {}", request.id, number, request.method, request.url);
  for (const http::Header& field : request.headers)
    if (field.name.starts_with("If-") || field.name.starts_with("x-amz-copy") || field.name == "Range")
      text += fmt::format(" {}: {}", field.name, field.value);
  if (!request.body.empty()) text += " " + shown(request.body);
  return text;
}

}  // namespace pail::simulation
