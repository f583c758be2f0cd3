// Showing how a training goes.
package io.weft;

import java.io.Console;
import java.io.PrintWriter;
import java.lang.reflect.InvocationTargetException;
import java.util.Locale;
import java.util.Map;

/** Listeners that show how a training goes, for {@link FitOptions#listener}. */
public final class Progress {
  private static final int WIDTH = 20;
  private static final long PAUSE_NS = 50_000_000; // between two pictures of one line

  private Progress() {}

  /**
   * Shows a training on the terminal: a line for every epoch, which follows its batches. Without a terminal, such as when
   * the output goes into a file, it is silent.
   *
   * @return the listener, which lets the training go on
   */
  public static FitListener console() {
    Console console = System.console();
    return console == null || !isTerminal(console) ? event -> FitListener.Action.CONTINUE : on(console.writer());
  }

  // From JDK 22 on there is a console without a terminal, too.
  private static boolean isTerminal(Console console) {
    try {
      return (boolean) Console.class.getMethod("isTerminal").invoke(console);
    } catch (NoSuchMethodException older) {
      return true;
    } catch (IllegalAccessException | InvocationTargetException e) {
      return false;
    }
  }

  /**
   * Shows a training as {@link #console} does, elsewhere: a line is drawn anew after a carriage return.
   *
   * @param out where to
   * @return the listener, which lets the training go on
   */
  public static FitListener on(PrintWriter out) {
    Check.notNull(out, "out");
    return new FitListener() {
      private long drawn = System.nanoTime() - PAUSE_NS;
      private int length;

      @Override
      public Action onEvent(FitEvent event) {
        boolean end = event.kind() == FitEvent.Kind.EPOCH;
        long now = System.nanoTime();
        if (!end && now - drawn < PAUSE_NS) return Action.CONTINUE;
        drawn = now;
        String line = end ? line(event, "") : line(event, bar(event.batch() + 1, event.batchCount()));
        out.print("\r" + line + " ".repeat(Math.max(0, length - line.length())));
        length = end ? 0 : line.length();
        if (end) out.println();
        out.flush();
        return Action.CONTINUE;
      }
    };
  }

  private static String bar(long done, long all) {
    if (all < 0) return "  " + done; // a function gives the batches, and how many is not known yet
    int full = (int) (done * WIDTH / Math.max(1, all));
    return "  [" + "#".repeat(full) + ".".repeat(WIDTH - full) + "] " + done + "/" + all;
  }

  /** What a line says of an event, such as "epoch  1  loss 0.123456". */
  static String line(FitEvent event, String bar) {
    StringBuilder line = new StringBuilder(String.format(Locale.ROOT, "epoch %2d", event.epoch() + 1)).append(bar);
    for (Map.Entry<String, Double> metric : event.metrics().entrySet()) {
      line.append(String.format(Locale.ROOT, "  %s %.6f", metric.getKey(), metric.getValue()));
    }
    return line.toString();
  }
}
