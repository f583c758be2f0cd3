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
}
