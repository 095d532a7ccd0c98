// Where a redirect may be followed to: the same resource of the same store, nowhere else.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pail::cos {

// A store that sends on and on is followed this often.
inline constexpr unsigned kMostRedirects = 3;

// The URL to send a request to that was sent to `asked` and redirected to `location`. None when
// that is another resource, the same URL again, or a place that our signature must not go to: a
// host that does not belong to the store at `endpoint`, another port of it, or http where we asked
// by https. All are absolute URLs; `location` is untrusted.
std::optional<std::string> redirect_target(std::string_view asked, std::string_view location,
                                           std::string_view endpoint);

}  // namespace pail::cos
