#include "cos/version_copy.h"

#include <utility>

namespace pail::cos {
namespace {

constexpr Ability kAbility = Ability::copy_source_match;

void copy_unproven(ObjectStore& store, CopyRequest request, CallContext context, Completion<CopyResult> then) {
  store.copy_object(std::move(request), std::move(context), [then = std::move(then)](Result<CopyResult> copied) {
    if (copied) copied->version = CopiedVersion::unknown;
    then(std::move(copied));
  });
}

// Its failures are those of the copy, but for the one that is the proof.
void prove(ObjectStore& store, Dialect& dialect, CopyRequest request, CallContext context,
           Completion<CopyResult> then) {
  CopyRequest proof = request;
  proof.source_if_match = {std::string(kNobodysETag)};
  auto judge = [&store, &dialect, request = std::move(request), context,
                then = std::move(then)](Result<CopyResult> copied) {
    if (!copied && copied.error().fault == Fault::precondition) {
      dialect.proven_there(kAbility);
      return store.copy_object(request, context, then);
    }
    if (copied) {
      dialect.proven_missing(kAbility);
      copied->version = CopiedVersion::unknown;
    }
    then(std::move(copied));
  };
  store.copy_object(std::move(proof), std::move(context), std::move(judge));
}

}  // namespace

void copy_version(ObjectStore& store, Dialect& dialect, CopyRequest request, CallContext context,
                  Completion<CopyResult> then) {
  const Known known = dialect.known(kAbility);
  if (known == Known::there) return store.copy_object(std::move(request), std::move(context), std::move(then));
  // A refusal must not have another reason than the source.
  const Preconditions& target = request.conditions;
  const bool only_source = target.if_match.empty() && target.if_none_match.empty() && !target.if_absent;
  if (known == Known::unknown && only_source && request.source_if_match.is_of_parts())
    return prove(store, dialect, std::move(request), std::move(context), std::move(then));
  copy_unproven(store, std::move(request), std::move(context), std::move(then));
}

}  // namespace pail::cos
