// Messages for whoever started the program.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>
#include <utility>

namespace pail::cli {

// Writes text to standard error. Where nobody can read it (a closed pipe, a full disk) it is lost and nothing else
// happens; fmt::print() would throw.
inline void print_error(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

// Writes a line "pailfs: ..." to standard error.
template <class... T>
void say(fmt::format_string<T...> format, T&&... values) {
  print_error("pailfs: " + fmt::format(format, std::forward<T>(values)...) + "\n");
}

// Writes text to standard output. Returns whether it arrived: what was asked for has to.
inline bool print_out(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

}  // namespace pail::cli
