// What native code calls: listeners, functions of datasets, host functions, bodies of operators, and the exceptions that
// errors become.
package io.weft;

import java.lang.ref.WeakReference;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

final class Callbacks {
  private Callbacks() {}

  /** What to throw for an error. An Error of the user's own code goes on as it is. */
  static Throwable error(
      int code, String message, String node, String op, String origin, int errno, Throwable cause) {
    if (cause instanceof Error) return cause;
    Throwable why = cause == null && errno != 0 ? WeftException.fileError(errno, message) : cause;
    return WeftException.of(ErrorCode.of(code), message, node, op, origin, why);
  }

  static String describe(Throwable thrown) {
    String text = thrown instanceof WeftException weft ? weft.getMessage() : thrown.toString();
    // Whatever a user wrote there, halves of surrogate pairs and NULs included, must not cost the message.
    return new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8).replace('\0', '?');
  }

  static int code(Throwable thrown) {
    return (thrown instanceof WeftException weft ? weft.code() : ErrorCode.UNKNOWN).number();
  }

  static void poll(Object listener) {
    ((Runnable) listener).run();
  }

  static void log(Object listener, int level, String text) {
    ((LogListener) listener).log(LogListener.LEVELS.get(Math.max(0, Math.min(level, 3))), text);
  }

  /** True to stop. */
  static boolean fit(
      Object listener, int event, long epoch, long batch, long batchCount, String[] names, double[] averages)
      throws Exception {
    Map<String, Double> metrics = new LinkedHashMap<>();
    for (int i = 0; i < names.length; ++i) metrics.put(names[i], averages[i]);
    FitEvent told =
        new FitEvent(FitEvent.Kind.values()[event], epoch, batch, batchCount, Collections.unmodifiableMap(metrics));
    FitListener.Action action = ((FitListener) listener).onEvent(told);
    return Check.notNull(action, "the listener's action") == FitListener.Action.STOP;
  }

  static void batch(Object pass, long tensors) {
    ((BatchPass) pass).give(tensors);
  }

  static void end(Object pass) {
    ((BatchPass) pass).end();
  }

  static long pass(Object source, long epoch) throws Exception {
    return BatchSource.begin((WeakReference<?>) source, epoch);
  }

  static void body(Object operator, long graph, long[] inputs, long attrs, long[] outputs) throws Exception {
    ((AddedOperator) operator).build(graph, inputs, attrs, outputs);
  }

  static void host(Object function, long[] inputs, long[] outputs) throws Exception {
    List<Tensor> given = new ArrayList<>(inputs.length);
    List<Tensor> made = new ArrayList<>();
    try {
      for (long input : inputs) given.add(Tensor.share(input));
      List<Tensor> returned = ((HostFunction) function).call(List.copyOf(given));
      made.addAll(Check.items(returned, "the result of the host function"));
      if (made.size() != outputs.length) {
        throw new IllegalArgumentException(
            "the host function returned " + made.size() + " tensors, and its node has " + outputs.length + " outputs");
      }
      long[] pointers = Handle.acquireAll(made);
      int done = 0;
      try {
        for (; done < pointers.length; ++done) outputs[done] = Tensor.shareNative(pointers[done]);
      } finally {
        if (done < pointers.length) {
          for (int i = 0; i < done; ++i) Native.tensorFree(outputs[i]);
        }
        Handle.releaseAll(made);
      }
    } finally {
      for (Tensor tensor : given) tensor.close();
      for (Tensor tensor : made) tensor.close();
    }
  }
}
