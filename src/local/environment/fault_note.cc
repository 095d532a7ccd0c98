#include "local/environment/fault_note.h"

#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

namespace pail::local {
namespace {

struct Slot {
  std::atomic<std::uintptr_t> end{0};  // 0: free, or not complete yet; set last and cleared first
  std::atomic<std::uintptr_t> begin{0};
  std::atomic<int> file{-1};
  std::atomic<const char*> text{nullptr};
  std::atomic<std::size_t> size{0};
  std::atomic<bool> taken{false};
};

std::array<Slot, 16> slots;
struct sigaction former_bus, former_segv;

// Only what a signal handler may do. The fault comes again when it returns, and meets the former handler.
void on_fault(int signal, siginfo_t* info, void*) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  for (const Slot& slot : slots) {
    if (address >= slot.end || address < slot.begin) continue;
    if (::pwrite(slot.file, slot.text, slot.size, 0) > 0) ::fdatasync(slot.file);
  }
  ::sigaction(signal, signal == SIGBUS ? &former_bus : &former_segv, nullptr);
}

void install_once() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    ::sigaction(SIGBUS, &action, &former_bus);
    ::sigaction(SIGSEGV, &action, &former_segv);
  });
}

}  // namespace

FaultNote::FaultNote(std::span<const std::byte> map, int file, std::string text) : text_(std::move(text)), slot_(0) {
  install_once();
  while (slot_ < slots.size() && slots[slot_].taken.exchange(true)) ++slot_;
  if (slot_ == slots.size()) return;
  Slot& slot = slots[slot_];
  slot.file = file;
  slot.text = text_.data();
  slot.size = text_.size();
  slot.begin = reinterpret_cast<std::uintptr_t>(map.data());
  slot.end = slot.begin + map.size();
}

FaultNote::~FaultNote() {
  if (slot_ == slots.size()) return;
  slots[slot_].end = 0;
  slots[slot_].taken = false;
}

}  // namespace pail::local
