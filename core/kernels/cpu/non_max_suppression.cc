// Kernel of NonMaxSuppression.
#include <algorithm>
#include <cmath>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/stop_common.h"

namespace weft {
namespace {

struct Suppression {
  int64_t images, classes, boxes;
  bool centered;
};

struct Box {
  float low[2], high[2];
  float area() const { return (high[0] - low[0]) * (high[1] - low[1]); }
};

Box read_box(const float* b, bool centered) {
  Box box;
  for (int i : {0, 1}) {
    const float a = centered ? b[i] - b[i + 2] / 2 : b[i], z = centered ? b[i] + b[i + 2] / 2 : b[i + 2];
    box.low[i] = centered ? a : std::min(a, z);
    box.high[i] = centered ? z : std::max(a, z);
  }
  return box;
}

bool overlap(const Box& a, const Box& b, float threshold) {
  float common = 1;
  for (int i : {0, 1}) {
    const float side = std::min(a.high[i], b.high[i]) - std::max(a.low[i], b.low[i]);
    if (!(side > 0)) return false;
    common *= side;
  }
  const float area_a = a.area(), area_b = b.area(), all = area_a + area_b - common;
  if (common <= 0 || area_a <= 0 || area_b <= 0 || all <= 0) return false;
  return common / all > threshold;
}

Status suppress(const Suppression& s, TensorArgs& args) {
  auto number = [&](size_t i, auto otherwise) {
    const bool given = i < args.in.size() && args.in[i].count() > 0;
    return given ? *args.in[i].as<decltype(otherwise)>() : otherwise;
  };
  const bool by_score = args.in.size() > 4 && args.in[4].count() > 0;
  const int64_t most = std::clamp<int64_t>(number(2, int64_t{0}), 0, s.boxes);
  const float threshold = number(3, 0.0f), least = number(4, 0.0f);
  if (!(threshold >= 0 && threshold <= 1)) return invalid("iou_threshold is ", threshold, " but must be from 0 to 1");
  WEFT_TRY(Tensor order_tensor, Tensor::make(DType::kI64, {s.boxes}));
  WEFT_TRY(Tensor kept_tensor, Tensor::make(DType::kI64, {s.images, s.classes, most}));
  WEFT_TRY(Tensor counts_tensor, Tensor::make(DType::kI64, {s.images, s.classes}));
  int64_t *order = order_tensor.as<int64_t>(), *counts = counts_tensor.as<int64_t>(), total = 0;
  for (int64_t i = 0; i < s.images * s.classes; ++i) {
    const float* boxes = args.in[0].as<float>() + i / s.classes * s.boxes * 4;
    const float* scores = args.in[1].as<float>() + i * s.boxes;
    int64_t* kept = kept_tensor.as<int64_t>() + i * most;
    int64_t candidates = 0, count = 0;
    for (int64_t b = 0; b < s.boxes; ++b) {
      if (!std::isnan(scores[b]) && (!by_score || scores[b] > least)) order[candidates++] = b;
    }
    std::sort(order, order + candidates,
              [&](int64_t a, int64_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
    // Each is compared with all that are kept.
    for (int64_t k = 0; k < candidates && count < most && !should_stop(*args.parallel); ++k) {
      const Box box = read_box(boxes + order[k] * 4, s.centered);
      bool hidden = false;
      for (int64_t j = 0; j < count && !hidden; ++j) {
        hidden = overlap(box, read_box(boxes + kept[j] * 4, s.centered), threshold);
      }
      if (!hidden) kept[count++] = order[k];
    }
    counts[i] = count;
    total += count;
  }
  WEFT_TRY(args.out[0], Tensor::make(DType::kI64, {total, 3}));
  int64_t* out = args.out[0].as<int64_t>();
  for (int64_t i = 0; i < s.images * s.classes; ++i) {
    for (int64_t k = 0; k < counts[i]; ++k) {
      *out++ = i / s.classes;
      *out++ = i % s.classes;
      *out++ = kept_tensor.as<int64_t>()[i * most + k];
    }
  }
  return {};
}

Status prepare_suppression(const KernelContext& c, PreparedKernel* prepared) {
  const Shape& scores = c.shape(1);
  prepared->use_tensors<&suppress>(Suppression{scores[0], scores[1], scores[2], c.attrs().i("center_point_box") == 1});
  return {};
}

}  // namespace

void add_cpu_non_max_suppression(KernelRegistry& kernels) {
  kernels.add("NonMaxSuppression", {"plain", nullptr, prepare_suppression});
}

}  // namespace weft
