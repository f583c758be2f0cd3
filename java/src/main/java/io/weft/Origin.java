// The line of the user's program that called.
package io.weft;

final class Origin {
  private static final StackWalker WALKER = StackWalker.getInstance();
  private static final String PREFIX = "io.weft.";

  private Origin() {}

  /** The nearest frame outside this package, as "Train.java:41"; "" if there is none. */
  static String here() {
    return WALKER.walk(
        frames ->
            frames
                .filter(frame -> !ours(frame.getClassName()))
                .findFirst()
                .map(Origin::line)
                .orElse(""));
  }

  private static String line(StackWalker.StackFrame frame) {
    String file = frame.getFileName() == null ? frame.getClassName() : frame.getFileName();
    return file + ":" + frame.getLineNumber();
  }

  private static boolean ours(String name) {
    boolean weft = name.startsWith(PREFIX) && name.indexOf('.', PREFIX.length()) < 0;
    return weft || name.startsWith("java.");
  }
}
