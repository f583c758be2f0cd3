// Kernels of Col2Im and Im2Col.
#include <algorithm>
#include <complex>
#include <vector>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/strings_common.h"
#include "core/kernels/cpu/types_common.h"
#include "core/op/window.h"

namespace weft {
namespace {

// Blocks over planes of pixels; columns are [planes, elements of a block, blocks].
struct BlockPlan {
  std::vector<int64_t> image, block, blocks, strides, dilations, pads;
  int64_t planes, pixels = 1, elements = 1, count = 1;
};

Status make_block_plan(const KernelContext& c, const Shape& image, int at_block, BlockPlan* plan) {
  const Tensor* block = c.constant(at_block);
  if (block == nullptr) return internal_error("the sizes of the blocks are not known when the kernel is prepared");
  BlockPlan p;
  const int64_t axes = static_cast<int64_t>(image.size()) - 2;
  p.image.assign(image.begin() + 2, image.end());
  p.block.assign(block->as<int64_t>(), block->as<int64_t>() + block->count());
  WEFT_TRY(Window window, read_window(c.attrs(), axes, to_dims(p.block)));
  p.strides = window.strides;
  p.dilations = window.dilations;
  p.pads = window.begin_pads;
  p.planes = image[0] * image[1];
  for (int64_t i = 0; i < axes; ++i) {
    WEFT_TRY(Dim along, window.output_size(i, Dim(p.image[static_cast<size_t>(i)]), false));
    p.blocks.push_back(along.value());
    p.count *= along.value();
    p.pixels *= p.image[static_cast<size_t>(i)];
    p.elements *= p.block[static_cast<size_t>(i)];
  }
  *plan = std::move(p);
  return {};
}

// body(where in a column, where in the plane, how many, step in the plane) for all elements of all blocks of a plane that
// lie on pixels: those of a row of blocks at a time.
template <typename Body>
void for_covered(const BlockPlan& p, Body&& body) {
  const size_t axes = p.image.size(), last = axes - 1;
  const int64_t rows = p.count / p.blocks[last];
  for (int64_t e = 0; e < p.elements; ++e) {
    int64_t shift[kMostAxes];  // of this element of the first block
    for (size_t d = axes, rest = static_cast<size_t>(e); d-- > 0;) {
      const size_t size = static_cast<size_t>(p.block[d]);
      shift[d] = static_cast<int64_t>(rest % size) * p.dilations[d] - p.pads[d];
      rest /= size;
    }
    // The blocks of a row whose element lies between the ends of the row of pixels.
    const int64_t step = p.strides[last];
    const int64_t first = shift[last] >= 0 ? 0 : (step - 1 - shift[last]) / step;
    const int64_t room = p.image[last] - 1 - shift[last];
    const int64_t end = room < 0 ? 0 : std::min(p.blocks[last], room / step + 1);
    if (first >= end) continue;
    for (int64_t r = 0; r < rows; ++r) {
      int64_t at = 0, scale = p.image[last];
      bool inside = true;
      for (int64_t d = static_cast<int64_t>(last) - 1, rest = r; d >= 0; --d) {
        const size_t i = static_cast<size_t>(d);
        const int64_t pixel = rest % p.blocks[i] * p.strides[i] + shift[i];
        rest /= p.blocks[i];
        inside = inside && pixel >= 0 && pixel < p.image[i];
        at += pixel * scale;
        scale *= p.image[i];
      }
      if (inside) body(e * p.count + r * p.blocks[last] + first, at + first * step + shift[last], end - first, step);
    }
  }
}

// Truth values are added as or.
template <typename T>
void col2im(const BlockPlan& p, const RunArgs& args) {
  const int64_t columns = p.elements * p.count;
  parallel_for(*args.parallel, p.planes, 1, static_cast<double>(columns), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const T* from = args.input<T>(0) + plane * columns;
      T* to = args.output<T>(0) + plane * p.pixels;
      std::fill_n(to, p.pixels, T(0));
      for_covered(p, [&](int64_t column, int64_t pixel, int64_t n, int64_t step) {
        for (int64_t i = 0; i < n; ++i) {
          T& sum = to[pixel + i * step];
          if constexpr (std::is_integral_v<T>)
            sum = wrap_add(sum, from[column + i]);
          else
            sum += from[column + i];
        }
      });
    }
  });
}

template <typename T>
void im2col(const BlockPlan& p, const RunArgs& args) {
  const int64_t columns = p.elements * p.count;
  parallel_for(*args.parallel, p.planes, 1, static_cast<double>(columns), [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) {
      const T* from = args.input<T>(0) + plane * p.pixels;
      T* to = args.output<T>(0) + plane * columns;
      std::fill_n(to, columns, T(0));
      for_covered(p, [&](int64_t column, int64_t pixel, int64_t n, int64_t step) {
        for (int64_t i = 0; i < n; ++i) to[column + i] = from[pixel + i * step];
      });
    }
  });
}

// Calls fn.operator()<T>() for the type of `dtype` if the kernels have a loop for it, else says false.
template <typename Fn>
bool with_summed(DType dtype, Fn&& fn) {
  return with_type(NumberElements{}, dtype, fn) || with_type(ComplexElements{}, dtype, fn) ||
         with_type(Types<bool>{}, dtype, fn);
}

bool takes_summed(const KernelContext& c) {
  return with_summed(c.dtype(0), []<typename T>() {});
}

Status prepare_col2im(const KernelContext& c, PreparedKernel* prepared) {
  BlockPlan plan;
  WEFT_CHECK(make_block_plan(c, c.output_shape(0), 2, &plan));
  prepared->cost_ns = static_cast<double>(c.count(0));
  with_summed(c.dtype(0), [&]<typename T>() { prepared->use<&col2im<T>>(std::move(plan)); });
  return {};
}

// The first pixel that several elements lie on, -1 if there is none. It takes memory for the elements, not for the image.
int64_t find_overlap(const BlockPlan& p) {
  std::vector<int64_t> covered;
  for_covered(p, [&](int64_t, int64_t pixel, int64_t n, int64_t step) {
    for (int64_t i = 0; i < n; ++i) covered.push_back(pixel + i * step);
  });
  std::sort(covered.begin(), covered.end());
  const auto met = std::adjacent_find(covered.begin(), covered.end());
  return met == covered.end() ? -1 : *met;
}

// For the numbers of strings, which have no sum: that of one element is the element.
Status prepare_apart(const KernelContext& c, PreparedKernel* prepared) {
  BlockPlan plan;
  WEFT_CHECK(make_block_plan(c, c.output_shape(0), 2, &plan));
  int64_t pixel = plan.planes > 0 ? find_overlap(plan) : -1;
  if (pixel >= 0) {
    Shape at = plan.image;
    for (size_t d = at.size(); d-- > 0; pixel /= plan.image[d]) at[d] = pixel % plan.image[d];
    return invalid("several strings lie on pixel ", shape_text(at), " of the image ", shape_text(plan.image),
                   ", but strings have no sum; blocks of them must not overlap");
  }
  return prepare_col2im(c, prepared);
}

Status prepare_im2col(const KernelContext& c, PreparedKernel* prepared) {
  BlockPlan plan;
  WEFT_CHECK(make_block_plan(c, c.shape(0), 1, &plan));
  prepared->cost_ns = static_cast<double>(c.output_count_of(0));
  with_summed(c.dtype(0), [&]<typename T>() { prepared->use<&im2col<T>>(std::move(plan)); });
  return {};
}

}  // namespace

void add_cpu_col2im(KernelRegistry& kernels) {
  kernels.add("Col2Im", {"plain", takes_summed, prepare_col2im});
  kernels.add("Col2Im", {"strings", [](const KernelContext& c) { return takes_strings(c, takes_summed); },
                         [](const KernelContext& c, PreparedKernel* prepared) {
                           return prepare_strings(c, prepare_apart, prepared);
                         }});
  kernels.add("weft.Im2Col", {"plain", takes_summed, prepare_im2col});
}

}  // namespace weft
