// Other clients of the bucket: S3 tools that write, delete, copy and list under the names that the programs use.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "simulation/kernel/programs.h"
#include "simulation/seeded_random.h"
#include "simulation/world/world.h"

namespace pail::simulation::others {

// What they do depends on the seed, the times, and what the bucket has when they begin it. One thread.
class Clients {
 public:
  // `programs`: whose names they use. `world` outlives them.
  Clients(std::uint64_t seed, unsigned count, const Programs::Settings& programs, World& world, SteadyTime now);

  // When one of them begins something; max(): there are none.
  SteadyTime next() const;
  // Begins what is due: the world carries it out.
  void begin(SteadyTime now);
  // The mount sent this request: now and then somebody changes meanwhile, or soon after it, what it is about.
  void mount_sent(const HttpRequest& request, SteadyTime now);

 private:
  void act(unsigned client, const std::string& key, SteadyTime at);
  OtherAction draw(const std::string& key);
  OtherWrite write(const std::string& key);
  std::string directory();
  std::string file();
  std::string name();

  const std::uint64_t seed_;
  const Programs::Settings programs_;
  World& world_;
  Random random_;
  std::vector<SteadyTime> next_;  // of each client
  std::uint64_t writes_ = 0;
};

}  // namespace pail::simulation::others
