// What a session keeps for a signature, and what every run of it sets up. Shared by session.cc and prepared.cc alone.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "core/runtime/session.h"

namespace weft {

// An error unless the tensor lies in the process's memory or in that one (null: the process's): a copy from device to device
// would go through the process's memory in every run without a word.
Status check_place(const Tensor& value, const Memory* memory, std::string_view what, std::string_view name);

struct Session::Compiled {
  Cut cut;
  int attached_count = 0;  // of the graph when it was cut
  std::unique_ptr<Executable> executable;
  std::vector<int> reads, writes;  // slots of the store
  // What a fed value must be like, and the node that an error names.
  struct Feed {
    ValueType type;
    std::string name, op, origin;

    // `memory`: that of the session, where it may lie beside the process's.
    Status check(const Tensor& value, std::string_view what, const Memory* memory) const {
      Status status = check_type(value, type, what, name);
      if (status.ok()) status = check_place(value, memory, what, name);
      return status.at(name, op, origin);
    }
  };
  std::vector<Feed> feeds;
  std::atomic<bool> ready{false};  // all variables that it reads have values

  Status prepare_variables(Session& session, StopCondition& stop);
  // Where the sizes of all that is fed are known.
  Status plan_ahead(bool variables_on_device);
};

// Counts a call in, unless the session is closed. It must live until the call is counted out, though who waits for that
// may free it.
class SessionUse {
 public:
  // Keeps the session itself.
  explicit SessionUse(Session& session);
  // For callers that keep it for longer than this: a prepared run counts no references.
  explicit SessionUse(const std::shared_ptr<Session>& kept);
  ~SessionUse();
  Status check() const;

 private:
  void count_in();

  const std::shared_ptr<Session> kept_;
  Session& session_;
  bool open_;
};

// Marks that this thread is in a run of a session's store.
class ThreadRun {
 public:
  // `initial_values`: what runs gives variables of the store theirs.
  explicit ThreadRun(const Session& session, bool initial_values = false);
  ~ThreadRun();
  ThreadRun(const ThreadRun&) = delete;
  ThreadRun& operator=(const ThreadRun&) = delete;
  static Status check(const Session& session);      // an error inside a run of the same store
  static bool inside(const Session& session);       // inside a run of this very session
  static bool initialises(const Session& session);  // inside what gives variables of its store their initial values

 private:
  alignas(void*) unsigned char place_[4 * sizeof(void*)];
};

// Holds a store's writer for as long as a run that assigns lasts.
class WriterHold {
 public:
  WriterHold() = default;
  WriterHold(const WriterHold&) = delete;
  WriterHold& operator=(const WriterHold&) = delete;
  ~WriterHold() {
    if (writer_ != nullptr) writer_->unlock();
  }
  Status take(Store& store, StopCondition& stop, const std::atomic<bool>* closing = nullptr) {
    WEFT_CHECK(store.writer().lock(stop, closing));
    writer_ = &store.writer();
    return {};
  }

 private:
  Store::Writer* writer_ = nullptr;
};

// The stop condition and executor options of one run; its clock starts here.
struct RunControl {
  StopCondition stop;
  ExecOptions exec;

  RunControl(const RunOptions& options, const SessionOptions& session) {
    stop.set_token(options.cancel);
    stop.set_deadline_ns(options.deadline_ns());
    if (options.poll != nullptr) stop.set_poll(options.poll, options.poll_user);
    exec.stop = &stop;
    exec.trace = options.trace;
    exec.parallel.max_threads = session.threads;
    exec.parallel.stop = &stop;
    exec.parallel.spin_after_run_ns = session.spin_after_run_ns;
  }
};

// What a run gives is the caller's to write to: elements that a feed, a variable, a constant or another result has too
// are copied. Only once the run has let go of what went in. At the outermost level alone, so that what goes through the
// iterations of a loop is not.
Status own_elements(Tensor* value);

}  // namespace weft
