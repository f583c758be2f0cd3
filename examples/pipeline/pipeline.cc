// Runs a pipeline of scikit-learn on numbers, names and texts.
#include <cstdio>

#include "weft.hpp"

int main() {
  auto graph = weft::Graph::load("examples/exported/sklearn_text.onnx");
  const weft::Session session(graph);
  // Each column of the table is an input by itself.
  const weft::Shape column{3, 1};
  auto results = session.run(
      {{graph.find("months"), weft::Tensor::from<float>(column, {4, 12, 26})},
       {graph.find("plan"), weft::Tensor::strings(column, {"free", "team", "guest"})},
       {graph.find("text"),
        weft::Tensor::strings(column, {"The password is not accepted since the update.", "Why is the invoice so high?",
                                       "An error shows up when I open the export."})}},
      graph.outputs());

  // A class for each row, and a map from all classes to their probabilities.
  auto teams = results[0].to_strings();
  auto shares = results[1].to_maps<std::string, float>();
  for (size_t i = 0; i < teams.size(); ++i) {
    std::printf("%s:", teams[i].c_str());
    for (const char* name : {"billing", "fault", "login"}) std::printf(" %s %.6f", name, shares[i].at(name));
    std::printf("\n");
  }
}
