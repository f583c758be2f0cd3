// What fit, evaluate and predict share.
#include "core/learn/loop.h"

#include <algorithm>

#include "core/base/text.h"

namespace weft {

namespace {

constexpr const char* kMetric = "a scalar of f64, f32, f16 or bf16";

double number(const Tensor& scalar) {
  switch (scalar.dtype()) {
    case DType::kF64: return *scalar.as<double>();
    case DType::kF16: return f16_to_float(*scalar.as<uint16_t>());
    case DType::kBF16: return bf16_to_float(*scalar.as<uint16_t>());
    default: return *scalar.as<float>();
  }
}

}  // namespace

LoopStop::LoopStop(const RunOptions& options) : options_(options), deadline_ns_(options.deadline_ns()) {
  stop_.set_deadline_ns(deadline_ns_);
  stop_.set_token(options.cancel);
  stop_.set_poll(options.poll, options.poll_user);
}

Status LoopStop::next(RunOptions* run) {
  WEFT_CHECK(stop_.check());
  *run = options_;
  if (deadline_ns_ != 0) run->timeout_ns = std::max<int64_t>(1, deadline_ns_ - monotonic_ns());
  return {};
}

Result<BatchCall> BatchCall::make(Session& session, const Dataset& dataset, const std::vector<ValueId>& feeds,
                                  std::vector<ValueId> fetches, std::vector<ValueId> targets) {
  if (feeds.size() != static_cast<size_t>(dataset.width())) {
    return invalid("the dataset has ", dataset.width(), " tensors but ", feeds.size(),
                   " feeds are given; there must be one for each, an empty one for a tensor that is not fed");
  }
  BatchCall call;
  Signature signature;
  for (size_t i = 0; i < feeds.size(); ++i) {
    if (feeds[i] == kNoValue) continue;
    call.columns_.push_back(i);
    signature.feeds.push_back(feeds[i]);
  }
  signature.fetches = std::move(fetches);
  signature.targets = std::move(targets);
  signature.host_outputs = session.options().device_outputs;
  WEFT_TRY(call.prepared_, session.prepare(signature));
  return call;
}

Status BatchCall::run(std::vector<Tensor> batch, LoopStop& stop) {
  RunOptions run;
  WEFT_CHECK(stop.next(&run));
  for (size_t i = 0; i < columns_.size(); ++i) {
    WEFT_CHECK(prepared_->bind_input(static_cast<int>(i), std::move(batch[columns_[i]])));
  }
  return prepared_->run(run);
}

Status Averages::add(const BatchCall& call, const std::vector<std::string>& names, int64_t rows) {
  rows_ += static_cast<double>(rows);
  for (size_t i = 0; i < sums_.size(); ++i) {
    WEFT_TRY(Tensor value, call.output(static_cast<int>(i)));
    if (!contains(kFloatTypes, value.dtype()) || value.rank() != 0) {
      return invalid("the metric '", names[i], "' is ", value.summary(), " but must be ", kMetric);
    }
    sums_[i] += number(value) * static_cast<double>(rows);
    means_[i] = sums_[i] / rows_;
  }
  return {};
}

Result<std::vector<std::string>> metric_names(const Graph& graph, const std::vector<ValueId>& metrics) {
  GraphReading reading(graph);
  std::vector<std::string> names;
  for (ValueId metric : metrics) {
    const ValueType& type = graph.type(metric);
    bool is_float = contains(kFloatTypes, type.dtype) || type.dtype == DType::kNone;
    if (type.kind != Kind::kTensor || !is_float || (type.has_rank && !type.dims.empty())) {
      const Node& node = graph.producer(metric);
      return invalid("the metric '", graph.value(metric).name, "' is ", type.text(), " but must be ", kMetric)
          .at(node.name, node.op->full_name(), node.origin);
    }
    names.push_back(graph.value(metric).name);
  }
  return names;
}

}  // namespace weft
