// The values of variables: shared by sessions, changed only by commits.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/cancel.h"
#include "core/base/live.h"
#include "core/tensor/tensor.h"

namespace weft {

// Runs that only read take a snapshot and go in parallel. Runs that assign hold the `writer` throughout, so each sees
// the commit before it; what they write goes to a spare buffer that the commit puts in place, so a failed run changes
// nothing. The spare is the value before last, unless somebody still holds it.
class Store {
 public:
  // A mutex whose waiters look whether they should stop.
  class Writer {
   public:
    // An error, and not locked, if the run is stopped while it waits, or `closing` (not null) has become true.
    Status lock(StopCondition& stop, const std::atomic<bool>* closing = nullptr);
    void lock();
    void unlock();
    // After a `closing` has become true: whoever waits looks at it.
    void look();

   private:
    std::mutex mutex_;
    std::condition_variable free_;
    bool held_ = false;
    int waiting_ = 0;
  };

  // The place of a variable in this store; made at first sight. An error if it is known with another type.
  Result<int> slot(std::string_view name, DType dtype, const Shape& shape);
  // -1 if the store has not met it.
  int find(std::string_view name) const;
  bool initialised(int slot) const;

  Result<Tensor> get(std::string_view name) const;  // a copy in the process's memory
  Status set(std::string_view name, Tensor value);  // copies: the caller may go on writing to its own
  Status set_all(std::vector<std::pair<std::string, Tensor>> values);  // in one moment; none if one does not fit
  Status initialise(std::string_view name, Tensor value);              // the same, unless it has a value
  std::vector<std::string> names() const;                              // sorted

  // The current values of `slots`, all from one moment, wherever they lie.
  void snapshot(const std::vector<int>& slots, std::vector<Tensor>* values) const;
  // The same in that memory (null: the process's own). A value that lies elsewhere moves there, and stays.
  Status snapshot_in(const std::shared_ptr<Memory>& memory, const std::vector<int>& slots, std::vector<Tensor>* values);
  // Tensors in that memory to write the next values of `slots` into. Only by who holds the writer.
  Status spares_in(const std::shared_ptr<Memory>& memory, const std::vector<int>& slots, Tensor* values);
  // Puts the new values in place, all in one moment. Only by who holds the writer; cannot fail.
  void commit(const std::vector<int>& slots, std::vector<Tensor>& values);

  Writer& writer() { return writer_; }

 private:
  struct Slot {
    std::string name;
    DType dtype;
    Shape shape;
    Tensor value;  // empty until initialised
    Tensor spare;
  };

  mutable std::mutex mutex_;
  Writer writer_;
  std::vector<Slot> slots_;
  std::map<std::string, int, std::less<>> index_;
};

}  // namespace weft
