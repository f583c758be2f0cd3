// How one run is done.
package io.weft;

import java.time.Duration;

/** How one run is done: timeout, cancellation, trace. */
public final class RunOptions extends Settings {
  /** Makes the defaults. */
  public RunOptions() {
    super("run");
  }

  /**
   * Ends what lasts longer, with {@link WeftException.DeadlineExceeded}.
   *
   * @param timeout how long it may last; zero or less has passed at once, without this there is no limit
   * @return this
   */
  public RunOptions timeout(Duration timeout) {
    putTimeout(timeout);
    this.timeout = timeout;
    return this;
  }

  /**
   * Sets the flag that ends it, with {@link WeftException.Cancelled}.
   *
   * @param cancel the flag
   * @return this
   */
  public RunOptions cancel(Cancel cancel) {
    putHandle("cancel", cancel, Native::optionsSetCancel);
    this.cancel = cancel;
    return this;
  }

  /**
   * Sets what is called on the caller's own thread about every 20 ms; an exception of it ends the run.
   *
   * @param poll what to call
   * @return this
   */
  public RunOptions poll(Runnable poll) {
    Check.notNull(poll, "poll");
    putSetter("poll", poll == INTERRUPTS ? "interrupts" : poll, options -> Native.optionsSetPoll(options, poll));
    this.poll = poll;
    return this;
  }

  /**
   * Records what the run does.
   *
   * @param trace the trace, which gets it
   * @return this
   */
  public RunOptions trace(Trace trace) {
    putHandle("trace", trace, Native::optionsSetTrace);
    this.trace = trace;
    return this;
  }

  /** What ends a run whose thread is interrupted; the thread stays interrupted. */
  static final Runnable INTERRUPTS =
      () -> {
        if (Thread.currentThread().isInterrupted()) {
          throw new WeftException(ErrorCode.CANCELLED, "the thread was interrupted");
        }
      };

  /**
   * Ends the run with {@link WeftException.Cancelled} when its thread is interrupted; the thread stays interrupted. This
   * takes the place of {@link #poll}.
   *
   * @return this
   */
  public RunOptions interruptible() {
    return poll(INTERRUPTS);
  }

  Cancel cancelFlag() {
    return cancel;
  }

  RunOptions copy() {
    RunOptions copy = new RunOptions();
    if (timeout != null) copy.timeout(timeout);
    if (cancel != null) copy.cancel(cancel);
    if (trace != null) copy.trace(trace);
    if (poll != null) copy.poll(poll);
    return copy;
  }

  private Duration timeout;
  private Cancel cancel;
  private Trace trace;
  private Runnable poll;
}
