/** Weft, a dataflow-graph runtime: graphs, training, models in ONNX files. */
module io.weft {
  exports io.weft;
}
