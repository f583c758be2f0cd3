// Training steps.
package io.weft;

import java.util.List;

/** How variables are trained. {@link #minimize} adds the training step to a graph. */
public final class Optimizer extends Settings {
  private final String kind;
  private Value schedule;

  private Optimizer(String kind) {
    super("optimizer");
    this.kind = kind;
  }

  /**
   * Plain gradient descent.
   *
   * @return an optimizer with a learning rate of 0.001
   */
  public static Optimizer sgd() {
    return new Optimizer("Sgd");
  }

  /**
   * Gradient descent with momentum.
   *
   * @return an optimizer with a learning rate of 0.001 and a momentum of 0.9
   */
  public static Optimizer momentum() {
    return new Optimizer("Momentum");
  }

  /**
   * Adam (Kingma and Ba, 2015).
   *
   * @return an optimizer with a learning rate of 0.001
   */
  public static Optimizer adam() {
    return new Optimizer("Adam");
  }

  /**
   * Adam with decoupled weight decay (Loshchilov and Hutter, 2019).
   *
   * @return an optimizer with a learning rate of 0.001 and a weight decay of 0.01
   */
  public static Optimizer adamW() {
    return new Optimizer("AdamW");
  }

  private Optimizer with(String key, double value) {
    put(key, value);
    return this;
  }

  /**
   * Sets the learning rate.
   *
   * @param rate the rate; 0.001 by default
   * @return this
   */
  public Optimizer learningRate(double rate) {
    return with("learning_rate", rate);
  }

  /**
   * Takes the learning rate from the graph, such as a schedule over {@link Graph#optimizerStep()}.
   *
   * @param rate a scalar
   * @return this
   */
  public Optimizer learningRate(Value rate) {
    schedule = Check.notNull(rate, "rate");
    return this;
  }

  /**
   * Sets the momentum of {@link #momentum()}.
   *
   * @param momentum the share of the last step that is kept; 0.9 by default
   * @return this
   */
  public Optimizer momentum(double momentum) {
    return with("momentum", momentum);
  }

  /**
   * Looks ahead in the direction of the momentum.
   *
   * @param nesterov whether to
   * @return this
   */
  public Optimizer nesterov(boolean nesterov) {
    put("nesterov", nesterov);
    return this;
  }

  /**
   * Leaves rows of a variable that is only looked up (an embedding), and their state, as they are in steps that do not
   * look them up.
   *
   * @param lazy whether to
   * @return this
   */
  public Optimizer lazy(boolean lazy) {
    put("lazy", lazy);
    return this;
  }

  /**
   * Sets the decay of Adam's average of gradients.
   *
   * @param beta the decay; 0.9 by default
   * @return this
   */
  public Optimizer beta1(double beta) {
    return with("beta1", beta);
  }

  /**
   * Sets the decay of Adam's average of squared gradients.
   *
   * @param beta the decay; 0.999 by default
   * @return this
   */
  public Optimizer beta2(double beta) {
    return with("beta2", beta);
  }

  /**
   * Sets what Adam adds to a divisor.
   *
   * @param epsilon a small number; 1e-8 by default
   * @return this
   */
  public Optimizer epsilon(double epsilon) {
    return with("epsilon", epsilon);
  }

  /**
   * Sets the weight decay.
   *
   * @param decay the factor of the variable in what is added to the gradient (0 by default); of AdamW the share of the
   *     variable that a step takes away, times the learning rate (0.01)
   * @return this
   */
  public Optimizer weightDecay(double decay) {
    return with("weight_decay", decay);
  }

  /**
   * Limits the length of all gradients together.
   *
   * @param norm the most; 0, the default, for no limit
   * @return this
   */
  public Optimizer clipNorm(double norm) {
    return with("clip_norm", norm);
  }

  /**
   * Names the optimizer: its state is kept in the variables "name/step" and "name/variable/...".
   *
   * @param name the name; "optimizer" by default. A second optimizer of a graph needs another
   * @return this
   */
  public Optimizer name(String name) {
    put("name", Check.notNull(name, "name"));
    return this;
  }

  /**
   * Kind and settings.
   *
   * @return such as "Adam {learning_rate=0.1}"
   */
  @Override
  public String toString() {
    return super.toString().replaceFirst("Optimizer", kind);
  }

  /**
   * Adds one training step that makes a loss smaller: gradients, clipping, updates. All trainable variables on which the
   * loss depends are trained.
   *
   * @param loss a scalar
   * @return the step: run it as a target, or fetch it for the number of the step
   */
  public Value minimize(Value loss) {
    return minimize(loss, List.of());
  }

  /**
   * Adds one training step that makes a loss smaller: gradients, clipping, updates.
   *
   * @param loss a scalar
   * @param variables what is trained; without any, all trainable variables on which the loss depends
   * @return the step: run it as a target, or fetch it for the number of the step
   */
  public Value minimize(Value loss, List<Value> variables) {
    Graph graph = Check.notNull(loss, "loss").graph();
    long[] trained = graph.ids(variables, "variables", false);
    long rate = schedule == null ? 0 : graph.id(schedule, "the learning rate");
    long settings = open();
    try {
      return graph.with(
          pointer ->
              graph.value(
                  Native.optimizerAdd(pointer, kind, settings, loss.id(), trained, rate, Origin.here())));
    } finally {
      Settings.free(settings);
    }
  }
}
