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
  UnprovenCopy(ObjectStore& store, Dialect& dialect, CopyRequest request, CallContext context,
               Completion<CopyResult> then)
      : store_(store),
        dialect_(dialect),
        request_(std::move(request)),
        context_(std::move(context)),
        then_(std::move(then)) {}

  void begin() {
    if (may_prove() && request_.source_if_match.is_of_parts()) return prove({});
    store_.copy_object(request_, context_, [self = shared_from_this()](Result<CopyResult> copied) {
      if (!copied) return self->then_(std::move(copied));
      if (copied->etag == self->request_.source_if_match) return self->end(*std::move(copied), CopiedVersion::unknown);
      self->may_prove() ? self->prove(*std::move(copied)) : self->judge(*std::move(copied));
    });
  }

 private:
  // A refusal must not have another reason than the source.
  bool may_prove() const {
    const Preconditions& target = request_.conditions;
    const bool only_source = target.if_match.empty() && target.if_none_match.empty() && !target.if_absent;
    return dialect_.known(kAbility) == Known::unknown && only_source && !request_.source_if_match.empty();
  }

  // `made`: the copy, where it was sent before the proof.
  void prove(std::optional<CopyResult> made) {
    CopyRequest proof = request_;
    proof.source_if_match = {std::string(kNobodysETag)};
    store_.copy_object(std::move(proof), context_,
                       [self = shared_from_this(), made = std::move(made)](Result<CopyResult> copied) {
                         self->proven(std::move(copied), made);
                       });
  }

  void proven(Result<CopyResult> of_proof, const std::optional<CopyResult>& made) {
    if (of_proof) {
      dialect_.proven_missing(kAbility);
      return judge(*std::move(of_proof));
    }
    if (of_proof.error().fault != Fault::precondition) {
      of_proof.error().may_have_happened |= made.has_value();
      return then_(std::move(of_proof));
    }
    dialect_.proven_there(kAbility);
    made ? judge(*made) : store_.copy_object(request_, context_, then_);
  }

  // A copy that was sent with the condition asked for, or as a proof that the store ignores it.
  void judge(CopyResult made) {
    const bool conditional = !request_.source_if_match.empty();
    if (conditional && dialect_.known(kAbility) == Known::there) return end(std::move(made), CopiedVersion::asked_for);
    if (!conditional || request_.source_key == request_.key || !request_.source_bucket.empty())
      return end(std::move(made), CopiedVersion::unknown);
    store_.head_object(request_.source_key, context_,
                       [self = shared_from_this(), made = std::move(made)](const Result<ObjectInfo>& info) {
                         const bool same = info && self->was_there_before(*info, made);
                         self->end(made, same ? CopiedVersion::asked_for : CopiedVersion::unknown);
                       });
  }

  // The version asked for lies there, and lay there before the copy was made: nobody has put it back since.
  bool was_there_before(const ObjectInfo& info, const CopyResult& made) const {
    const auto copied = std::chrono::floor<std::chrono::seconds>(made.last_modified);  // as of `info`
    return info.etag == request_.source_if_match && info.last_modified < copied;
  }

  void end(CopyResult made, CopiedVersion version) {
    made.version = version;
    then_(std::move(made));
  }

  ObjectStore& store_;
  Dialect& dialect_;
  const CopyRequest request_;
  const CallContext context_;
  const Completion<CopyResult> then_;
};

}  // namespace

void copy_version(ObjectStore& store, Dialect& dialect, CopyRequest request, CallContext context,
                  Completion<CopyResult> then) {
  if (dialect.known(kAbility) == Known::there)
    return store.copy_object(std::move(request), std::move(context), std::move(then));
  std::make_shared<UnprovenCopy>(store, dialect, std::move(request), std::move(context), std::move(then))->begin();
}

}  // namespace pail::cos
