// How models are written.
package io.weft;

/** How models are written. */
public final class SaveOptions extends Settings {
  /** Makes the defaults. */
  public SaveOptions() {
    super("save");
  }

  /**
   * Keeps variables, their initial values and all nodes, to go on training where the model is loaded.
   *
   * @param training whether to keep them
   * @return this
   */
  public SaveOptions training(boolean training) {
    put("training", training);
    return this;
  }

  /**
   * Writes big tensors to a safetensors file beside the model.
   *
   * @param file the name of the file; "", the default, for none
   * @return this
   */
  public SaveOptions weights(String file) {
    put("weights", file);
    return this;
  }

  /**
   * Writes a file of an older version of ONNX's operators, for readers that know no later one. What no operators of that version
   * stand for is UNIMPLEMENTED, with the node and the version that it needs; with {@link #training} it is INVALID_ARGUMENT.
   *
   * @param opset the version, 7 to 27; 0, the default, for the newest released, or 27 where an operator needs it
   * @return this
   */
  public SaveOptions opset(int opset) {
    put("opset", opset);
    return this;
  }
}
