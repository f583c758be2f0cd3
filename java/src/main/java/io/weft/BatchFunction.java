// A function of the program that gives the batches of a dataset.
package io.weft;

import java.util.Iterator;
import java.util.List;

/**
 * Gives the batches of a dataset, pass by pass, as {@link Dataset#fromFunction} says. It and its iterators are called on
 * the thread that wants a batch, between the runs of fit: they may run, save and close the session.
 */
@FunctionalInterface
public interface BatchFunction {
  /**
   * Begins a pass. Several threads may do so at once.
   *
   * @param epoch the number of the pass, from 0
   * @return the batches. The tensors of each come in the order of the dataset's names, and the runtime closes them; an
   *     iterator that is {@link AutoCloseable} is closed when its pass ends.
   * @throws Exception anything; the call that wants the batches then fails with a {@link WeftException} that has it as
   *     its cause, as it does when the iterator throws
   */
  Iterator<? extends List<Tensor>> begin(long epoch) throws Exception;
}
