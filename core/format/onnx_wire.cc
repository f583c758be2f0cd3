// Reads the messages of an ONNX file. The field numbers are those of onnx.proto.
#include "core/format/onnx_wire.h"

#include <exception>
#include <protozero/pbf_reader.hpp>

#include "core/base/text.h"

namespace weft::onnx {

namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;

// What is thrown, besides protozero's own, on bytes that are not the message they should be.
struct Damaged : std::exception {};

// protozero takes it for granted that a field is written as its getter reads it.
pbf_reader& as(pbf_wire_type type, pbf_reader& reader) {
  if (reader.wire_type() != type) throw Damaged();
  return reader;
}
int64_t int64(pbf_reader& reader) { return as(pbf_wire_type::varint, reader).get_int64(); }
int32_t int32(pbf_reader& reader) { return as(pbf_wire_type::varint, reader).get_int32(); }
float float32(pbf_reader& reader) { return as(pbf_wire_type::fixed32, reader).get_float(); }
double float64(pbf_reader& reader) { return as(pbf_wire_type::fixed64, reader).get_double(); }

std::string_view view(pbf_reader& reader) {
  auto data = as(pbf_wire_type::length_delimited, reader).get_view();
  return {data.data(), data.size()};
}

// Names and other text; all of it may come to stand in a message for people.
std::string_view text(pbf_reader& reader) {
  std::string_view out = view(reader);
  if (!is_utf8(out)) throw Damaged();
  return out;
}

pbf_reader over(std::string_view bytes) { return pbf_reader(bytes.data(), bytes.size()); }

// A list of numbers comes packed or one by one.
template <typename Out, typename Packed, typename Single>
void append(pbf_reader& reader, std::vector<Out>* out, Packed packed, Single single) {
  if (reader.wire_type() == pbf_wire_type::length_delimited) {
    for (auto value : packed(reader)) out->push_back(static_cast<Out>(value));
  } else {
    out->push_back(static_cast<Out>(single(reader)));
  }
}
void append_floats(pbf_reader& reader, std::vector<float>* out) {
  append(
      reader, out, [](pbf_reader& r) { return r.get_packed_float(); }, float32);
}
void append_doubles(pbf_reader& reader, std::vector<double>* out) {
  append(
      reader, out, [](pbf_reader& r) { return r.get_packed_double(); }, float64);
}
void append_ints(pbf_reader& reader, std::vector<int64_t>* out) {
  append(
      reader, out, [](pbf_reader& r) { return r.get_packed_int64(); }, int64);
}

std::pair<std::string_view, std::string_view> read_entry(std::string_view bytes) {
  std::pair<std::string_view, std::string_view> out;
  pbf_reader reader = over(bytes);
  while (reader.next()) {
    switch (reader.tag()) {
      case 1: out.first = text(reader); break;
      case 2: out.second = text(reader); break;
      default: reader.skip();
    }
  }
  return out;
}

std::pair<std::string_view, int64_t> read_opset(std::string_view bytes) {
  std::pair<std::string_view, int64_t> out{"", 0};
  pbf_reader reader = over(bytes);
  while (reader.next()) {
    switch (reader.tag()) {
      case 1: out.first = text(reader); break;
      case 2: out.second = int64(reader); break;
      default: reader.skip();
    }
  }
  return out;
}

DimWire read_dim(std::string_view bytes) {
  DimWire out;
  pbf_reader reader = over(bytes);
  while (reader.next()) {
    switch (reader.tag()) {
      case 1:
        out.value = int64(reader);
        out.has_value = true;
        break;
      case 2: out.param = text(reader); break;
      default: reader.skip();
    }
  }
  return out;
}

void read_tensor_type(std::string_view bytes, ValueWire* out) {
  out->is_known = true;
  pbf_reader reader = over(bytes);
  while (reader.next()) {
    if (reader.tag() == 1) {
      out->elem_type = int32(reader);
    } else if (reader.tag() == 2) {
      out->has_shape = true;
      out->dims.clear();
      pbf_reader shape = over(view(reader));
      while (shape.next()) {
        if (shape.tag() == 1)
          out->dims.push_back(read_dim(view(shape)));
        else
          shape.skip();
      }
    } else {
      reader.skip();
    }
  }
}

// Field 1 of a message, of which the last one counts.
std::string_view first_field(std::string_view bytes) {
  std::string_view out;
  pbf_reader reader = over(bytes);
  while (reader.next(1)) out = view(reader);
  return out;
}

// A map: the type of its keys 1 and that of its values 2, tensors.
void read_map_type(std::string_view bytes, ValueWire* out) {
  pbf_reader reader = over(bytes);
  while (reader.next()) {
    if (reader.tag() == 1) {
      out->key_type = int32(reader);
    } else if (reader.tag() == 2) {
      pbf_reader values = over(view(reader));
      while (values.next(1)) read_tensor_type(view(values), out);
    } else {
      reader.skip();
    }
  }
}

// A TypeProto: a tensor 1, a sequence 4 of tensors or maps, a map 5, or an optional 9 of one of these.
void read_type(std::string_view bytes, ValueWire* out) {
  for (int optionals = 0;;) {
    std::string_view held;
    bool holds = false;
    pbf_reader reader = over(bytes);
    while (reader.next()) {
      if (reader.tag() == 1) {
        read_tensor_type(view(reader), out);
      } else if (reader.tag() == 4) {
        pbf_reader element = over(first_field(view(reader)));
        while (element.next()) {
          if (element.tag() == 1)
            read_tensor_type(view(element), out);
          else if (element.tag() == 5)
            read_map_type(view(element), out);
          else
            element.skip();
        }
        out->is_sequence = true;
      } else if (reader.tag() == 5) {
        read_map_type(view(reader), out);
      } else if (reader.tag() == 9) {
        held = first_field(view(reader));
        holds = true;
      } else {
        reader.skip();
      }
    }
    if (!holds || ++optionals > 1) {
      if (optionals > 1) out->is_known = false;  // of optionals of optionals nothing is known
      return;
    }
    out->is_optional = true;
    bytes = held;
  }
}

ValueWire read_value(std::string_view bytes) {
  ValueWire out;
  pbf_reader reader = over(bytes);
  while (reader.next()) {
    switch (reader.tag()) {
      case 1: out.name = text(reader); break;
      case 2: read_type(view(reader), &out); break;
      case 4: out.metadata.push_back(read_entry(view(reader))); break;
      default: reader.skip();
    }
  }
  return out;
}

// protozero throws on bytes that are no message.
template <typename T, typename Body>
Result<T> reading(const char* what, Body body) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception&) {
    return data_loss("it is no ONNX model, or damaged: a ", what, " in it ends too early or says what it cannot");
  }
}

}  // namespace

Result<ModelWire> read_model(std::string_view bytes) {
  return reading<ModelWire>("message", [&] {
    ModelWire out;
    pbf_reader reader = over(bytes);
    while (reader.next()) {
      switch (reader.tag()) {
        case 1: out.ir_version = int64(reader); break;
        case 2: out.producer = text(reader); break;
        case 3: out.producer_version = text(reader); break;
        case 7:
          out.graph = view(reader);
          out.has_graph = true;
          break;
        case 8: out.opsets.push_back(read_opset(view(reader))); break;
        case 14: out.metadata.push_back(read_entry(view(reader))); break;
        case 25: out.functions.push_back(view(reader)); break;
        default: reader.skip();
      }
    }
    return out;
  });
}

Result<GraphWire> read_graph(std::string_view bytes) {
  return reading<GraphWire>("graph", [&] {
    GraphWire out;
    pbf_reader reader = over(bytes);
    while (reader.next()) {
      switch (reader.tag()) {
        case 1: out.nodes.push_back(view(reader)); break;
        case 2: out.name = text(reader); break;
        case 5: out.initializers.push_back(view(reader)); break;
        case 11: out.inputs.push_back(read_value(view(reader))); break;
        case 12: out.outputs.push_back(read_value(view(reader))); break;
        case 13: out.values.push_back(view(reader)); break;
        case 15: out.sparse_initializers.push_back(view(reader)); break;
        default: reader.skip();
      }
    }
    return out;
  });
}

Result<FunctionWire> read_function(std::string_view bytes) {
  return reading<FunctionWire>("function", [&] {
    FunctionWire out;
    pbf_reader reader = over(bytes);
    while (reader.next()) {
      switch (reader.tag()) {
        case 1: out.name = text(reader); break;
        case 4: out.inputs.push_back(text(reader)); break;
        case 5: out.outputs.push_back(text(reader)); break;
        case 6: out.attributes.push_back(text(reader)); break;
        case 7: out.nodes.push_back(view(reader)); break;
        case 9: out.opsets.push_back(read_opset(view(reader))); break;
        case 10: out.domain = text(reader); break;
        case 11: out.defaults.push_back(view(reader)); break;
        case 13: out.overload = text(reader); break;
        default: reader.skip();
      }
    }
    return out;
  });
}

Result<NodeWire> read_node(std::string_view bytes) {
  return reading<NodeWire>("node", [&] {
    NodeWire out;
    pbf_reader reader = over(bytes);
    while (reader.next()) {
      switch (reader.tag()) {
        case 1: out.inputs.push_back(text(reader)); break;
        case 2: out.outputs.push_back(text(reader)); break;
        case 3: out.name = text(reader); break;
        case 4: out.op_type = text(reader); break;
        case 5: out.attributes.push_back(view(reader)); break;
        case 7: out.domain = text(reader); break;
        case 8: out.overload = text(reader); break;
        case 9: out.metadata.push_back(read_entry(view(reader))); break;
        default: reader.skip();
      }
    }
    return out;
  });
}

Result<AttributeWire> read_attribute(std::string_view bytes) {
  return reading<AttributeWire>("attribute", [&] {
    AttributeWire out;
    pbf_reader reader = over(bytes);
    int32_t seen = 0;  // old files say no type
    auto note = [&](int32_t type) { seen = type; };
    while (reader.next()) {
      switch (reader.tag()) {
        case 1: out.name = text(reader); break;
        case 20: out.type = int32(reader); break;
        case 21: out.reference = text(reader); break;
        case 2:
          out.f = float32(reader);
          note(kTypeFloat);
          break;
        case 3:
          out.i = int64(reader);
          note(kTypeInt);
          break;
        case 4:
          out.s = view(reader);
          note(kTypeString);
          break;
        case 5:
          out.tensor = view(reader);
          note(kTypeTensor);
          break;
        case 6:
          out.graph = view(reader);
          note(kTypeGraph);
          break;
        case 7:
          append_floats(reader, &out.floats);
          note(kTypeFloats);
          break;
        case 8:
          append_ints(reader, &out.ints);
          note(kTypeInts);
          break;
        case 9:
          out.strings.push_back(view(reader));
          note(kTypeStrings);
          break;
        case 14:
          out.type_proto = view(reader);
          note(kTypeType);
          break;
        case 22:
          out.sparse = view(reader);
          note(kTypeSparse);
          break;
        default: reader.skip();
      }
    }
    if (out.type == 0) out.type = seen;
    return out;
  });
}

Result<TensorWire> read_tensor(std::string_view bytes) {
  return reading<TensorWire>("tensor", [&] {
    TensorWire out;
    pbf_reader reader = over(bytes);
    while (reader.next()) {
      switch (reader.tag()) {
        case 1: append_ints(reader, &out.dims); break;
        case 2: out.data_type = int32(reader); break;
        case 4: append_floats(reader, &out.floats); break;
        case 5:
        case 7:
        case 11: append_ints(reader, &out.ints); break;
        case 6: out.strings.push_back(view(reader)); break;
        case 8: out.name = text(reader); break;
        case 9:
          out.raw = view(reader);
          out.has_raw = true;
          break;
        case 10: append_doubles(reader, &out.doubles); break;
        case 13: out.external.push_back(read_entry(view(reader))); break;
        case 14: out.data_location = int32(reader); break;
        case 16: out.metadata.push_back(read_entry(view(reader))); break;
        default: reader.skip();
      }
    }
    return out;
  });
}

Result<SparseWire> read_sparse(std::string_view bytes) {
  std::string_view values, indices;
  WEFT_TRY(SparseWire out, reading<SparseWire>("sparse tensor", [&] {
             SparseWire sparse;
             pbf_reader reader = over(bytes);
             while (reader.next()) {
               switch (reader.tag()) {
                 case 1: values = view(reader); break;
                 case 2: indices = view(reader); break;
                 case 3: append_ints(reader, &sparse.dims); break;
                 default: reader.skip();
               }
             }
             return sparse;
           }));
  WEFT_TRY(out.values, read_tensor(values));
  WEFT_TRY(out.indices, read_tensor(indices));
  return out;
}

Result<ValueWire> read_type_proto(std::string_view bytes) {
  return reading<ValueWire>("type", [&] {
    ValueWire out;
    read_type(bytes, &out);
    return out;
  });
}

Result<ValueWire> read_value_info(std::string_view bytes) {
  return reading<ValueWire>("value", [&] { return read_value(bytes); });
}

}  // namespace weft::onnx
