// Four threads change names, contents, attributes and trees at random, each in a directory of its own; a plain tree in
// memory says what each call must answer and what must be there in the end. Of one mount, and of two of one bucket.
//
// PAILFS_SEED= throws the same dice again; PAILFS_OPERATIONS= makes it longer.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "../temporary_directory.h"
#include "base/promise.h"
#include "base/thread.h"
#include "fake_store/fake_store.h"
#include "vfs/filesystem.h"

namespace pail::vfs {
namespace {

std::uint64_t number_of(const char* variable, std::uint64_t fallback) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : fallback;
}

// ---- the plain tree ----

struct Node {
  bool directory = false;
  std::string content;
  std::uint32_t permissions = 0;
  std::map<std::string, std::unique_ptr<Node>> children;
};

using Path = std::vector<std::string>;

std::string text_of(const Path& path) {
  std::string text;
  for (const std::string& name : path) text += (text.empty() ? "" : "/") + name;
  return text;
}

class Model {
 public:
  Model() { root_.directory = true; }

  Node* find(const Path& path) {
    Node* node = &root_;
    for (const std::string& name : path) {
      const auto child = node->children.find(name);
      if (child == node->children.end()) return nullptr;
      node = child->second.get();
    }
    return node;
  }
  // The directory that a path lies in; null where that is not there, or is a file.
  Node* parent(Path path) {
    path.pop_back();
    Node* node = find(path);
    return node != nullptr && node->directory ? node : nullptr;
  }

  int write(const Path& path, std::string content) {
    Node* parent = this->parent(path);
    if (parent == nullptr) return ENOENT;
    auto& node = parent->children[path.back()];
    if (node && node->directory) return EEXIST;
    if (!node) {
      node = std::make_unique<Node>();
      node->permissions = 0640;
    }
    node->content = std::move(content);
    return 0;
  }
  int mkdir(const Path& path) {
    Node* parent = this->parent(path);
    if (parent == nullptr) return ENOENT;
    auto& node = parent->children[path.back()];
    if (node) return EEXIST;
    node = std::make_unique<Node>();
    node->directory = true;
    node->permissions = 0750;
    return 0;
  }
  int unlink(const Path& path) {
    const Node* node = find(path);
    if (node == nullptr) return ENOENT;
    if (node->directory) return EISDIR;
    parent(path)->children.erase(path.back());
    return 0;
  }
  int rmdir(const Path& path) {
    const Node* node = find(path);
    if (node == nullptr) return ENOENT;
    if (!node->directory) return ENOTDIR;
    if (!node->children.empty()) return ENOTEMPTY;
    parent(path)->children.erase(path.back());
    return 0;
  }
  int rename(const Path& from, const Path& to) {
    Node* source = find(from);
    Node* into = parent(to);
    if (source == nullptr || into == nullptr) return ENOENT;
    if (from == to) return 0;
    const Node* target = find(to);
    if (target != nullptr && target->directory && !source->directory) return EISDIR;
    if (target != nullptr && !target->directory && source->directory) return ENOTDIR;
    if (target != nullptr && !target->children.empty()) return ENOTEMPTY;
    auto& old_place = parent(from)->children;
    auto moved = std::move(old_place.extract(from.back()).mapped());
    into->children[to.back()] = std::move(moved);
    return 0;
  }

 private:
  Node root_;
};

// A call that the kernel would not pass on, or would answer itself.
bool goes_into_itself(const Path& from, const Path& to) {
  const auto begins_with = [](const Path& path, const Path& other) {
    return path.size() > other.size() && std::equal(other.begin(), other.end(), path.begin());
  };
  return begins_with(to, from) || begins_with(from, to);
}

// ---- a mount ----

class Mount {
 public:
  Mount(const std::filesystem::path& directory, std::shared_ptr<cos::ObjectStore> store, std::chrono::nanoseconds ttl) {
    Options options(system_clock());
    options.bucket = "demo";
    options.state_directory = directory / "state";
    options.cache_directory = directory / "cache";
    options.metadata_ttl = ttl;
    options.parallel = 4;
    auto opened = FileSystem::open(options, std::move(store), opens_, Start::fresh);
    EXPECT_TRUE(opened) << opened.error().context;
    if (opened) fs_ = *std::move(opened);
  }

  InodeNumber look(const Path& path) {
    InodeNumber number = kRootInode;
    for (const std::string& name : path) {
      const auto entry = fs_->lookup({}, number, name);
      if (!entry) return 0;
      number = entry->attributes.number;
    }
    return number;
  }
  int write(const Path& path, const std::string& content) {
    const InodeNumber parent = parent_of(path);
    if (parent == 0) return ENOENT;
    const auto made = fs_->create({}, parent, path.back(), 0640, O_CREAT | O_TRUNC | O_WRONLY);
    if (!made) return made.error().errnum;
    const InodeNumber number = made->first.attributes.number;
    opens_->add(number);
    int failed = errnum_of(fs_->write({}, number, made->second.handle, {}, std::as_bytes(std::span(content))));
    const int closed = errnum_of(fs_->flush({}, number, made->second.handle));
    opens_->remove(number);
    fs_->release({}, number, made->second.handle);
    return failed != 0 ? failed : closed;
  }
  std::string read(const Path& path) {
    const InodeNumber number = look(path);
    if (number == 0) return "<none>";
    const auto opened = fs_->open_file({}, number, O_RDONLY);
    if (!opened) return "<" + opened.error().context + ">";
    opens_->add(number);
    const Promise<std::string> answer;
    fs_->read({}, number, opened->handle, {}, {1 << 16}, [answer](Result<ReadData> data) {
      std::string content = data ? "" : "<" + data.error().context + ">";
      if (data)
        for (const auto part : data->pieces) content.append(reinterpret_cast<const char*>(part.data()), part.size());
      answer.set(std::move(content));
    });
    std::string content = answer.wait();
    opens_->remove(number);
    fs_->release({}, number, opened->handle);
    return content;
  }
  int mkdir(const Path& path) {
    return in_parent(path, [&](InodeNumber parent) { return fs_->mkdir({}, parent, path.back(), 0750); });
  }
  int unlink(const Path& path) {
    return in_parent(path, [&](InodeNumber parent) { return fs_->unlink({}, parent, path.back()); });
  }
  int rmdir(const Path& path) {
    return in_parent(path, [&](InodeNumber parent) { return fs_->rmdir({}, parent, path.back()); });
  }
  int rename(const Path& from, const Path& to) {
    const InodeNumber old_parent = parent_of(from), new_parent = parent_of(to);
    if (old_parent == 0 || new_parent == 0) return ENOENT;
    return errnum_of(fs_->rename({}, old_parent, from.back(), new_parent, to.back(), RenameMode::replace));
  }
  int chmod(const Path& path, std::uint32_t permissions) {
    const InodeNumber number = look(path);
    if (number == 0) return ENOENT;
    AttributeChange change;
    change.permissions = permissions;
    return errnum_of(fs_->setattr({}, number, change));
  }
  std::optional<Attributes> attributes(const Path& path) {
    const InodeNumber number = look(path);
    const auto entry = number != 0 ? fs_->getattr({}, number) : Result<Entry>(Error{ENOENT, ""});
    return entry ? std::optional(entry->attributes) : std::nullopt;
  }
  std::vector<std::string> names(const Path& path) {
    std::vector<std::string> names;
    const InodeNumber number = look(path);
    for (std::uint64_t offset = 0;;) {
      const auto entries = fs_->read_directory({}, number, offset, 100, WithAttributes::no);
      EXPECT_TRUE(entries) << text_of(path) << ": " << entries.error().context;
      if (!entries || entries->empty()) break;
      for (const auto& entry : *entries)
        if (entry.name != "." && entry.name != "..") names.push_back(entry.name);
      offset = entries->back().next_offset;
    }
    std::ranges::sort(names);
    return names;
  }

 private:
  InodeNumber parent_of(Path path) {
    path.pop_back();
    const InodeNumber number = look(path);
    const auto entry = number != 0 ? fs_->getattr({}, number) : Result<Entry>(Error{ENOENT, ""});
    return entry && entry->attributes.type == FileType::directory ? number : 0;
  }
  template <class Call>
  int in_parent(const Path& path, Call call) {
    const InodeNumber parent = parent_of(path);
    return parent == 0 ? ENOENT : errnum_of(call(parent));
  }

  const std::shared_ptr<OpenTable> opens_ = make_local_open_table();
  std::unique_ptr<FileSystem> fs_;
};

// ---- random histories ----

// One thread's history in a directory of its own.
class History {
 public:
  History(Mount& mount, std::string home, std::uint64_t seed) : mount_(mount), home_{std::move(home)}, random_(seed) {
    expect("mkdir", {}, mount_.mkdir(home_), model_.mkdir(home_));
  }

  void run(std::uint64_t operations) {
    for (; operations > 0 && !::testing::Test::HasFailure(); --operations) step();
  }
  // The whole tree as another mount, or the same one, shows it.
  void check(Mount& seen) { check(seen, home_, *model_.find(home_)); }

 private:
  Path some_path() {
    Path path = home_;
    for (std::size_t depth = 1 + random_() % 3; depth > 0; --depth) path.push_back(std::string(1, 'a' + random_() % 4));
    return path;
  }
  std::string some_content() { return std::string(random_() % 2000, 'a' + random_() % 26); }

  void step() {
    const Path path = some_path(), other = some_path();
    switch (random_() % 10) {
      case 0:
      case 1:
      case 2: {
        const std::string content = some_content();
        return expect("write", path, mount_.write(path, content), model_.write(path, content));
      }
      case 3:
        return expect("mkdir", path, mount_.mkdir(path), model_.mkdir(path));
      case 4:
        return expect("unlink", path, mount_.unlink(path), model_.unlink(path));
      case 5:
        return expect("rmdir", path, mount_.rmdir(path), model_.rmdir(path));
      case 6:
        if (goes_into_itself(path, other)) return;
        return expect("rename to " + text_of(other), path, mount_.rename(path, other), model_.rename(path, other));
      case 7:
        return change_permissions(path);
      default:
        return look_at(mount_, path, model_.find(path));
    }
  }

  void change_permissions(const Path& path) {
    Node* node = model_.find(path);
    const std::uint32_t permissions = 0600 + random_() % 64;
    const int changed = mount_.chmod(path, permissions);
    expect("chmod", path, changed, node == nullptr ? ENOENT : 0);
    if (node != nullptr) node->permissions = permissions;
  }

  void look_at(Mount& seen, const Path& path, const Node* node) {
    const auto attributes = seen.attributes(path);
    ASSERT_EQ(attributes.has_value(), node != nullptr) << text_of(path);
    if (node == nullptr) return;
    EXPECT_EQ(attributes->permissions, node->permissions) << text_of(path);
    if (node->directory) {
      std::vector<std::string> expected;
      for (const auto& [name, child] : node->children) expected.push_back(name);
      EXPECT_EQ(seen.names(path), expected) << text_of(path);
    } else {
      EXPECT_EQ(attributes->size.n, node->content.size()) << text_of(path);
      EXPECT_EQ(seen.read(path), node->content) << text_of(path);
    }
  }

  void check(Mount& seen, const Path& path, const Node& node) {
    look_at(seen, path, &node);
    for (const auto& [name, child] : node.children) {
      Path below = path;
      below.push_back(name);
      check(seen, below, *child);
    }
  }

  static void expect(const std::string& what, const Path& path, int answer, int expected) {
    ASSERT_EQ(answer, expected) << what << " " << text_of(path);
  }

  Mount& mount_;
  Model model_;
  const Path home_;
  std::mt19937_64 random_;
};

class ModelTest : public ::testing::Test {
 protected:
  static constexpr int kThreads = 4;

  ModelTest() { std::cout << "PAILFS_SEED=" << seed_ << "\n"; }

  // The histories are divided among the mounts; in the end each mount shows all of them.
  void run(std::vector<Mount*> mounts) {
    std::vector<std::unique_ptr<History>> histories;
    for (int i = 0; i < kThreads; ++i)
      histories.push_back(std::make_unique<History>(*mounts[static_cast<std::size_t>(i) % mounts.size()],
                                                    "t" + std::to_string(i), seed_ + static_cast<std::uint64_t>(i)));
    {
      std::vector<Thread> threads;
      for (const auto& history : histories)
        threads.emplace_back("history", [&history = *history, this] { history.run(operations_ / kThreads); });
    }
    for (Mount* mount : mounts)
      for (const auto& history : histories) history->check(*mount);
  }

  const std::uint64_t seed_ = number_of("PAILFS_SEED", std::random_device()());
  const std::uint64_t operations_ = number_of("PAILFS_OPERATIONS", 4000);
  TemporaryDirectory directory_;
  const std::shared_ptr<fake::FakeStore> store_ = std::make_shared<fake::FakeStore>();
};

TEST_F(ModelTest, FourThreadsOfOneMountChangeTreesAsAPlainDirectoryDoes) {
  Mount mount(directory_.path() / "one", store_, std::chrono::seconds(30));
  run({&mount});
  EXPECT_EQ(store_->open_uploads(), 0u);
}

TEST_F(ModelTest, FourThreadsOfOneMountThatTrustsNothingChangeTreesAsAPlainDirectoryDoes) {
  Mount mount(directory_.path() / "one", store_, std::chrono::seconds(0));
  run({&mount});
}

TEST_F(ModelTest, TwoMountsOfOneBucketShowTheSameInTheEnd) {
  Mount first(directory_.path() / "first", store_, std::chrono::seconds(0));
  Mount second(directory_.path() / "second", store_, std::chrono::seconds(0));
  run({&first, &second});
}

}  // namespace
}  // namespace pail::vfs
