// How a session runs.
package io.weft;

import java.nio.file.Path;

/** How a session runs. */
public final class SessionOptions extends Settings {
  /** Makes the defaults. */
  public SessionOptions() {
    super("session");
  }

  /**
   * Limits the threads of a run. Results do not depend on it.
   *
   * @param threads the most threads; 0, the default, for all
   * @return this
   */
  public SessionOptions threads(int threads) {
    put("threads", threads);
    return this;
  }

  /**
   * Limits for how many shapes of inputs plans are kept ready.
   *
   * @param plans the most plans for each set of fed and fetched values; 64 by default
   * @return this
   */
  public SessionOptions maxPlans(int plans) {
    put("max_plans", plans);
    return this;
  }

  /**
   * Lets threads wait busily for the next run.
   *
   * @param microseconds how long, 0 to 50; 0 by default
   * @return this
   */
  public SessionOptions spinAfterRunUs(int microseconds) {
    put("spin_after_run_us", microseconds);
    return this;
  }

  /**
   * Chooses plain kernels, to compare with.
   *
   * @param plain whether to use plain kernels only
   * @return this
   */
  public SessionOptions referenceKernels(boolean plain) {
    put("reference_kernels", plain);
    return this;
  }

  /**
   * Switches a pass over the graph off.
   *
   * @param pass its name; "*" for all
   * @return this
   */
  public SessionOptions disablePass(String pass) {
    add("disable_pass", pass);
    return this;
  }

  /**
   * Chooses what large constant matrices of f32 are kept as that others are multiplied by. "bf16" halves what is read for a few
   * rows; products are still computed in f32. Variables stay as they are.
   *
   * @param dtype "f32", the default, or "bf16"
   * @return this
   */
  public SessionOptions weightDtype(String dtype) {
    put("weight_dtype", dtype);
    return this;
  }

  /**
   * Uses the variables of another session.
   *
   * @param session the session, of the same graph; it must stay open until the new one is made
   * @return this
   */
  public SessionOptions share(Session session) {
    share = Check.notNull(session, "session");
    return this;
  }

  /**
   * Chooses the device. It runs the operators that it has kernels for, and the CPU the others.
   *
   * @param name one of {@link Weft#devices}; "cpu" by default
   * @return this
   */
  public SessionOptions device(String name) {
    put("device", name);
    return this;
  }

  /**
   * Chooses whether an operator that the device has no kernel for is an error, instead of running on the CPU.
   *
   * @param only whether it is {@link ErrorCode#UNIMPLEMENTED}; not by default
   * @return this
   */
  public SessionOptions deviceOnly(boolean only) {
    put("device_only", only);
    return this;
  }

  /**
   * Chooses whether what is fetched stays on the device, where it can be fed again; {@link Tensor#to} copies it.
   *
   * @param stay whether it stays there; not by default
   * @return this
   */
  public SessionOptions deviceOutputs(boolean stay) {
    put("device_outputs", stay);
    return this;
  }

  /**
   * Keeps large constant weights as kernels read them in a folder, from which the next session or process maps them, so that
   * it needs neither to read nor to pack the originals. Any number of processes may share the folder, and it may be emptied
   * at any time; whoever writes to it decides what runs compute.
   *
   * @param folder the folder, made if there is none; no such folder by default
   * @return this
   */
  public SessionOptions weightCache(Path folder) {
    put("weight_cache", Check.notNull(folder, "folder").toString());
    return this;
  }

  private Session share;

  Session shared() {
    return share;
  }
}
