// Windows that slide over images: their attributes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "plugins/cuda/divider.cuh"
#include "plugins/cuda/host.h"

namespace weft::cuda {

// The attributes strides, dilations, pads and auto_pad, which the library has checked.
struct WindowAttributes {
  std::vector<int64_t> strides, dilations, begin_pads, end_pads;
  bool same = false, upper = false;  // auto_pad is SAME_UPPER or SAME_LOWER

  WindowAttributes(const Node& node, size_t axes) {
    strides = list(node, "strides", axes, 1);
    dilations = list(node, "dilations", axes, 1);
    const std::vector<int64_t> pads = list(node, "pads", 2 * axes, 0);
    begin_pads.assign(pads.begin(), pads.begin() + static_cast<int64_t>(axes));
    end_pads.assign(pads.begin() + static_cast<int64_t>(axes), pads.end());
    const std::string mode = node.has_attr("auto_pad") ? node.s("auto_pad") : "NOTSET";
    upper = mode == "SAME_UPPER";
    same = upper || mode == "SAME_LOWER";
    if (mode == "NOTSET") return;
    begin_pads.assign(axes, 0);
    end_pads.assign(axes, 0);
  }

  static std::vector<int64_t> list(const Node& node, const char* name, size_t wanted, int64_t otherwise) {
    std::vector<int64_t> given;
    if (node.has_attr(name)) given = node.ints(name);
    if (given.empty()) given.assign(wanted, otherwise);
    return given;
  }

  // How far windows reach along an axis, the first to the last.
  int64_t reach(size_t axis, int64_t kernel, int64_t places) const {
    return (places - 1) * strides[axis] + (kernel - 1) * dilations[axis] + 1;
  }
  // The pads that hold along an axis of `size` elements, over which windows have `places`.
  int64_t begin_pad(size_t axis, int64_t kernel, int64_t size, int64_t places) const {
    if (!same) return begin_pads[axis];
    const int64_t total = same_pads(axis, kernel, size, places);
    return upper ? total / 2 : total - total / 2;
  }
  int64_t end_pad(size_t axis, int64_t kernel, int64_t size, int64_t places) const {
    if (!same) return end_pads[axis];
    return same_pads(axis, kernel, size, places) - begin_pad(axis, kernel, size, places);
  }

 private:
  int64_t same_pads(size_t axis, int64_t kernel, int64_t size, int64_t places) const {
    return std::max<int64_t>(0, reach(axis, kernel, places) - size);
  }
};

}  // namespace weft::cuda
