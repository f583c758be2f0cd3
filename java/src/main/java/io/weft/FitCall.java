// A listener with the names of what it is told.
package io.weft;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

record FitCall(FitListener listener, List<String> metrics, List<String> validation) {
  /** True to stop. */
  boolean call(int event, long epoch, long batch, long batchCount, double[] numbers) throws Exception {
    Map<String, Double> named = new LinkedHashMap<>();
    for (int i = 0; i < numbers.length; ++i) {
      int j = i - metrics.size();
      named.put(j < 0 ? metrics.get(i) : "val_" + validation.get(j), numbers[i]);
    }
    FitEvent told =
        new FitEvent(FitEvent.Kind.values()[event], epoch, batch, batchCount, Collections.unmodifiableMap(named));
    return Check.notNull(listener.onEvent(told), "the listener's action") == FitListener.Action.STOP;
  }
}
