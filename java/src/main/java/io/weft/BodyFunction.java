// A function of the program that builds the body of a node.
package io.weft;

import java.util.List;

/**
 * Builds the body of a node of an {@link Operator}. It is called when a node is added, loaded, differentiated and made ready
 * to run, several times for one node, on the thread that does it or on several at once. What it builds must depend on the
 * types, shapes and attributes alone, and be built in the graph that it gets, of the values that it gets; it may use other
 * operators of the program, but not its own. It must not wait for another thread that uses a graph which was there before, as
 * that one waits for whoever needs the body.
 */
@FunctionalInterface
public interface BodyFunction {
  /**
   * Builds a body.
   *
   * @param graph where to build; it is closed when this method has ended
   * @param inputs every input of the operator, null for one that the node has not; of a variadic one as many as it has
   * @param attrs the attributes of the node, with their defaults
   * @return the outputs, at least as many as the node has
   * @throws Exception anything; the call that needed the body then fails with a {@link WeftException} that names the node
   *     and has it as its cause
   */
  List<Value> build(Graph graph, List<Value> inputs, Attrs attrs) throws Exception;
}
