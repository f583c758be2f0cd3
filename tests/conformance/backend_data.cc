// Finds the tests and reads their values; the field numbers are those of onnx.proto and onnx-data.proto.
#include "tests/conformance/backend_data.h"

#include <algorithm>
#include <filesystem>
#include <protozero/exception.hpp>
#include <protozero/pbf_reader.hpp>

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/format/onnx_tensor.h"

namespace weft {

namespace {

namespace fs = std::filesystem;
using protozero::pbf_reader;

constexpr const char* kKinds[] = {"node", "pytorch-converted", "pytorch-operator", "real", "simple"};

std::string_view view(pbf_reader& reader) {
  auto data = reader.get_view();
  return {data.data(), data.size()};
}
pbf_reader over(std::string_view bytes) { return pbf_reader(bytes.data(), bytes.size()); }

std::vector<std::string> numbered_files(const fs::path& folder, const char* stem) {
  std::vector<std::string> out;
  for (;;) {
    fs::path file = folder / cat(stem, out.size(), ".pb");
    if (!fs::exists(file)) return out;
    out.push_back(file.string());
  }
}

// A test whose model lies elsewhere says in data.json where, and how exact it is.
Status read_light(const fs::path& data, const fs::path& folder, BackendTest* test) {
  WEFT_TRY(auto file, read_file((folder / "data.json").string()));
  JsonReader json(file->text());
  WEFT_CHECK(json.expect(JsonEvent::kBeginObject, "data.json"));
  for (;;) {
    WEFT_TRY(JsonEvent event, json.next());
    if (event == JsonEvent::kEndObject) break;
    const std::string key = json.text();
    WEFT_TRY(event, json.next());
    const std::string value = json.text();
    if (key == "rtol") test->relative = *parse_double(value);
    if (key == "atol") test->absolute = *parse_double(value);
    if (key == "url") test->model = (data / fs::path(value).lexically_relative("onnx/backend/test/data")).string();
  }
  const std::string stem = test->model.substr(0, test->model.rfind('.'));
  test->outputs = {stem + "_output_0.pb"};
  test->made_inputs = true;
  return {};
}

struct ModelValue {
  std::string_view name;
  Kind kind = Kind::kTensor;
  std::vector<int64_t> dims;  // 1 for those that the model does not say
};

// A TypeProto: tensor 1, sequence 4, map 5, optional 9.
ModelValue read_type(std::string_view bytes) {
  ModelValue out;
  pbf_reader type = over(bytes);
  while (type.next()) {
    switch (type.tag()) {
      case 1: {
        pbf_reader tensor = over(view(type));
        while (tensor.next(2)) {
          pbf_reader shape = over(view(tensor));
          while (shape.next(1)) {
            out.dims.push_back(1);
            pbf_reader dim = over(view(shape));
            while (dim.next(1)) out.dims.back() = dim.get_int64();
          }
        }
        break;
      }
      case 4:
        out.kind = Kind::kSequence;
        type.skip();
        break;
      case 5:
        out.kind = Kind::kMap;
        type.skip();
        break;
      case 9:
        out.kind = Kind::kOptional;
        type.skip();
        break;
      default: type.skip();
    }
  }
  return out;
}

struct ModelValues {
  std::vector<ModelValue> inputs, outputs;
  std::vector<std::string_view> initializers;  // their names: an input of such a name has a value already
};

std::string_view read_tensor_name(std::string_view bytes) {
  pbf_reader tensor = over(bytes);
  return tensor.next(8) ? view(tensor) : std::string_view();
}

ModelValue read_model_value(std::string_view bytes) {
  ModelValue out;
  std::string_view name;
  pbf_reader value = over(bytes);
  while (value.next()) {
    if (value.tag() == 1)
      name = view(value);
    else if (value.tag() == 2)
      out = read_type(view(value));
    else
      value.skip();
  }
  out.name = name;
  return out;
}

// A GraphProto: initializers 5, inputs 11, outputs 12.
ModelValues read_model_values(std::string_view model) {
  ModelValues out;
  pbf_reader reader = over(model);
  while (reader.next(7)) {
    pbf_reader graph = over(view(reader));
    while (graph.next()) {
      switch (graph.tag()) {
        case 5: out.initializers.push_back(read_tensor_name(view(graph))); break;
        case 11: out.inputs.push_back(read_model_value(view(graph))); break;
        case 12: out.outputs.push_back(read_model_value(view(graph))); break;
        default: graph.skip();
      }
    }
  }
  return out;
}

Result<Tensor> read_tensor(std::string_view bytes) {
  WEFT_TRY(onnx::TensorWire wire, onnx::read_tensor(bytes));
  onnx::ExternalFiles none("", false);
  WEFT_TRY(Tensor borrowed, onnx::to_tensor(wire, onnx::ModelFile::over(bytes), none));
  return borrowed;
}

Result<Tensor> read_value(std::string_view bytes, Kind kind);

// A SequenceProto: tensors 3, sequences 5, optionals 7.
Result<Tensor> read_sequence(std::string_view bytes) {
  std::vector<Tensor> items;
  pbf_reader reader = over(bytes);
  while (reader.next()) {
    Kind kind = reader.tag() == 5 ? Kind::kSequence : reader.tag() == 7 ? Kind::kOptional : Kind::kTensor;
    if (reader.tag() == 3 || kind != Kind::kTensor) {
      WEFT_TRY(Tensor item, read_value(view(reader), kind));
      items.push_back(std::move(item));
    } else {
      reader.skip();
    }
  }
  return Tensor::sequence(std::move(items));
}

// An OptionalProto: the type of what it holds 2 (0: nothing), tensor 3, sequence 5.
Result<Tensor> read_optional(std::string_view bytes) {
  std::vector<Tensor> held;
  pbf_reader reader = over(bytes);
  while (reader.next()) {
    if (reader.tag() == 3 || reader.tag() == 5) {
      WEFT_TRY(Tensor item, read_value(view(reader), reader.tag() == 3 ? Kind::kTensor : Kind::kSequence));
      held.push_back(std::move(item));
    } else {
      reader.skip();
    }
  }
  return Tensor::optional(std::move(held));
}

Result<Tensor> read_value(std::string_view bytes, Kind kind) {
  switch (kind) {
    case Kind::kTensor: return read_tensor(bytes);
    case Kind::kSequence: return read_sequence(bytes);
    case Kind::kOptional: return read_optional(bytes);
    case Kind::kMap: break;
  }
  return unimplemented("the suite has a value of a kind that nobody has read yet");
}

// As Runner.generate_dummy_data of the suite makes it up: element i of n is i / n.
Result<Tensor> made_up(const std::vector<int64_t>& dims) {
  WEFT_TRY(Tensor out, Tensor::make(DType::kF32, dims));
  const int64_t n = out.count();
  for (int64_t i = 0; i < n; ++i) {
    out.as<float>()[i] = static_cast<float>(static_cast<double>(i) / static_cast<double>(n));
  }
  return out;
}

Result<std::vector<Tensor>> read_values(const std::vector<std::string>& files, const std::vector<ModelValue>& types) {
  if (files.size() > types.size()) return data_loss("there are more files of values than the model has values");
  std::vector<Tensor> out;
  for (size_t i = 0; i < files.size(); ++i) {
    WEFT_TRY(auto bytes, read_file(files[i]));
    WEFT_TRY(Tensor value, read_value(bytes->text(), types[i].kind));
    out.push_back(std::move(value));
  }
  return out;
}

}  // namespace

Result<std::string> backend_data_folder(const std::string& environment) {
  std::error_code error;
  for (const auto& python : fs::directory_iterator(fs::path(environment) / "lib", error)) {
    fs::path folder = python.path() / "site-packages/onnx/backend/test/data";
    if (fs::is_directory(folder)) return folder.string();
  }
  return not_found("the Python environment '", environment, "' has no package onnx; tools/setup makes one that has");
}

Result<std::vector<BackendTest>> backend_tests(const std::string& data_folder) {
  std::vector<BackendTest> out;
  for (const char* kind : kKinds) {
    fs::path folder = fs::path(data_folder) / kind;
    std::error_code error;
    fs::directory_iterator entries(folder, error);
    if (error) return not_found("there is no folder '", folder.string(), "'");
    for (const auto& entry : entries) {
      if (!entry.is_directory()) continue;
      BackendTest test;
      test.name = cat(kind, "/", entry.path().filename().string());
      if (fs::path model = entry.path() / "model.onnx"; fs::exists(model)) {
        test.model = model.string();
        test.inputs = numbered_files(entry.path() / "test_data_set_0", "input_");
        test.outputs = numbered_files(entry.path() / "test_data_set_0", "output_");
        if (fs::exists(entry.path() / "test_data_set_1") || fs::exists(entry.path() / "data.json")) {
          return unimplemented(test.name, " has several sets of data or tolerances of its own");
        }
      } else {
        WEFT_CHECK(read_light(data_folder, entry.path(), &test));
      }
      out.push_back(std::move(test));
    }
  }
  std::sort(out.begin(), out.end(), [](const BackendTest& a, const BackendTest& b) { return a.name < b.name; });
  return out;
}

Result<BackendValues> backend_values(const BackendTest& test, std::string_view model) {
  try {
    BackendValues out;
    ModelValues types = read_model_values(model);
    WEFT_TRY(out.outputs, read_values(test.outputs, types.outputs));
    if (!test.made_inputs) {
      WEFT_TRY(out.inputs, read_values(test.inputs, types.inputs));
      return out;
    }
    for (const ModelValue& input : types.inputs) {
      const auto& known = types.initializers;
      if (std::find(known.begin(), known.end(), input.name) != known.end()) continue;
      WEFT_TRY(Tensor value, made_up(input.dims));
      out.inputs.push_back(std::move(value));
    }
    return out;
  } catch (const protozero::exception&) {
    return data_loss("the values of ", test.name, " are damaged");
  }
}

}  // namespace weft
