// Operators of the C ABI.
#include "weft/op.h"

#include "c_api/src/handles.h"
#include "core/op/describe.h"
#include "core/runtime/builtin.h"

using namespace weft;
using namespace weft::c_api;

namespace {

// The operators that are offered to users. The names stay with the registry, which only grows.
const std::vector<std::string>& op_names() {
  static const std::vector<std::string>* names = [] {
    auto* made = new std::vector<std::string>;
    for (const OpDef* op : builtin_ops().all()) {
      if (op->is_listed()) made->push_back(op->full_name());
    }
    return made;
  }();
  return *names;
}

}  // namespace

int32_t weft_op_count(void) { return static_cast<int32_t>(op_names().size()); }
const char* weft_op_name(int32_t i) {
  return i >= 0 && i < weft_op_count() ? op_names()[static_cast<size_t>(i)].c_str() : nullptr;
}
weft_status* weft_op_inspect(const char* name, weft_bytes** out_json) {
  return guard([&]() -> Status {
    WEFT_NOT_NULL(out_json);
    *out_json = nullptr;
    WEFT_NOT_NULL(name);
    auto [domain, op_name] = split_op_name(name);
    WEFT_TRY(const OpDef* op, builtin_ops().get(domain, op_name));
    *out_json = make_bytes(describe_op(*op));
    return {};
  });
}
