// The status line and headers of an answer as HTTP/1.1 writes them.
#pragma once

#include <string>

#include "emulator/request.h"

namespace pail::emulator {

enum class Connection { keep_alive, close };
std::string head_of(const Response& response, Connection connection);

}  // namespace pail::emulator
