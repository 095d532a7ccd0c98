#include "simulation/model/questions.h"

#include <type_traits>

namespace pail::simulation::model {
namespace {

template <class T>
constexpr bool kNamesAPlace = requires(const T& question) {
  question.parent;
};
template <class T>
constexpr bool kNamesAnInode = requires(const T& question) {
  question.number;
};

}  // namespace

std::vector<Place> places_of(const Question& question) {
  return std::visit(
      [](const auto& asked) -> std::vector<Place> {
        using T = std::decay_t<decltype(asked)>;
        if constexpr (std::is_same_v<T, Rename>)
          return {{asked.parent, asked.name}, {asked.new_parent, asked.new_name}};
        else if constexpr (kNamesAPlace<T>)
          return {{asked.parent, asked.name}};
        else
          return {};
      },
      question);
}

InodeNumber number_of(const Question& question) {
  return std::visit(
      [](const auto& asked) -> InodeNumber {
        if constexpr (kNamesAnInode<std::decay_t<decltype(asked)>>)
          return asked.number;
        else
          return 0;
      },
      question);
}

bool changes_names(const Question& question) {
  return is_one_of<MakeDirectory, MakeSymlink, Create, Unlink, RemoveDirectory, Rename>(question);
}

}  // namespace pail::simulation::model
