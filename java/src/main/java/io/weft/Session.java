// Running graphs.
package io.weft;

import java.lang.ref.Reference;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Runs parts of a graph over variables. Any number of threads may use one session at once; runs that change variables
 * come one after another. A run that fails or is cancelled changes none.
 */
public final class Session extends Handle {
  private static final ExecutorService THREADS =
      Executors.newCachedThreadPool(
          task -> {
            Thread thread = new Thread(task, "weft-run");
            thread.setDaemon(true);
            return thread;
          });

  private final Graph graph;

  /**
   * Makes a session with variables of its own.
   *
   * @param graph what to run; it may grow later
   */
  public Session(Graph graph) {
    this(graph, null);
  }

  /**
   * Makes a session.
   *
   * @param graph what to run; it may grow later
   * @param options how to run; null for the defaults
   */
  public Session(Graph graph, SessionOptions options) {
    super(open(graph, options), Native::sessionFree);
    this.graph = graph;
  }

  private static long open(Graph graph, SessionOptions options) {
    long pointer = acquire(graph, "graph");
    try {
      Session share = options == null ? null : options.shared();
      long settings = Settings.open(options);
      try {
        long other = share == null ? 0 : share.acquire();
        try {
          return Native.sessionNew(pointer, settings, other);
        } finally {
          if (share != null) share.release();
        }
      } finally {
        Settings.free(settings);
      }
    } finally {
      graph.release();
    }
  }

  @Override
  String what() {
    return "session";
  }

  /**
   * The graph that this session runs.
   *
   * @return the graph
   */
  public Graph graph() {
    return graph;
  }

  /** Ends the session: waits for the calls that run in it. Cancel them first to end them early. */
  @Override
  public void close() {
    long session = tryAcquire();
    if (session == 0) return;
    try {
      Native.sessionClose(session);
    } finally {
      release();
    }
    super.close();
  }

  /** The arguments of a run, held until the run has ended. */
  private final class Call {
    final List<Value> fetches;
    private final List<Tensor> tensors;
    private final long[] feedIds;
    private final long[] fetchIds;
    private final long[] targetIds;
    private final long[] pointers;
    private final long session;
    private final long settings;

    Call(Map<Value, Tensor> feeds, List<Value> fetches, List<Value> targets, RunOptions options) {
      feedIds = new long[Check.notNull(feeds, "feeds").size()];
      tensors = new ArrayList<>(feedIds.length);
      for (Map.Entry<Value, Tensor> feed : feeds.entrySet()) {
        feedIds[tensors.size()] = graph.id(feed.getKey(), "a key of feeds");
        if (feed.getValue() == null) throw new NullPointerException("feeds[" + feed.getKey().name() + "] is null");
        if (!feed.getValue().isOpen()) {
          throw new IllegalStateException("the tensor that is fed to '" + feed.getKey().name() + "' is closed");
        }
        tensors.add(feed.getValue());
      }
      fetchIds = graph.ids(fetches, "fetches", false);
      this.fetches = List.copyOf(fetches);
      targetIds = graph.ids(targets, "targets", false);
      session = acquire();
      try {
        pointers = acquireAll(tensors);
        try {
          settings = Settings.open(options);
        } catch (RuntimeException | Error e) {
          releaseAll(tensors);
          throw e;
        }
      } catch (RuntimeException | Error e) {
        release();
        throw e;
      }
    }

    /** Runs, once, and lets go of the arguments. */
    Results run() {
      try {
        long[] made = new long[fetchIds.length];
        Native.sessionRun(session, feedIds, pointers, fetchIds, targetIds, settings, made);
        return new Results(fetches, made);
      } finally {
        drop();
      }
    }

    /** Lets go of the arguments of a run that does not come. */
    void drop() {
      Settings.free(settings);
      releaseAll(tensors);
      release();
    }
  }

  /**
   * Computes values.
   *
   * @param feeds the tensors of inputs, or of any other values, which then are not computed
   * @param fetches what to compute
   * @return a tensor for each fetch
   */
  public Results run(Map<Value, Tensor> feeds, Value... fetches) {
    return run(feeds, Arrays.asList(Check.notNull(fetches, "fetches")), List.of(), null);
  }

  /**
   * Computes values and does what targets do.
   *
   * @param feeds the tensors of inputs, or of any other values, which then are not computed
   * @param fetches what to compute
   * @param targets what to compute for its effect alone, such as a training step
   * @return a tensor for each fetch
   */
  public Results run(Map<Value, Tensor> feeds, List<Value> fetches, List<Value> targets) {
    return run(feeds, fetches, targets, null);
  }

  /**
   * Computes values and does what targets do.
   *
   * @param feeds the tensors of inputs, or of any other values, which then are not computed
   * @param fetches what to compute
   * @param targets what to compute for its effect alone, such as a training step
   * @param options timeout, cancellation and trace; null for none
   * @return a tensor for each fetch
   */
  public Results run(
      Map<Value, Tensor> feeds, List<Value> fetches, List<Value> targets, RunOptions options) {
    return new Call(feeds, fetches, targets, options).run();
  }

  /**
   * Computes values on another thread. The arguments may be closed at once. Cancelling the future cancels the run.
   *
   * @param feeds the tensors of inputs
   * @param fetches what to compute
   * @return a tensor for each fetch, later
   */
  public CompletableFuture<Results> runAsync(Map<Value, Tensor> feeds, Value... fetches) {
    return runAsync(feeds, Arrays.asList(Check.notNull(fetches, "fetches")), List.of(), null);
  }

  /**
   * Computes values and does what targets do on another thread. The arguments may be closed at once. Cancelling the
   * future cancels the run: through the flag of the options if they have one.
   *
   * @param feeds the tensors of inputs
   * @param fetches what to compute
   * @param targets what to compute for its effect alone
   * @param options timeout, cancellation and trace; null for none
   * @return a tensor for each fetch, later
   */
  public CompletableFuture<Results> runAsync(
      Map<Value, Tensor> feeds, List<Value> fetches, List<Value> targets, RunOptions options) {
    return runAsync(feeds, fetches, targets, options, THREADS);
  }

  /**
   * Computes values and does what targets do on a thread of an executor, otherwise as {@link #runAsync(Map, List, List,
   * RunOptions)}.
   *
   * @param feeds the tensors of inputs
   * @param fetches what to compute
   * @param targets what to compute for its effect alone
   * @param options timeout, cancellation and trace; null for none
   * @param executor where it runs
   * @return a tensor for each fetch, later
   */
  public CompletableFuture<Results> runAsync(
      Map<Value, Tensor> feeds, List<Value> fetches, List<Value> targets, RunOptions options, Executor executor) {
    Check.notNull(executor, "executor");
    RunOptions chosen = options == null ? new RunOptions() : options.copy();
    boolean own = chosen.cancelFlag() == null;
    if (own) chosen.cancel(new Cancel());
    Cancel cancel = chosen.cancelFlag();
    Call call;
    try {
      call = new Call(feeds, fetches, targets, chosen);
    } catch (RuntimeException | Error e) {
      if (own) cancel.close();
      throw e;
    }
    CompletableFuture<Results> future =
        new CompletableFuture<>() {
          @Override
          public boolean cancel(boolean mayInterrupt) {
            if (!isDone()) cancel.trySet();
            return super.cancel(mayInterrupt);
          }
        };
    Runnable task =
        () -> {
          try {
            Results results = call.run();
            if (own) cancel.close();
            if (!future.complete(results)) results.close();
          } catch (Throwable e) {
            if (own) cancel.close();
            future.completeExceptionally(e);
          }
        };
    try {
      executor.execute(task);
    } catch (RuntimeException | Error e) {
      call.drop();
      if (own) cancel.close();
      throw e;
    }
    return future;
  }

  /**
   * Makes a run ready to be called often. Where the sizes of all that is fed are known it is also planned: the first run then
   * takes no longer than the others, unless something is bound that lies on a device.
   *
   * @param feeds what will be bound as inputs, in this order
   * @param fetches what will be computed, in this order
   * @return the prepared run
   */
  public Prepared prepare(List<Value> feeds, List<Value> fetches) {
    return prepare(feeds, fetches, List.of());
  }

  /**
   * Makes a run ready to be called often. Where the sizes of all that is fed are known it is also planned: the first run then
   * takes no longer than the others, unless something is bound that lies on a device.
   *
   * @param feeds what will be bound as inputs, in this order
   * @param fetches what will be computed, in this order
   * @param targets what will be computed for its effect alone
   * @return the prepared run
   */
  public Prepared prepare(List<Value> feeds, List<Value> fetches, List<Value> targets) {
    long[] in = graph.ids(feeds, "feeds", false);
    long[] out = graph.ids(fetches, "fetches", false);
    long[] effects = graph.ids(targets, "targets", false);
    long session = acquire();
    try {
      return new Prepared(this, Native.sessionPrepare(session, in, out, effects));
    } finally {
      release();
    }
  }

  private void with(java.util.function.LongConsumer call) {
    long session = acquire();
    try {
      call.accept(session);
    } finally {
      release();
    }
  }

  /** Gives every variable that has no value yet its initial one; runs do this by themselves. */
  public void initialise() {
    with(Native::sessionInitialise);
  }

  /**
   * What the session keeps and has done.
   *
   * @return JSON, for a reader of your choice: "runs" (begun so far), "threads" (of one run), "instruction_set" (of its
   *     kernels), "device", "weight_cache" ("found" and "made": how many packed weights its folder had and lacked), and "calls", an entry for each set of fed and fetched values that it keeps plans for, with "feeds", "fetches" and "assigns" (names) and
   *     "plans", the last used first, one for each signature of inputs that was seen: "inputs" (fed values, then variables
   *     that are read), "kernels" (how many steps run each), "on_cpu" (those that a device leaves to the CPU), "constant_bytes" (what kernels read as it is), "arena_bytes" (of
   *     each run at a time), "device_arena_bytes", "idle_arenas" (kept for the next runs) and "branch_groups"
   *     (stretches whose branches run side by side)
   */
  public String describe() {
    long session = acquire();
    try {
      return Memory.text(Native.sessionInspect(session));
    } finally {
      release();
    }
  }

  /**
   * Lets go of memory that is kept for speed: plans, arenas and what kernels packed of constants, as far as no run and no
   * prepared call uses it. What is needed again is made again.
   */
  public void trim() {
    with(Native::sessionTrim);
  }

  /**
   * A copy of a variable's value.
   *
   * @param variable its name
   * @return the value
   */
  public Tensor get(String variable) {
    Check.notNull(variable, "variable");
    long session = acquire();
    try {
      return new Tensor(Native.sessionGet(session, variable));
    } finally {
      release();
    }
  }

  /**
   * Sets a variable.
   *
   * @param variable its name
   * @param tensor the new value
   */
  public void set(String variable, Tensor tensor) {
    Check.notNull(variable, "variable");
    long pointer = acquire(tensor, "tensor");
    try {
      with(session -> Native.sessionSet(session, variable, pointer));
    } finally {
      tensor.release();
    }
  }

  /**
   * Writes a checkpoint: a safetensors file of every variable, with the optimizer's state. A failure leaves an old file
   * as it was.
   *
   * @param path the file
   */
  public void save(Path path) {
    Check.notNull(path, "path");
    with(session -> Native.sessionSave(session, path.toString()));
  }

  /**
   * Sets every variable from a checkpoint; training then continues bit for bit. After an error no variable has changed.
   *
   * @param path the file
   */
  public void load(Path path) {
    load(path, null);
  }

  /**
   * Sets the variables from a checkpoint. After an error no variable has changed.
   *
   * @param path the file
   * @param options how to read; null for the defaults
   */
  public void load(Path path, LoadOptions options) {
    Check.notNull(path, "path");
    long settings = Settings.open(options);
    try {
      with(session -> Native.sessionLoad(session, path.toString(), settings));
    } finally {
      Settings.free(settings);
    }
  }

  /**
   * Trains: every batch is one run of the target and the metrics.
   *
   * @param data what to train on
   * @param feeds for each tensor of the dataset the value that it is fed to; null for none
   * @param step the training step, of {@link Optimizer#minimize}
   * @param metrics scalars, whose averages are in the history
   * @param options how to train; null for one epoch of batches of 32
   * @return the metrics of each epoch
   */
  public History fit(Dataset data, List<Value> feeds, Value step, List<Value> metrics, FitOptions options) {
    long[] in = graph.ids(feeds, "feeds", true);
    long target = graph.id(step, "step");
    long[] measured = graph.ids(metrics, "metrics", false);
    FitOptions chosen = options == null ? new FitOptions() : options;
    long rows = acquire(data, "data");
    try {
      long session = acquire();
      try {
        long settings = chosen.open(graph, true);
        try {
          return new History(Native.sessionFit(session, rows, in, target, measured, settings), chosen.firstEpoch());
        } finally {
          Settings.free(settings);
          Reference.reachabilityFence(chosen); // has the validation's dataset, which has its function
        }
      } finally {
        release();
      }
    } finally {
      data.release();
    }
  }

  /**
   * Computes the average of metrics over a dataset.
   *
   * @param data the rows
   * @param feeds for each tensor of the dataset the value that it is fed to; null for none
   * @param metrics scalars
   * @return the average of each, by its name
   */
  public Map<String, Double> evaluate(Dataset data, List<Value> feeds, List<Value> metrics) {
    return evaluate(data, feeds, metrics, null);
  }

  /**
   * Computes the average of metrics over a dataset.
   *
   * @param data the rows
   * @param feeds for each tensor of the dataset the value that it is fed to; null for none
   * @param metrics scalars
   * @param options batch size, timeout and cancellation; null for the defaults
   * @return the average of each, by its name
   */
  public Map<String, Double> evaluate(
      Dataset data, List<Value> feeds, List<Value> metrics, FitOptions options) {
    long[] in = graph.ids(feeds, "feeds", true);
    long[] measured = graph.ids(metrics, "metrics", false);
    double[] averages = new double[measured.length];
    onDataset(
        data,
        options,
        (session, rows, settings) -> Native.sessionEvaluate(session, rows, in, measured, settings, averages));
    Map<String, Double> named = new LinkedHashMap<>();
    for (int i = 0; i < averages.length; ++i) named.put(metrics.get(i).name(), averages[i]);
    return named;
  }

  /**
   * Computes values for every row of a dataset.
   *
   * @param data the rows
   * @param feeds for each tensor of the dataset the value that it is fed to; null for none
   * @param fetches what to compute
   * @return a tensor of all rows for each fetch
   */
  public Results predict(Dataset data, List<Value> feeds, Value... fetches) {
    return predict(data, feeds, Arrays.asList(Check.notNull(fetches, "fetches")), null);
  }

  /**
   * Computes values for every row of a dataset.
   *
   * @param data the rows
   * @param feeds for each tensor of the dataset the value that it is fed to; null for none
   * @param fetches what to compute
   * @param options batch size, timeout and cancellation; null for the defaults
   * @return a tensor of all rows for each fetch
   */
  public Results predict(Dataset data, List<Value> feeds, List<Value> fetches, FitOptions options) {
    long[] in = graph.ids(feeds, "feeds", true);
    List<Value> wanted = Check.items(fetches, "fetches");
    long[] out = graph.ids(wanted, "fetches", false);
    long[] made = new long[out.length];
    onDataset(
        data,
        options,
        (session, rows, settings) -> Native.sessionPredict(session, rows, in, out, settings, made));
    return new Results(wanted, made);
  }

  private interface OnDataset {
    void call(long session, long dataset, long settings);
  }

  private void onDataset(Dataset data, FitOptions options, OnDataset call) {
    long rows = acquire(data, "data");
    try {
      long settings = (options == null ? new FitOptions() : options).open(graph, false);
      try {
        with(session -> call.call(session, rows, settings));
      } finally {
        Settings.free(settings);
      }
    } finally {
      data.release();
    }
  }
}
