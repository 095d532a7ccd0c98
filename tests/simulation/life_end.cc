#include "simulation/life_end.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>

namespace pail::simulation {

std::optional<std::string> wrong_with(const LifeEnd& end) {
  const bool is_excused = end.disk_failed && end.told && end.told->how == Ended::How::cannot_begin;
  if (end.told && end.told->how != Ended::How::in_order && !is_excused) return end.told->text;
  const bool told_its_end = end.told && WIFEXITED(end.status) && WEXITSTATUS(end.status) == 0;
  const bool killed_itself = end.may_die && WIFSIGNALED(end.status) && WTERMSIG(end.status) == SIGKILL;
  if (told_its_end || killed_itself) return std::nullopt;
  return fmt::format("the process ended by itself, status {:x}", end.status);
}

}  // namespace pail::simulation
