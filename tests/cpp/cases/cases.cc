// Reads literals, builds and runs cases of operators, and compares.
#include "cases.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string_view>

namespace weft_cases {
namespace {

template <typename T>
T parse(const std::string& word) {
  T value{};
  auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) throw std::invalid_argument("what is " + word + "?");
  return value;
}

// The words of a literal; those in quotes without them.
std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> words;
  bool quoted = false, inside = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      if (!quoted) words.emplace_back();
      quoted = !quoted;
    } else if (text[i] == ' ' && !quoted) {
      inside = false;
    } else {
      if (!quoted && !inside) words.emplace_back();
      inside = !quoted;
      if (quoted && text[i] == '\\') ++i;
      words.back() += text[i];
    }
  }
  return words;
}

weft::Shape shape_of(std::string_view sizes) {
  weft::Shape shape;
  while (!sizes.empty()) {
    const size_t comma = std::min(sizes.find(','), sizes.size());
    shape.push_back(parse<int64_t>(std::string(sizes.substr(0, comma))));
    sizes.remove_prefix(std::min(comma + 1, sizes.size()));
  }
  return shape;
}

std::string shape_text(const weft::Shape& shape) {
  std::string text;
  for (int64_t size : shape) text += (text.empty() ? "" : ",") + std::to_string(size);
  return text;
}

// The elements as another type, for those that C++ has no numbers of.
weft::Tensor cast(const weft::Tensor& from, weft::DType to) {
  weft::Graph graph;
  return weft::Session(graph).run({}, {weft::cast(graph.constant(from), {to})})[0];
}

template <typename T>
weft::Tensor parsed(const weft::Shape& shape, const std::vector<std::string>& words) {
  weft::Tensor made = weft::Tensor::zeros(weft::dtype_of<T>(), shape);
  if (made.count() != static_cast<int64_t>(words.size()))
    throw std::invalid_argument("other elements than the shape's");
  T* data = made.mutable_data<T>();
  for (const std::string& word : words) {
    if constexpr (std::is_same_v<T, bool>) {
      *data++ = word == "true";
    } else {
      *data++ = parse<T>(word);
    }
  }
  return made;
}

weft::Tensor make(std::string_view type, std::string_view text) {
  const size_t bracket = type.find('[');
  const std::string_view name = type.substr(0, bracket);
  const weft::Shape shape = shape_of(type.substr(bracket + 1, type.size() - bracket - 2));
  const std::vector<std::string> words = split(text);
  if (name == "string") return weft::Tensor::strings(shape, words);
  if (name == "f16") return cast(parsed<double>(shape, words), weft::DType::f16);
  if (name == "bf16") return cast(parsed<double>(shape, words), weft::DType::bf16);
  const std::pair<std::string_view, weft::Tensor (*)(const weft::Shape&, const std::vector<std::string>&)> kinds[] = {
      {"f32", parsed<float>},    {"f64", parsed<double>},   {"bool", parsed<bool>},    {"i8", parsed<int8_t>},
      {"i16", parsed<int16_t>},  {"i32", parsed<int32_t>},  {"i64", parsed<int64_t>},  {"u8", parsed<uint8_t>},
      {"u16", parsed<uint16_t>}, {"u32", parsed<uint32_t>}, {"u64", parsed<uint64_t>},
  };
  for (const auto& [kind, read] : kinds) {
    if (name == kind) return read(shape, words);
  }
  throw std::invalid_argument("what is " + std::string(type) + "?");
}

// The tensors of "f32[2]{1 2} f32[]{3}".
std::vector<weft::Tensor> items(std::string_view text) {
  std::vector<weft::Tensor> made;
  while (!text.empty()) {
    const size_t open = text.find('{'), close = text.find('}');
    made.push_back(make(text.substr(0, open), text.substr(open + 1, close - open - 1)));
    text.remove_prefix(std::min(close + 2, text.size()));
  }
  return made;
}

bool is_sequence(const Literal& literal) { return std::string_view(literal.type) == "seq"; }

// Fed, so that nothing is computed before the run.
weft::Value input(Case& c, const std::string& name, const weft::Tensor& tensor) {
  weft::Value value = c.graph.input(name, tensor.dtype(), shape_text(tensor.shape()));
  c.feeds.emplace_back(value, tensor);
  return value;
}

// On the device that WEFT_CASES_DEVICE names, which the plug-in WEFT_CASES_PLUGIN brings; without them on the CPU.
const weft::SessionOptions& where_to_run() {
  static const weft::SessionOptions options = [] {
    weft::SessionOptions made;
    const char *plugin = std::getenv("WEFT_CASES_PLUGIN"), *device = std::getenv("WEFT_CASES_DEVICE");
    if (plugin != nullptr) weft::load_devices(plugin);
    if (device != nullptr) made.device = device;
    return made;
  }();
  return options;
}

std::vector<weft::Tensor> run(Case& c, Literals inputs, Build build) {
  for (const Literal& literal : inputs) {
    const std::string name = "in" + std::to_string(c.x.size());
    if (literal.type == nullptr) {
      c.x.emplace_back();
    } else if (is_sequence(literal)) {
      Values parts;
      for (const weft::Tensor& item : items(literal.words)) {
        parts.push_back(input(c, name + "_" + std::to_string(parts.size()), item));
      }
      c.x.push_back(parts.empty() ? weft::sequence_empty(c.graph) : weft::sequence_construct(parts));
    } else {
      c.x.push_back(input(c, name, tensor(literal.type, literal.words)));
    }
  }
  const Values outputs = build(c);
  return weft::Session(c.graph, where_to_run()).run(c.feeds, outputs);
}

// The elements of any type but string, as they lie in memory.
std::string_view bytes_of(const weft::Tensor& tensor) {
  return {static_cast<const char*>(tensor.raw_data()), tensor.bytes()};
}

void compare(const weft::Tensor& found, const weft::Tensor& want, double relative, double absolute) {
  ASSERT_EQ(found.text(), want.text());
  switch (want.dtype()) {
    case weft::DType::f64: {
      const double *a = found.data<double>(), *b = want.data<double>();
      for (int64_t i = 0; i < want.count(); ++i) {
        const bool same = a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]));
        EXPECT_TRUE(same || std::fabs(a[i] - b[i]) <= absolute + relative * std::fabs(b[i]))
            << "element " << i << " is " << a[i] << ", " << b[i] << " is wanted";
      }
      break;
    }
    case weft::DType::f32:
    case weft::DType::f16:
    case weft::DType::bf16:
      compare(cast(found, weft::DType::f64), cast(want, weft::DType::f64), relative, absolute);
      break;
    case weft::DType::string: EXPECT_EQ(found.to_strings(), want.to_strings()); break;
    default: EXPECT_EQ(bytes_of(found), bytes_of(want));
  }
}

}  // namespace

weft::Tensor tensor(const char* type, const char* words) { return make(type, words); }

double number(const char* word) { return parse<double>(word); }

void Cases::gives(const Name& name, Literals inputs, Build build, Literals want, double relative, double absolute) {
  SCOPED_TRACE(name.text);
  try {
    Case c{weft::Graph(name.opset), {}, {}};
    const std::vector<weft::Tensor> found = run(c, inputs, build);
    ASSERT_GE(found.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      SCOPED_TRACE("output " + std::to_string(i));
      const Literal& literal = want.begin()[i];
      if (literal.type == nullptr) continue;
      if (!is_sequence(literal)) {
        compare(found[i], tensor(literal.type, literal.words), relative, absolute);
        continue;
      }
      const std::vector<weft::Tensor> parts = items(literal.words);
      ASSERT_EQ(found[i].count(), static_cast<int64_t>(parts.size()));
      for (size_t k = 0; k < parts.size(); ++k) {
        compare(found[i].at(static_cast<int64_t>(k)), parts[k], relative, absolute);
      }
    }
  } catch (const std::exception& error) {
    FAIL() << error.what();
  }
}

void Cases::fails(const Name& name, Literals inputs, Build build, int32_t code, const char* part, const char* file) {
  SCOPED_TRACE(name.text);
  Case c{weft::Graph(name.opset), {}, {}};
  try {
    run(c, inputs, build);
    FAIL() << weft_code_name(code) << " with \"" << part << "\" is wanted, nothing was thrown";
  } catch (const weft::Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(error.message().find(part), std::string::npos) << error.what() << "\n\"" << part << "\" is wanted";
    EXPECT_NE(error.op(), "") << error.what();
    EXPECT_EQ(error.origin(), file + (":" + std::to_string(c.line)));
  }
}

}  // namespace weft_cases
