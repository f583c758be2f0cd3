// A function of the program that a node of a graph calls.
package io.weft;

import java.util.List;

/**
 * A function that nodes of the operator weft.HostCall call, on the thread that called run. It must not run a session of
 * the same variables.
 */
@FunctionalInterface
public interface HostFunction {
  /**
   * Computes the outputs of one node.
   *
   * @param inputs the node's inputs; they are read-only, and closed when this method has ended
   * @return the node's outputs, which the runtime closes
   * @throws Exception anything; the run then fails with a {@link WeftException} that has it as its cause
   */
  List<Tensor> call(List<Tensor> inputs) throws Exception;
}
