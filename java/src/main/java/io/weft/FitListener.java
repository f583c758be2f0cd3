// What follows a training.
package io.weft;

import java.io.PrintStream;

/** Is told of every batch and epoch of a training, on the thread that called fit. It may run and save the session. */
@FunctionalInterface
public interface FitListener {
  /** How the training goes on. */
  enum Action {
    /** On to the next batch. */
    CONTINUE,
    /** It ends well after this step. */
    STOP
  }

  /**
   * Takes what happened.
   *
   * @param event a batch or an epoch
   * @return how to go on
   * @throws Exception anything; fit then fails with a {@link WeftException} that has it as its cause
   */
  Action onEvent(FitEvent event) throws Exception;

  /**
   * A listener that prints a line for every epoch, such as "epoch  1  loss 0.123456".
   *
   * @param out where to
   * @return the listener, which lets the training go on
   */
  static FitListener printing(PrintStream out) {
    Check.notNull(out, "out");
    return event -> {
      if (event.kind() == FitEvent.Kind.EPOCH) out.println(Progress.line(event, ""));
      return Action.CONTINUE;
    };
  }
}
