// Checkpoints.
#include "core/runtime/checkpoint.h"

#include <set>

#include "core/base/text.h"

namespace weft {

Result<NamedTensors> values_at_once(Session& session, const std::vector<std::string>& names) {
  if (session.closed()) return failed_precondition("this session is closed");
  const Store& store = *session.store();
  std::vector<int> slots;
  NamedTensors tensors;
  for (const std::string& name : names) {
    int slot = store.find(name);
    if (slot < 0 || !store.initialised(slot)) {
      WEFT_CHECK(session.get_variable(name).status());
      slot = store.find(name);
    }
    slots.push_back(slot);
    tensors.emplace_back(name, Tensor());
  }
  std::vector<Tensor> values(slots.size());
  store.snapshot(slots, &values);
  for (size_t i = 0; i < values.size(); ++i) {
    WEFT_TRY(tensors[i].second, values[i].moved_to(nullptr));
  }
  return tensors;
}

Status save_checkpoint(Session& session, const std::string& path) {
  WEFT_CHECK(session.initialise());
  std::set<std::string> names;  // so that the file does not depend on the order in which the variables were made
  {
    GraphReading reading(*session.graph());
    for (const VariableInfo& variable : session.graph()->variables()) names.insert(variable.name);
  }
  WEFT_TRY(const NamedTensors tensors, values_at_once(session, {names.begin(), names.end()}));
  return write_safetensors(path, tensors, {{"format", "weft checkpoint"}});
}

namespace {

// The file's values for the graph's variables.
Result<NamedTensors> read_values(Graph& graph, const SafetensorsFile& file, const std::string& path, bool partial) {
  GraphReading reading(graph);
  NamedTensors values;
  for (const VariableInfo& variable : graph.variables()) {
    int64_t at = file.find(variable.name);
    if (at < 0 && partial) continue;
    if (at < 0) {
      return invalid("'", path, "' has no value for the variable '", variable.name,
                     "'; option 'partial' sets those that it has");
    }
    const SafetensorsFile::Entry& entry = file.entries()[static_cast<size_t>(at)];
    const ValueType& type = graph.type(variable.value);
    if (entry.dtype != type.dtype || to_dims(entry.shape) != type.dims) {
      return invalid("the variable '", variable.name, "' is ", type.text(), " in the graph but ",
                     dtype_name(entry.dtype), shape_text(entry.shape), " in '", path, "'");
    }
    Result<Tensor> value = file.tensor(at);
    if (!value.ok()) return value.status().within(cat("cannot load '", path, "': "));
    values.emplace_back(variable.name, std::move(*value));
  }
  if (!partial && values.size() != file.entries().size()) {
    for (const SafetensorsFile::Entry& entry : file.entries()) {
      if (graph.find_variable(entry.name) != nullptr) continue;
      return invalid("'", path, "' has a value for '", entry.name,
                     "', which is no variable of the graph; option 'partial' leaves it out");
    }
  }
  return values;
}

}  // namespace

Status load_checkpoint(Session& session, const std::string& path, bool partial) {
  if (session.closed()) return failed_precondition("this session is closed");
  WEFT_TRY(SafetensorsFile file, SafetensorsFile::open(path));
  WEFT_TRY(NamedTensors values, read_values(*session.graph(), file, path, partial));
  return session.set_variables(std::move(values));
}

}  // namespace weft
