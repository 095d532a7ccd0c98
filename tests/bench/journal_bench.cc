// Commits and flushes a second of a journal, for 1 and 64 threads.
//
// usage: journal_bench DIRECTORY [SECONDS]     DIRECTORY: on the disk to be measured; is left empty
#include <fmt/format.h>

#include <atomic>
#include <cstdlib>

#include "base/thread.h"
#include "local/journal/journal.h"
#include "pailfs/base/clock.h"

namespace pail::local {
namespace {

constexpr std::size_t kPayload = 200;  // a staged file with its key and attributes

// Counts the syncs of the files of another folder.
class CountedFile final : public LogFile {
 public:
  CountedFile(std::shared_ptr<LogFile> file, std::atomic<std::uint64_t>& syncs)
      : file_(std::move(file)), syncs_(syncs) {}
  Result<ByteCount> size() const override { return file_->size(); }
  Result<std::size_t> read(ByteOffset at, std::span<std::byte> out) const override { return file_->read(at, out); }
  Result<Unit> write(ByteOffset at, std::span<const std::byte> data) override { return file_->write(at, data); }
  Result<Unit> reserve(ByteCount size) override { return file_->reserve(size); }
  Result<Unit> sync() override {
    ++syncs_;
    return file_->sync();
  }

 private:
  const std::shared_ptr<LogFile> file_;
  std::atomic<std::uint64_t>& syncs_;
};

class CountedDirectory final : public LogDirectory {
 public:
  CountedDirectory(std::unique_ptr<LogDirectory> directory, std::atomic<std::uint64_t>& syncs)
      : directory_(std::move(directory)), syncs_(syncs) {}
  Result<std::optional<std::shared_ptr<LogFile>>> open(std::string_view name) override {
    PAIL_TRY(auto file, directory_->open(name));
    if (file) file = std::make_shared<CountedFile>(*file, syncs_);
    return file;
  }
  Result<std::shared_ptr<LogFile>> create(std::string_view name) override {
    PAIL_TRY(auto file, directory_->create(name));
    return std::shared_ptr<LogFile>(std::make_shared<CountedFile>(std::move(file), syncs_));
  }
  Result<Unit> rename(std::string_view from, std::string_view to) override { return directory_->rename(from, to); }
  Result<Unit> link(std::string_view from, std::string_view to) override { return directory_->link(from, to); }
  Result<Unit> remove(std::string_view name) override { return directory_->remove(name); }
  Result<Unit> sync_names() override { return directory_->sync_names(); }
  std::filesystem::path path_of(std::string_view name) const override { return directory_->path_of(name); }

 private:
  const std::unique_ptr<LogDirectory> directory_;
  std::atomic<std::uint64_t>& syncs_;
};

Result<Unit> measure(const std::filesystem::path& folder, int threads, double seconds) {
  std::atomic<std::uint64_t> syncs = 0, commits = 0, failed = 0;
  PAIL_TRY(auto directory, open_log_directory(folder));
  const auto nothing = [](std::uint8_t, std::string_view) { return Result<Unit>(Unit{}); };
  PAIL_TRY(const auto opened, Journal::open(std::make_unique<CountedDirectory>(std::move(directory), syncs), nothing));
  Journal& journal = *opened.journal;
  const std::string payload(kPayload, 'p');
  const SteadyTime began = system_clock().steady();
  const SteadyTime until = began + std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
  syncs = 0;
  {
    std::vector<Thread> committers;
    for (int i = 0; i < threads; ++i)
      committers.emplace_back("commits", [&] {
        while (system_clock().steady() < until && failed == 0) {
          const auto sequence = journal.append(1, payload);
          if (!sequence || !journal.sync(*sequence)) ++failed;
          ++commits;
        }
      });
  }
  const double took = std::chrono::duration<double>(system_clock().steady() - began).count();
  fmt::print("{:2} threads: {:7.0f} commits/s, {:6.0f} flushes/s, {:.2f} ms a commit\n", threads,
             static_cast<double>(commits) / took, static_cast<double>(syncs) / took,
             took * threads / static_cast<double>(commits) * 1e3);
  if (failed > 0) return *journal.failure();
  return journal.compact(journal.mark(), {});
}

Result<Unit> run(const std::filesystem::path& folder, double seconds) {
  const std::filesystem::path mine = folder / "journal-bench";
  for (const int threads : {1, 64}) PAIL_CHECK(measure(mine, threads, seconds));
  std::filesystem::remove_all(mine);
  return Unit{};
}

}  // namespace
}  // namespace pail::local

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: {} DIRECTORY [SECONDS]\n", argv[0]);
    return 2;
  }
  const auto done = pail::local::run(argv[1], argc > 2 ? std::atof(argv[2]) : 3);
  if (!done) fmt::print(stderr, "{}\n", done.error().context);
  return done ? 0 : 1;
}
