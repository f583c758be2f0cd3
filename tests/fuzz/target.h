// What a fuzz target is: a program with one function that takes any bytes. libFuzzer makes bytes up (tools/fuzz); in other
// builds `replay.cc` gives it those of a folder.
#pragma once

#include <string_view>

namespace weft {

// Whatever the bytes are, it returns: no crash, no hang, no leak, no error that blames the library.
void fuzz(std::string_view bytes);

// Ends the program, which libFuzzer takes for a defect, where `holds` is false.
inline void must(bool holds) {
  if (!holds) __builtin_trap();
}

}  // namespace weft
