// Rows of tensors.
package io.weft;

import java.lang.ref.WeakReference;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * Tensors that have their first dimension in common, where a row is one element of each; or the batches of a function:
 * {@link #fromFunction}.
 */
public final class Dataset extends Handle {
  private final BatchSource source; // null for rows

  private Dataset(long pointer) {
    this(pointer, null);
  }

  private Dataset(long pointer, BatchSource source) {
    super(pointer, Native::datasetFree);
    this.source = source;
  }

  @Override
  String what() {
    return "dataset";
  }

  /**
   * Makes a dataset. The elements are shared, so the tensors may be closed.
   *
   * @param tensors the columns
   * @return the dataset
   */
  public static Dataset of(Tensor... tensors) {
    List<Tensor> held = Check.items(Arrays.asList(Check.notNull(tensors, "tensors")), "tensors");
    long[] pointers = acquireAll(held);
    try {
      return new Dataset(Native.datasetNew(pointers));
    } finally {
      releaseAll(held);
    }
  }

  /**
   * Reads a dataset from a .safetensors, .npy or .csv file. A CSV file is one matrix of f32, "data" (its header, if it has
   * one, is skipped), an .npy file one tensor, "data".
   *
   * @param path the file
   * @param names the tensors to take, in this order; none for all
   * @return the dataset
   */
  public static Dataset load(Path path, String... names) {
    return load(path, (LoadOptions) null, names);
  }

  /**
   * Reads a dataset from a .safetensors, .npy or .csv file. A CSV file is one matrix of f32, "data" (its header, if it has
   * one, is skipped), an .npy file one tensor, "data".
   *
   * @param path the file
   * @param options {@link LoadOptions#map} maps a safetensors file; null for the defaults
   * @param names the tensors to take, in this order; none for all
   * @return the dataset
   */
  public static Dataset load(Path path, LoadOptions options, String... names) {
    Check.notNull(path, "path");
    Check.items(Arrays.asList(Check.notNull(names, "names")), "names");
    long settings = Settings.open(options);
    try {
      return new Dataset(Native.datasetLoad(path.toString(), names, settings));
    } finally {
      Settings.free(settings);
    }
  }

  /**
   * Makes a dataset of the batches that a function gives. What a batch is and in which order they come is the function's
   * to decide: batch size, shuffling and dropping a short batch cannot be asked for. The first dimension of the first
   * tensor counts the rows of a batch, by which averages are weighted.
   *
   * @param function what begins each pass
   * @param names the names of the tensors of a batch, in their order
   * @return the dataset
   */
  public static Dataset fromFunction(BatchFunction function, String... names) {
    Check.notNull(function, "function");
    String[] wanted = Check.items(Arrays.asList(Check.notNull(names, "names")), "names").toArray(String[]::new);
    BatchSource source = new BatchSource(function, wanted);
    return new Dataset(Native.datasetNewFunction(wanted.length, new WeakReference<>(source)), source);
  }

  private <T> T with(Graph.Call<T> call) {
    long pointer = acquire();
    try {
      return call.on(pointer);
    } finally {
      release();
    }
  }

  /**
   * Some of the rows, shared with this dataset.
   *
   * @param first the first row
   * @param count how many
   * @return the dataset of those rows
   */
  public Dataset rows(long first, long count) {
    return with(pointer -> new Dataset(Native.datasetNewRows(pointer, first, count)));
  }

  /**
   * All rows of one tensor.
   *
   * @param i which tensor
   * @return the tensor
   */
  public Tensor at(int i) {
    return with(pointer -> new Tensor(Native.datasetAt(pointer, i)));
  }

  /**
   * The number of rows.
   *
   * @return the number; -1 if a function gives the batches
   */
  public long count() {
    return with(Native::datasetCount);
  }

  /**
   * The number of tensors in a row.
   *
   * @return the number
   */
  public int width() {
    return with(Native::datasetWidth);
  }

  /**
   * Goes through the rows, or the batches of the function, once.
   *
   * @param options batch size and order of rows; null for batches of 32 in order
   * @param epoch the number of the pass, from 0
   * @return the batches
   */
  public Batches batches(BatchOptions options, long epoch) {
    return with(
        pointer -> {
          long settings = Settings.open(options);
          try {
            return new Batches(this, Native.datasetOpen(pointer, settings, epoch), Native.datasetWidth(pointer));
          } finally {
            Settings.free(settings);
          }
        });
  }

  /** Ends the dataset. It waits for nobody: calls and passes that were begun go on, as do datasets of its rows. */
  @Override
  public void close() {
    long dataset = tryAcquire();
    if (dataset == 0) return;
    try {
      Native.datasetClose(dataset);
    } finally {
      release();
    }
    super.close();
  }

  /**
   * The size.
   *
   * @return such as "dataset of 1797 rows"
   */
  @Override
  public String toString() {
    if (!isOpen()) return "closed dataset";
    return source == null ? "dataset of " + count() + " rows" : "dataset of the batches of a function";
  }
}
