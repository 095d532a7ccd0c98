// Several functions as one, for std::visit().
//
//   std::visit(Overloaded{[](int number) { ... }, [](const std::string& text) { ... }}, value);
#pragma once

namespace pail {

template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

}  // namespace pail
