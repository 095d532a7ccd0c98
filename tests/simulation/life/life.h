// One life of a mount: the process that serves it until it is killed or unmounted.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "fuse/shared_state.h"
#include "schedule/scheduler.h"
#include "simulation/life/disk_trouble.h"
#include "simulation/messages.h"
#include "vfs/filesystem.h"

namespace pail::simulation {

struct LifeSettings {
  // For uploads after the mount was told to end, all together.
  static constexpr std::chrono::milliseconds kStopTimeout = std::chrono::minutes(1);

  schedule::Settings schedule;
  DiskTrouble disk;
  vfs::Start start = vfs::Start::fresh;
  std::filesystem::path directory;  // of its state and cache
  std::string url, bucket;
  std::chrono::nanoseconds metadata_ttl{std::chrono::seconds(30)};
  std::uint64_t part_size = 16 << 20;
  std::uint64_t cache_size = std::uint64_t{10} << 30;

  // May be removed between two mounts; nothing is lost with it.
  static std::filesystem::path cache_of(const std::filesystem::path& directory) { return directory / "cache"; }
};

// In a process of its own, with one thread. `state` is what outlives it. Ends the process.
[[noreturn]] void live(const LifeSettings& settings, int from_parent, int to_parent, fuse::SharedState& state);

}  // namespace pail::simulation
