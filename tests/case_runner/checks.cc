// What is derived from one case: value, shape, kernels, threads, offsets, optimizer, failures.
#include "tests/case_runner/checks.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/format/onnx.h"
#include "core/format/onnx_history.h"
#include "core/graph/print.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"
#include "tests/device/test_device.h"
#include "tests/float_mode.h"

namespace weft {

namespace {

double element(const Tensor& tensor, int64_t i) {
  switch (tensor.dtype()) {
    case DType::kF32: return tensor.as<float>()[i];
    case DType::kF64: return tensor.as<double>()[i];
    case DType::kF16: return f16_to_float(tensor.as<uint16_t>()[i]);
    case DType::kBF16: return bf16_to_float(tensor.as<uint16_t>()[i]);
    case DType::kI8: return tensor.as<int8_t>()[i];
    case DType::kI16: return tensor.as<int16_t>()[i];
    case DType::kI32: return tensor.as<int32_t>()[i];
    case DType::kU8: return tensor.as<uint8_t>()[i];
    case DType::kU16: return tensor.as<uint16_t>()[i];
    case DType::kU32: return tensor.as<uint32_t>()[i];
    case DType::kBool: return tensor.as<bool>()[i];
    default: return static_cast<double>(tensor.as<int64_t>()[i]);
  }
}

enum class Feed { kFixed, kSymbolic, kConstant, kFirstConstant, kOthersConstant };

// Whether input `i` stands in the graph.
bool is_constant(Feed feed, size_t i) {
  return feed == Feed::kConstant || (feed == Feed::kFirstConstant && i == 0) ||
         (feed == Feed::kOthersConstant && i > 0);
}

struct Built {
  std::shared_ptr<Graph> graph;
  Signature signature;
  std::vector<Tensor> feeds;
  std::vector<ValueType> output_types;
};

Status build(const Case& c, Feed feed, Built* built) {
  WEFT_TRY(built->graph, Graph::make(builtin_ops(), c.opset, split_op_name(c.op).first));
  Graph& graph = *built->graph;
  std::vector<ValueId> inputs;
  for (const CaseInput& input : c.inputs) {
    if (input.omitted) {
      inputs.push_back(kNoValue);
      continue;
    }
    const Tensor& value = input.value;
    ValueId id;
    if (is_constant(feed, inputs.size()) && value.kind() == Kind::kTensor) {
      WEFT_TRY(id, graph.add_constant(value, input.name));
    } else {
      ValueType type;
      type.kind = value.kind();
      type.dtype = value.dtype();
      if (value.kind() == Kind::kTensor) {
        type.has_rank = true;
        type.dims = to_dims(value.shape());
        if (feed == Feed::kSymbolic) {
          for (size_t d = 0; d < type.dims.size(); ++d) type.dims[d] = Dim::symbol(cat(input.name, "_", d));
        }
      }
      WEFT_TRY(id, graph.add_input(input.name, type));
      built->signature.feeds.push_back(id);
      built->feeds.push_back(value);
    }
    inputs.push_back(id);
  }
  auto [domain, name] = split_op_name(c.op);
  NodeOptions options;
  options.output_count = static_cast<int>(c.outputs.size());
  options.origin = cat("case ", c.name);
  WEFT_TRY(NodeId node, graph.add(domain, name, inputs, c.attrs, options));
  for (int i = 0; i < graph.node(node).output_count; ++i) {
    built->signature.fetches.push_back(graph.node(node).output(i));
    built->output_types.push_back(graph.type(graph.node(node).output(i)));
  }
  return {};
}

Status run(const Built& built, const SessionOptions& options, std::vector<Tensor>* outputs) {
  WEFT_TRY(auto session, Session::make(built.graph, options));
  return session->run(built.signature, built.feeds, {}, outputs);
}

Status build_and_run(const Case& c, Feed feed, const SessionOptions& options, std::vector<Tensor>* outputs) {
  Built built;
  WEFT_CHECK(build(c, feed, &built));
  return run(built, options, outputs);
}

class Checker {
 public:
  explicit Checker(const Case& c) : c_(c) {
    double base = 1e-5;
    for (const CaseOutput& output : c.outputs) {
      if (output.compared && output.value.dtype() == DType::kF64) base = 1e-12;
      if (output.compared && (output.value.dtype() == DType::kF16 || output.value.dtype() == DType::kBF16)) base = 1e-2;
    }
    relative_ = c.tolerance.value_or(base);
    absolute_ = c.tolerance.value_or(base == 1e-5 ? 1e-6 : base);
  }

  std::vector<std::string> run_all() {
    if (!c_.fails_code.empty()) {
      expect_failure();
      return std::move(problems_);
    }
    Built built;
    Status status = build(c_, Feed::kFixed, &built);
    if (status.ok()) status = run(built, {}, &first_);
    if (!status.ok()) {
      problems_.push_back(cat("run: ", status.text()));
      return std::move(problems_);
    }
    check_types(built, "inferred shape");
    against_case("value", first_);
    Built symbolic;
    std::vector<Tensor> outputs;
    if (step("symbolic dimensions", build(c_, Feed::kSymbolic, &symbolic)) &&
        step("symbolic dimensions", run(symbolic, {}, &outputs))) {
      same_bits("symbolic dimensions", outputs);
      check_types(symbolic, "inferred symbolic shape");
    }
    if (step("constant inputs", build_and_run(c_, Feed::kConstant, {}, &outputs)))
      same_bits("constant inputs", outputs);
    if (c_.inputs.size() > 1) {
      if (step("first input constant", build_and_run(c_, Feed::kFirstConstant, {}, &outputs)))
        same_bits("first input constant", outputs);
      if (step("other inputs constant", build_and_run(c_, Feed::kOthersConstant, {}, &outputs)))
        same_bits("other inputs constant", outputs);
    }
    SessionOptions options;
    options.reference_kernels = true;
    if (step("reference kernel", build_and_run(c_, Feed::kFixed, options, &outputs))) {
      against_case("reference kernel", outputs);
    }
    options = {};
    options.disabled_passes = {"*"};
    if (step("unoptimized", build_and_run(c_, Feed::kFixed, options, &outputs))) against_case("unoptimized", outputs);
    for (int threads : {1, 2, 4}) {
      options = {};
      options.threads = threads;
      std::string what = cat(threads, " threads");
      if (step(what, build_and_run(c_, Feed::kFixed, options, &outputs))) same_bits(what, outputs);
    }
    for (const std::string& device : test_devices()) {
      options = {};
      options.device = device;
      if (step(device, build_and_run(c_, Feed::kFixed, options, &outputs))) same_bits(device, outputs);
    }
    for (Feed feed : {Feed::kFixed, Feed::kSymbolic, Feed::kConstant}) check_saved(feed);
    for (Feed feed : {Feed::kFixed, Feed::kOthersConstant}) check_saved_for_older(feed);
    check_offsets(built);
    check_flush_to_zero(built);
    return std::move(problems_);
  }

 private:
  bool step(const std::string& what, const Status& status) {
    if (!status.ok()) problems_.push_back(cat(what, ": ", status.text()));
    return status.ok();
  }

  void expect_failure() {
    for (Feed feed : {Feed::kFixed, Feed::kSymbolic}) expect_failure_on("cpu", feed);
    for (const std::string& device : test_devices()) expect_failure_on(device, Feed::kFixed);
  }

  void expect_failure_on(const std::string& device, Feed feed) {
    SessionOptions options;
    options.device = device;
    std::vector<Tensor> outputs;
    Status status = build_and_run(c_, feed, options, &outputs);
    if (status.ok()) {
      problems_.push_back(cat(device, ": expected ", c_.fails_code, " but it succeeded"));
    } else if (c_.fails_code != code_name(status.code()) || status.text().find(c_.fails_text) == std::string::npos) {
      problems_.push_back(
          cat(device, ": expected ", c_.fails_code, " \"", c_.fails_text, "\" but got ", status.text()));
    } else if (status.op().empty()) {
      problems_.push_back(cat(device, ": the error does not name its operator: ", status.text()));
    }
  }

  void check_types(const Built& built, const char* what) {
    for (size_t i = 0; i < first_.size(); ++i) {
      const ValueType& type = built.output_types[i];
      bool same = type.kind == first_[i].kind();
      if (same && type.kind == Kind::kTensor) {
        same = type.dtype == first_[i].dtype() && (!type.has_rank || type.dims.size() == first_[i].shape().size());
        for (size_t d = 0; same && type.has_rank && d < type.dims.size(); ++d) {
          same = !type.dims[d].known() || type.dims[d].value() == first_[i].shape()[d];
        }
      }
      if (!same)
        problems_.push_back(
            cat(what, ": output ", i, " is inferred as ", type.text(), " but is ", first_[i].summary()));
      if (type.ints != nullptr && first_[i].dtype() == DType::kI64) {
        std::vector<int64_t> values = *first_[i].to_ints();
        for (size_t k = 0; k < values.size() && k < type.ints->size(); ++k) {
          const Dim& known = (*type.ints)[k];
          if (known.known() && known.value() != values[k]) {
            problems_.push_back(
                cat(what, ": element ", k, " of output ", i, " is inferred as ", known.text(), " but is ", values[k]));
          }
        }
      }
    }
  }

  void against_case(const std::string& what, const std::vector<Tensor>& outputs) {
    for (size_t i = 0; i < c_.outputs.size(); ++i) {
      if (!c_.outputs[i].compared) continue;
      Difference d = compare(outputs[i], c_.outputs[i].value, relative_, absolute_);
      if (!d.same) problems_.push_back(cat(what, ": output '", c_.outputs[i].name, "' ", d.text));
    }
  }

  void same_bits(const std::string& what, const std::vector<Tensor>& outputs) {
    for (size_t i = 0; i < first_.size(); ++i) {
      if (outputs[i].same_bits(first_[i])) continue;
      Difference d = compare(outputs[i], first_[i], 0, 0);
      problems_.push_back(cat(what, ": output ", i, " has other bits: ", d.text));
    }
  }

  // Saved and loaded, the graph has the same inputs and outputs and gives the same bits, and nothing changes when that
  // is done again. What only Weft can hold is saved with 'training'.
  void check_saved(Feed feed) {
    Built built;
    if (!step("saved", build(c_, feed, &built))) return;
    OnnxSaveOptions options;
    options.training = c_.op == "weft.Assign";
    Built loaded = built;
    std::string texts[2];
    const std::vector<ValueId> outputs = built.signature.fetches;
    for (std::string& text : texts) {
      Result<std::string> bytes = save_onnx_bytes(*loaded.graph, loaded.signature.fetches, {}, options);
      if (!step("saved", bytes.status())) return;
      Result<std::shared_ptr<Graph>> graph = load_onnx_bytes(builtin_ops(), *bytes, "", {});
      if (!step("loaded", graph.status())) return;
      loaded.graph = *graph;
      loaded.signature.feeds = loaded.graph->inputs();
      loaded.signature.fetches = loaded.graph->outputs();
      text = graph_text(*loaded.graph);
    }
    if (texts[0] != texts[1]) problems_.push_back(cat("saved twice: the graph\n", texts[0], "became\n", texts[1]));
    same_values("the inputs", built, built.signature.feeds, loaded, loaded.signature.feeds);
    // What an expanded operator's parts tell of symbols may be less than it told itself. Those that stand for a node of types
    // that ONNX does not have its operator with have other symbols, too, as they have other names.
    auto [domain, name] = split_op_name(c_.op);
    const Node *before = node_of(*built.graph), *after = node_of(*loaded.graph);
    const bool replaced = before != nullptr && (after == nullptr || after->name != before->name);
    const bool expanded = builtin_ops().find(domain, name)->body_fn() != nullptr && after == nullptr;
    if (!replaced || (domain == kWeftDomain && feed != Feed::kSymbolic)) {
      same_values("the outputs", built, outputs, loaded, loaded.signature.fetches);
    }
    std::vector<Tensor> found;
    if (!step("loaded", run(loaded, {}, &found))) return;
    // A kernel may round otherwise than the parts that were saved in its place.
    if (expanded && cpu_kernels().has(c_.op))
      against_case("saved and loaded", found);
    else
      same_bits("saved and loaded", found);
  }

  // The first node of the case's operator, null if there is none.
  const Node* node_of(const Graph& graph) const {
    for (NodeId id = 0; id < graph.node_count(); ++id) {
      if (graph.node(id).op->full_name() == c_.op) return &graph.node(id);
    }
    return nullptr;
  }

  // Saved for an older opset, what can be is what it is: of each of ONNX's own operators, every form. Sanitizers, under
  // which all opsets take minutes, see some.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  static constexpr int kOpsetStep = 6;
#else
  static constexpr int kOpsetStep = 1;
#endif
  void check_saved_for_older(Feed feed) {
    if (!split_op_name(c_.op).first.empty()) return;
    Built built;
    if (!step("saved for an older opset", build(c_, feed, &built))) return;
    for (int opset = onnx::kOldestSavedOpset; opset < kNewestOpset; opset += kOpsetStep) {
      const std::string what = cat("saved for opset ", opset);
      OnnxSaveOptions options;
      options.opset = opset;
      Result<std::string> bytes = save_onnx_bytes(*built.graph, built.signature.fetches, {}, options);
      if (!bytes.ok() && bytes.status().code() == Code::kUnimplemented) continue;
      if (!step(what, bytes.status())) continue;
      Result<std::shared_ptr<Graph>> graph = load_onnx_bytes(builtin_ops(), *bytes, "", {});
      if (!step(what, graph.status())) continue;
      Built loaded = built;
      loaded.graph = *graph;
      loaded.signature.feeds = loaded.graph->inputs();
      loaded.signature.fetches = loaded.graph->outputs();
      // Other operators may say NaN of what is not finite, as ONNX's own definitions of it by such do.
      bool is_itself = false;
      for (NodeId id = 0; id < loaded.graph->node_count(); ++id) {
        is_itself = is_itself || loaded.graph->node(id).is(c_.op);
      }
      std::vector<Tensor> found;
      if (step(what, run(loaded, {}, &found)) && (is_itself || feeds_are_finite())) against_case(what, found);
    }
  }

  bool feeds_are_finite() const {
    for (const CaseInput& input : c_.inputs) {
      if (input.omitted || input.value.kind() != Kind::kTensor || !is_float(input.value.dtype())) continue;
      if (dtype_bits(input.value.dtype()) < 16) return false;  // numbers that are not read here
      for (int64_t i = 0; i < input.value.count(); ++i) {
        if (!std::isfinite(element(input.value, i))) return false;
      }
    }
    return true;
  }

  void same_values(const char* what, const Built& a, const std::vector<ValueId>& as, const Built& b,
                   const std::vector<ValueId>& bs) {
    auto text = [](const Built& built, const std::vector<ValueId>& ids) {
      std::string out;
      for (ValueId id : ids) out += cat(" ", built.graph->value(id).name, ": ", built.graph->type(id).text());
      return out;
    };
    if (text(a, as) != text(b, bs)) problems_.push_back(cat(what, " were", text(a, as), ", saved", text(b, bs)));
  }

  // The same feeds at every address that their dtype allows.
  void check_offsets(const Built& built) {
    Result<std::shared_ptr<Session>> session = Session::make(built.graph, {});
    if (!step("offsets", session.status())) return;
    for (int64_t shift = 1; shift < 64; ++shift) {
      Built moved = built;
      bool any = false;
      for (Tensor& feed : moved.feeds) {
        if (feed.kind() != Kind::kTensor || feed.dtype() == DType::kString) continue;
        int64_t align = std::max<int64_t>(1, dtype_bits(feed.dtype()) / 8);
        if (shift % align != 0) continue;
        Result<std::shared_ptr<Buffer>> buffer = Buffer::allocate(feed.bytes() + 64);
        if (!buffer.ok()) continue;
        char* data = static_cast<char*>((*buffer)->data()) + shift;
        if (feed.bytes() > 0) std::memcpy(data, feed.data(), feed.bytes());
        Result<Tensor> tensor = Tensor::over(feed.dtype(), feed.shape(), *buffer, shift);
        if (!tensor.ok()) continue;
        feed = *tensor;
        any = true;
      }
      std::vector<Tensor> outputs;
      if (!any) continue;
      std::string what = cat("offset of ", shift, " bytes");
      if (!step(what, (*session)->run(moved.signature, moved.feeds, {}, &outputs))) return;
      size_t before = problems_.size();
      same_bits(what, outputs);
      if (problems_.size() != before) return;
    }
  }

  void check_flush_to_zero(const Built& built) {
    const uint64_t saved = float_mode();
    set_float_mode(saved | kFlushToZero);
    std::vector<Tensor> outputs;
    Status status = run(built, {}, &outputs);
    const uint64_t after = float_mode();
    set_float_mode(saved);
    if ((after & kFlushToZero) != kFlushToZero)
      problems_.push_back("flush to zero: the caller's control word was not restored");
    if (step("flush to zero", status)) same_bits("flush to zero", outputs);
  }

  const Case& c_;
  double relative_, absolute_;
  std::vector<Tensor> first_;
  std::vector<std::string> problems_;
};

}  // namespace

Difference compare(const Tensor& found, const Tensor& wanted, double relative, double absolute) {
  if (found.kind() != wanted.kind() || (found.kind() == Kind::kTensor && found.dtype() != wanted.dtype()) ||
      found.shape() != wanted.shape() || found.count() != wanted.count()) {
    return {false, cat("is ", found.summary(), " but must be ", wanted.summary())};
  }
  if (found.kind() != Kind::kTensor) {
    for (size_t i = 0; i < found.items().size(); ++i) {
      Difference d = compare(found.items()[i], wanted.items()[i], relative, absolute);
      if (!d.same) return {false, cat("item ", i, " ", d.text)};
    }
    return {};
  }
  if (found.dtype() == DType::kString) {
    if (found.strings() == wanted.strings()) return {};
    return {false, "has other strings"};
  }
  for (int64_t i = 0; i < found.count(); ++i) {
    double a = element(found, i), b = element(wanted, i);
    bool exact = !is_float(found.dtype());
    bool same =
        a == b || (std::isnan(a) && std::isnan(b)) ||
        (!exact && std::fabs(a - b) <= absolute + relative * std::fabs(b) && std::isfinite(a) && std::isfinite(b));
    if (!same) return {false, cat("has ", a, " at element ", i, " where ", b, " is wanted")};
  }
  return {};
}

std::vector<std::string> check_case(const Case& c) { return Checker(c).run_all(); }

}  // namespace weft
