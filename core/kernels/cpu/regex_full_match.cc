// Kernel of RegexFullMatch: the library libweft_text compiles the pattern once and matches.
#include <atomic>
#include <memory>

#include "core/base/library.h"
#include "core/kernel/registry.h"
#include "plugins/text.h"

namespace weft {
namespace {

Result<const weft_text_plugin*> text_plugin() {
  static Companion library("libweft_text.so", "weft_text_open", WEFT_TEXT_VERSION, sizeof(weft_text_plugin));
  WEFT_TRY(const void* table, library.table());
  return static_cast<const weft_text_plugin*>(table);
}

struct RegexMatch {
  const weft_text_plugin* plugin;
  std::shared_ptr<const weft_regex> regex;
};

constexpr int64_t kStringsAtOnce = 64;
constexpr double kNsPerMatch = 200;

Status match_strings(const RegexMatch& s, TensorArgs& args) {
  const std::vector<std::string>& x = args.in[0].strings();
  WEFT_TRY(args.out[0], Tensor::make(DType::kBool, args.in[0].shape()));
  bool* y = args.out[0].as<bool>();
  std::atomic<bool> no_memory = false;
  parallel_for(*args.parallel, static_cast<int64_t>(x.size()), kStringsAtOnce, kNsPerMatch,
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const std::string& text = x[static_cast<size_t>(i)];
                   const int32_t matches = s.plugin->regex_full_match(s.regex.get(), text.data(), text.size());
                   if (matches < 0) no_memory = true;
                   y[i] = matches == 1;
                 }
               });
  if (no_memory) return make_error(Code::kResourceExhausted, "there is no memory to match strings in");
  return {};
}

Status prepare_regex_full_match(const KernelContext& c, PreparedKernel* prepared) {
  WEFT_TRY(const weft_text_plugin* plugin, text_plugin());
  const std::string& pattern = c.attrs().s("pattern");
  char why[200] = "";
  weft_regex* regex = plugin->regex_new(pattern.data(), pattern.size(), why, sizeof why);
  if (regex == nullptr) return invalid("the pattern '", readable(pattern), "' is none of RE2's: ", readable(why));
  prepared->cost_ns = kNsPerMatch * static_cast<double>(c.count(0));
  prepared->use_tensors<&match_strings>(RegexMatch{plugin, {regex, plugin->regex_free}});
  return {};
}

}  // namespace

void add_cpu_regex_full_match(KernelRegistry& kernels) {
  kernels.add("RegexFullMatch", {"re2", nullptr, prepare_regex_full_match});
}

}  // namespace weft
