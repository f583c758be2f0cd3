// Writes a kernel for a group of elementwise operators.
#include "plugins/cuda/fused.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <mutex>

#include "plugins/cuda/device.h"
#include "plugins/cuda/fused_prelude.h"
#include "plugins/cuda/rtc.h"

namespace weft::cuda {

namespace {

constexpr int kThreads = 256;

struct Names {
  const char* held;    // in a register
  const char* stored;  // in memory
};

Names names_of(int32_t dtype) {
  switch (dtype) {
    case WEFT_F32: return {"float", "float"};
    case WEFT_F64: return {"double", "double"};
    case WEFT_F16: return {"Half", "Half"};
    case WEFT_BF16: return {"BFloat", "BFloat"};
    case WEFT_I8: return {"signed char", "signed char"};
    case WEFT_I16: return {"short", "short"};
    case WEFT_I32: return {"int", "int"};
    case WEFT_I64: return {"long long", "long long"};
    case WEFT_U8: return {"unsigned char", "unsigned char"};
    case WEFT_U16: return {"unsigned short", "unsigned short"};
    case WEFT_U32: return {"unsigned", "unsigned"};
    case WEFT_U64: return {"unsigned long long", "unsigned long long"};
    case WEFT_BOOL: return {"bool", "unsigned char"};
    default: return {nullptr, nullptr};
  }
}

std::string number(int64_t value) { return std::to_string(value); }

// Where an input's element lies for element i of the group: sum of i / inner % size * stride over some axes.
struct Axis {
  int64_t inner;   // elements of the group between two neighbours along it
  int64_t size;    // 0: the outermost, of which no remainder is taken
  int64_t stride;  // in the input; never 0
};

struct Access {
  enum Kind { kLinear, kSingle, kStrided } kind = kLinear;
  std::vector<Axis> axes;  // of kStrided, the innermost last
};

// Axes along which the input moves, neighbours put together where they lie in it as in the group.
Access access_of(const Shape& input, const Shape& group) {
  const size_t ahead = group.size() - input.size();
  Access access;
  int64_t inner = 1, stride = 1;
  std::vector<Axis> axes;  // innermost first
  for (size_t d = group.size(); d-- > 0;) {
    const int64_t size = group[d];
    const bool moves = d >= ahead && input[d - ahead] != 1;
    if (size != 1 && moves) {
      if (!axes.empty() && axes.back().inner * axes.back().size == inner &&
          axes.back().stride * axes.back().size == stride)
        axes.back().size *= size;
      else
        axes.push_back({inner, size, stride});
      stride *= size;
    }
    inner *= size;
  }
  if (axes.empty()) {
    access.kind = Access::kSingle;
  } else if (axes.size() == 1 && axes[0].inner == 1 && axes[0].size == inner) {
    access.kind = Access::kLinear;
  } else {
    access.kind = Access::kStrided;
    if (axes.back().inner * axes.back().size == inner) axes.back().size = 0;
    access.axes.assign(axes.rbegin(), axes.rend());
  }
  return access;
}

std::string offset_of(const Access& access, const std::string& i) {
  std::string text;
  for (const Axis& axis : access.axes) {
    std::string part = i;
    if (axis.inner != 1) part = "(" + part + " / " + number(axis.inner) + "u)";
    if (axis.size != 0) part = "(" + part + " % " + number(axis.size) + "u)";
    if (axis.stride != 1) part += " * " + number(axis.stride) + "u";
    text += (text.empty() ? "" : " + ") + part;
  }
  return text;
}

// Whether `width` neighbouring elements of the group are as many neighbours in the input, the first at a multiple of it.
bool moves_together(const Access& access, int64_t width) {
  const Axis& last = access.axes.back();
  if (last.inner != 1 || last.stride != 1 || last.size % width != 0 || last.size == 0) return false;
  return std::all_of(access.axes.begin(), access.axes.end() - 1,
                     [&](const Axis& axis) { return axis.inner % width == 0 && axis.stride % width == 0; });
}

// Whether `width` neighbouring elements of the group are one of the input.
bool stands_still(const Access& access, int64_t width) {
  return std::all_of(access.axes.begin(), access.axes.end(), [&](const Axis& axis) { return axis.inner % width == 0; });
}

class Writer {
 public:
  Writer(const Group& group, bool wide) : group_(group), wide_(wide) {
    for (const Group::Input& input : group.inputs) accesses_.push_back(access_of(input.shape, group.shape));
  }

  // Of a kernel that takes `width` elements in a thread at a time.
  std::string write(int64_t width) {
    text_ = kFusedPrelude;
    text_ += wide_ ? "typedef unsigned long long Index;\n" : "typedef unsigned Index;\n";
    text_ += "extern \"C\" __global__ void __launch_bounds__(256) fused(";
    for (size_t i = 0; i < group_.inputs.size(); ++i) {
      text_ += std::string("const ") + names_of(group_.inputs[i].dtype).stored + "* a" +
               number(static_cast<int64_t>(i)) + ", ";
    }
    for (size_t o = 0; o < group_.outputs.size(); ++o) {
      text_ +=
          std::string(names_of(dtype_of(group_.outputs[o])).stored) + "* b" + number(static_cast<int64_t>(o)) + ", ";
    }
    text_ += "Index count) {\n";
    for (size_t i = 0; i < accesses_.size(); ++i) {
      if (accesses_[i].kind != Access::kSingle) continue;
      text_ += "  const " + held(static_cast<int32_t>(i)) + " s" + number(static_cast<int64_t>(i)) + " = " +
               loaded(i, "0") + ";\n";
    }
    text_ += "  const Index step = (Index)gridDim.x * blockDim.x;\n";
    text_ += "  Index at = (Index)blockIdx.x * blockDim.x + threadIdx.x;\n";
    if (width > 1) {
      text_ += "  const Index packs = count / " + number(width) + ";\n  for (; at < packs; at += step) {\n";
      text_ += "    const Index i = at * " + number(width) + ";\n";
      write_pack(width);
      text_ += "  }\n  at = packs * " + number(width) + " + (at - packs);\n";
    }
    text_ += "  for (; at < count; at += step) {\n    const Index i = at;\n";
    write_element();
    text_ += "  }\n}\n";
    return std::move(text_);
  }

 private:
  int32_t dtype_of(int32_t operand) const {
    const auto inputs = static_cast<int32_t>(group_.inputs.size());
    return operand < inputs ? group_.inputs[static_cast<size_t>(operand)].dtype
                            : group_.members[static_cast<size_t>(operand - inputs)].dtype;
  }
  std::string held(int32_t operand) const { return names_of(dtype_of(operand)).held; }

  std::string loaded(size_t input, const std::string& index) const {
    return "a" + number(static_cast<int64_t>(input)) + "[" + index + "]" +
           (group_.inputs[input].dtype == WEFT_BOOL ? " != 0" : "");
  }

  // The operand's value for lane `lane`, where operands are arrays of lanes; or alone for lane -1.
  static std::string value(int32_t operand, int64_t lane) {
    return "v" + number(operand) + (lane >= 0 ? "[" + number(lane) + "]" : "");
  }

  std::string filled_in(const Group::Member& member, int64_t lane) const {
    std::string out;
    const std::string& text = member.expression;
    for (size_t k = 0; k < text.size(); ++k) {
      if (text[k] != '$') {
        out += text[k];
        continue;
      }
      size_t index = 0;
      while (k + 1 < text.size() && text[k + 1] >= '0' && text[k + 1] <= '9') {
        index = 10 * index + static_cast<size_t>(text[++k] - '0');
      }
      const int32_t operand = member.inputs[index];
      const bool single = operand < static_cast<int32_t>(accesses_.size()) &&
                          accesses_[static_cast<size_t>(operand)].kind == Access::kSingle;
      out += single ? "s" + number(operand) : value(operand, lane);
    }
    return out;
  }

  void write_element() {
    for (size_t i = 0; i < accesses_.size(); ++i) {
      const Access& access = accesses_[i];
      if (access.kind == Access::kSingle) continue;
      const std::string index = access.kind == Access::kLinear ? "i" : offset_of(access, "i");
      const auto operand = static_cast<int32_t>(i);
      text_ += "    const " + held(operand) + " " + value(operand, -1) + " = " + loaded(i, index) + ";\n";
    }
    for (size_t m = 0; m < group_.members.size(); ++m) {
      const auto operand = static_cast<int32_t>(group_.inputs.size() + m);
      text_ +=
          "    const " + held(operand) + " " + value(operand, -1) + " = " + filled_in(group_.members[m], -1) + ";\n";
    }
    for (size_t o = 0; o < group_.outputs.size(); ++o) {
      text_ += "    b" + number(static_cast<int64_t>(o)) + "[i] = " + value(group_.outputs[o], -1) + ";\n";
    }
  }

  void write_pack(int64_t width) {
    const std::string w = number(width);
    for (size_t i = 0; i < accesses_.size(); ++i) {
      const Access& access = accesses_[i];
      if (access.kind == Access::kSingle) continue;
      const auto operand = static_cast<int32_t>(i);
      const std::string name = value(operand, -1), stored = names_of(dtype_of(operand)).stored;
      text_ += "    " + held(operand) + " " + name + "[" + w + "];\n";
      const bool linear = access.kind == Access::kLinear;
      if (linear || moves_together(access, width)) {
        const std::string index = linear ? "i" : offset_of(access, "i");
        text_ += "    load<" + stored + ", " + w + ">(a" + number(operand) + " + (" + index + "), " + name + ");\n";
      } else if (stands_still(access, width)) {
        text_ += "    { const " + held(operand) + " one = " + loaded(i, offset_of(access, "i")) + ";\n";
        for (int64_t lane = 0; lane < width; ++lane) text_ += "    " + value(operand, lane) + " = one;\n";
        text_ += "    }\n";
      } else {
        for (int64_t lane = 0; lane < width; ++lane) {
          const std::string index = offset_of(access, "(i + " + number(lane) + "u)");
          text_ += "    " + value(operand, lane) + " = " + loaded(i, index) + ";\n";
        }
      }
    }
    for (size_t m = 0; m < group_.members.size(); ++m) {
      const auto operand = static_cast<int32_t>(group_.inputs.size() + m);
      text_ += "    " + held(operand) + " " + value(operand, -1) + "[" + w + "];\n";
      for (int64_t lane = 0; lane < width; ++lane) {
        text_ += "    " + value(operand, lane) + " = " + filled_in(group_.members[m], lane) + ";\n";
      }
    }
    for (size_t o = 0; o < group_.outputs.size(); ++o) {
      const std::string stored = names_of(dtype_of(group_.outputs[o])).stored;
      text_ += "    store<" + stored + ", " + w + ">(b" + number(static_cast<int64_t>(o)) + " + i, " +
               value(group_.outputs[o], -1) + ");\n";
    }
  }

  const Group& group_;
  const bool wide_;
  std::vector<Access> accesses_;
  std::string text_;
};

// What a run needs: the kernel for packs, and that for single elements once an address is not aligned for packs.
struct GroupKernel {
  int64_t count = 0, width = 1;
  bool wide = false;
  size_t inputs = 0, outputs = 0;
  std::vector<int64_t> input_bytes, output_bytes;  // of a pack, that its address has to be a multiple of
  // Of packs and of single elements: compiled when they are first run, if not before.
  struct Variant {
    std::string source;
    std::once_flag once;
    std::shared_ptr<const Compiled> compiled;

    const void* kernel() {
      std::call_once(once, [this] { compiled = compile(source, "fused"); });
      return compiled->kernel();
    }
  };
  mutable Variant packs, single;

  bool aligned(const Launch& launch) const {
    const auto off = [](const void* address, int64_t bytes) {
      return reinterpret_cast<uintptr_t>(address) % static_cast<uintptr_t>(bytes) != 0;
    };
    for (size_t i = 0; i < inputs; ++i) {
      if (off(launch.in[i], input_bytes[i])) return false;
    }
    for (size_t o = 0; o < outputs; ++o) {
      if (off(launch.out[o], output_bytes[o])) return false;
    }
    return true;
  }

  void run(const Launch& launch) const {
    if (count == 0) return;
    const bool in_packs = width > 1 && aligned(launch);
    const void* kernel = (in_packs ? packs : single).kernel();
    const int64_t items = in_packs ? count / width + 1 : count;
    // Enough blocks to fill the GPU a few times; threads of these go on to the next elements.
    const int64_t most = 8 * 4 * static_cast<int64_t>(launch.stream.device().properties().multiProcessorCount);
    const int64_t blocks = std::clamp<int64_t>((items + kThreads - 1) / kThreads, 1, most);
    constexpr size_t kMost = 2 * kMostOperands + 1;
    void* arguments[kMost];
    size_t next = 0;
    for (size_t i = 0; i < inputs; ++i) arguments[next++] = const_cast<const void**>(&launch.in[i]);
    for (size_t o = 0; o < outputs; ++o) arguments[next++] = const_cast<void**>(&launch.out[o]);
    auto narrow_count = static_cast<uint32_t>(count);
    auto wide_count = static_cast<uint64_t>(count);
    arguments[next] = wide ? static_cast<void*>(&wide_count) : &narrow_count;
    check(cudaLaunchKernel(kernel, dim3(static_cast<unsigned>(blocks)), dim3(kThreads), arguments, 0,
                           launch.stream.get()),
          "a kernel cannot be started");
  }
};

}  // namespace

std::string literal(double value, int32_t dtype) {
  char text[64];
  if (std::isnan(value))
    return dtype == WEFT_F64 ? "__longlong_as_double(0x7ff8000000000000ll)" : "__int_as_float(0x7fc00000)";
  if (std::isinf(value)) {
    const std::string positive =
        dtype == WEFT_F64 ? "__longlong_as_double(0x7ff0000000000000ll)" : "__int_as_float(0x7f800000)";
    return value < 0 ? "(-" + positive + ")" : positive;
  }
  std::snprintf(text, sizeof text, dtype == WEFT_F64 ? "(double)%a" : "(float)%a", value);
  return std::string("(") + text + ")";
}

const char* held_name(int32_t dtype) { return names_of(dtype).held; }

Prepared prepare_group(const Group& group, When when) {
  if (group.inputs.size() > kMostOperands || group.outputs.size() > kMostOperands) {
    throw Error(WEFT_INTERNAL, "a group of elementwise operators has too many operands");
  }
  auto kernel = std::make_shared<GroupKernel>();
  kernel->count = product(group.shape);
  kernel->inputs = group.inputs.size();
  kernel->outputs = group.outputs.size();
  kernel->wide = kernel->count >= int64_t{1} << 31;
  int64_t largest = 1;
  std::vector<int32_t> stored;
  for (const Group::Input& input : group.inputs) stored.push_back(input.dtype);
  for (int32_t operand : group.outputs) {
    const auto inputs = static_cast<int32_t>(group.inputs.size());
    stored.push_back(operand < inputs ? group.inputs[static_cast<size_t>(operand)].dtype
                                      : group.members[static_cast<size_t>(operand - inputs)].dtype);
  }
  for (int32_t dtype : stored) largest = std::max(largest, element_bytes(dtype));
  kernel->width = std::min<int64_t>(16 / largest, 8);
  // Packs of few elements would leave most of the GPU without work.
  while (kernel->width > 1 && kernel->count / kernel->width < 16384) kernel->width /= 2;
  for (size_t k = 0; k < stored.size(); ++k) {
    const bool one = k < kernel->inputs && product(group.inputs[k].shape) == 1;
    const int64_t bytes = element_bytes(stored[k]) * (one ? 1 : kernel->width);
    (k < kernel->inputs ? kernel->input_bytes : kernel->output_bytes).push_back(bytes);
  }
  Writer writer(group, kernel->wide);
  kernel->single.source = writer.write(1);
  if (kernel->width > 1) kernel->packs.source = writer.write(kernel->width);
  if (when == When::kNow && kernel->count != 0) (void)(kernel->width > 1 ? kernel->packs : kernel->single).kernel();
  Prepared prepared;
  prepared.run = [kernel](const Launch& launch) { kernel->run(launch); };
  return prepared;
}

}  // namespace weft::cuda
