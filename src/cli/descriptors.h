// The descriptors that a program is started with.
#pragma once

#include <span>

namespace pail::cli {

// Opens what is missing of standard input, output and error on /dev/null. Without that the next file
// that is opened, such as a database, would take the number, and messages would be written into it.
// First thing in main().
void open_missing_standard_descriptors();

// Closes all descriptors above standard error but those in `ours`. What the caller had open, such as a
// lock, would otherwise stay open for as long as a process in the background lives. One thread only.
void close_descriptors_but(std::span<const int> ours);

}  // namespace pail::cli
