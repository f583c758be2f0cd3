// Transposes of matrices, for every size of elements and every instruction set.
#pragma once

#include <cstdint>

#include "core/simd/isa.h"

namespace weft {

// to[i * to_row + j] = from[j * distance + i] for i < length and j < lines; distances in elements. No bit of an element is looked at.
template <typename T>
using TurnFn = void (*)(const T* from, int64_t distance, int64_t lines, int64_t length, T* to, int64_t to_row);

struct TurnTable {
  TurnFn<uint8_t> of_8;
  TurnFn<uint16_t> of_16;
  TurnFn<uint32_t> of_32;
  TurnFn<uint64_t> of_64;
};

const TurnTable& turn_table(Isa isa);

// The same for any type of these sizes.
template <typename T>
void turn(Isa isa, const T* from, int64_t distance, int64_t lines, int64_t length, T* to, int64_t to_row) {
  const TurnTable& table = turn_table(isa);
  const auto with = [&]<typename U>(TurnFn<U> function) {
    function(reinterpret_cast<const U*>(from), distance, lines, length, reinterpret_cast<U*>(to), to_row);
  };
  if constexpr (sizeof(T) == 1)
    with(table.of_8);
  else if constexpr (sizeof(T) == 2)
    with(table.of_16);
  else if constexpr (sizeof(T) == 4)
    with(table.of_32);
  else
    with(table.of_64);
}

}  // namespace weft
