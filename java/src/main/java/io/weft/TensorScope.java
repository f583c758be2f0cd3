// Closing many tensors at once.
package io.weft;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Closes every tensor that its thread made while it was the innermost open scope, those of results and batches among
 * them. {@link Weft#scope} opens one, for try-with-resources. Nothing else is closed: no graph, session or dataset, and no
 * tensor that another thread made.
 */
public final class TensorScope implements AutoCloseable {
  private static final ThreadLocal<TensorScope> INNERMOST = new ThreadLocal<>();

  private final Thread thread = Thread.currentThread();
  private final TensorScope outer = INNERMOST.get();
  private final Set<Tensor> made = ConcurrentHashMap.newKeySet();
  private boolean open = true;

  TensorScope() {
    INNERMOST.set(this);
  }

  /** The scope to which a new tensor belongs; null if there is none. */
  static TensorScope enter(Tensor tensor) {
    TensorScope scope = INNERMOST.get();
    if (scope != null) scope.made.add(tensor);
    return scope;
  }

  /** Lets go of a tensor that is closed. */
  void forget(Tensor tensor) {
    made.remove(tensor);
  }

  /**
   * Lifts a tensor out: it then belongs to the scope around this one or, if there is none, to the caller.
   *
   * @param tensor a tensor
   * @return the tensor
   */
  public Tensor keep(Tensor tensor) {
    check();
    Check.notNull(tensor, "tensor");
    if (!open) throw new IllegalStateException("the scope is closed");
    tensor.acquire();
    try {
      if (made.remove(tensor)) tensor.moveTo(outer);
    } finally {
      tensor.release();
    }
    return tensor;
  }

  /** Takes a tensor of an inner scope. */
  void take(Tensor tensor) {
    made.add(tensor);
  }

  private void check() {
    if (thread != Thread.currentThread()) {
      throw new IllegalStateException("the scope belongs to the thread " + thread.getName());
    }
  }

  /** Closes the tensors that are left, and scopes inside that are still open. Closing again does nothing. */
  @Override
  public void close() {
    check();
    if (!open) return;
    for (TensorScope scope = INNERMOST.get(); ; scope = scope.outer) {
      scope.open = false;
      for (Tensor tensor : scope.made) tensor.close();
      if (scope == this) break;
    }
    if (outer == null) {
      INNERMOST.remove();
    } else {
      INNERMOST.set(outer);
    }
  }

  /**
   * What it will close.
   *
   * @return such as "scope of 3 tensors"
   */
  @Override
  public String toString() {
    return open ? "scope of " + made.size() + " tensors" : "closed scope";
  }
}
