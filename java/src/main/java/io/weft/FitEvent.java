// A step of a training.
package io.weft;

import java.util.Map;

/**
 * The end of a batch or epoch.
 *
 * @param kind which of them
 * @param epoch the number of the epoch, from 0
 * @param batch the number of the batch in the epoch, from 0
 * @param batchCount how many batches the epoch has; -1 while only the function that gives them can tell
 * @param metrics the averages so far in the epoch, by name; at its end those of the validation, too
 */
public record FitEvent(Kind kind, long epoch, long batch, long batchCount, Map<String, Double> metrics) {
  /** What has ended. */
  public enum Kind {
    /** A batch. */
    BATCH,
    /** An epoch. */
    EPOCH
  }
}
