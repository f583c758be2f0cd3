// The interpreter's lock for threads that run the library without it, until Python ends.
#pragma once

#include <cxxabi.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include "weft/weft.h"

namespace {

// The only thread that Python hears Ctrl-C on, and the one that ends Python.
std::atomic<unsigned long> main_thread{0};

// Python ends under threads that are daemons of it. One that asks for the lock from then on is ended in the middle of the
// call, which would unwind the library's frames; and in the end there is no lock to ask for. So from an exit hook of
// Python's on, other threads do not ask, and the hook waits for those that are asking.
std::atomic<bool> ending{false};
std::atomic<int> asking{0};

bool is_main_thread() { return PyThread_get_thread_ident() == main_thread.load(std::memory_order_relaxed); }

[[noreturn]] void stay_here() {
  for (;;) pause();
}

// Whether the thread may ask for the lock; it then counts as asking. If not, it waits for Python's end, so that nobody
// hears of its error; not for ever, as what is left to be done before the end may wait for it.
bool may_ask() {
  asking.fetch_add(1);
  if (!ending.load() || (is_main_thread() && Py_IsInitialized())) return true;
  asking.fetch_sub(1);
  for (int i = 0; i < 100 && Py_IsInitialized(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  if (!Py_IsInitialized() && !is_main_thread()) stay_here();
  return false;
}

// Calls `call` with the lock; false, with nothing done, if Python ends.
template <typename Call>
bool with_lock(Call&& call) {
  if (!may_ask()) return false;
  PyGILState_STATE state{};
  try {
    state = PyGILState_Ensure();
    asking.fetch_sub(1);
    std::forward<Call>(call)();
  } catch (abi::__forced_unwind&) {  // Python ends the thread
    stay_here();
  } catch (...) {
    PyGILState_Release(state);
    throw;
  }
  PyGILState_Release(state);
  return true;
}

// The same for what gives an error.
template <typename Call>
weft_status* status_with_lock(Call&& call) {
  weft_status* status = nullptr;
  if (with_lock([&] { status = call(); })) return status;
  return weft_status_new(WEFT_UNAVAILABLE, "Python is about to end", nullptr, nullptr, nullptr);
}

}  // namespace
