// Who may touch a graph: one thread at a time, be it building or reading.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

namespace weft {

// A lock of one thread, which may take it again. Readers wait; a writer waits for readers, but that another thread is
// building is a mistake of the caller's, who is told so.
class GraphAccess {
 public:
  void read() {
    std::unique_lock lock(mutex_);
    if (mine()) return again();
    enter(lock, false);
  }
  // As read, without waiting; false if another thread has entered.
  bool try_read() {
    std::unique_lock lock(mutex_);
    if (mine()) return again(), true;
    if (depth_ > 0) return false;
    enter(lock, false);
    return true;
  }
  // False if another thread is building.
  bool write() {
    std::unique_lock lock(mutex_);
    if (mine()) return again(), true;
    if (depth_ > 0 && building_) return false;
    enter(lock, true);
    return true;
  }
  void leave() {
    std::lock_guard lock(mutex_);
    if (--depth_ > 0) return;
    owner_ = {};
    if (waiting_ > 0) free_.notify_one();
  }

  // Whether this thread has entered and not left.
  bool here() {
    std::lock_guard lock(mutex_);
    return mine();
  }

 private:
  bool mine() const { return depth_ > 0 && owner_ == std::this_thread::get_id(); }
  void again() { ++depth_; }
  void enter(std::unique_lock<std::mutex>& lock, bool building) {
    ++waiting_;
    while (depth_ > 0) free_.wait(lock);
    --waiting_;
    owner_ = std::this_thread::get_id();
    depth_ = 1;
    building_ = building;
  }

  std::mutex mutex_;
  std::condition_variable free_;
  std::thread::id owner_;
  int depth_ = 0;    // how often the owner has entered
  int waiting_ = 0;  // threads
  bool building_ = false;
};

}  // namespace weft
