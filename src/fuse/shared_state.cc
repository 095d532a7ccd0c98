#include "fuse/shared_state.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "base/file.h"

namespace pail::fuse {
namespace {

Result<SharedState*> map_state(int memory) {
  void* at = mmap(nullptr, sizeof(SharedState), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  if (at == MAP_FAILED) return errno_error(errno, "map the memory shared by supervisor and worker");
  return static_cast<SharedState*>(at);
}

}  // namespace

Result<SharedMemory> SharedMemory::create() {
  UniqueFd memory(memfd_create("pailfs-mount", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.valid() || ftruncate(memory.get(), sizeof(SharedState)) != 0)
    return errno_error(errno, "make the memory shared by supervisor and worker");
  fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);  // a cut file would be SIGBUS in both
  PAIL_TRY(SharedState * state, map_state(memory.get()));
  state->size = sizeof(SharedState);
  return SharedMemory(std::move(memory), state);
}

Result<SharedMemory> SharedMemory::map(UniqueFd memory) {
  struct stat file {};
  if (fstat(memory.get(), &file) != 0) return errno_error(errno, "memory shared by supervisor and worker");
  if (file.st_size != static_cast<off_t>(sizeof(SharedState)))
    return Error{EPROTO, "supervisor and worker are of different builds"};
  PAIL_TRY(SharedState * state, map_state(memory.get()));
  return SharedMemory(std::move(memory), state);
}

SharedMemory::SharedMemory(SharedMemory&& other) noexcept
    : memory_(std::move(other.memory_)), state_(std::exchange(other.state_, nullptr)) {}

SharedMemory& SharedMemory::operator=(SharedMemory&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(state_, other.state_);
  return *this;
}

SharedMemory::~SharedMemory() {
  if (state_ != nullptr) munmap(state_, sizeof(SharedState));
}

Result<UniqueFd> sealed_memory(std::string_view bytes) {
  UniqueFd memory(memfd_create("pailfs-secrets", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory.valid()) return errno_error(errno, "make memory for secrets");
  PAIL_CHECK(write_at(memory.get(), {}, std::as_bytes(std::span(bytes))));
  if (fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0)
    return errno_error(errno, "seal the memory for secrets");
  return memory;
}

}  // namespace pail::fuse
