// Runs the body of a Loop or Scan again and again.
#pragma once

#include "core/exec/executor.h"

namespace weft {

// How the elements of an item that lie side by side are counted.
struct Stretch {
  enum Unit { kBytes, kStrings, kPacked };  // kPacked: elements of fewer than 8 bits that do not fill whole bytes
  Unit unit = kBytes;
  int64_t size = 0;

  static Stretch of(DType dtype, int64_t count);
};

// An item after another along an axis, from the begin or from the end.
struct Scanned {
  Tensor whole;
  Shape item;
  int64_t length = 0, outer = 1;
  Stretch inner;
  bool backward = false;

  static Result<Scanned> make(Tensor whole, int64_t axis, bool backward);
  bool in_place() const { return outer == 1 && inner.unit == Stretch::kBytes; }
  const char* address(int64_t iteration) const;  // of an item that lies in one stretch
  Result<Tensor> at(int64_t iteration) const;

 private:
  int64_t place(int64_t iteration) const { return backward ? length - 1 - iteration : iteration; }
};

// What iterations gave, along a new axis.
class Stacked {
 public:
  // `known` iterations, or any number (-1), of which room for `expected` is made at once.
  Stacked(int64_t axis, bool backward, int64_t known, int64_t expected)
      : given_axis_(axis), backward_(backward), known_(known), expected_(expected) {}

  // The first item says what all must be like.
  bool begun() const { return dtype_ != DType::kNone; }
  Status begin(DType dtype, const Shape& item);
  bool takes(DType dtype, const Shape& item) const { return dtype == dtype_ && item == item_; }
  bool in_place() const { return outer_ == 1 && inner_.unit == Stretch::kBytes; }
  // Where the item of an iteration goes, if it lies in one stretch; makes room.
  Result<char*> place(int64_t iteration);
  Status add(int64_t iteration, const Tensor& item);
  Status add(int64_t iteration, const void* item);
  Result<Tensor> finish(int64_t iterations);

 private:
  Status reserve(int64_t iterations);
  // The row of an iteration along the new axis; makes room.
  Result<int64_t> row(int64_t iteration);
  Shape shape_of(int64_t length) const;

  const int64_t given_axis_;
  const bool backward_;
  const int64_t known_, expected_;
  DType dtype_ = DType::kNone;
  Shape item_;
  int64_t axis_ = 0, outer_ = 1, room_ = 0;
  Stretch inner_;
  Tensor stack_;
};

class LoopRun {
 public:
  LoopRun(const TensorStep& step, Executable& body, std::vector<Tensor> captured, const ExecOptions& options);
  // `in` are the node's own inputs.
  Status run(std::vector<Tensor> in, std::vector<Tensor>* out);

 private:
  Status begin_loop(std::vector<Tensor> in);
  Status begin_scan(std::vector<Tensor> in);
  bool goes_on() const { return done_ < most_ && holds_; }
  std::vector<Tensor> arguments() const;
  Status iterate();
  // All that is left, if the body is a flat list of steps for shapes that stay: with nothing allocated from the third
  // iteration on. Says whether it did.
  Result<bool> run_flat();
  Status failed(const Status& status) const;
  // What stacks that nothing was added to are like.
  Status begin_empty();

  const TensorStep& step_;
  Executable& body_;
  const std::vector<Tensor> captured_;
  const ExecOptions& options_;
  const bool loop_;          // rather than a Scan
  size_t first_output_ = 0;  // of the body that is carried
  int64_t most_ = 0;         // iterations
  bool holds_ = true;        // the condition
  int64_t done_ = 0;         // iterations
  std::vector<Tensor> carried_;
  std::vector<Scanned> scanned_;
  std::vector<Stacked> stacked_;
};

}  // namespace weft
