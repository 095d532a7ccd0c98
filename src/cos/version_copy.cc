#include "cos/version_copy.h"

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

namespace pail::cos {
namespace {

constexpr Ability kAbility = Ability::copy_source_match;

// On a store whose word on the version is not proven. Its requests run one after the other.
class UnprovenCopy : public std::enable_shared_from_this<UnprovenCopy> {
 public:
  explicit UnprovenCopy(CopyCall call) : call_(std::move(call)) {}

  void begin() {
    if (may_prove() && call_.request.source_if_match.is_of_parts()) return prove({});
    call_.store.copy_object(call_.request, call_.context, [self = shared_from_this()](Result<CopyResult> copied) {
      if (!copied) return self->call_.then(std::move(copied));
      if (copied->etag == self->call_.request.source_if_match)
        return self->end(*std::move(copied), CopiedVersion::unknown);
      self->may_prove() ? self->prove(*std::move(copied)) : self->judge(*std::move(copied));
    });
  }

 private:
  // A refusal must not have another reason than the source.
  bool may_prove() const {
    const Preconditions& target = call_.request.conditions;
    const bool only_source = target.if_match.empty() && target.if_none_match.empty() && !target.if_absent;
    return call_.dialect.known(kAbility) == Known::unknown && only_source && !call_.request.source_if_match.empty();
  }

  // `made`: the copy, where it was sent before the proof.
  void prove(std::optional<CopyResult> made) {
    CopyRequest proof = call_.request;
    proof.source_if_match = {std::string(kNobodysETag)};
    call_.store.copy_object(std::move(proof), call_.context,
                            [self = shared_from_this(), made = std::move(made)](Result<CopyResult> copied) {
                              self->proven(std::move(copied), made);
                            });
  }

  void proven(Result<CopyResult> of_proof, const std::optional<CopyResult>& made) {
    if (of_proof) {
      call_.dialect.proven_missing(kAbility);
      return judge(*std::move(of_proof));
    }
    if (of_proof.error().fault != Fault::precondition) {
      of_proof.error().may_have_happened |= made.has_value();
      return call_.then(std::move(of_proof));
    }
    call_.dialect.proven_there(kAbility);
    made ? judge(*made) : call_.store.copy_object(call_.request, call_.context, call_.then);
  }

  // A copy that was sent with the condition asked for, or as a proof that the store ignores it.
  void judge(CopyResult made) {
    const bool conditional = !call_.request.source_if_match.empty();
    if (conditional && call_.dialect.known(kAbility) == Known::there)
      return end(std::move(made), CopiedVersion::asked_for);
    if (!conditional || call_.request.source_key == call_.request.key || !call_.request.source_bucket.empty())
      return end(std::move(made), CopiedVersion::unknown);
    call_.store.head_object(call_.request.source_key, call_.context,
                            [self = shared_from_this(), made = std::move(made)](const Result<ObjectInfo>& info) {
                              const bool same = info && self->was_there_before(*info, made);
                              self->end(made, same ? CopiedVersion::asked_for : CopiedVersion::unknown);
                            });
  }

  // The version asked for lies there, and lay there before the copy was made: nobody has put it back since.
  bool was_there_before(const ObjectInfo& info, const CopyResult& made) const {
    const auto copied = std::chrono::floor<std::chrono::seconds>(made.last_modified);  // as of `info`
    return info.etag == call_.request.source_if_match && info.last_modified < copied;
  }

  void end(CopyResult made, CopiedVersion version) {
    made.version = version;
    call_.then(std::move(made));
  }

  const CopyCall call_;
};

}  // namespace

void copy_version(CopyCall call) {
  if (call.dialect.known(kAbility) == Known::there)
    return call.store.copy_object(std::move(call.request), std::move(call.context), std::move(call.then));
  std::make_shared<UnprovenCopy>(std::move(call))->begin();
}

}  // namespace pail::cos
