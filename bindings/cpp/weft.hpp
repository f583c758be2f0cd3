// Weft for C++17: RAII over the C ABI, header-only. Link with weft (find_package(weft), pkg-config weft).
//
// Errors are thrown as weft::Error. Objects may be used and destroyed in any order; they keep alive what they need.
// A Graph is built by one thread at a time; a Session is run by any number.
#pragma once

#include "weft/data.hpp"
#include "weft/host.hpp"
#include "weft/layers.hpp"
#include "weft/learn.hpp"
#include "weft/library.hpp"
#include "weft/operator.hpp"
#include "weft/ops.hpp"
