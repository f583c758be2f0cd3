// How files are read.
package io.weft;

/** How models and checkpoints are read. */
public final class LoadOptions extends Settings {
  /** Makes the defaults. */
  public LoadOptions() {
    super("load");
  }

  /**
   * Says which weights of a model become trainable variables.
   *
   * @param names their names, "*" for all of f32 and f64 that are parameters: not scalars, masks, running averages, where
   *     recurrent nodes begin, and what PyTorch's exporter marked as a buffer; of a file that Weft saved, those that were
   *     trainable there; without this they are constants
   * @return this
   */
  public LoadOptions trainable(String... names) {
    for (String name : Check.notNull(names, "names")) add("trainable", name);
    return this;
  }

  /**
   * Maps files instead of reading them: large weights of a model stay in its files until somebody asks for their
   * elements, and those that kernels have in a form of their own stay there, which halves the memory of most models.
   * The files must then not change or be made shorter as long as what was loaded from them lives.
   *
   * @param map whether to map
   * @return this
   */
  public LoadOptions map(boolean map) {
    put("map", map);
    return this;
  }

  /**
   * Lets a checkpoint lack variables, or have others.
   *
   * @param partial whether to set only those that are in both
   * @return this
   */
  public LoadOptions partial(boolean partial) {
    put("partial", partial);
    return this;
  }
}
