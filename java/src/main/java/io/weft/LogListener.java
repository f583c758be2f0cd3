// Where the library's log lines go.
package io.weft;

import java.util.List;

/** Gets the library's log lines, on any thread; it must not call Weft. */
@FunctionalInterface
public interface LogListener {
  /** The levels of lines, by the number that the library has for them. */
  List<System.Logger.Level> LEVELS =
      List.of(
          System.Logger.Level.DEBUG, System.Logger.Level.INFO, System.Logger.Level.WARNING, System.Logger.Level.ERROR);

  /**
   * Takes a line.
   *
   * @param level how important it is
   * @param text the line
   */
  void log(System.Logger.Level level, String text);
}
