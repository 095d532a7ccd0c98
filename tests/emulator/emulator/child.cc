#include "child.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "base/unique_fd.h"

namespace pail::emulator {
namespace {

std::string first_line(int fd) {
  std::string line;
  for (char c = 0; ::read(fd, &c, 1) == 1 && c != '\n';) line += c;
  return line;
}

}  // namespace

Child::Child(const std::filesystem::path& directory, std::vector<std::string> more,
             const std::function<int()>& prepare) {
  std::vector<std::string> words = {EMULATOR_SERVER, directory.string(), "--bucket", "bucket"};
  words.insert(words.end(), more.begin(), more.end());
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::dup2(ends[1], STDOUT_FILENO);
    if (const int status = prepare(); status != 0) ::_exit(status);
    ::execv(EMULATOR_SERVER, arguments.data());
    ::_exit(127);
  }
  ::close(ends[1]);
  const UniqueFd out(ends[0]);
  const std::string line = first_line(out.get());
  const std::size_t at = line.find("127.0.0.1:");
  if (at != std::string::npos) port_ = static_cast<std::uint16_t>(std::stoi(line.substr(at + 10)));
}

void Child::kill_at_once() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

std::size_t Child::resident_bytes() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/statm");
  std::size_t total = 0, resident = 0;
  file >> total >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace pail::emulator
