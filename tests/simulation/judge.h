// Says whether what a mount answers, and what it makes of the bucket, is what it promises.
#pragma once

#include <memory>
#include <string>

#include "simulation/calls.h"
#include "simulation/model/checks.h"
#include "simulation/model/views.h"
#include "simulation/plan.h"
#include "simulation/world/effect.h"

namespace pail::simulation {

// One thread. Times never go back.
class Judge {
 public:
  virtual ~Judge() = default;

  // The kernel sent it. Asked again: nothing new.
  virtual void asked(const Call& call, SteadyTime now) = 0;
  // `around`: what went wrong since it was asked. `bucket` is the store at the moment of the answer.
  virtual Verdict answered(const Answer& answer, Around around, const BucketView& bucket, SteadyTime now) = 0;

  // The bucket changed, whoever did it.
  virtual Verdict changed(const Effect& effect) = 0;
  // The mount sent it to the store; and what came of such a request: where it broke off, `broken` is the errno.
  virtual void sent(const HttpRequest& request) = 0;
  virtual void delivered(const Asked& asked, const HttpAnswer& answer, int broken) = 0;
  // The mount got an answer of the store that says that the key has this ETag.
  virtual void told(const std::string& key, const std::string& etag) = 0;

  // The worker was killed and the next one goes on.
  virtual void resumed() = 0;
  // Worker and supervisor were killed, and a fresh mount begins. `bucket` is the store at that moment.
  virtual void remounted(const BucketView& bucket) = 0;
  // The mount was told to end, and did.
  virtual void unmounted(Around around, const BucketView& bucket) = 0;
  // Nothing is under way, nothing is open, and the store had its time.
  virtual Verdict settled(const BucketView& bucket, const KeptView& kept) = 0;

  // It is time to let everything end and call settled().
  virtual bool too_uncertain() const = 0;

  // Those of the model; where others act there are none.
  virtual CheckCounts counts() const { return {}; }
};

// Of a bucket that the mount has alone: the model. Else: the checker of what others may do.
std::unique_ptr<Judge> make_judge(const Plan& plan);

}  // namespace pail::simulation
