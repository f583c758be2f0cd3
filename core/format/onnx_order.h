// Why a value that a node of an ONNX file uses is not there yet.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace weft::onnx {

// What to say behind "it uses 'name', which ": that it is in a cycle with the node at place `at`, or that a later one of
// `nodes` (NodeProto each) makes it. Empty if none of these does.
std::string why_missing(const std::vector<std::string_view>& nodes, size_t at, std::string_view name);

}  // namespace weft::onnx
