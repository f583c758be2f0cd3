// How a session trains and evaluates.
package io.weft;

import java.time.Duration;
import java.util.List;

/** How a session trains, evaluates and predicts. The last two heed batch size, timeout, cancel, poll and trace alone. */
public final class FitOptions extends Settings {
  /** Makes the defaults. */
  public FitOptions() {
    super("fit");
    poll(RunOptions.INTERRUPTS);
  }

  /**
   * Sets how often the dataset is gone through, with the epochs before the first one counted in.
   *
   * @param epochs the number; 1 by default
   * @return this
   */
  public FitOptions epochs(int epochs) {
    put("epochs", epochs);
    return this;
  }

  /**
   * Sets where a resumed training goes on.
   *
   * @param epoch the number of the first epoch, below that of epochs; 0 by default
   * @return this
   */
  public FitOptions firstEpoch(long epoch) {
    firstEpoch = epoch;
    put("first_epoch", epoch);
    return this;
  }

  /**
   * Sets the rows of a batch; not for the batches of a function.
   *
   * @param rows the number; 32 by default
   * @return this
   */
  public FitOptions batchSize(int rows) {
    put("batch_size", rows);
    return this;
  }

  /**
   * Takes the rows of each epoch in another order, which depends on seed and epoch alone. The batches of a function cannot
   * be shuffled.
   *
   * @param shuffle whether to; true by default for rows
   * @return this
   */
  public FitOptions shuffle(boolean shuffle) {
    put("shuffle", shuffle);
    return this;
  }

  /**
   * Chooses the random order.
   *
   * @param seed any number; 0 by default
   * @return this
   */
  public FitOptions seed(long seed) {
    put("seed", seed);
    return this;
  }

  /**
   * Leaves out a last batch that is short.
   *
   * @param drop whether to
   * @return this
   */
  public FitOptions dropLast(boolean drop) {
    put("drop_last", drop);
    return this;
  }

  /**
   * Sets what counts as progress when stopping early.
   *
   * @param delta the least change of the metric
   * @return this
   */
  public FitOptions minDelta(double delta) {
    put("min_delta", delta);
    return this;
  }

  /**
   * Sets which way is better when stopping early.
   *
   * @param mode "min", the default, or "max"
   * @return this
   */
  public FitOptions mode(String mode) {
    put("mode", mode);
    return this;
  }

  /**
   * Puts the variables of the best epoch back at the end.
   *
   * @param restore whether to
   * @return this
   */
  public FitOptions restoreBest(boolean restore) {
    put("restore_best", restore);
    return this;
  }

  /**
   * Sets what is told of every batch and epoch.
   *
   * @param listener what to call, on the thread that called fit
   * @return this
   */
  public FitOptions listener(FitListener listener) {
    this.listener = Check.notNull(listener, "listener");
    return this;
  }

  /**
   * Ends what lasts longer, with {@link WeftException.DeadlineExceeded}.
   *
   * @param timeout how long it may last; zero or less has passed at once, without this there is no limit
   * @return this
   */
  public FitOptions timeout(Duration timeout) {
    putTimeout(timeout);
    return this;
  }

  /**
   * Sets the flag that ends it, with {@link WeftException.Cancelled}.
   *
   * @param cancel the flag
   * @return this
   */
  public FitOptions cancel(Cancel cancel) {
    putHandle("cancel", cancel, Native::optionsSetCancel);
    return this;
  }

  /**
   * Records what all runs of it do.
   *
   * @param trace the trace, which gets it
   * @return this
   */
  public FitOptions trace(Trace trace) {
    putHandle("trace", trace, Native::optionsSetTrace);
    return this;
  }

  /**
   * Sets what is called on the caller's own thread about every 20 ms; an exception of it ends the training. Without it,
   * interrupting the thread ends the training with {@link WeftException.Cancelled}.
   *
   * @param poll what to call
   * @return this
   */
  public FitOptions poll(Runnable poll) {
    Check.notNull(poll, "poll");
    putSetter("poll", poll == RunOptions.INTERRUPTS ? "interrupts" : poll, options -> Native.optionsSetPoll(options, poll));
    return this;
  }

  private long firstEpoch;
  private List<Value> validation = List.of();
  private FitListener listener;

  long firstEpoch() {
    return firstEpoch;
  }

  /**
   * Evaluates the metrics of the training on another dataset after every epoch; in the history their names begin with
   * "val_".
   *
   * @param dataset the dataset, of the same columns
   * @return this
   */
  public FitOptions validation(Dataset dataset) {
    return validation(dataset, List.of());
  }

  /**
   * Evaluates metrics on another dataset after every epoch; in the history their names begin with "val_".
   *
   * @param dataset the dataset, of the same columns
   * @param metrics scalars; none for those of the training
   * @return this
   */
  public FitOptions validation(Dataset dataset, List<Value> metrics) {
    validation = Check.items(metrics, "metrics");
    long[] ids = validation.stream().mapToLong(Value::id).toArray();
    putHandle("validation", dataset, (options, data) -> Native.optionsSetValidation(options, data, ids));
    return this;
  }

  /**
   * Sets the metric that {@link #patience} and {@link #restoreBest} watch. Without it that is the first metric, the
   * first of the validation if there is one.
   *
   * @param metric its name in the history, such as "val_loss"
   * @return this
   */
  public FitOptions monitor(String metric) {
    put("monitor", metric);
    return this;
  }

  /**
   * Stops early.
   *
   * @param epochs how many epochs in a row without progress end the training; 0, the default: none do
   * @return this
   */
  public FitOptions patience(int epochs) {
    put("patience", epochs);
    return this;
  }

  /** The native options for a call on `graph`, which is told to the listener or not. */
  long open(Graph graph, boolean listening) {
    graph.ids(validation, "the validation's metrics", false);
    long options = open();
    if (listener == null || !listening) return options;
    try {
      Native.optionsSetCallback(options, listener);
      return options;
    } catch (RuntimeException | Error e) {
      Native.optionsFree(options);
      throw e;
    }
  }
}
