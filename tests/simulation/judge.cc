#include "simulation/judge.h"

#include "simulation/model/model.h"
#include "simulation/others/checker.h"

namespace pail::simulation {
namespace {

Model::Settings model_settings(const Plan& plan) {
  Model::Settings settings;
  settings.ttl = plan.ttl;
  return settings;
}

class Alone final : public Judge {
 public:
  explicit Alone(const Plan& plan) : model_(model_settings(plan)) {}

  void asked(const Call& call, SteadyTime) override { model_.asked(call); }
  Verdict answered(const Answer& answer, Around around, const BucketView& bucket, SteadyTime) override {
    return model_.answered(answer, around, bucket);
  }
  Verdict changed(const Effect& effect) override {
    std::optional<std::string> made;
    if (effect.after) made = effect.after->content.bytes();
    if (effect.abandoned) model_.abandoned(effect.key, made);
    return {};
  }
  void sent(const HttpRequest&) override {}
  void delivered(const Asked&, const HttpAnswer&, int) override {}
  void told(const std::string&, const std::string&) override {}
  void resumed() override { model_.resumed(); }
  void remounted(const BucketView& bucket) override { model_.remounted(bucket); }
  void unmounted(Around around, const BucketView& bucket) override { model_.unmounted(around, bucket); }
  Verdict settled(const BucketView& bucket, const KeptView& kept) override { return model_.settled(bucket, kept); }
  bool too_uncertain() const override { return model_.too_uncertain(); }
  CheckCounts counts() const override { return model_.counts(); }

 private:
  Model model_;
};

}  // namespace

std::unique_ptr<Judge> make_judge(const Plan& plan) {
  if (plan.others > 0) return std::make_unique<others::Checker>(plan.ttl);
  return std::make_unique<Alone>(plan);
}

}  // namespace pail::simulation
