// That this thread builds bodies of operators, in functions of programs: what such a function may not do.
#pragma once

#include <cstdint>

#include "core/base/status.h"

namespace weft {

// Lives while a function builds the body of a node in a graph of that number. It adds to that graph and to those that it
// makes itself, to no older one: whoever needs the body may be at work on any of these. Graphs of other threads are theirs.
class Building {
 public:
  explicit Building(uint32_t graph_number) : outer_(body_) {
    body_ = graph_number;
    ++depth_;
  }
  Building(const Building&) = delete;
  ~Building() {
    body_ = outer_;
    --depth_;
  }

  // Whether this thread is in a function that builds a body.
  static bool under_way() { return depth_ > 0; }

  // Numbers rise by one from graph to graph and begin anew after 2^31, which lies too far off to be met within one body.
  static bool may_write(uint32_t graph_number) {
    return !under_way() || ((graph_number - body_) & 0x7fffffff) < 0x40000000;
  }

  // An error if there are `most` bodies, one in the other. A graph knows what it is the body of, but a function may add its
  // own operator to any graph.
  static Status check_depth(int most) {
    if (depth_ < most) return {};
    return unimplemented("bodies of operators are being built ", most,
                         " deep, one in the other; is one of them made of itself?");
  }

 private:
  static inline thread_local uint32_t body_ = 0;  // the number of the innermost body's graph
  static inline thread_local int depth_ = 0;      // of bodies on this thread, one in the other
  const uint32_t outer_;
};

}  // namespace weft
