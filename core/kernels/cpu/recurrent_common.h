// The steps of RNN, GRU and LSTM, forward; their gradients make the same steps again.
#pragma once

#include <memory>
#include <vector>

#include "core/kernel/kernel.h"
#include "core/op/recurrent.h"
#include "core/simd/gemm.h"
#include "core/simd/math.h"

namespace weft {

// A function of a cell over arrays.
template <typename T>
struct CellFunction {
  Activation::Kind kind;
  T alpha, beta;
  const MathTable<T>* math;

  static CellFunction make(const Activation& activation);
  void run(const T* x, T* y, int64_t n) const;  // `y` may be `x`
  // `y`, which `run` made of `x`, becomes the slope there.
  void slope(const T* x, T* y, int64_t n) const;
  bool same_as(const CellFunction& other) const {
    return kind == other.kind && alpha == other.alpha && beta == other.beta;
  }
};

// Matrices that a step multiplies with, of each direction: R in one part, or in two where GRU multiplies r * h with the
// second. Packed when the plan is made if R is constant, else in each run.
template <typename T>
struct StepMatrices {
  std::vector<Gemm<T>> parts;                           // without addresses; m of a whole task
  std::vector<int64_t> from;                            // where each begins in a direction of R, in elements
  std::vector<int64_t> at;                              // and among what is packed
  int64_t directions = 1, r_size = 0, packed_size = 0;  // of a direction, in elements
  std::shared_ptr<const Buffer> packed{};               // of a constant R

  void add(const Gemm<T>& part, int64_t start);
  Status use_constant(const KernelContext& c);
  // What a run packs into: 0 where nothing is left to pack.
  int64_t scratch() const { return packed != nullptr ? 0 : directions * packed_size; }
  // The whole of all directions.
  const T* pack(const T* r, T* scratch, const Parallel& parallel) const;
  int64_t product_scratch() const;

 private:
  void pack_all(const T* r, T* to, const Parallel& parallel) const;
};

// Sequences of a task go through all steps of one direction on one thread.
struct RecurrentTask {
  int64_t direction, first, count;  // sequences
};

// Places of the inputs; GRU and RNN end after the initial h.
constexpr int kXInput = 0, kWInput = 1, kRInput = 2, kBInput = 3, kLensInput = 4, kHInput = 5, kCInput = 6, kPInput = 7;

template <typename T>
struct RecurrentState {
  Recurrent form;
  int64_t steps, batch, inputs, hidden, width;  // width: the gates of one direction, gates * hidden
  std::vector<CellFunction<T>> functions;
  T clip;             // 0: none
  int64_t given_row;  // elements between rows of what `given` makes
  Gemm<T> given;      // what comes of X for all steps, directions and gates: one product
  StepMatrices<T> r;
  std::vector<RecurrentTask> tasks;
  int64_t most_sequences;  // of a task

  int input_count, output_count;  // of the node: there are no addresses beyond

  // Scratch, in elements from its beginning.
  int64_t given_at, bias_at, packed_at, h_at, c_at, gates_at, product_at, product_size, end;

  const CellFunction<T>& function(int64_t direction, int64_t i) const {
    return functions[static_cast<size_t>(direction * form.functions() + i)];
  }
  int64_t all_width() const { return form.directions * width; }
  // Whether a step's product is kept apart from what comes of X: GRU multiplies a part of it with r.
  bool apart() const { return form.cell == CellKind::kGru && form.linear_before_reset; }
  // Rows of X, and of what is recorded.
  int64_t rows() const { return steps * batch; }
  int64_t row(int64_t step, int64_t sequence) const {
    return form.batch_first ? sequence * steps + step : step * batch + sequence;
  }
  int64_t row_stride() const { return form.batch_first ? steps : 1; }  // between sequences, in rows
  int64_t time(int64_t direction, int64_t i) const { return form.reversed(direction) ? steps - 1 - i : i; }
  // Where states and Y have a row of a sequence.
  int64_t state_row(int64_t direction, int64_t sequence) const {
    return form.batch_first ? sequence * form.directions + direction : direction * batch + sequence;
  }
  int64_t y_row(int64_t direction, int64_t step, int64_t sequence) const {
    return form.batch_first ? (sequence * steps + step) * form.directions + direction
                            : (step * form.directions + direction) * batch + sequence;
  }

  // Null where none was given.
  template <typename U>
  const U* input(const RunArgs& args, int i) const {
    return i < input_count ? args.input<U>(i) : nullptr;
  }
  T* output(const RunArgs& args, int i) const { return i < output_count ? args.output<T>(i) : nullptr; }

  static Result<RecurrentState> make(CellKind cell, const KernelContext& c);
  double cost_ns() const;
  // The first part of a run, on all threads: sums of biases, packed matrices, the product with W. False after an error.
  bool begin(const RunArgs& args) const;
  // What is recorded for the gradient, [directions, rows, hidden] each, or null: h and c before each step, and of GRU r * h
  // or, with linear_before_reset, what r is multiplied with.
  struct Records {
    T *h, *c, *inner;
  };
  // Y and the last states, each may be null.
  struct Results {
    T *y, *h, *c;
  };
  void run_task(const RunArgs& args, int64_t task, const Records& records, const Results& results) const;
  // Gates of a row before the functions, kept within the clip: in `to`, or where they are if there is no clip.
  const T* clipped(const T* x, T* to, int64_t n) const;
  // Whether a sequence has that step; lengths were checked before.
  static bool active(const int32_t* lens, int64_t sequence, int64_t step) {
    return lens == nullptr || step < lens[sequence];
  }
  const T* bias(const RunArgs& args, int64_t direction) const;  // the second half of B, or null
  const T* peepholes(const RunArgs& args, int64_t direction) const;
  const T* packed_r(const RunArgs& args) const {
    return r.packed != nullptr ? static_cast<const T*>(r.packed->data())
                               : static_cast<const T*>(args.scratch) + packed_at;
  }
};

}  // namespace weft
