// Nodes as the library tells of them.
#include "plugins/cuda/host.h"

#include <cstring>

namespace weft::cuda {

namespace {

const weft_plugin_host* library;

Value value_of(const weft_plugin_node* node, int32_t side, int32_t i) {
  weft_plugin_value told{};
  told.struct_size = sizeof told;
  library->value(node, side, i, &told);
  Value value;
  value.given = told.given != 0;
  if (!value.given) return value;
  value.dtype = told.dtype;
  value.shape.assign(told.dims, told.dims + told.rank);
  value.constant = told.constant;
  return value;
}

}  // namespace

void set_library(const weft_plugin_host* given) { library = given; }

int64_t element_bytes(int32_t dtype) {
  switch (dtype) {
    case WEFT_BOOL:
    case WEFT_U8:
    case WEFT_I8:
    case WEFT_F8E4M3FN:
    case WEFT_F8E4M3FNUZ:
    case WEFT_F8E5M2:
    case WEFT_F8E5M2FNUZ:
    case WEFT_F8E8M0: return 1;
    case WEFT_U16:
    case WEFT_I16:
    case WEFT_F16:
    case WEFT_BF16: return 2;
    case WEFT_F32:
    case WEFT_U32:
    case WEFT_I32: return 4;
    case WEFT_F64:
    case WEFT_U64:
    case WEFT_I64:
    case WEFT_C64: return 8;
    case WEFT_C128: return 16;
    default: return 0;
  }
}

int64_t product(const Shape& shape, size_t begin, size_t end) {
  int64_t count = 1;
  for (size_t d = begin; d < end; ++d) count *= shape[d];
  return count;
}

std::vector<int64_t> Value::ints() const {
  std::vector<int64_t> out(static_cast<size_t>(count()));
  for (size_t k = 0; k < out.size(); ++k) {
    out[k] = dtype == WEFT_I32 ? static_cast<const int32_t*>(constant)[k] : static_cast<const int64_t*>(constant)[k];
  }
  return out;
}

Node::Node(const weft_plugin_node* node) {
  for (int32_t side = 0; side < 2; ++side) {
    const int32_t count = library->count(node, side);
    for (int32_t i = 0; i < count; ++i) sides_[side].push_back(value_of(node, side, i));
  }
  attributes_.resize(static_cast<size_t>(library->count(node, 2)));
  for (size_t i = 0; i < attributes_.size(); ++i) {
    attributes_[i].struct_size = sizeof attributes_[i];
    library->attribute(node, static_cast<int32_t>(i), &attributes_[i]);
  }
}

const weft_plugin_attribute* Node::find(const char* name) const {
  for (const weft_plugin_attribute& attribute : attributes_) {
    if (std::strcmp(attribute.name, name) == 0) return &attribute;
  }
  return nullptr;
}

int64_t Node::i(const char* name) const { return find(name)->ints[0]; }
double Node::f(const char* name) const { return find(name)->floats[0]; }
std::string Node::s(const char* name) const { return find(name)->strings[0]; }
std::vector<int64_t> Node::ints(const char* name) const {
  const weft_plugin_attribute* found = find(name);
  return {found->ints, found->ints + found->count};
}

}  // namespace weft::cuda
