// Runs made ready.
package io.weft;

import java.lang.ref.Reference;

/**
 * A run made ready to be called often: inputs and outputs are bound by index. One thread at a time may use it; make one
 * for each thread.
 */
public final class Prepared extends Handle {
  private final Session session; // which the collector would close

  Prepared(Session session, long pointer) {
    super(pointer, Native::preparedFree);
    this.session = session;
  }

  @Override
  String what() {
    return "prepared run";
  }

  /**
   * Binds a tensor to an input: every run reads its elements, which may be changed between runs. It may lie on the
   * session's device, where what writes to it must be done when the run begins.
   *
   * @param i the index of the feed
   * @param tensor the tensor
   */
  public void bindInput(int i, Tensor tensor) {
    long pointer = acquire(tensor, "tensor");
    try {
      long prepared = acquire();
      try {
        Native.preparedBindInput(prepared, i, pointer);
      } finally {
        release();
      }
    } finally {
      tensor.release();
    }
  }

  /**
   * Binds a tensor to an output: every run writes there. It may lie on the session's device, where what else reads or
   * writes its memory must be done when the run begins.
   *
   * @param i the index of the fetch
   * @param tensor the tensor; null unbinds: each run then gives a tensor that nobody else holds
   */
  public void bindOutput(int i, Tensor tensor) {
    long pointer = tensor == null ? 0 : tensor.acquire();
    try {
      long prepared = acquire();
      try {
        Native.preparedBindOutput(prepared, i, pointer);
      } finally {
        release();
      }
    } finally {
      if (tensor != null) tensor.release();
    }
  }

  /** Runs. */
  public void run() {
    long prepared = acquire();
    try {
      Native.preparedRun(prepared, 0);
    } finally {
      release();
      Reference.reachabilityFence(session);
    }
  }

  /**
   * Runs.
   *
   * @param options timeout, cancellation and trace
   */
  public void run(RunOptions options) {
    long prepared = acquire();
    try {
      long settings = Settings.open(options);
      try {
        Native.preparedRun(prepared, settings);
      } finally {
        Settings.free(settings);
      }
    } finally {
      release();
      Reference.reachabilityFence(session);
    }
  }

  /**
   * What the last run computed.
   *
   * @param i the index of the fetch
   * @return the tensor, a new object for it
   */
  public Tensor output(int i) {
    long prepared = acquire();
    try {
      return new Tensor(Native.preparedOutput(prepared, i));
    } finally {
      release();
    }
  }
}
