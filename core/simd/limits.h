// Limits that results are brought to while they are in registers, as Relu and Clip do.
#pragma once

namespace weft {

template <typename T>
struct Limits {
  T low = static_cast<T>(-__builtin_inf());
  T high = static_cast<T>(__builtin_inf());
};

}  // namespace weft
