// How a dataset is taken apart.
package io.weft;

/** How a dataset is taken apart into batches. */
public final class BatchOptions extends Settings {
  /** Makes the defaults. */
  public BatchOptions() {
    super("dataset");
  }

  /**
   * Sets the rows of a batch.
   *
   * @param rows the number; 32 by default
   * @return this
   */
  public BatchOptions batchSize(int rows) {
    put("batch_size", rows);
    return this;
  }

  /**
   * Takes the rows in a random order, which depends on seed and epoch alone.
   *
   * @param shuffle whether to
   * @return this
   */
  public BatchOptions shuffle(boolean shuffle) {
    put("shuffle", shuffle);
    return this;
  }

  /**
   * Chooses the random order.
   *
   * @param seed any number; 0 by default
   * @return this
   */
  public BatchOptions seed(long seed) {
    put("seed", seed);
    return this;
  }

  /**
   * Leaves out a last batch that is short.
   *
   * @param drop whether to
   * @return this
   */
  public BatchOptions dropLast(boolean drop) {
    put("drop_last", drop);
    return this;
  }
}
