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
   * @param names their names, "*" for all of floating point; without this they are constants
   * @return this
   */
  public LoadOptions trainable(String... names) {
    for (String name : Check.notNull(names, "names")) add("trainable", name);
    return this;
  }

  /**
   * Maps weights instead of reading them. The file must then not be made shorter.
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
