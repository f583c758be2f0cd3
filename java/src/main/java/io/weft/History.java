// What a training measured.
package io.weft;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The metrics of each epoch of a training. */
public final class History {
  /**
   * One epoch.
   *
   * @param number its number, from 0
   * @param metrics the averages by name; those of the validation begin with "val_"
   */
  public record Epoch(long number, Map<String, Double> metrics) {}

  private final List<Epoch> epochs;
  private final boolean stopped;

  /** Takes over a native history. */
  History(long history, long firstEpoch) {
    try {
      int width = Native.historyWidth(history);
      int count = Math.toIntExact(Native.historyCount(history));
      double[] numbers = Memory.doubles(Native.historyData(history), Math.multiplyExact(count, width));
      List<Epoch> found = new ArrayList<>(count);
      for (int epoch = 0; epoch < count; ++epoch) {
        Map<String, Double> metrics = new LinkedHashMap<>();
        for (int i = 0; i < width; ++i) metrics.put(Native.historyName(history, i), numbers[epoch * width + i]);
        found.add(new Epoch(firstEpoch + epoch, Collections.unmodifiableMap(metrics)));
      }
      epochs = Collections.unmodifiableList(found);
      stopped = Native.historyStopped(history) != 0;
    } finally {
      Native.historyFree(history);
    }
  }

  /**
   * The epochs.
   *
   * @return one for each that was trained
   */
  public List<Epoch> epochs() {
    return epochs;
  }

  /**
   * Whether the training ended before its last epoch.
   *
   * @return true if it stopped early or a listener stopped it
   */
  public boolean stopped() {
    return stopped;
  }

  /**
   * The values of a metric.
   *
   * @param name its name
   * @return one for each epoch
   */
  public double[] metric(String name) {
    Check.notNull(name, "name");
    return epochs.stream()
        .mapToDouble(
            epoch -> {
              Double value = epoch.metrics().get(name);
              Check.argument(value != null, "there is no metric '" + name + "'");
              return value;
            })
        .toArray();
  }

  /**
   * A metric after the last epoch.
   *
   * @param name its name
   * @return the value
   */
  public double last(String name) {
    double[] values = metric(name);
    if (values.length == 0) throw new IllegalStateException("no epoch was trained");
    return values[values.length - 1];
  }

  /**
   * The last epoch.
   *
   * @return such as "20 epochs, {loss=0.01}"
   */
  @Override
  public String toString() {
    return epochs.isEmpty()
        ? "0 epochs"
        : epochs.size() + " epochs, " + epochs.get(epochs.size() - 1).metrics();
  }
}
