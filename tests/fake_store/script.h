// What goes wrong, and what takes its time: the requests of a test in the order that it wants.
//
//   store.fail({.operation = Operation::put_object, .key = "a"}, {.fault = Fault::lost, .at =
//       Moment::after});                                  // stored, but the answer is lost
//   Hold put = store.hold({.operation = Operation::put_object}, Moment::before);
//   ...                                                   // close() in another thread
//   put.await();                                          // the request is on its way
//   store.put("a", "somebody else's");
//   put.release();
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/mutex.h"
#include "pailfs/base/bytes.h"
#include "pailfs/base/result.h"
#include "pailfs/cos/fault.h"

namespace pail::fake {

enum class Operation {
  list_objects,
  head_object,
  get_object,
  get_object_range,
  put_object,
  copy_object,
  delete_object,
  delete_objects,
  create_upload,
  upload_part,
  upload_part_copy,
  complete_upload,
  abort_upload,
};

inline constexpr unsigned kAlways = std::numeric_limits<unsigned>::max();

// Which requests a rule is about.
struct Match {
  std::optional<Operation> operation;  // none: all
  // Exactly this one; empty: any. Of a listing its prefix, of a copy the target. A rule for
  // delete_objects and a key is about that key alone, which is then refused.
  std::string key;
  unsigned after = 0;  // of those that match so many pass first
  unsigned times = 1;  // and so many meet it
};

// Of a request: before it is carried out, or between that and its answer.
enum class Moment { before, after };

// A request that is answered with `fault`, having been carried out or not.
struct Trouble {
  Fault fault = Fault::trouble;
  Moment at = Moment::before;
  // None: as a client would know, which for an answer that was lost is "perhaps".
  std::optional<bool> may_have_happened = std::nullopt;
};

// A ranged read that breaks off after so many bytes.
struct Cut {
  ByteCount delivered;
  Fault fault = Fault::lost;
};

// The error of a request that meets `fault`, as the client would put it. `what` is safe text.
Error error_of(const std::string& what, const Trouble& trouble);

// Tells the store's thread that something changed. Thread-safe.
class Wake {
 public:
  std::uint64_t generation() const;
  void bump();
  void wait_beyond(std::uint64_t generation) const;

 private:
  mutable Mutex mutex_;
  mutable CondVar changed_;
  std::uint64_t generation_ PAIL_GUARDED_BY(mutex_) = 0;
};

// A place where requests stand until it is opened. Thread-safe.
class Gate {
 public:
  void arrive();  // of a request, once
  void open();
  bool is_open() const;
  // Until so many have come. False after ten seconds without them.
  bool await(unsigned requests) const;

 private:
  mutable Mutex mutex_;
  mutable CondVar changed_;
  unsigned arrived_ PAIL_GUARDED_BY(mutex_) = 0;
  bool open_ PAIL_GUARDED_BY(mutex_) = false;
};

// Requests that are held. A handle; the last one that goes releases them. Thread-safe.
class Hold {
 public:
  explicit Hold(std::shared_ptr<Wake> wake);
  // Until so many requests stand here, or have. False after ten seconds without them.
  bool await(unsigned requests = 1) const { return handle_->gate->await(requests); }
  // Those who stand here and those who come go on.
  void release() const { handle_->release(); }
  std::shared_ptr<Gate> gate() const { return handle_->gate; }

 private:
  struct Handle {
    ~Handle() { release(); }
    void release() const;

    std::shared_ptr<Gate> gate = std::make_shared<Gate>();
    std::shared_ptr<Wake> wake;
  };
  std::shared_ptr<Handle> handle_;
};

// What one request meets.
struct Plan {
  struct Way {
    std::vector<std::shared_ptr<Gate>> gates;
    std::chrono::nanoseconds delay{0};
  };
  Way there, back;
  std::optional<Trouble> trouble;
  std::optional<Cut> cut;
};

// The rules in force. One thread at a time.
class Script {
 public:
  struct Delay {
    Moment moment;
    std::chrono::nanoseconds time;
  };
  struct Wait {
    Moment moment;
    std::shared_ptr<Gate> gate;
  };
  using Action = std::variant<Trouble, Cut, Delay, Wait>;

  void add(Match match, Action action);
  void clear() { rules_.clear(); }
  // Of a request that begins: it counts for each rule that it matches.
  Plan plan(Operation operation, const std::string& key);
  // Of one key among many to be deleted.
  std::optional<Trouble> trouble_of(const std::string& deleted_key);

 private:
  struct Rule {
    Match match;
    Action action;
    unsigned matched = 0;
  };
  static bool strikes(Rule& rule);

  std::vector<Rule> rules_;
};

}  // namespace pail::fake
