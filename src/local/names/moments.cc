#include "local/names/moments.h"

namespace pail::local {
namespace {

// The limit is ahead by this, so that it is written once a minute at most.
constexpr std::chrono::minutes kAhead(1);

}  // namespace

void Moments::begin(WriteTransaction& records) {
  const auto last = records.moment_anchor();
  anchor_ = last && is_of_this_run(*last) ? *last : begin_anew(last);
  limit_ = limit_to_come_ = anchor_.limit;
  trusted_from_ = anchor_.trusted_from;
  records.put_moment_anchor(anchor_);
}

WallTime Moments::of_question() {
  WallTime last = last_question_, moment;
  do {
    moment = std::max(by_the_clock(), last + std::chrono::nanoseconds(1));
  } while (!last_question_.compare_exchange_weak(last, moment));
  return moment;
}

bool Moments::is_of_this_run(const MomentAnchor& last) const {
  return !last.boot_id.empty() && last.boot_id == clock_.boot_id() && clock_.boot() >= last.boot;
}

MomentAnchor Moments::begin_anew(const std::optional<MomentAnchor>& last) const {
  const WallTime wall = clock_.wall();
  MomentAnchor anchor{clock_.boot_id(), clock_.boot(), wall, wall, wall};
  if (!last) return anchor;
  anchor.trusted_from = last->trusted_from;
  if (wall >= last->limit) return anchor;
  anchor.moment = anchor.trusted_from = anchor.limit = last->limit;
  return anchor;
}

void Moments::note(WriteTransaction& records) {
  limit_to_come_ = limit_;
  const WallTime moment = now();
  if (moment < limit_) return;
  limit_to_come_ = moment + kAhead;
  put(records, limit_to_come_);
}

void Moments::distrust(WriteTransaction& records) {
  trusted_from_ = now();
  put(records, limit_);
}

void Moments::put(WriteTransaction& records, WallTime limit) const {
  MomentAnchor anchor = anchor_;
  anchor.trusted_from = trusted_from_;
  anchor.limit = limit;
  records.put_moment_anchor(anchor);
}

void Moments::committed() {
  limit_ = limit_to_come_;
}

}  // namespace pail::local
