// A second unit that includes the header: nothing in it may be defined twice.
#include "other_unit.h"

#include "weft.hpp"

float five_from_another_unit() {
  weft::Graph graph;
  auto two = graph.constant(weft::Tensor::scalar(2.0f));
  return weft::Session(graph).run({}, {two + 3.0})[0].item<float>();
}
