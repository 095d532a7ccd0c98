// Numbers that nobody can guess, and that no two processes share.
#pragma once

#include <cstddef>
#include <span>

namespace pail {

// Fills all of `out` from the machine's source. Thread-safe.
void fill_random(std::span<std::byte> out);

template <class Number>
Number random_number() {
  Number number{};
  fill_random(std::as_writable_bytes(std::span(&number, 1)));
  return number;
}

}  // namespace pail
