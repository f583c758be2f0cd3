// The side of a contender that is a program of Java: it says what it computes, and then makes as many calls as it is told to,
// when it is told to. benchmarks/beside/programs.py says how it is started and what it answers.
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;

final class Child {
  // As in child.py.
  private static final double SAMPLE_SECONDS = 40e-3;
  private static final double WARM_UP_SECONDS = 3e-3;
  // What the compiler of the virtual machine needs to be done with a call.
  private static final double COMPILE_SECONDS = 1;

  interface Call {
    void run() throws Exception;
  }

  private static final OperatingSystemMXBean SYSTEM =
      (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

  private final Call call;

  private Child(Call call) {
    this.call = call;
  }

  /** Fresh memory with the bytes of a file of the problem's folder. */
  static ByteBuffer read(Path folder, String name) throws IOException {
    byte[] bytes = Files.readAllBytes(folder.resolve(name));
    return ByteBuffer.allocateDirect(bytes.length).order(ByteOrder.nativeOrder()).put(bytes).flip();
  }

  static float[] numbers(FloatBuffer from) {
    float[] values = new float[from.remaining()];
    from.duplicate().get(values);
    return values;
  }

  /** Answers until there is nothing more to be told. */
  static void serve(String version, float[] results, Call call) throws Exception {
    Child child = new Child(call);
    child.callsIn(COMPILE_SECONDS);
    long calls = Math.max(1, child.callsIn(SAMPLE_SECONDS));
    long warmUp = child.callsIn(WARM_UP_SECONDS); // none where a call takes longer
    System.out.printf("{\"version\": \"%s\", \"results\": %s}%n", version, Arrays.toString(results));
    for (int asked; (asked = System.in.read()) >= 0; ) {
      if (asked == '\n') child.sample(warmUp, calls);
    }
  }

  private double timeOf(long calls) throws Exception {
    long begin = System.nanoTime();
    for (long i = 0; i < calls; ++i) call.run();
    return (System.nanoTime() - begin) * 1e-9;
  }

  // Twice as many calls until they take that long: the first ones are slower than the rest.
  private long callsIn(double seconds) throws Exception {
    long calls = 1;
    double spent;
    while ((spent = timeOf(calls)) < seconds) calls *= 2;
    return Math.round(calls * seconds / spent);
  }

  private void sample(long warmUp, long calls) throws Exception {
    timeOf(warmUp);
    long busy = SYSTEM.getProcessCpuTime();
    double seconds = timeOf(calls);
    busy = SYSTEM.getProcessCpuTime() - busy;
    System.out.printf(
        Locale.ROOT, "{\"seconds\": %.9g, \"processor_seconds\": %.9g}%n", seconds / calls, busy * 1e-9 / calls);
  }
}
