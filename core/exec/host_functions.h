// Functions of the caller's language that HostCall nodes run, by name; one table a process.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor/tensor.h"

namespace weft {

// Runs on the thread that called run. Fills `out`, which has the right number of empty tensors.
using HostFn = Status (*)(void* user, const std::vector<Tensor>& in, std::vector<Tensor>* out);

struct HostFunction {
  HostFn call = nullptr;
  void* user = nullptr;
  void (*drop)(void* user) = nullptr;

  HostFunction(HostFn call, void* user, void (*drop)(void*)) : call(call), user(user), drop(drop) {}
  HostFunction(const HostFunction&) = delete;
  HostFunction& operator=(const HostFunction&) = delete;
  ~HostFunction() {
    if (drop != nullptr) drop(user);
  }
};

// A function of that name is replaced; runs under way keep the old one until they end.
void set_host_function(std::string_view name, std::shared_ptr<const HostFunction> function);
void remove_host_function(std::string_view name);
std::shared_ptr<const HostFunction> find_host_function(std::string_view name);

}  // namespace weft
