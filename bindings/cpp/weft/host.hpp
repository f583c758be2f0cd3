// Functions of the program that graphs call.
#pragma once

#include "weft/graph.hpp"

namespace weft {

/// A function that nodes of Graph::host_call run, on the thread that called run. It gets a tensor for each input, over
/// the run's memory and read-only, and gives one for each output. What it throws ends the run and is thrown there as it
/// is. It must not run a session over the variables of the run that it is part of.
using HostFunction = std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs)>;

namespace detail {
inline weft_status* call_host(void* user, const weft_tensor* const* inputs, int32_t input_count,
                              weft_tensor** out_tensors, int32_t output_count) {
  try {
    std::vector<Tensor> in;
    for (int32_t i = 0; i < input_count; ++i) {
      const weft_tensor* from = inputs[i];
      in.emplace_back(made<weft_tensor>([&](weft_tensor** held) {  // a handle of its own over the same memory
        return weft_tensor_kind(from) == WEFT_TENSOR
                   ? weft_tensor_reshape(from, weft_tensor_dims(from), weft_tensor_rank(from), held)
                   : weft_tensor_copy(from, held);
      }));
    }
    std::vector<Tensor> out = (*static_cast<HostFunction*>(user))(in);
    // What is wrong with these is no exception of the function's: the run says of which node it is.
    auto wrong = [](int32_t code, const std::string& message) {
      return weft_status_new(code, message.c_str(), nullptr, nullptr, nullptr);
    };
    if (out.size() != static_cast<size_t>(output_count)) {
      return wrong(WEFT_INVALID_ARGUMENT, "the host function gave " + std::to_string(out.size()) + " tensors; " +
                                              std::to_string(output_count) + " are expected");
    }
    for (int32_t i = 0; i < output_count; ++i) {
      const Tensor& given = out[static_cast<size_t>(i)];
      if (given.empty()) {
        return wrong(WEFT_FAILED_PRECONDITION,
                     "tensor " + std::to_string(i) + " that the host function gave is empty; it must have a value");
      }
      if (weft_status* status = weft_tensor_copy(given.handle(), &out_tensors[i])) return status;
    }
    return nullptr;
  } catch (...) {
    return current_exception_status();
  }
}
}  // namespace detail

/// Takes the host function of that name away; runs that call it then throw FAILED_PRECONDITION.
inline void remove_host_function(const std::string& name) {
  detail::check(weft_host_function_set(detail::text(name), nullptr, nullptr, nullptr));
}
/// Makes a function known under a name, for the process, in place of one of that name; an empty one takes it away.
/// What it holds is let go when it is replaced or taken away and no run is in it, on any thread.
inline void set_host_function(const std::string& name, HostFunction function) {
  if (function == nullptr) return remove_host_function(name);
  const char* text = detail::text(name);
  detail::check(weft_host_function_set(text, detail::call_host, new HostFunction(std::move(function)),
                                       detail::drop<HostFunction>));
}

}  // namespace weft
