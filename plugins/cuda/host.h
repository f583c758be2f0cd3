// What the library tells the plug-in, and what it is told: errors, nodes, and kernels for them.
#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "weft/plugin.h"
#include "weft/tensor.h"

namespace weft::cuda {

// Inside the plug-in errors are exceptions; the functions of its table hand them on as weft_status (`guarded`).
class Error : public std::runtime_error {
 public:
  Error(int32_t code, const std::string& message) : std::runtime_error(message), code_(code) {}
  int32_t code() const { return code_; }

 private:
  int32_t code_;
};

using Shape = std::vector<int64_t>;

// Bytes of an element; 0 for strings and for types with several elements in a byte.
int64_t element_bytes(int32_t dtype);
int64_t product(const Shape& shape, size_t begin, size_t end);
inline int64_t product(const Shape& shape) { return product(shape, 0, shape.size()); }

// An input or output of a node, all of its sizes numbers.
struct Value {
  bool given = false;
  int32_t dtype = 0;
  Shape shape;
  const void* constant = nullptr;  // the elements of a constant input, in the process's memory

  int rank() const { return static_cast<int>(shape.size()); }
  int64_t count() const { return product(shape); }
  int64_t bytes() const { return count() * element_bytes(dtype); }
  // Integers of a constant i32 or i64.
  std::vector<int64_t> ints() const;
};

// A node for which a kernel is looked for or made. Lives as long as the call of the table's function.
class Node {
 public:
  explicit Node(const weft_plugin_node* node);

  int inputs() const { return static_cast<int>(sides_[0].size()); }
  int outputs() const { return static_cast<int>(sides_[1].size()); }
  bool has(int i) const { return i < inputs() && input(i).given; }
  bool makes(int i) const { return i < outputs() && output(i).given; }
  const Value& input(int i) const { return sides_[0][static_cast<size_t>(i)]; }
  const Value& output(int i) const { return sides_[1][static_cast<size_t>(i)]; }

  // Attributes that have a default are always there; `has_attr` is for the others.
  bool has_attr(const char* name) const { return find(name) != nullptr; }
  int64_t i(const char* name) const;
  int64_t i_or(const char* name, int64_t otherwise) const { return has_attr(name) ? i(name) : otherwise; }
  double f(const char* name) const;
  double f_or(const char* name, double otherwise) const { return has_attr(name) ? f(name) : otherwise; }
  std::string s(const char* name) const;
  std::vector<int64_t> ints(const char* name) const;

 private:
  const weft_plugin_attribute* find(const char* name) const;

  std::vector<Value> sides_[2];
  std::vector<weft_plugin_attribute> attributes_;
};

class Stream;

// What a kernel gets when it runs: addresses of the device. An input that is left out, or of which the node looks at the
// shape alone, is null.
struct Launch {
  const void* const* in;
  void* const* out;
  void* scratch;
  Stream& stream;
  int32_t step;

  template <typename T>
  const T* input(int i) const {
    return static_cast<const T*>(in[i]);
  }
  template <typename T>
  T* output(int i) const {
    return static_cast<T*>(out[i]);
  }
};

// What an elementwise operator does with one element of each input, as text of CUDA C++: $0, $1, ... are the inputs. Uses
// the functions that fused.cc begins its programs with. Empty: the operator is none.
using Expression = std::string;

// A kernel that is ready for one node. `run` puts its work on the stream and returns; any number of threads may be in it.
struct Prepared {
  std::function<void(const Launch&)> run;
  int64_t scratch_bytes = 0;
  Expression expression;  // so that groups can be made of it
};

// How the plug-in runs an operator. The first definition of an operator that accepts a node runs it.
struct Definition {
  const char* op;
  const char* name;                   // what traces call it
  bool (*accepts)(const Node& node);  // looks at types and shapes
  Prepared (*prepare)(const Node& node);
};
using Definitions = std::vector<Definition>;

// Every kernel of the plug-in (kernels.cc).
void define_all(Definitions& all);

// Before any node is looked at.
void set_library(const weft_plugin_host* library);

}  // namespace weft::cuda
