// run_conformance LIST ENVIRONMENT [--write | --show] [WORD...]: runs ONNX's backend suite over the files of the package
// onnx in the Python environment, and compares what each test gives with the list; the last line counts. With words, the
// tests whose names have one of them; -WORD leaves those out. --write writes the list anew, --show says what the tests give.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "core/base/file.h"
#include "core/base/live.h"
#include "core/format/onnx.h"
#include "core/runtime/builtin.h"
#include "core/runtime/session.h"
#include "tests/conformance/backend_data.h"
#include "tests/conformance/compare.h"
#include "tests/conformance/expected.h"

namespace weft {
namespace {

struct Options {
  std::string list, environment;
  bool write = false, show = false;
  std::vector<std::string> words, without;

  bool wants(const std::string& name) const {
    auto is_in = [&](const std::string& word) { return name.find(word) != std::string::npos; };
    if (std::any_of(without.begin(), without.end(), is_in)) return false;
    return words.empty() || std::any_of(words.begin(), words.end(), is_in);
  }
  bool wants_all() const { return words.empty() && without.empty(); }
};

Result<Options> parse(int count, char** arguments) {
  Options out;
  for (int i = 1; i < count; ++i) {
    const std::string word = arguments[i];
    if (word == "--write") {
      out.write = true;
    } else if (word == "--show") {
      out.show = true;
    } else if (word.size() > 1 && word[0] == '-' && word[1] != '-') {
      out.without.push_back(word.substr(1));
    } else if (word[0] == '-') {
      return invalid("there is no option ", word);
    } else if (out.list.empty()) {
      out.list = word;
    } else if (out.environment.empty()) {
      out.environment = word;
    } else {
      out.words.push_back(word);
    }
  }
  if (out.environment.empty())
    return invalid("usage: run_conformance LIST ENVIRONMENT [--write | --show] [[-]WORD...]");
  if (out.write && !out.wants_all()) return invalid("the list is written whole: --write goes with no words");
  return out;
}

// What a test gives: "" or what is wrong.
Result<std::string> run(const BackendTest& test) {
  WEFT_TRY(auto model, read_file(test.model));
  WEFT_TRY(BackendValues values, backend_values(test, model->text()));
  WEFT_TRY(auto graph, load_onnx_bytes(builtin_ops(), model->text(), "", {}));
  Signature signature;
  signature.feeds = graph->inputs();
  signature.fetches = graph->outputs();
  // As it is run, and with the graph as it is written.
  for (const bool plain : {false, true}) {
    SessionOptions options;
    if (plain) options.disabled_passes = {"*"};
    WEFT_TRY(auto session, Session::make(graph, options));
    std::vector<Tensor> outputs;
    WEFT_CHECK(session->run(signature, values.inputs, {}, &outputs));
    if (outputs.size() != values.outputs.size()) return std::string("wrong number of outputs");
    for (size_t i = 0; i < outputs.size(); ++i) {
      const std::string problem = difference(outputs[i], values.outputs[i], test.relative, test.absolute);
      if (!problem.empty()) return cat(plain ? "without passes: " : "", problem);
    }
  }
  return std::string();
}

// One line; an operator that is missing has the same words whichever test meets it.
std::string reason(const Status& status) {
  std::string text = status.message();
  for (std::string_view prefix : {"cannot load the model: "}) {
    if (text.compare(0, prefix.size(), prefix) == 0) text.erase(0, prefix.size());
  }
  const std::string_view before = "the operator ", after = " is not known";
  if (text.compare(0, before.size(), before) == 0 && text.size() > after.size() &&
      text.compare(text.size() - after.size(), after.size(), after) == 0) {
    text = cat("operator ", text.substr(before.size(), text.size() - before.size() - after.size()), " is missing");
  } else if (!status.op().empty()) {
    text = cat(status.op(), ": ", text);
  }
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string outcome(const BackendTest& test) {
  Result<std::string> problem = run(test);
  std::string why = problem.ok() ? *problem : reason(problem.status());
  return why.empty() ? "pass" : cat("fails: ", why);
}

// The lines that say how the two differ.
std::vector<std::string> differences(const Outcomes& expected, const Outcomes& found, bool all) {
  std::vector<std::string> out;
  for (const auto& [name, outcome] : found) {
    auto at = expected.find(name);
    if (at == expected.end()) {
      out.push_back(cat(name, ": ", outcome, ", and is not in the list"));
    } else if (!is_about(at->second, outcome)) {
      out.push_back(cat(name, ": ", outcome, ", but the list says: ", at->second));
    } else if (outcome != "pass" && at->second == outcome) {
      out.push_back(cat(name, ": ", outcome, "; the list must say behind that, in parentheses, why it is left so"));
    }
  }
  for (const auto& [name, outcome] : expected) {
    if (all && found.count(name) == 0) out.push_back(cat(name, ": is in the list, but not in the suite"));
  }
  return out;
}

Status main_with(int count, char** arguments) {
  WEFT_TRY(Options options, parse(count, arguments));
  WEFT_TRY(std::string folder, backend_data_folder(options.environment));
  WEFT_TRY(std::vector<BackendTest> tests, backend_tests(folder));
  Outcomes found;
  for (const BackendTest& test : tests) {
    if (!options.wants(test.name)) continue;
    const std::string& now = found[test.name] = outcome(test);
    if (options.show) std::printf("%s %s\n", test.name.c_str(), now.c_str());
  }
  WEFT_TRY(Outcomes expected, read_outcomes(options.list));
  if (options.write) {
    for (auto& [name, outcome] : found) {
      if (const auto at = expected.find(name); at != expected.end() && is_about(at->second, outcome))
        outcome = at->second;
    }
    return write_outcomes(options.list, found);
  }
  std::vector<std::string> problems = differences(expected, found, options.wants_all());
  for (const std::string& problem : problems) std::printf("%s\n", problem.c_str());
  if (live_objects() != 0) {
    problems.push_back("");
    std::printf("%lld objects are still alive\n", static_cast<long long>(live_objects()));
  }
  if (!problems.empty()) std::printf("If that is how it should be: tools/conformance --write\n");
  const auto as_listed = static_cast<long long>(found.size()) - static_cast<long long>(problems.size());
  std::printf("%lld passed, %zu failed\n", std::max(as_listed, 0LL), problems.size());
  return problems.empty() ? Status() : failed_precondition("the suite gives what the list does not say");
}

}  // namespace
}  // namespace weft

int main(int count, char** arguments) {
  weft::Status status = weft::main_with(count, arguments);
  if (!status.ok()) std::fprintf(stderr, "run_conformance: %s\n", status.message().c_str());
  return status.ok() ? 0 : 1;
}
