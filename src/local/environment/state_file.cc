#include "local/environment/state_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <sstream>

#include "base/file.h"
#include "pailfs/base/bytes.h"

namespace pail::local {
namespace {

constexpr std::size_t kSize = 128;  // always the same, and within one sector: it is written wholly or not at all

}  // namespace

Result<StateFile> StateFile::open(const std::filesystem::path& directory, std::string boot_id) {
  PAIL_TRY(UniqueFd file, open_file(directory / "state", O_RDWR | O_CREAT));
  StateFile state(directory, boot_id.empty() ? "unknown" : std::move(boot_id), std::move(file));
  std::array<std::byte, kSize> bytes;
  PAIL_TRY(const std::size_t size, read_at(state.file_.get(), {}, bytes));
  state.parse({reinterpret_cast<const char*>(bytes.data()), size});
  return state;
}

void StateFile::parse(std::string_view text) {
  if (text.empty()) return;
  text_ = text;
  std::istringstream words(text_);
  std::string word, boot;
  words >> word >> boot;
  if (std::uint64_t transaction = 0; words >> transaction) last_transaction_ = transaction;
  if (word == "closed")
    last_stop_ = LastStop::in_order;
  else if (word == "faulted")
    last_stop_ = LastStop::faulted;
  else if (word == "damaged")
    last_stop_ = LastStop::damaged;
  else
    last_stop_ = word == "open" && boot == boot_id_ ? LastStop::process_killed : LastStop::machine_stopped;
}

std::string StateFile::line(std::string_view word, std::uint64_t transaction) const {
  std::string text = fmt::format("{} {} {}\n", word, boot_id_, transaction);
  text.resize(kSize, ' ');
  return text;
}

Result<Unit> StateFile::write(std::string_view text) {
  if (text == text_) return Unit{};  // spares a restarted process the sync
  PAIL_CHECK(write_at(file_.get(), {}, std::as_bytes(std::span(text))));
  if (::fsync(file_.get()) != 0) return errno_error(errno, (directory_ / "state").string());
  text_ = text;
  return Unit{};
}

Result<Unit> StateFile::note_open() {
  const std::string text = line("open", 0);
  if (text == text_) return Unit{};
  PAIL_CHECK(write(text));
  return sync_directory(directory_);
}

Result<Unit> StateFile::note_closed(std::uint64_t last_transaction) {
  return write(line("closed", last_transaction));
}

Result<Unit> StateFile::note_damaged() const {
  const std::string text = line("damaged", 0);
  PAIL_CHECK(write_at(file_.get(), {}, std::as_bytes(std::span(text))));
  if (::fsync(file_.get()) != 0) return errno_error(errno, (directory_ / "state").string());
  return Unit{};
}

}  // namespace pail::local
