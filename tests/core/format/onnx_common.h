// ONNX files made by hand, for tests of what reads them. The field numbers are those of onnx.proto.
#pragma once

#include <gtest/gtest.h>

#include <protozero/pbf_writer.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/base/file.h"
#include "core/format/onnx.h"
#include "core/graph/print.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"
#include "tests/test_folder.h"

namespace weft {

using protozero::pbf_writer;
using Bytes = std::string;
using Strings = std::vector<std::string>;
constexpr int64_t kFloat = 1;  // onnx.proto's f32

// Fields added one after the other; `str` is the message.
class Message {
 public:
  Message& number(int field, int64_t value) {
    pbf_writer(bytes_).add_int64(static_cast<protozero::pbf_tag_type>(field), value);
    return *this;
  }
  Message& text(int field, const std::string& value) {
    pbf_writer(bytes_).add_bytes(static_cast<protozero::pbf_tag_type>(field), value);
    return *this;
  }
  Message& texts(int field, const Strings& values) {
    for (const std::string& value : values) text(field, value);
    return *this;
  }
  Message& part(int field, const Message& value) { return text(field, value.bytes_); }
  Message& real(int field, float value) {
    pbf_writer(bytes_).add_float(static_cast<protozero::pbf_tag_type>(field), value);
    return *this;
  }
  const std::string& str() const { return bytes_; }

 private:
  std::string bytes_;
};

inline Message node_proto(const std::string& op, const Strings& inputs, const Strings& outputs,
                          const std::vector<Message>& attributes = {}, const std::string& domain = "",
                          const std::string& name = "") {
  Message out;
  out.texts(1, inputs).texts(2, outputs).text(3, name).text(4, op).text(7, domain);
  for (const Message& attribute : attributes) out.part(5, attribute);
  return out;
}
inline Message int_attribute(const std::string& name, int64_t value) {
  return Message().text(1, name).number(3, value).number(20, 2);
}
inline Message float_attribute(const std::string& name, float value) {
  return Message().text(1, name).real(2, value).number(20, 1);
}
inline Message string_attribute(const std::string& name, const std::string& value) {
  return Message().text(1, name).text(4, value).number(20, 3);
}
inline Message ints_attribute(const std::string& name, const std::vector<int64_t>& values) {
  Message out = Message().text(1, name);
  for (int64_t value : values) out.number(8, value);
  return out.number(20, 7);
}
inline Message graph_attribute(const std::string& name, const Message& graph) {
  return Message().text(1, name).part(6, graph).number(20, 5);
}
// Dimensions below zero become symbols d1, d2, ...
inline Message value_proto(const std::string& name, int64_t dtype, const std::vector<int64_t>& dims) {
  Message shape;
  for (int64_t dim : dims) {
    shape.part(1, dim < 0 ? Message().text(2, "d" + std::to_string(-dim)) : Message().number(1, dim));
  }
  return Message().text(1, name).part(2, Message().part(1, Message().number(1, dtype).part(2, shape)));
}
// Of f32, all one value.
inline Message tensor_proto(const std::string& name, const std::vector<int64_t>& dims, float value) {
  Message out;
  int64_t count = 1;
  for (int64_t dim : dims) {
    out.number(1, dim);
    count *= dim;
  }
  std::vector<float> values(static_cast<size_t>(count), value);
  std::string raw(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  return out.number(2, 1).text(8, name).text(9, raw);
}

struct GraphParts {
  std::vector<Message> nodes, weights, inputs, outputs;
};
inline Message graph_proto(const GraphParts& parts) {
  Message out;
  for (const Message& node : parts.nodes) out.part(1, node);
  for (const Message& weight : parts.weights) out.part(5, weight);
  for (const Message& input : parts.inputs) out.part(11, input);
  for (const Message& output : parts.outputs) out.part(12, output);
  return out;
}
inline Bytes model_bytes(const GraphParts& parts, int opset = 26, const std::vector<Message>& functions = {}) {
  Message out = Message().number(1, 8);
  out.part(8, Message().text(1, "").number(2, opset));
  out.part(8, Message().text(1, "weft").number(2, 1)).part(8, Message().text(1, "own").number(2, 1));
  out.part(7, graph_proto(parts));
  for (const Message& function : functions) out.part(25, function);
  return out.str();
}

inline Result<std::shared_ptr<Graph>> load(const Bytes& bytes, const std::string& folder = "", bool map = false) {
  OnnxLoadOptions options;
  options.map = map;
  return load_onnx_bytes(builtin_ops(), bytes, folder, options);
}

// What the graph's outputs are for these inputs, given in the order of the graph's.
inline Result<std::vector<Tensor>> run_graph(const std::shared_ptr<Graph>& graph, const std::vector<Tensor>& inputs) {
  WEFT_TRY(std::shared_ptr<Session> session, Session::make(graph, {}));
  Signature signature;
  signature.feeds = graph->inputs();
  signature.fetches = graph->outputs();
  std::vector<Tensor> out;
  WEFT_CHECK(session->run(signature, inputs, {}, &out));
  return out;
}
inline std::vector<float> floats_of(const Tensor& tensor) {
  return std::vector<float>(tensor.as<float>(), tensor.as<float>() + tensor.count());
}

}  // namespace weft
