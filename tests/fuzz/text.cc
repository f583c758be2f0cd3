// Strings and patterns for the operators of text. The first byte chooses the operator, the second its flags; the rest are
// strings with line ends between them: first those of the attributes, then those of the input.
#include <string>
#include <vector>

#include "core/op/attr.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"
#include "tests/fuzz/target.h"

namespace weft {
namespace {

using Strings = std::vector<std::string>;

constexpr size_t kMostStrings = 64;
constexpr int64_t kTimeout = 1'000'000'000;

Strings lines(std::string_view text) {
  Strings out;
  while (out.size() < kMostStrings) {
    const size_t end = text.find('\n');
    out.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return out;
}

struct Call {
  std::string domain, op;
  int outputs = 1;
  Attrs attrs;
  bool first_alone = false;  // the second input is the first string of it all, for what has two
};

// The operator with what the attributes take from the front of `strings`.
Call choose(unsigned which, unsigned flags, Strings& strings) {
  const auto next = [&] {
    if (strings.empty()) return std::string();
    std::string out = strings.front();
    strings.erase(strings.begin());
    return out;
  };
  const bool first = (flags & 1) != 0, second = (flags & 2) != 0, third = (flags & 4) != 0;
  Call call;
  switch (which % 6) {
    case 0:
      call.op = "RegexFullMatch";
      call.attrs.set("pattern", AttrValue(next()));
      break;
    case 1:
      call.op = "StringSplit";
      call.outputs = 2;
      call.attrs.set("delimiter", AttrValue(next()));
      if (first) call.attrs.set("maxsplit", AttrValue(static_cast<int64_t>(flags >> 1) - 2));
      break;
    case 2:
      call.op = "StringNormalizer";
      call.attrs.set("case_change_action", AttrValue(std::string(first ? "LOWER" : second ? "UPPER" : "NONE")));
      call.attrs.set("is_case_sensitive", AttrValue(static_cast<int64_t>(third)));
      if ((flags & 8) != 0) call.attrs.set("locale", AttrValue(next()));
      if ((flags & 16) != 0) call.attrs.set("stopwords", AttrValue(Strings{next(), next()}));
      break;
    case 3:
      call.op = "StringConcat";
      call.first_alone = true;
      break;
    case 4:
      call.domain = "com.microsoft";
      call.op = "Tokenizer";
      call.attrs.set("mark", AttrValue(static_cast<int64_t>(second)));
      call.attrs.set("mincharnum", AttrValue(static_cast<int64_t>(1 + (flags >> 4))));
      call.attrs.set("pad_value", AttrValue(next()));
      if (first) {
        call.attrs.set("tokenexp", AttrValue(next()));
      } else if (third) {
        call.attrs.set("separators", AttrValue(Strings{next(), next()}));
      } else {
        call.attrs.set("separators", AttrValue(Strings{""}));
      }
      break;
    default:
      call.domain = "ai.onnx.ml";
      call.op = "LabelEncoder";
      call.attrs.set("keys_strings", AttrValue(Strings{next(), next()}));
      call.attrs.set("values_strings", AttrValue(Strings{next(), next()}));
      call.attrs.set("default_string", AttrValue(next()));
  }
  return call;
}

Tensor strings_of(const Strings& values) {
  Result<Tensor> made = Tensor::make(DType::kString, {static_cast<int64_t>(values.size())});
  must(made.ok());
  made->mutable_strings() = values;
  return *made;
}

Status run(const Call& call, const Strings& strings) {
  WEFT_TRY(std::shared_ptr<Graph> graph, Graph::make(builtin_ops()));
  std::vector<Tensor> feeds{strings_of(strings)};
  if (call.first_alone) feeds.push_back(strings_of({strings.empty() ? std::string() : strings.front()}));
  Signature signature;
  for (size_t i = 0; i < feeds.size(); ++i) {
    ValueType type = ValueType::tensor(DType::kString, {Dim::symbol("n")});
    if (i == 1) type.dims = {1};
    WEFT_TRY(ValueId input, graph->add_input(i == 0 ? "x" : "y", type));
    signature.feeds.push_back(input);
  }
  NodeOptions options;
  options.output_count = call.outputs;
  WEFT_TRY(NodeId node, graph->add(call.domain, call.op, signature.feeds, call.attrs, options));
  for (int i = 0; i < call.outputs; ++i) signature.fetches.push_back(graph->node(node).output(i));
  WEFT_TRY(std::shared_ptr<Session> session, Session::make(graph, {}));
  RunOptions limits;
  limits.timeout_ns = kTimeout;
  std::vector<Tensor> outputs;
  return session->run(signature, std::move(feeds), limits, &outputs);
}

}  // namespace

void fuzz(std::string_view bytes) {
  if (bytes.size() < 2) return;
  Strings strings = lines(bytes.substr(2));
  const Call call = choose(static_cast<unsigned char>(bytes[0]), static_cast<unsigned char>(bytes[1]), strings);
  const Status status = run(call, strings);
  must(status.code() != Code::kInternal && status.code() != Code::kUnknown);
}

}  // namespace weft
