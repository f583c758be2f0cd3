// Kernel of RegexFullMatch.
#include <atomic>

#include "core/kernel/registry.h"
#include "core/kernels/cpu/regex_common.h"

namespace weft {
namespace {

constexpr int64_t kStringsAtOnce = 64;

Status match_strings(const Regex& regex, TensorArgs& args) {
  const std::vector<std::string>& x = args.in[0].strings();
  WEFT_TRY(args.out[0], Tensor::make(DType::kBool, args.in[0].shape()));
  bool* y = args.out[0].as<bool>();
  std::atomic<bool> no_memory = false;
  parallel_for(*args.parallel, static_cast<int64_t>(x.size()), kStringsAtOnce, kNsPerMatch,
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int32_t matches = regex.matches_whole(x[static_cast<size_t>(i)]);
                   if (matches < 0) no_memory = true;
                   y[i] = matches == 1;
                 }
               });
  if (no_memory) return make_error(Code::kResourceExhausted, "there is no memory to match strings in");
  return {};
}

Status prepare_regex_full_match(const KernelContext& c, PreparedKernel* prepared) {
  WEFT_TRY(Regex regex, Regex::compile(c.attrs().s("pattern")));
  prepared->cost_ns = kNsPerMatch * static_cast<double>(c.count(0));
  prepared->use_tensors<&match_strings>(std::move(regex));
  return {};
}

}  // namespace

void add_cpu_regex_full_match(KernelRegistry& kernels) {
  kernels.add("RegexFullMatch", {"re2", nullptr, prepare_regex_full_match});
}

}  // namespace weft
