// What a mount may answer, and what must be in the bucket then: docs/semantics.md for one mount of a bucket that nobody
// else touches and that was empty in the beginning, in executable form.
//
// Calls take effect at one moment between question and answer; those that overlap do so in any order. The model keeps
// every state of the file system that the answers so far allow (a configuration), and each answer drops those that it
// contradicts. When none is left, that is a violation. What a failure leaves open is kept open until a later answer
// decides. Only reads are not of one moment: each byte is what it was at any time since the question, and what a write
// replaces may be seen until the write is answered, or until the new byte was seen.
//
// Not checked:
// - times of last change that were not set, access times, times of directories, owners in answers, link counts, statfs,
// xattrs;
// - that what is written stays out of the bucket until close() or fsync();
// - that a file that stays empty is stored within 100 ms of an early close(): only that its last close() does it;
// - attributes in a listing of what was changed while its page was made, ".." in it, and whole streams whose offsets
//   are not those of its answers;
// - unlinked inodes without an open file, beyond their numbers: they may be gone or answer as before;
// - ESTALE at an open without O_TRUNC of what was not shown since the worker changed, or shown at most once since it
// was
//   forgotten (which has no answer, so a look-up may overtake it): allowed, the kernel looks it up again and opens it
//   then;
// - that a byte in doubt after a write that failed with EIO stays what was read once;
// - which of the names that one failed rename of a tree may have copied or removed go together;
// - that there are no more kept files than there must be, nor what describes them;
// - open uploads; what lies under a key that an abandoned request changed, until that is known again.
//
// A value's worth of state, one thread. Deterministic.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "simulation/model/checks.h"
#include "simulation/model/configuration.h"
#include "simulation/model/views.h"

namespace pail::simulation {

class Model {
 public:
  struct Settings {
    std::chrono::nanoseconds ttl{
        std::chrono::seconds(30)};  // the longest that the kernel may be told to trust an answer
    std::uint32_t root_permissions = 0755;
    std::size_t most_configurations = 4096;
  };

  explicit Model(Settings settings);

  // The kernel sent it. Asked again: nothing new.
  void asked(const Call& call);
  // `around`: what went wrong since it was asked. `bucket` is the store at the moment of the answer.
  Verdict answered(const Answer& answer, Around around, const BucketView& bucket);

  // The worker was killed and the next one goes on: nothing is lost, and the calls under way are asked again.
  void resumed();
  // Worker and supervisor were killed, and a fresh mount begins: what was under way may have happened, in part even;
  // what was not stored is gone from view and kept. `bucket` is the store at that moment.
  void remounted(const BucketView& bucket);
  // The mount was told to end, which stores what is pending, and a fresh one begins. `around`: what went wrong in that.
  void unmounted(Around around, const BucketView& bucket);
  // A request of the mount took effect that nobody waited for any more, because its caller had given up or its life had
  // ended: what the mount shows under the key is not judged until it is removed, stored or shown as the bucket has it.
  // `made`: the bytes of the object that it put there; none: it put none.
  void abandoned(const std::string& key, const std::optional<std::string>& made = {});
  // Nothing is under way, nothing is open, and the store had its time: the bucket must be exactly this.
  Verdict settled(const BucketView& bucket, const KeptView& kept);

  // So many states are possible that it is time to let everything end and call settled().
  bool too_uncertain() const { return configurations_.size() > settings_.most_configurations; }
  std::size_t configurations() const { return configurations_.size(); }
  const CheckCounts& counts() const { return counts_; }

 private:
  using Configurations = std::vector<model::Configuration>;
  // What was wrong in the configurations that an answer contradicts, each reason once.
  using Reasons = std::set<std::string>;

  void begin(model::State& state, const Call& call) const;
  Configurations excused(const model::CallPtr& call, const Answer& answer, Around around);
  Configurations accepted(const model::CallPtr& call, const Answer& answer, Around around, const BucketView& bucket,
                          Reasons& reasons);
  Configurations as_long_as(Configurations done, const model::CallPtr& call, std::uint64_t size,
                            bool disk_failed) const;
  Configurations with_short_writes(const Call& call, const Answer& answer) const;
  void note_numbers(const Answer& answer);
  Violation contradicted(const model::CallPtr& call, const Answer& answer, const Reasons& reasons) const;
  void begin_anew(const BucketView& bucket);

  model::State::Growth growth_of(const model::CallPtr& call, Around around) const;

  const Settings settings_;
  Configurations configurations_;
  model::PendingCalls pending_;
  model::SeenNumbers seen_;
  CheckCounts counts_;
  std::set<std::uint64_t> asked_again_;  // of those under way, by a worker after the first
  std::uint64_t abandoned_ = 0;          // requests so far
};

}  // namespace pail::simulation
