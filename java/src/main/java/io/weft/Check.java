// Checks of arguments, with messages that name them.
package io.weft;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

final class Check {
  private Check() {}

  static <T> T notNull(T value, String name) {
    if (value == null) throw new NullPointerException(name + " is null");
    return value;
  }

  /** The value as one of the type that it should have; what generics are for, but raw types go past. */
  static <T> T type(Object value, Class<T> type, String name) {
    argument(
        type.isInstance(notNull(value, name)),
        name + " must be a " + type.getSimpleName() + " but is of class " + value.getClass().getName());
    return type.cast(value);
  }

  /** A copy of a list in which nothing is null. */
  static <T> List<T> items(Collection<? extends T> values, String name) {
    List<T> copy = new ArrayList<>(notNull(values, name));
    for (int i = 0; i < copy.size(); ++i) {
      if (copy.get(i) == null) throw new NullPointerException(name + "[" + i + "] is null");
    }
    return copy;
  }

  static void argument(boolean fine, String message) {
    if (!fine) throw new IllegalArgumentException(message);
  }
}
