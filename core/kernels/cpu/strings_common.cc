// Strings moved by kernels for numbers.
#include "core/kernels/cpu/strings_common.h"

#include <algorithm>

namespace weft {

namespace {

struct MovedStrings {
  PreparedKernel kernel;
  std::vector<DType> dtypes;  // of the outputs
  std::vector<Shape> shapes;
  std::vector<bool> given;
};

KernelContext with_numbers(const KernelContext& c) {
  auto numbered = [](KernelContext::Slot slot) {
    if (slot.dtype != DType::kString) return slot;
    slot.dtype = DType::kI64;
    slot.constant = nullptr;
    return slot;
  };
  std::vector<KernelContext::Slot> inputs, outputs;
  for (int i = 0; i < c.input_count(); ++i) inputs.push_back(numbered(c.input(i)));
  for (int i = 0; i < c.output_count(); ++i) outputs.push_back(numbered(c.output(i)));
  return KernelContext(c.attrs(), std::move(inputs), std::move(outputs));
}

Status run_strings(const MovedStrings& s, TensorArgs& args) {
  static const std::string kNothing;
  std::vector<const std::string*> strings{&kNothing};
  std::vector<Tensor> in = args.in;
  std::vector<const void*> from;
  std::vector<void*> to;
  for (Tensor& input : in) {
    if (input.dtype() == DType::kString) {
      const std::vector<std::string>& values = input.strings();
      WEFT_TRY(Tensor numbers, Tensor::make(DType::kI64, input.shape()));
      for (size_t i = 0; i < values.size(); ++i) {
        numbers.as<int64_t>()[i] = static_cast<int64_t>(strings.size());
        strings.push_back(&values[i]);
      }
      input = std::move(numbers);
    }
    from.push_back(input.data());
  }
  std::vector<Tensor> out(s.shapes.size());
  for (size_t i = 0; i < out.size(); ++i) {
    if (s.given[i]) {
      const DType dtype = s.dtypes[i] == DType::kString ? DType::kI64 : s.dtypes[i];
      WEFT_TRY(out[i], Tensor::make(dtype, s.shapes[i]));
      // What a kernel that is told to stop leaves out is the empty string.
      if (s.dtypes[i] == DType::kString) std::fill_n(out[i].as<int64_t>(), out[i].count(), int64_t{0});
    }
    to.push_back(s.given[i] ? out[i].mutable_data() : nullptr);
  }
  WEFT_TRY(std::shared_ptr<Buffer> scratch, Buffer::allocate(s.kernel.scratch_bytes));
  Status status;
  s.kernel.run(s.kernel.state.get(), RunArgs{from.data(), to.data(), scratch->data(), args.parallel, &status});
  WEFT_CHECK(status);
  for (size_t i = 0; i < out.size(); ++i) {
    if (!s.given[i] || s.dtypes[i] != DType::kString) {
      args.out[i] = std::move(out[i]);
      continue;
    }
    WEFT_TRY(args.out[i], Tensor::make(DType::kString, s.shapes[i]));
    std::vector<std::string>& values = args.out[i].mutable_strings();
    for (size_t k = 0; k < values.size(); ++k) values[k] = *strings[static_cast<size_t>(out[i].as<int64_t>()[k])];
  }
  return {};
}

}  // namespace

bool takes_strings(const KernelContext& c, bool (*accepts)(const KernelContext&)) {
  bool any = false;
  for (int i = 0; i < c.input_count(); ++i) any = any || (c.has_input(i) && c.dtype(i) == DType::kString);
  return any && accepts(with_numbers(c));
}

Status prepare_strings(const KernelContext& c, PrepareFn prepare, PreparedKernel* prepared) {
  MovedStrings s;
  WEFT_CHECK(prepare(with_numbers(c), &s.kernel));
  for (int i = 0; i < c.output_count(); ++i) {
    s.dtypes.push_back(c.output_dtype(i));
    s.shapes.push_back(c.output_shape(i));
    s.given.push_back(c.has_output(i));
  }
  prepared->cost_ns = s.kernel.cost_ns;
  prepared->use_tensors<&run_strings>(std::move(s));
  return {};
}

}  // namespace weft
